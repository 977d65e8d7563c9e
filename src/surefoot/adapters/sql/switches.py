"""Per action: whether a person switched it off, and how far the agent may go by itself."""

from datetime import datetime
from functools import cache

from sqlalchemy import Executable, Table, bindparam, or_, select, true

from surefoot.adapters.sql.schema.columns import TENANT
from surefoot.adapters.sql.schema.runs import autonomy, switches
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
