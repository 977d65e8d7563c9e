"""What every store forgets when it is asked to, and what it never does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from surefoot.domain.budgets import NOTHING_SPENT, Limit, MeterKey, Period, Spend
from surefoot.domain.runs import TRANSITIONS, RunState
from surefoot.ports import Store, UnitOfWork
from tests.contracts.store_rows import ACME, NOW, attempt, event, meter, reservation, run, verdict

TICK = timedelta(microseconds=1)
EVER = datetime(9999, 1, 1, tzinfo=UTC)
JUNE = datetime(2026, 6, 1, tzinfo=UTC)
MAY = datetime(2026, 5, 1, tzinfo=UTC)
LAST_OF_MAY = datetime(2026, 5, 31, tzinfo=UTC)


def _spent(work: UnitOfWork, *meters: MeterKey) -> None:
    work.meters.reserve(ACME, reservation("spent", Spend(7, 7), *meters), {})
    work.meters.settle(ACME, "res_spent", Spend(7, 7))


def _known(work: UnitOfWork) -> list[MeterKey]:
    return work.meters.known(ACME, since=datetime(1, 1, 1, tzinfo=UTC))


def _at(period: Period, start: datetime, surface: str = "") -> MeterKey:
    return replace(meter(surface), period=period, period_start=start)


# Events


def test_an_event_goes_once_it_was_delivered_before_then(store: Store) -> None:
    with store.begin() as work:
        for name, seconds in (("a", 2), ("b", 1), ("c", 3)):
            work.events.add(ACME, event(name))
            work.events.delivered(ACME, f"evt_{name}", now=NOW + timedelta(seconds=seconds))
        assert work.events.prune(ACME, before=NOW + timedelta(seconds=1), limit=9) == 0
        assert work.events.prune(ACME, before=NOW + timedelta(seconds=3), limit=1) == 1
        assert {each.event_id for each in work.events.recent(ACME, limit=9)} == {"evt_a", "evt_c"}
        assert work.events.prune(ACME, before=NOW + timedelta(seconds=3), limit=9) == 1
        work.commit()
    with store.begin() as work:
        assert [each.event_id for each in work.events.recent(ACME, limit=9)] == ["evt_c"]


def test_an_undelivered_event_is_never_pruned_however_old_late_or_given_up(store: Store) -> None:
    with store.begin() as work:
        for name in ("waits", "claimed", "given_up"):
            work.events.add(ACME, event(name))
        work.events.claim(ACME, "evt_claimed", now=NOW, until=EVER)
        work.events.postpone(ACME, "evt_given_up", until=EVER, reason="It was not accepted within three days.")
        assert work.events.prune(ACME, before=EVER, limit=9) == 0
        assert len(work.events.recent(ACME, limit=9)) == 3


# Meters


def test_meters_of_months_that_were_over_go_and_all_later_ones_stay(store: Store) -> None:
    old = [_at(Period.MONTH, MAY), _at(Period.DAY, MAY), _at(Period.DAY, LAST_OF_MAY)]
    young = [_at(Period.MONTH, JUNE), _at(Period.DAY, JUNE)]
    with store.begin() as work:
        _spent(work, *old, *young)
        assert work.meters.prune(ACME, before=JUNE - TICK, limit=9) == 0
        assert work.meters.prune(ACME, before=JUNE, limit=2) == 2
        assert set(_known(work)) == {_at(Period.DAY, LAST_OF_MAY), *young}
        assert work.meters.prune(ACME, before=NOW, limit=9) == 1
        work.commit()
    with store.begin() as work:
        assert set(_known(work)) == set(young)
        states = work.meters.states(ACME, dict.fromkeys([*old, *young], Limit()))
        assert [state.spent for state in states] == [NOTHING_SPENT] * 3 + [Spend(7, 7)] * 2


@pytest.mark.parametrize("period", list(Period))
@pytest.mark.parametrize("start", [datetime(2026, 1, 1, tzinfo=UTC), datetime(2024, 2, 29, tzinfo=UTC), LAST_OF_MAY])
def test_a_meter_whose_period_has_not_ended_is_never_pruned(store: Store, period: Period, start: datetime) -> None:
    begun = _at(period, period.start(start))
    with store.begin() as work:
        _spent(work, begun)
        assert work.meters.prune(ACME, before=period.end(start) - TICK, limit=9) == 0
        assert _known(work) == [begun]


@pytest.mark.parametrize("amount", [Spend(5, 5), Spend(0, 5), Spend(5, 0), NOTHING_SPENT])
def test_a_meter_that_holds_an_open_reservation_is_never_pruned_and_counts_what_is_settled(store: Store, amount: Spend) -> None:
    held, free = _at(Period.MONTH, MAY), _at(Period.MONTH, MAY, "help")
    with store.begin() as work:
        _spent(work, held, free)
        work.meters.reserve(ACME, reservation("open", amount, held), {})
        work.commit()
    with store.begin() as work:
        assert work.meters.prune(ACME, before=EVER, limit=1) == 1
        assert work.meters.prune(ACME, before=EVER, limit=1) == 0
        work.meters.settle(ACME, "res_open", Spend(2, 2))
        (state,) = work.meters.states(ACME, {held: Limit()})
        assert (state.spent, state.reserved) == (Spend(9, 9), NOTHING_SPENT)
        assert work.meters.prune(ACME, before=EVER, limit=1) == 1


def test_a_crossing_is_known_as_long_as_its_meter_is_and_goes_with_it(store: Store) -> None:
    held, free, rowless = (_at(Period.MONTH, MAY, surface) for surface in ("held", "free", "rowless"))
    young = _at(Period.MONTH, JUNE)
    with store.begin() as work:
        _spent(work, held, free)
        work.meters.reserve(ACME, reservation("open", Spend(5, 5), held), {})
        for each in (held, free, rowless, young):
            work.meters.mark_crossed(ACME, each, "warn")
        assert work.meters.prune(ACME, before=NOW, limit=9) == 3
        assert [work.meters.mark_crossed(ACME, each, "warn") for each in (held, young, free, rowless)] == [
            False,
            False,
            True,
            True,
        ]


def test_crossings_that_stay_do_not_stand_in_the_way_of_those_that_go(store: Store) -> None:
    held, rowless = _at(Period.DAY, MAY, "held"), _at(Period.DAY, LAST_OF_MAY, "rowless")
    with store.begin() as work:
        work.meters.reserve(ACME, reservation("open", Spend(5, 5), held), {})
        for each in (held, rowless):
            work.meters.mark_crossed(ACME, each, "warn")
        assert [work.meters.prune(ACME, before=NOW, limit=1) for _ in range(2)] == [1, 0]


def test_no_more_crossings_go_at_once_than_asked(store: Store) -> None:
    with store.begin() as work:
        for level in ("warn", "small_only", "exhausted"):
            work.meters.mark_crossed(ACME, _at(Period.MONTH, MAY), level)
        assert [work.meters.prune(ACME, before=NOW, limit=2) for _ in range(3)] == [2, 1, 0]


# Calls to hosts


def test_the_calls_of_a_run_that_has_ended_go_oldest_first_and_no_more_than_asked(store: Store) -> None:
    with store.begin() as work:
        work.runs.create(ACME, run("a", RunState.FINAL))
        work.runs.create(ACME, run("b", RunState.FAILED))
        for name, number, seconds in (("a", 1, 2), ("a", 2, 4), ("b", 1, 1), ("b", 2, 3)):
            work.runs.add_attempt(ACME, replace(attempt(name, number), at=NOW + timedelta(seconds=seconds)))
        assert work.runs.prune_attempts(ACME, before=NOW + timedelta(seconds=1), limit=9) == 0
        assert work.runs.prune_attempts(ACME, before=NOW + timedelta(seconds=4), limit=2) == 2
        work.commit()
    with store.begin() as work:
        assert [each.number for name in "ab" for each in work.runs.attempts(ACME, f"run_{name}")] == [2, 2]
        assert [work.runs.prune_attempts(ACME, before=EVER, limit=9) for _ in range(2)] == [2, 0]
        assert work.runs.get(ACME, "run_a") is not None and work.runs.by_key(ACME, run("b").env, "viewer:ann", "key of b")


@pytest.mark.parametrize("state", list(RunState))
def test_a_call_of_a_run_whose_state_can_still_change_is_never_pruned(store: Store, state: RunState) -> None:
    with store.begin() as work:
        work.runs.create(ACME, run("a", state))
        work.runs.add_attempt(ACME, attempt("a", 1))
        assert work.runs.prune_attempts(ACME, before=EVER, limit=9) == (0 if TRANSITIONS[state] else 1)
        assert bool(work.runs.attempts(ACME, "run_a")) is bool(TRANSITIONS[state])


# Verdicts


def test_a_verdict_goes_when_another_had_replaced_it_before_then(store: Store) -> None:
    with store.begin() as work:
        for name, days in (("a", 0), ("b", 10), ("c", 20), ("d", 30)):
            work.verdicts.put(ACME, verdict(name), now=NOW + timedelta(days=days))
        assert work.verdicts.prune(ACME, before=NOW + timedelta(days=10), limit=9) == 0
        assert work.verdicts.prune(ACME, before=NOW + timedelta(days=20, microseconds=1), limit=1) == 1
        assert work.verdicts.history(ACME, limit=9) == [verdict("d"), verdict("c"), verdict("b")]
        assert work.verdicts.prune(ACME, before=NOW + timedelta(days=20, microseconds=1), limit=9) == 1
        work.commit()
    with store.begin() as work:
        assert work.verdicts.history(ACME, limit=9) == [verdict("d"), verdict("c")]


@pytest.mark.parametrize("is_cleared", [False, True])
def test_the_last_verdict_is_never_pruned_and_what_comes_after_it_stands(store: Store, is_cleared: bool) -> None:
    with store.begin() as work:
        for name in "ab":
            work.verdicts.put(ACME, verdict(name), now=NOW)
        if is_cleared:
            work.verdicts.clear(ACME, now=NOW)
        assert work.verdicts.prune(ACME, before=EVER, limit=9) == 1
        standing = None if is_cleared else verdict("b")
        assert work.verdicts.current(ACME) == standing and work.verdicts.history(ACME, limit=9) == [verdict("b")]
        assert work.verdicts.put(ACME, verdict("c"), now=NOW) == standing
        work.verdicts.clear(ACME, now=NOW)
        assert work.verdicts.current(ACME) is None and work.verdicts.history(ACME, limit=1) == [verdict("c")]
