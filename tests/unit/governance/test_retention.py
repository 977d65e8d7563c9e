"""What is done with goes after its time in short transactions, and what budgets, runs, audit and ledger need stays."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.contracts.store_rows import ACME, GLOBEX, NOW, answer, attempt, audit_row, event, reservation, run, verdict

from surefoot.adapters.memory.store import MemoryStore
from surefoot.core.clock import FixedClock
from surefoot.core.settings import Settings
from surefoot.domain.budgets import Limit, MeterKey, Period, Spend
from surefoot.domain.runs import RunState
from surefoot.governance.retention import BATCH_ROWS, Retention, RetentionPeriods, retention_periods

DEFAULTS = retention_periods(Settings())
SHORTEST = retention_periods(Settings(delivered_events_days=1, meters_days=31, host_calls_days=30, verdicts_days=1))
CENTURIES = timedelta(days=100_000)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  bounds have no zone


def _no_rest(seconds: float) -> None:
    """The next batch begins at once."""


def _retention(store: MemoryStore, now: datetime, periods: RetentionPeriods = SHORTEST) -> Retention:
    return Retention(store, FixedClock(now), periods, rest=_no_rest)


def _periods_near(now: datetime) -> Iterator[MeterKey]:
    """The meters of this and the previous period, of each length."""
    for period in Period:
        this = period.start(now)
        yield MeterKey("", "", period, this)
        yield MeterKey("", "", period, period.start(this - timedelta(days=1)))


@settings(deadline=None)
@given(MOMENTS)
def test_the_figures_of_this_and_the_previous_period_stay_whatever_the_day(now: datetime) -> None:
    store, keys = MemoryStore(), list(_periods_near(now))
    old = MeterKey("", "", Period.MONTH, Period.MONTH.start(now - timedelta(days=99)))
    with store.begin() as work:
        work.meters.reserve(ACME, reservation("a", Spend(7, 7), *keys, old), {})
        work.meters.settle(ACME, "res_a", Spend(7, 7))
        for key in keys:
            work.meters.mark_crossed(ACME, key, "warn")
        work.commit()
    assert _retention(store, now).sweep(ACME) == 1
    with store.begin() as work:
        assert [state.spent for state in work.meters.states(ACME, dict.fromkeys(keys, Limit()))] == [Spend(7, 7)] * len(keys)
        assert not any(work.meters.mark_crossed(ACME, key, "warn") for key in keys)


def _filled(store: MemoryStore) -> None:
    """A row of every kind that could be taken for old."""
    with store.begin() as work:
        work.tenants.create(ACME, now=NOW)
        for name in ("done", "waits"):
            work.events.add(ACME, event(name))
        work.events.delivered(ACME, "evt_done", now=NOW)
        work.meters.reserve(ACME, reservation("a"), {})
        work.meters.settle(ACME, "res_a", Spend(1, 1))
        for name, state in (("ended", RunState.FAILED), ("open", RunState.UNKNOWN)):
            work.runs.create(ACME, run(name, state))
            work.runs.add_attempt(ACME, attempt(name, 1))
        work.audit.append(ACME, audit_row(1))
        for name in "ab":
            work.verdicts.put(ACME, verdict(name), now=NOW)
        work.commit()
    store.replies.append(ACME, "viewer", answer("ans_1"))


def test_of_all_that_is_old_only_what_is_done_with_goes() -> None:
    store = MemoryStore()
    _filled(store)
    late = _retention(store, NOW + CENTURIES)
    assert [late.sweep(tenant) for tenant in (GLOBEX, ACME, ACME)] == [0, 4, 0]
    with store.begin() as work:
        assert [each.event_id for each in work.events.recent(ACME, limit=9)] == ["evt_waits"]
        assert work.meters.known(ACME, since=NOW - CENTURIES) == []
        assert [len(work.runs.attempts(ACME, f"run_{name}")) for name in ("ended", "open")] == [0, 1]
        assert work.runs.by_key(ACME, run("ended").env, "viewer:ann", "key of ended") is not None
        assert work.verdicts.current(ACME) == verdict("b") and len(work.verdicts.history(ACME, limit=9)) == 1
        assert work.audit.page(ACME, after=0, limit=9) == [audit_row(1)]
    assert store.replies.count(ACME) == 1


def test_nothing_goes_on_the_last_day_of_its_time_nor_ever_where_no_time_is_set() -> None:
    store = MemoryStore()
    _filled(store)
    assert _retention(store, NOW + timedelta(days=90), DEFAULTS).sweep(ACME) == 0
    assert _retention(store, NOW + CENTURIES, RetentionPeriods()).sweep(ACME) == 0
    assert _retention(store, NOW + timedelta(days=90, microseconds=1), DEFAULTS).sweep(ACME) == 1


def test_between_two_batches_others_write() -> None:
    store, rests = MemoryStore(), []
    with store.begin() as work:
        for number in range(2 * BATCH_ROWS + 1):
            work.events.add(ACME, event(str(number)))
            work.events.delivered(ACME, f"evt_{number}", now=NOW)
        work.commit()

    def write(seconds: float) -> None:
        rests.append(seconds)
        with store.begin() as work:
            work.events.add(ACME, event(f"new {len(rests)}"))
            work.commit()

    retention = Retention(store, FixedClock(NOW + CENTURIES), SHORTEST, rest=write)
    assert retention.sweep(ACME) == 2 * BATCH_ROWS + 1
    assert len(rests) == 2 and min(rests) > 0
    with store.begin() as work:
        assert len(work.events.recent(ACME, limit=9)) == 2


def test_the_settings_are_in_days_and_none_is_for_ever() -> None:
    assert RetentionPeriods(*(timedelta(days=days) for days in (90, 400, 400, 400))) == DEFAULTS
    names = ("delivered_events_days", "meters_days", "host_calls_days", "verdicts_days")
    assert retention_periods(Settings.model_validate(dict.fromkeys(names))) == RetentionPeriods()


@pytest.mark.parametrize(
    "given", [{"delivered_events_days": 0}, {"meters_days": 30}, {"host_calls_days": 29}, {"verdicts_days": 0}]
)
def test_a_time_that_could_take_what_is_still_needed_is_refused(given: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(given)
