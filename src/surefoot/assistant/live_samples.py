"""Replies that are kept to be scored later: only where tenant and viewer agree, without what names anybody, and for a time."""

import logging
import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta

from surefoot.core.clock import Clock
from surefoot.core.errors import SurefootError
from surefoot.core.redaction import redact_personal
from surefoot.domain.answers import Answer, Citation
from surefoot.domain.feedback import LiveSample
from surefoot.domain.identity import TenantId, Viewer, viewer_hash
from surefoot.domain.replies import Reply
from surefoot.governance.retention import in_batches
from surefoot.ports import Store

_log = logging.getLogger("surefoot.samples")

PURPOSE = "quality_improvement"
EVERY_TENANT = "*"
_CLAIM = "consent"
_PAGE = 200
_EVER = datetime.max.replace(tzinfo=UTC)


def has_consented(viewer: Viewer) -> bool:
    """Whether the viewer's token states the purpose in its context: `"consent": "quality_improvement ..."`. Silence is no."""
    return PURPOSE in re.split(r"[\s,]+", dict(viewer.context).get(_CLAIM, ""))


class LiveSamples:
    """Keeps, gives back and deletes live samples. `tenants` are those that agree, `*` being all. Safe from many threads."""

    def __init__(self, store: Store, clock: Clock, *, tenants: Collection[str], keep_days: int) -> None:
        self._store = store
        self._clock = clock
        self._tenants = frozenset(tenants)
        self._keep = timedelta(days=keep_days)

    def saw(self, viewer: Viewer, reply: Reply) -> None:
        """The reply is kept when tenant and viewer agree. A viewer who does not agree (any more) has no samples from now on.

        A reply that was given never fails for this.
        """
        if not self._agrees(viewer.tenant):
            return
        try:
            with self._store.begin() as work:
                if has_consented(viewer):
                    work.samples.add(viewer.tenant, self._sample(viewer, reply))
                else:
                    work.samples.forget(viewer.tenant, viewer_hash(viewer))
                work.commit()
        except SurefootError as error:
            _log.warning("a live sample was not kept, or not forgotten: %s", error.code)

    def read(self, tenant: TenantId, since: datetime) -> Iterator[LiveSample]:
        """Every sample since then that may still be kept, oldest first; none when the tenant does not agree."""
        now, after = self._clock.now(), ""
        while self._agrees(tenant):
            with self._store.begin() as work:
                page = work.samples.page(tenant, since=max(since, now - self._keep), now=now, after=after, limit=_PAGE)
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].reply_id

    def sweep(self, tenant: TenantId) -> int:
        """What may not be kept any more is gone, all of it when the tenant does not agree; returns how many went."""
        now = self._clock.now() if self._agrees(tenant) else _EVER
        return in_batches(self._store, lambda work, limit: work.samples.sweep(tenant, now=now, limit=limit))

    def _agrees(self, tenant: TenantId) -> bool:
        return tenant in self._tenants or EVERY_TENANT in self._tenants

    def _sample(self, viewer: Viewer, reply: Reply) -> LiveSample:
        return LiveSample(
            reply_id=reply.reply_id,
            viewer_hash=viewer_hash(viewer),
            asked_at=reply.asked_at,
            keep_until=reply.asked_at + self._keep,
            record=sample_record(reply, viewer.locale),
        )


def sample_record(reply: Reply, locale: str) -> dict[str, object]:
    """The reply as it is kept: the question in its stand-alone form and without personal data, the outcome, and the passages
    it stands on. Offers are left out, because their arguments name people.
    """
    outcome = reply.outcome
    record: dict[str, object] = {
        "question": redact_personal(reply.searched or reply.question),
        "locale": locale,
        "surface": reply.surface,
        "trace_id": reply.trace_id,
        "confidence": outcome.confidence,
        "corpus_version": reply.corpus_version,
        "model": reply.model,
    }
    if isinstance(outcome, Answer):
        claims = [
            {"text": claim.text, "support": claim.support, "citations": [_place(each) for each in claim.citations]}
            for claim in outcome.claims
        ]
        return record | {"outcome": "answer", "reason": None, "tier": outcome.tier.value, "claims": claims, "closest": []}
    closest = [_place(each) for each in outcome.closest]
    return record | {"outcome": "refusal", "reason": outcome.reason.value, "tier": None, "claims": [], "closest": closest}


def _place(citation: Citation) -> dict[str, object]:
    return {
        "chunk_id": citation.chunk_id,
        "document_id": citation.document_id,
        "uri": citation.uri,
        "locale": citation.locale,
        "quote": citation.quote,
        "stale": citation.stale,
    }
