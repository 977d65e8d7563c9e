"""Which runs wait for a worker, and which worker has which of them."""

from datetime import datetime
from functools import cache

from sqlalchemy import Executable, bindparam, delete, or_, select, update

from surefoot.adapters.sql.schema.columns import TENANT, UtcDateTime
from surefoot.adapters.sql.schema.runs import run_queue
from surefoot.adapters.sql.transaction import Transaction
from surefoot.adapters.sql.upsert import inserting
from surefoot.domain.identity import TenantId

_WAITING = run_queue.alias("waiting")
_NOW = bindparam("now", type_=UtcDateTime())
# PostgreSQL passes over a row that another worker is just taking; SQLite has one writer and leaves the clause out.
_OLDEST = (
    select(_WAITING.c.run_id)
    .where(
        _WAITING.c.tenant_id == TENANT,
        _WAITING.c.due_at <= _NOW,
        or_(_WAITING.c.leased_until.is_(None), _WAITING.c.leased_until <= _NOW),
    )
    .order_by(_WAITING.c.due_at, _WAITING.c.run_id)
    .limit(1)
    .with_for_update(skip_locked=True)
    .scalar_subquery()
)
_LEASE = (
    update(run_queue)
    .where(run_queue.c.tenant_id == TENANT, run_queue.c.run_id == _OLDEST)
    .values(owner=bindparam("worker"), leased_until=bindparam("until", type_=UtcDateTime()))
    .returning(run_queue.c.run_id)
)
_NAMED = (run_queue.c.tenant_id == TENANT, run_queue.c.run_id == bindparam("run"))
_LEASE_ONE = (
    update(run_queue)
    .where(*_NAMED, or_(run_queue.c.leased_until.is_(None), run_queue.c.leased_until <= _NOW))
    .values(owner=bindparam("worker"), leased_until=bindparam("until", type_=UtcDateTime()))
)
_POSTPONE = (
    update(run_queue)
    .where(*_NAMED, run_queue.c.owner == bindparam("worker"))
    .values(owner=None, leased_until=None, due_at=bindparam("due", type_=UtcDateTime()))
)
_DEQUEUE = delete(run_queue).where(*_NAMED)


@cache
def _enqueue(dialect: str) -> Executable:
    """Whoever has the run keeps it."""
    new = inserting(run_queue, dialect)
    return new.on_conflict_do_update(index_elements=["tenant_id", "run_id"], set_={"due_at": new.excluded.due_at})


class SqlRunQueue:
    """Runs by the moment from which on they wait."""

    _transaction: Transaction

    def enqueue(self, tenant: TenantId, run_id: str, *, due_at: datetime) -> None:
        with self._transaction.write() as connection:
            row = {"tenant_id": tenant, "run_id": run_id, "due_at": due_at}
            connection.execute(_enqueue(self._transaction.dialect), row)

    def lease(self, tenant: TenantId, run_id: str, owner: str, *, now: datetime, until: datetime) -> bool:
        with self._transaction.write() as connection:
            values = {"tenant": tenant, "run": run_id, "worker": owner, "now": now, "until": until}
            return connection.execute(_LEASE_ONE, values).rowcount == 1

    def postpone(self, tenant: TenantId, run_id: str, owner: str, *, due_at: datetime) -> bool:
        with self._transaction.write() as connection:
            values = {"tenant": tenant, "run": run_id, "worker": owner, "due": due_at}
            return connection.execute(_POSTPONE, values).rowcount == 1

    def dequeue(self, tenant: TenantId, run_id: str) -> None:
        with self._transaction.write() as connection:
            connection.execute(_DEQUEUE, {"tenant": tenant, "run": run_id})

    def _lease(self, tenant: TenantId, owner: str, now: datetime, until: datetime) -> str | None:
        """The id of the run that is the owner's now."""
        with self._transaction.write() as connection:
            values = {"tenant": tenant, "worker": owner, "now": now, "until": until}
            return connection.execute(_LEASE, values).scalar_one_or_none()
