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
            rows[len(rows) + 1] = VerdictRow(verdict)
            return before

    def clear(self, tenant: TenantId, *, now: datetime) -> Verdict | None:
        with self._transaction.write():
            rows = self._transaction.table(tenant, "verdicts")
            before = _standing(rows)
            if before is not None:
                rows[len(rows)] = replace(rows[len(rows)], cleared_at=now)
            return before

    def current(self, tenant: TenantId) -> Verdict | None:
        return _standing(self._transaction.read(tenant).verdicts)

    def history(self, tenant: TenantId, *, limit: int) -> list[Verdict]:
        rows = self._transaction.read(tenant).verdicts
        return [rows[place].verdict for place in sorted(rows, reverse=True)[: max(0, limit)]]

    def all(self) -> Mapping[TenantId, Verdict]:
        standing = {tenant: _standing(tables.verdicts) for tenant, tables in sorted(self._transaction.world().items())}
        return {tenant: verdict for tenant, verdict in standing.items() if verdict is not None}


def _standing(rows: Mapping[int, VerdictRow]) -> Verdict | None:
    last = rows.get(len(rows))
    return None if last is None or last.cleared_at is not None else last.verdict
