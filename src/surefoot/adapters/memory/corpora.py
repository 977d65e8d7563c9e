"""The CorpusRepository port in memory."""

from dataclasses import replace
from datetime import datetime, timedelta

from surefoot.adapters.memory.tables import Transaction
from surefoot.core.errors import Conflict, WriterBusy
from surefoot.domain.corpora import CorpusState
from surefoot.domain.identity import TenantId


class MemoryCorpora:
    """The published state of each corpus and the lease on writing it."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def state(self, tenant: TenantId) -> CorpusState:
        tables = self._transaction.read(tenant)
        return replace(tables.corpus, acl_epoch=tables.epoch)

    def publish(self, tenant: TenantId, *, expected_generation: int, state: CorpusState) -> None:
        with self._transaction.write():
            current = self._transaction.read(tenant).corpus.generation == expected_generation
            if current:
                self._transaction.change(tenant, corpus=state)
        if not current:
            raise Conflict(f"The corpus of {tenant!r} is not at generation {expected_generation} any more; start again.")

    def lease(self, tenant: TenantId, owner: str, *, now: datetime, ttl_seconds: int) -> None:
        with self._transaction.write():
            held = self._transaction.read(tenant).lease
            free = held is None or held[0] == owner or held[1] <= now
            if free:
                self._transaction.change(tenant, lease=(owner, now + timedelta(seconds=ttl_seconds)))
        if held is not None and not free:
            raise WriterBusy(retry_after_seconds=max(1, round((held[1] - now).total_seconds())))

    def release(self, tenant: TenantId, owner: str) -> None:
        with self._transaction.write():
            held = self._transaction.read(tenant).lease
            if held is not None and held[0] == owner:
                self._transaction.change(tenant, lease=None)
