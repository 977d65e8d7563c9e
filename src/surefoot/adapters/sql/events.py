"""The EventRepository port."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache

from sqlalchemy import Executable, bindparam, delete, func, insert, select, update

from surefoot.adapters.sql.schema.columns import KEY, TENANT, UtcDateTime, one_of
from surefoot.adapters.sql.schema.events import events
from surefoot.adapters.sql.transaction import Transaction
from surefoot.domain.events import DueEvent, OutgoingEvent
from surefoot.domain.identity import TenantId

_EVENT = (events.c.event_id, events.c.type, events.c.subject, events.c.time, events.c.data)
_DUE = (
    select(*_EVENT, events.c.attempts)
    .where(events.c.tenant_id == TENANT, events.c.due_at <= bindparam("now", type_=UtcDateTime()))
    .order_by(events.c.time, events.c.event_id)
    .limit(bindparam("most"))
)
_WAITING = (events.c.tenant_id == TENANT, events.c.event_id == bindparam("event"), events.c.due_at.is_not(None))
_CLAIM = (
    update(events)
    .where(*_WAITING, events.c.due_at <= bindparam("now", type_=UtcDateTime()))
    .values(due_at=bindparam("until", type_=UtcDateTime()))
)
_DELIVERED = update(events).where(*_WAITING).values(due_at=None, delivered_at=bindparam("now", type_=UtcDateTime()))
_POSTPONE = (
    update(events)
    .where(*_WAITING)
    .values(attempts=events.c.attempts + 1, due_at=bindparam("until", type_=UtcDateTime()), last_failure=bindparam("reason"))
)
# Not LIKE: SQLite's folds case, and a prefix may hold its wildcards.
_PREFIX = bindparam("prefix", type_=KEY)
_RECENT = (
    select(*_EVENT)
    .where(events.c.tenant_id == TENANT, func.substr(events.c.type, 1, func.length(_PREFIX)) == _PREFIX)
    .order_by(events.c.time.desc(), events.c.event_id.desc())
    .limit(bindparam("most"))
)

_OVER = (events.c.tenant_id == TENANT, events.c.delivered_at < bindparam("before", type_=UtcDateTime()))
_DELIVERED_LONG_AGO = (
    select(events.c.event_id).where(*_OVER).order_by(events.c.delivered_at, events.c.event_id).limit(bindparam("most"))
)


@cache
def _about(dialect: str) -> Executable:
    wanted = one_of(events.c.subject, "subjects", dialect)
    return select(*_EVENT).where(events.c.tenant_id == TENANT, wanted)


@cache
def _prune(dialect: str) -> Executable:
    # By their ids alone: what is delivered stays so, and by its moment SQLite would read all the others that are old.
    return delete(events).where(events.c.tenant_id == TENANT, one_of(events.c.event_id, "ids", dialect))


class SqlEvents:
    """Events, how often each was tried, and when it is tried next."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def add(self, tenant: TenantId, event: OutgoingEvent) -> None:
        row = {
            "tenant_id": tenant,
            "event_id": event.event_id,
            "type": event.type,
            "subject": event.subject,
            "time": event.time,
            "data": dict(event.data),
            "attempts": 0,
            "due_at": event.time,
            "last_failure": "",
        }
        with self._transaction.write() as connection:
            connection.execute(insert(events), row)

    def due(self, tenant: TenantId, *, now: datetime, limit: int) -> list[DueEvent]:
        rows = self._transaction.read().execute(_DUE, {"tenant": tenant, "now": now, "most": max(0, limit)})
        return [DueEvent(OutgoingEvent(*event), attempts) for *event, attempts in rows]

    def claim(self, tenant: TenantId, event_id: str, *, now: datetime, until: datetime) -> bool:
        with self._transaction.write() as connection:
            values = {"tenant": tenant, "event": event_id, "now": now, "until": until}
            return connection.execute(_CLAIM, values).rowcount == 1

    def delivered(self, tenant: TenantId, event_id: str, *, now: datetime) -> None:
        with self._transaction.write() as connection:
            connection.execute(_DELIVERED, {"tenant": tenant, "event": event_id, "now": now})

    def postpone(self, tenant: TenantId, event_id: str, *, until: datetime, reason: str) -> None:
        with self._transaction.write() as connection:
            connection.execute(_POSTPONE, {"tenant": tenant, "event": event_id, "until": until, "reason": reason})

    def recent(self, tenant: TenantId, *, limit: int, type_prefix: str = "") -> list[OutgoingEvent]:
        values = {"tenant": tenant, "prefix": type_prefix, "most": max(0, limit)}
        return [OutgoingEvent(*event) for event in self._transaction.read().execute(_RECENT, values)]

    def about(self, tenant: TenantId, subjects: Sequence[str]) -> list[OutgoingEvent]:
        values = {"tenant": tenant, "subjects": list(subjects)}
        rows = self._transaction.read().execute(_about(self._transaction.dialect), values)
        # Ordered here: asked for an order, SQLite reads every event by the index that has it.
        return sorted((OutgoingEvent(*event) for event in rows), key=lambda event: (event.time, event.event_id))

    def prune(self, tenant: TenantId, *, before: datetime, limit: int) -> int:
        # Looked for as a reader, so that a look which finds nothing does not wait for writers, nor they for it.
        values = {"tenant": tenant, "before": before, "most": max(0, limit)}
        found = self._transaction.read().execute(_DELIVERED_LONG_AGO, values).scalars().all()
        if not found:
            return 0
        with self._transaction.write() as connection:
            return connection.execute(_prune(self._transaction.dialect), {"tenant": tenant, "ids": found}).rowcount
