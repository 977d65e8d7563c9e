"""The FeedbackRepository and SampleRepository ports in memory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from surefoot.adapters.memory.json_copy import json_copy
from surefoot.adapters.memory.tables import Transaction
from surefoot.core.errors import Conflict
from surefoot.domain.feedback import Feedback, LiveSample
from surefoot.domain.identity import TenantId


class MemoryFeedback:
    """Viewers' words by reply."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def put(self, tenant: TenantId, feedback: Feedback) -> None:
        with self._transaction.write():
            self._transaction.table(tenant, "feedback")[feedback.reply_id] = feedback

    def of(self, tenant: TenantId, replies: Sequence[str]) -> list[Feedback]:
        words = self._transaction.read(tenant).feedback
        return [words[reply] for reply in sorted(set(replies)) if reply in words]


class MemorySamples:
    """Live samples by reply."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def add(self, tenant: TenantId, sample: LiveSample) -> None:
        with self._transaction.write():
            samples = self._transaction.table(tenant, "live_samples")
            if sample.reply_id in samples:
                raise Conflict
            samples[sample.reply_id] = replace(sample, record=json_copy(sample.record))

    def page(self, tenant: TenantId, *, since: datetime, now: datetime, after: str, limit: int) -> list[LiveSample]:
        samples = self._transaction.read(tenant).live_samples
        wanted = (each for each in samples.values() if each.asked_at >= since and each.keep_until > now and each.reply_id > after)
        return sorted(wanted, key=lambda each: each.reply_id)[: max(0, limit)]

    def forget(self, tenant: TenantId, viewer_hash: str) -> int:
        return self._drop(tenant, [s.reply_id for s in self._all(tenant) if s.viewer_hash == viewer_hash])

    def sweep(self, tenant: TenantId, *, now: datetime, limit: int) -> int:
        over = sorted((s.keep_until, s.reply_id) for s in self._all(tenant) if s.keep_until <= now)
        return self._drop(tenant, [reply for _, reply in over[: max(0, limit)]])

    def _all(self, tenant: TenantId) -> list[LiveSample]:
        return list(self._transaction.read(tenant).live_samples.values())

    def _drop(self, tenant: TenantId, replies: list[str]) -> int:
        if replies:
            with self._transaction.write():
                for reply in replies:
                    self._transaction.table(tenant, "live_samples").pop(reply, None)
        return len(replies)
