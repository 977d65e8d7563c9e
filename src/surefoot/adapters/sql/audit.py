"""The AuditRepository port."""

from collections.abc import Sequence
from functools import cache

from sqlalchemy import Executable, bindparam, insert, null, select, update

from surefoot.adapters.sql.exclusion import exclude
from surefoot.adapters.sql.schema.audit import audit_rows
from surefoot.adapters.sql.schema.columns import TENANT, one_of
from surefoot.adapters.sql.transaction import Transaction
from surefoot.domain.audit import AuditRow
from surefoot.domain.identity import TenantId

_ROW = tuple(column for column in audit_rows.c if column.name != "tenant_id")
_HEAD = select(*_ROW).where(audit_rows.c.tenant_id == TENANT).order_by(audit_rows.c.seq.desc()).limit(1)
_PAGE = (
    select(*_ROW)
    .where(audit_rows.c.tenant_id == TENANT, audit_rows.c.seq > bindparam("after"))
    .order_by(audit_rows.c.seq)
    .limit(bindparam("most"))
)
_ERASE = (
    update(audit_rows)
    .where(audit_rows.c.tenant_id == TENANT, audit_rows.c.seq == bindparam("place"), audit_rows.c.details.is_not(None))
    .values(details=null())
)


@cache
def _about(dialect: str) -> Executable:
    wanted = one_of(audit_rows.c.subject, "subjects", dialect)
    return select(*_ROW).where(audit_rows.c.tenant_id == TENANT, wanted)


class SqlAudit:
    """The chain's rows by place."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def head(self, tenant: TenantId) -> AuditRow | None:
        # Only a writer may read the head, for what a reader sees is out of date by the time it appends.
        with self._transaction.write() as connection:
            exclude(connection, [("audit", tenant)])
            row = connection.execute(_HEAD, {"tenant": tenant}).one_or_none()
        return None if row is None else AuditRow(*row)

    def append(self, tenant: TenantId, row: AuditRow) -> None:
        values = {column.name: getattr(row, column.name) for column in _ROW}
        values["details"] = None if row.details is None else dict(row.details)
        with self._transaction.write() as connection:
            connection.execute(insert(audit_rows), {"tenant_id": tenant, **values})

    def page(self, tenant: TenantId, *, after: int, limit: int) -> list[AuditRow]:
        values = {"tenant": tenant, "after": after, "most": max(0, limit)}
        return [AuditRow(*row) for row in self._transaction.read().execute(_PAGE, values)]

    def about(self, tenant: TenantId, subjects: Sequence[str]) -> list[AuditRow]:
        values = {"tenant": tenant, "subjects": list(subjects)}
        rows = self._transaction.read().execute(_about(self._transaction.dialect), values)
        # Ordered here: asked for an order, SQLite reads the whole chain by the index that has it.
        return sorted((AuditRow(*row) for row in rows), key=lambda row: row.seq)

    def erase_details(self, tenant: TenantId, seq: int) -> bool:
        with self._transaction.write() as connection:
            return connection.execute(_ERASE, {"tenant": tenant, "place": seq}).rowcount == 1
