"""The EventRepository port in memory."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from surefoot.adapters.memory.tables import EventRow, Transaction
from surefoot.core.errors import Conflict
from surefoot.domain.events import DueEvent, OutgoingEvent
from surefoot.domain.identity import TenantId


class MemoryEvents:
    """Events, how often each was tried, and when it is tried next."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def add(self, tenant: TenantId, event: OutgoingEvent) -> None:
        with self._transaction.write():
            if event.event_id in self._transaction.read(tenant).events:
                raise Conflict
            # What the caller does to its mapping later must not reach the row, and what is not JSON fails here already.
            kept = replace(event, data=json.loads(json.dumps(event.data)))
            self._transaction.table(tenant, "events")[event.event_id] = EventRow(kept, due_at=event.time)

    def due(self, tenant: TenantId, *, now: datetime, limit: int) -> list[DueEvent]:
        rows = self._transaction.read(tenant).events.values()
        due = sorted((row for row in rows if row.due_at is not None and row.due_at <= now), key=_age)
        return [DueEvent(row.event, row.attempts) for row in due[: max(0, limit)]]

    def claim(self, tenant: TenantId, event_id: str, *, now: datetime, until: datetime) -> bool:
        with self._transaction.write():
            row = self._transaction.read(tenant).events.get(event_id)
            if row is None or row.due_at is None or row.due_at > now:
                return False
            self._transaction.table(tenant, "events")[event_id] = replace(row, due_at=until)
            return True

    def delivered(self, tenant: TenantId, event_id: str, *, now: datetime) -> None:
        with self._transaction.write():
            row = self._transaction.read(tenant).events.get(event_id)
            if row is not None and row.due_at is not None:
                self._transaction.table(tenant, "events")[event_id] = replace(row, due_at=None, delivered_at=now)

    def postpone(self, tenant: TenantId, event_id: str, *, until: datetime, reason: str) -> None:
        with self._transaction.write():
            row = self._transaction.read(tenant).events.get(event_id)
            if row is not None and row.due_at is not None:
                later = replace(row, attempts=row.attempts + 1, due_at=until)
                self._transaction.table(tenant, "events")[event_id] = later

    def recent(self, tenant: TenantId, *, limit: int, type_prefix: str = "") -> list[OutgoingEvent]:
        rows = self._transaction.read(tenant).events.values()
        newest = sorted((row for row in rows if row.event.type.startswith(type_prefix)), key=_age, reverse=True)
        return [row.event for row in newest[: max(0, limit)]]

    def about(self, tenant: TenantId, subjects: Sequence[str]) -> list[OutgoingEvent]:
        rows = self._transaction.read(tenant).events.values()
        return [row.event for row in sorted((row for row in rows if row.event.subject in subjects), key=_age)]

    def prune(self, tenant: TenantId, *, before: datetime, limit: int) -> int:
        with self._transaction.write():
            rows = self._transaction.read(tenant).events.items()
            done = [(row.delivered_at, event_id) for event_id, row in rows if row.delivered_at is not None]
            gone = sorted(each for each in done if each[0] < before)[: max(0, limit)]
            for _, event_id in gone:
                del self._transaction.table(tenant, "events")[event_id]
            return len(gone)


def _age(row: EventRow) -> tuple[datetime, str]:
    return row.event.time, row.event.event_id
