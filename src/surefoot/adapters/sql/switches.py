"""Per action: whether a person switched it off, and how far the agent may go by itself; and who is reviewing that."""

from datetime import datetime
from functools import cache

from sqlalchemy import Executable, Table, bindparam, or_, select, true, update

from surefoot.adapters.sql.schema.columns import TENANT, UtcDateTime
from surefoot.adapters.sql.schema.runs import autonomy, reviews, switches
from surefoot.adapters.sql.transaction import Transaction
from surefoot.adapters.sql.upsert import inserting
from surefoot.domain.actions import AutonomyLevel, Env
from surefoot.domain.identity import TenantId

_ALL = "*"
# The action's own reason comes before that of all.
_OFF = (
    select(switches.c.reason)
    .where(
        switches.c.tenant_id == TENANT,
        switches.c.env == bindparam("env"),
        or_(switches.c.action == bindparam("action"), switches.c.action == _ALL),
        switches.c.is_off == true(),
    )
    .order_by(switches.c.action == _ALL)
    .limit(1)
)
_LEVEL = select(autonomy.c.level).where(autonomy.c.tenant_id == TENANT, autonomy.c.action == bindparam("action"))
_END_REVIEW = (
    update(reviews)
    .where(reviews.c.tenant_id == TENANT, reviews.c.owner == bindparam("worker"))
    .values(due_at=bindparam("due", type_=UtcDateTime()), owner=None, leased_until=None)
)


@cache
def _lease_review(dialect: str) -> Executable:
    """The first review is due at once; a later one when its time has come and nobody is at it."""
    now = bindparam("now", type_=UtcDateTime())
    new = inserting(reviews, dialect).values(
        tenant_id=TENANT, due_at=now, owner=bindparam("worker"), leased_until=bindparam("until", type_=UtcDateTime())
    )
    is_free = or_(reviews.c.leased_until.is_(None), reviews.c.leased_until <= now)
    return new.on_conflict_do_update(
        index_elements=["tenant_id"],
        set_={"owner": new.excluded.owner, "leased_until": new.excluded.leased_until},
        where=(reviews.c.due_at <= now) & is_free,
    ).returning(reviews.c.owner)


@cache
def _put(table: Table, dialect: str) -> Executable:
    new = inserting(table, dialect)
    keys = [column.name for column in table.primary_key]
    put = {column.name: new.excluded[column.name] for column in table.c if column.name not in keys}
    return new.on_conflict_do_update(index_elements=keys, set_=put)


class SqlSwitches:
    """Kill switches and levels of autonomy."""

    _transaction: Transaction

    def set_switch(self, tenant: TenantId, env: Env, action: str, *, off: bool, by: str, reason: str, now: datetime) -> None:
        row = {
            "tenant_id": tenant,
            "env": env.value,
            "action": action,
            "is_off": off,
            "by": by,
            "reason": reason,
            "at": now,
        }
        with self._transaction.write() as connection:
            connection.execute(_put(switches, self._transaction.dialect), row)

    def switched_off(self, tenant: TenantId, env: Env, action: str) -> str | None:
        values = {"tenant": tenant, "env": env.value, "action": action}
        return self._transaction.read().execute(_OFF, values).scalar_one_or_none()

    def set_autonomy(self, tenant: TenantId, action: str, level: AutonomyLevel, *, reason: str, now: datetime) -> None:
        row = {"tenant_id": tenant, "action": action, "level": level.value, "reason": reason, "at": now}
        with self._transaction.write() as connection:
            connection.execute(_put(autonomy, self._transaction.dialect), row)

    def autonomy(self, tenant: TenantId, action: str) -> AutonomyLevel | None:
        level = self._transaction.read().execute(_LEVEL, {"tenant": tenant, "action": action}).scalar_one_or_none()
        return None if level is None else AutonomyLevel(level)

    def lease_review(self, tenant: TenantId, owner: str, *, now: datetime, until: datetime) -> bool:
        with self._transaction.write() as connection:
            values = {"tenant": tenant, "worker": owner, "now": now, "until": until}
            return connection.execute(_lease_review(self._transaction.dialect), values).one_or_none() is not None

    def end_review(self, tenant: TenantId, owner: str, *, due_at: datetime) -> None:
        with self._transaction.write() as connection:
            connection.execute(_END_REVIEW, {"tenant": tenant, "worker": owner, "due": due_at})
