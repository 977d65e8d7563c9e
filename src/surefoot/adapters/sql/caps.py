"""What runs take of caps. Who holds one excludes the others of its cap and key, counts, and only then adds its row."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, insert, select, update

from surefoot.adapters.sql.exclusion import exclude
from surefoot.adapters.sql.schema.columns import TENANT, UtcDateTime
from surefoot.adapters.sql.schema.runs import cap_holds
from surefoot.adapters.sql.transaction import Transaction
from surefoot.domain.actions import Env
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import CapHold

_RESERVED, _COMMITTED, _RELEASED = "reserved", "committed", "released"
_USED = select(func.count()).where(
    cap_holds.c.tenant_id == TENANT,
    cap_holds.c.env == bindparam("env"),
    cap_holds.c.cap_id == bindparam("cap"),
    cap_holds.c.key == bindparam("key"),
    cap_holds.c.held_at >= bindparam("since", type_=UtcDateTime()),
    cap_holds.c.state != _RELEASED,
)
_MOVE = (
    update(cap_holds)
    .where(cap_holds.c.tenant_id == TENANT, cap_holds.c.run_id == bindparam("run"), cap_holds.c.state == bindparam("before"))
    .values(state=bindparam("after"))
)


class SqlCaps:
    """Holds by run, cap and key."""

    _transaction: Transaction

    def hold_caps(self, tenant: TenantId, env: Env, run_id: str, holds: Sequence[CapHold], *, now: datetime) -> CapHold | None:
        with self._transaction.write() as connection:
            exclude(connection, [("cap", tenant, env.value, hold.cap_id, hold.key) for hold in holds])
            for hold in holds:
                if _used(connection, tenant, env, hold.cap_id, hold.key, hold.since) >= hold.most:
                    return hold
            for hold in holds:
                row = {
                    "tenant_id": tenant,
                    "run_id": run_id,
                    "cap_id": hold.cap_id,
                    "key": hold.key,
                    "env": env.value,
                    "held_at": now,
                    "state": _RESERVED,
                }
                connection.execute(insert(cap_holds), row)
            return None

    def settle_caps(self, tenant: TenantId, run_id: str, *, committed: bool) -> None:
        self._move(tenant, run_id, _RESERVED, _COMMITTED if committed else _RELEASED)

    def refund_caps(self, tenant: TenantId, run_id: str) -> None:
        self._move(tenant, run_id, _COMMITTED, _RELEASED)

    def cap_used(self, tenant: TenantId, env: Env, cap_id: str, key: str, *, since: datetime) -> int:
        return _used(self._transaction.read(), tenant, env, cap_id, key, since)

    def _move(self, tenant: TenantId, run_id: str, before: str, after: str) -> None:
        with self._transaction.write() as connection:
            connection.execute(_MOVE, {"tenant": tenant, "run": run_id, "before": before, "after": after})


def _used(connection: Connection, tenant: TenantId, env: Env, cap_id: str, key: str, since: datetime) -> int:
    values = {"tenant": tenant, "env": env.value, "cap": cap_id, "key": key, "since": since}
    return connection.execute(_USED, values).scalar_one()
