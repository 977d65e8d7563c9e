"""The VerdictRepository port in memory."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from surefoot.adapters.memory.tables import Transaction, VerdictRow
from surefoot.core.errors import Conflict
from surefoot.domain.identity import TenantId
from surefoot.domain.verdicts import Verdict


class MemoryVerdicts:
    """Verdicts in the order in which they were put; the last one stands unless it was cleared."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def put(self, tenant: TenantId, verdict: Verdict, *, now: datetime) -> Verdict | None:
        with self._transaction.write():
            rows = self._transaction.table(tenant, "verdicts")
            before = _standing(rows)
            if any(row.verdict.verdict_id == verdict.verdict_id for row in rows.values()):
                raise Conflict
            rows[_last(rows) + 1] = VerdictRow(verdict, now)
            return before

    def clear(self, tenant: TenantId, *, now: datetime) -> Verdict | None:
        with self._transaction.write():
            rows = self._transaction.table(tenant, "verdicts")
            before = _standing(rows)
            if before is not None:
                rows[_last(rows)] = replace(rows[_last(rows)], cleared_at=now)
            return before

    def current(self, tenant: TenantId) -> Verdict | None:
        return _standing(self._transaction.read(tenant).verdicts)

    def history(self, tenant: TenantId, *, limit: int) -> list[Verdict]:
        rows = self._transaction.read(tenant).verdicts
        return [rows[place].verdict for place in sorted(rows, reverse=True)[: max(0, limit)]]

    def all(self) -> Mapping[TenantId, Verdict]:
        standing = {tenant: _standing(tables.verdicts) for tenant, tables in sorted(self._transaction.world().items())}
        return {tenant: verdict for tenant, verdict in standing.items() if verdict is not None}

    def prune(self, tenant: TenantId, *, before: datetime, limit: int) -> int:
        with self._transaction.write():
            rows = self._transaction.table(tenant, "verdicts")
            newest = max((place for place, row in rows.items() if row.put_at < before), default=0)
            gone = sorted(place for place in rows if place < newest)[: max(0, limit)]
            for place in gone:
                del rows[place]
            return len(gone)


def _last(rows: Mapping[int, VerdictRow]) -> int:
    return max(rows, default=0)


def _standing(rows: Mapping[int, VerdictRow]) -> Verdict | None:
    last = rows.get(_last(rows))
    return None if last is None or last.cleared_at is not None else last.verdict
