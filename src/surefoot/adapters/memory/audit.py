"""The AuditRepository port in memory."""

from collections.abc import Sequence
from dataclasses import replace

from surefoot.adapters.memory.json_copy import json_copy
from surefoot.adapters.memory.tables import Transaction
from surefoot.core.errors import Conflict
from surefoot.domain.audit import AuditRow
from surefoot.domain.identity import TenantId


class MemoryAudit:
    """The chain's rows by place."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def head(self, tenant: TenantId) -> AuditRow | None:
        # Only the writer may read the head, for what a reader sees is out of date by the time it appends.
        with self._transaction.write():
            rows = self._transaction.read(tenant).audit
            return rows[max(rows)] if rows else None

    def append(self, tenant: TenantId, row: AuditRow) -> None:
        with self._transaction.write():
            rows = self._transaction.table(tenant, "audit")
            if row.seq in rows or any(each.prev_hash == row.prev_hash for each in rows.values()):
                raise Conflict
            rows[row.seq] = row if row.details is None else replace(row, details=json_copy(row.details))

    def page(self, tenant: TenantId, *, after: int, limit: int) -> list[AuditRow]:
        rows = self._transaction.read(tenant).audit
        return [rows[seq] for seq in sorted(seq for seq in rows if seq > after)[: max(0, limit)]]

    def about(self, tenant: TenantId, subjects: Sequence[str]) -> list[AuditRow]:
        rows = self._transaction.read(tenant).audit
        return [rows[seq] for seq in sorted(rows) if rows[seq].subject in subjects]

    def erase_details(self, tenant: TenantId, seq: int) -> bool:
        with self._transaction.write():
            row = self._transaction.read(tenant).audit.get(seq)
            if row is None or row.details is None:
                return False
            self._transaction.table(tenant, "audit")[seq] = replace(row, details=None)
            return True
