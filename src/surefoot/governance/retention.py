"""What need not be kept goes after its time, a little at a time. Audit rows and the ledger of replies are not among it."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from surefoot.core.clock import Clock
from surefoot.core.settings import Settings
from surefoot.domain.identity import TenantId
from surefoot.ports import Store, UnitOfWork

# So many rows go in a few milliseconds, which is how long another writer waits for them.
BATCH_ROWS = 500
# Between two batches others come first: a lock is given to whoever asks, not to whoever has waited longest.
_REST_SECONDS = 0.02

Rest = Callable[[float], None]
Pruning = Callable[[UnitOfWork, int], int]


@dataclass(frozen=True, slots=True)
class RetentionPeriods:
    """How long each kind is kept once it is done with; None is for ever."""

    delivered_events: timedelta | None = None
    meters: timedelta | None = None
    host_calls: timedelta | None = None
    verdicts: timedelta | None = None


def retention_periods(settings: Settings) -> RetentionPeriods:
    """What the settings say."""
    return RetentionPeriods(
        delivered_events=_days(settings.delivered_events_days),
        meters=_days(settings.meters_days),
        host_calls=_days(settings.host_calls_days),
        verdicts=_days(settings.verdicts_days),
    )


class Retention:
    """Forgets what is done with and whose time is over. Any number of processes may do so on the same store.

    What is still needed stays, however old it is: an undelivered event; a meter of this month or the one before, or with an
    open reservation; the calls of a run whose state can still change; the verdict that stands. A run itself always stays, and
    with it its idempotency key and its delivery id, which is made of the run's own: no press and no call is ever new again.
    """

    def __init__(self, store: Store, clock: Clock, periods: RetentionPeriods, *, rest: Rest = time.sleep) -> None:
        self._store = store
        self._clock = clock
        self._periods = periods
        self._rest = rest

    def sweep(self, tenant: TenantId) -> int:
        """Nothing of the tenant is left whose time is over; returns how many rows went. Raises StoreUnavailable."""
        return sum(in_batches(self._store, pruning, self._rest) for pruning in self._prunings(tenant, self._clock.now()))

    def _prunings(self, tenant: TenantId, now: datetime) -> Iterator[Pruning]:
        events, meters = self._periods.delivered_events, self._periods.meters
        calls, verdicts = self._periods.host_calls, self._periods.verdicts
        if events is not None:
            yield lambda work, limit: work.events.prune(tenant, before=now - events, limit=limit)
        if meters is not None:
            yield lambda work, limit: work.meters.prune(tenant, before=now - meters, limit=limit)
        if calls is not None:
            yield lambda work, limit: work.runs.prune_attempts(tenant, before=now - calls, limit=limit)
        if verdicts is not None:
            yield lambda work, limit: work.verdicts.prune(tenant, before=now - verdicts, limit=limit)


def in_batches(store: Store, pruning: Pruning, rest: Rest = time.sleep) -> int:
    """Nothing is left that it finds; returns how many rows went. Each batch is a short transaction of its own, and between two of
    them others write.
    """
    gone = 0
    while True:
        with store.begin() as work:
            batch = pruning(work, BATCH_ROWS)
            work.commit()
        gone += batch
        if batch < BATCH_ROWS:
            return gone
        rest(_REST_SECONDS)


def _days(count: int | None) -> timedelta | None:
    return None if count is None else timedelta(days=count)
