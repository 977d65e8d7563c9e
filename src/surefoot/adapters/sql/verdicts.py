"""The VerdictRepository port."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from surefoot.adapters.sql.exclusion import exclude
from surefoot.adapters.sql.schema.columns import TENANT, UtcDateTime
from surefoot.adapters.sql.schema.verdicts import verdicts
from surefoot.adapters.sql.transaction import Transaction
from surefoot.domain.identity import TenantId
from surefoot.domain.verdict_file import verdict_from_json, verdict_to_json
from surefoot.domain.verdicts import Verdict

_OWN = verdicts.c.tenant_id == TENANT
_LAST = select(verdicts.c.place, verdicts.c.cleared_at, verdicts.c.record).where(_OWN).order_by(verdicts.c.place.desc()).limit(1)
_HISTORY = select(verdicts.c.record).where(_OWN).order_by(verdicts.c.place.desc()).limit(bindparam("most"))
_CLEAR = (
    update(verdicts).where(_OWN, verdicts.c.place == bindparam("last")).values(cleared_at=bindparam("now", type_=UtcDateTime()))
)
# Each tenant is the next one after the one before, so that neither database reads every verdict to find those that stand.
_TENANTS = select(func.min(verdicts.c.tenant_id).label("tenant_id")).cte("tenants", recursive=True)
_NEXT = select(func.min(verdicts.c.tenant_id)).where(verdicts.c.tenant_id > _TENANTS.c.tenant_id).scalar_subquery()
_TENANTS = _TENANTS.union_all(select(_NEXT).where(_TENANTS.c.tenant_id.is_not(None)))
_OF_TENANT = verdicts.alias("of_tenant")
_LAST_PLACE = select(func.max(_OF_TENANT.c.place)).where(_OF_TENANT.c.tenant_id == _TENANTS.c.tenant_id).scalar_subquery()
_ALL = (
    select(verdicts.c.tenant_id, verdicts.c.record)
    .select_from(_TENANTS)
    .join(verdicts, (verdicts.c.tenant_id == _TENANTS.c.tenant_id) & (verdicts.c.place == _LAST_PLACE))
    .where(verdicts.c.cleared_at.is_(None))
)
_NEWEST_BEFORE = (
    select(verdicts.c.place)
    .where(_OWN, verdicts.c.put_at < bindparam("before", type_=UtcDateTime()))
    .order_by(verdicts.c.put_at.desc(), verdicts.c.place.desc())
    .limit(1)
)
# A verdict before the newest of those put before some moment was replaced before that moment.
_REPLACED = (
    select(verdicts.c.place)
    .where(_OWN, verdicts.c.place < bindparam("newest"))
    .order_by(verdicts.c.place)
    .limit(bindparam("most"))
)
_PRUNE = delete(verdicts).where(_OWN, verdicts.c.place <= bindparam("last"))


class SqlVerdicts:
    """Verdicts by place; the last one stands unless it was cleared."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def put(self, tenant: TenantId, verdict: Verdict, *, now: datetime) -> Verdict | None:
        with self._transaction.write() as connection:
            last, before = _held(connection, tenant)
            row = {
                "tenant_id": tenant,
                "place": last + 1,
                "verdict_id": verdict.verdict_id,
                "run_id": verdict.run_id,
                "colour": verdict.colour().value,
                "decided_at": verdict.decided_at,
                "put_at": now,
                "record": verdict_to_json(verdict),
            }
            connection.execute(insert(verdicts), row)
        return before

    def clear(self, tenant: TenantId, *, now: datetime) -> Verdict | None:
        with self._transaction.write() as connection:
            last, before = _held(connection, tenant)
            if before is not None:
                connection.execute(_CLEAR, {"tenant": tenant, "last": last, "now": now})
        return before

    def current(self, tenant: TenantId) -> Verdict | None:
        return _standing(self._transaction.read(), tenant)[1]

    def history(self, tenant: TenantId, *, limit: int) -> list[Verdict]:
        rows = self._transaction.read().execute(_HISTORY, {"tenant": tenant, "most": max(0, limit)})
        return [verdict_from_json(record) for record in rows.scalars()]

    def all(self) -> Mapping[TenantId, Verdict]:
        rows = self._transaction.read().execute(_ALL).all()
        return {TenantId(tenant): verdict_from_json(record) for tenant, record in sorted(map(tuple, rows))}

    def prune(self, tenant: TenantId, *, before: datetime, limit: int) -> int:
        reading = self._transaction.read()
        newest = reading.execute(_NEWEST_BEFORE, {"tenant": tenant, "before": before}).scalar_one_or_none() or 0
        found = reading.execute(_REPLACED, {"tenant": tenant, "newest": newest, "most": max(0, limit)}).scalars().all()
        if not found:
            return 0
        with self._transaction.write() as connection:
            return connection.execute(_PRUNE, {"tenant": tenant, "last": found[-1]}).rowcount


def _held(connection: Connection, tenant: TenantId) -> tuple[int, Verdict | None]:
    """The last place and what stands there; nobody else changes the tenant's verdict until this transaction ends."""
    exclude(connection, [("verdict", tenant)])
    return _standing(connection, tenant)


def _standing(connection: Connection, tenant: TenantId) -> tuple[int, Verdict | None]:
    row = connection.execute(_LAST, {"tenant": tenant}).one_or_none()
    if row is None:
        return 0, None
    return row.place, verdict_from_json(row.record) if row.cleared_at is None else None
