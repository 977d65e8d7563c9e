"""Takes events to their receivers: at least once, in each tenant's order, with growing pauses, until three days are over."""

import logging
import threading
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

from surefoot.core.clock import Clock
from surefoot.core.errors import DeliveryFailed, OutboundRefused, ReceiverGone, SurefootError
from surefoot.domain.events import DueEvent, OutgoingEvent
from surefoot.domain.identity import TenantId
from surefoot.ports import EventSink, Store

# The pause after the first, second, ... failed attempt; the last one repeats.
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 30, 300, 1_800, 7_200))
GIVES_UP_AFTER = timedelta(days=3)

# Longer than a sink waits for a receiver, so that no other process sends an event while this one still does. A process that
# dies meanwhile leaves its event to the others this much later.
CLAIM = timedelta(seconds=60)
# An event that is given up stays where it is, due when nobody asks any more.
NEVER = datetime(9999, 12, 31, tzinfo=UTC)

_log = logging.getLogger("surefoot.courier")


class _Outcome(Enum):
    ACCEPTED = auto()
    GIVEN_UP = auto()
    NOTHING_TO_SEND = auto()


class Courier:
    """Delivers what is due. Any number of processes may do so on the same store.

    An event is only sent when all older ones of its tenant are delivered or given up, so one that fails holds up its own
    tenant and nobody else. The events of a tenant without a receiver are left as they are: they can be read, and are sent if
    they are still young when a receiver is named.
    """

    def __init__(self, store: Store, sink: EventSink, clock: Clock) -> None:
        self._store = store
        self._sink = sink
        self._clock = clock
        self._stopped = threading.Event()

    def deliver_due(self, limit: int = 50) -> int:
        """How many events were accepted. Up to `limit` of each tenant are tried, one of each tenant in turn, so that a slow
        receiver makes the others wait for one event and not for all of its own. Raises StoreUnavailable.
        """
        with self._store.begin() as work:
            waiting = [tenant for tenant in work.tenants.all() if self._sink.has_receiver(tenant)]
        accepted = 0
        for _ in range(limit):
            outcomes = {tenant: self._deliver_next(tenant) for tenant in waiting if not self._stopped.is_set()}
            accepted += sum(outcome is _Outcome.ACCEPTED for outcome in outcomes.values())
            waiting = [tenant for tenant, outcome in outcomes.items() if outcome is not _Outcome.NOTHING_TO_SEND]
            if not waiting:
                break
        return accepted

    def stop(self) -> None:
        """No further event is begun; one under way is finished."""
        self._stopped.set()

    def _deliver_next(self, tenant: TenantId) -> _Outcome:
        """What became of the tenant's oldest event."""
        head = self._claim(tenant)
        if head is None:
            return _Outcome.NOTHING_TO_SEND
        if self._clock.now() - head.event.time > GIVES_UP_AFTER:
            self._give_up(tenant, head.event, "it was not accepted within three days.")
            return _Outcome.GIVEN_UP
        try:
            self._sink.deliver(tenant, head.event)
        except ReceiverGone as error:
            self._give_up(tenant, head.event, str(error))
            return _Outcome.GIVEN_UP
        except (DeliveryFailed, OutboundRefused) as error:
            self._postpone(tenant, head, error)
            return _Outcome.NOTHING_TO_SEND
        with self._store.begin() as work:
            work.events.delivered(tenant, head.event.event_id, now=self._clock.now())
            work.commit()
        return _Outcome.ACCEPTED

    def _claim(self, tenant: TenantId) -> DueEvent | None:
        """The tenant's oldest undelivered event, which nobody else sends now; None when it is not due, or another has it."""
        now = self._clock.now()
        with self._store.begin() as work:
            due = work.events.due(tenant, now=now, limit=1)
            # Asked for what is due ever, the store says which event is the oldest: that one may be in its pause.
            if not due or due != work.events.due(tenant, now=NEVER - timedelta(days=1), limit=1):
                return None
            if not work.events.claim(tenant, due[0].event.event_id, now=now, until=now + CLAIM):
                return None
            work.commit()
        return due[0]

    def _postpone(self, tenant: TenantId, head: DueEvent, error: SurefootError) -> None:
        pause = PAUSES[min(head.attempts, len(PAUSES) - 1)]
        with self._store.begin() as work:
            work.events.postpone(tenant, head.event.event_id, until=self._clock.now() + pause, reason=str(error))
            work.commit()
        _log.warning(
            "event %s of tenant %s was not accepted (attempt %d), the next attempt is in %d s: %s",
            *(head.event.event_id, tenant, head.attempts + 1, pause.total_seconds(), error),
        )

    def _give_up(self, tenant: TenantId, event: OutgoingEvent, reason: str) -> None:
        with self._store.begin() as work:
            work.events.postpone(tenant, event.event_id, until=NEVER, reason=f"given up: {reason}")
            work.commit()
        _log.error("event %s of tenant %s is given up and will not be sent: %s", event.event_id, tenant, reason)
