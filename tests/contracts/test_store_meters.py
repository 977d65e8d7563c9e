"""What every store promises about meters and reservations."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from surefoot.core.errors import Conflict
from surefoot.domain.budgets import NOTHING_SPENT, Limit, Limits, MeterKey, Period, Spend
from surefoot.domain.identity import TenantId
from surefoot.ports import Store, UnitOfWork
from tests.contracts.store_rows import ACME, AMOUNT, NOW, TODAY, meter, reservation

WHOLE, HELP, ANN = meter(), meter("help"), meter("", "viewer-1")
NARROW = meter("help", "viewer-1", Period.MONTH)
LARGEST = 2**63 - 1


def _counts(work: UnitOfWork, *meters: MeterKey, tenant: TenantId = ACME) -> list[tuple[Spend, Spend]]:
    """What is spent and what is reserved on each of the meters."""
    states = work.meters.states(tenant, {each: Limit() for each in meters or (WHOLE,)})
    return [(state.spent, state.reserved) for state in states]


def _reserved(
    store: Store, name: str, *meters: MeterKey, limits: Limits | None = None, amount: Spend = AMOUNT
) -> MeterKey | None:
    with store.begin() as work:
        full = work.meters.reserve(ACME, reservation(name, amount, *meters), limits or {})
        if full is None:
            work.commit()
    return full


def test_a_meter_without_a_row_counts_nothing(store: Store) -> None:
    with store.begin() as work:
        assert _counts(work, WHOLE, NARROW) == [(NOTHING_SPENT, NOTHING_SPENT)] * 2
        assert work.meters.known(ACME, since=datetime(1, 1, 1, tzinfo=UTC)) == []
        assert work.meters.open_reservations(ACME) == []


def test_a_reservation_is_held_on_each_of_its_meters_and_on_no_other(store: Store) -> None:
    assert _reserved(store, "a", WHOLE, NARROW) is None
    with store.begin() as work:
        assert _counts(work, WHOLE, HELP, NARROW) == [
            (NOTHING_SPENT, AMOUNT),
            (NOTHING_SPENT, NOTHING_SPENT),
            (NOTHING_SPENT, AMOUNT),
        ]
        assert work.meters.open_reservations(ACME) == [reservation("a", AMOUNT, WHOLE, NARROW)]


def test_a_reservation_left_without_commit_was_never_made(store: Store) -> None:
    with store.begin() as work:
        assert work.meters.reserve(ACME, reservation("a"), {}) is None
        assert _counts(work) == [(NOTHING_SPENT, AMOUNT)]
    with store.begin() as work:
        assert _counts(work) == [(NOTHING_SPENT, NOTHING_SPENT)]
        assert work.meters.open_reservations(ACME) == []


@pytest.mark.parametrize("limit", [Limit(200, None), Limit(None, 20), Limit(200, 20), Limit(200, 10**9), Limit(10**18, 20)])
def test_a_limit_may_be_reached_but_not_passed(store: Store, limit: Limit) -> None:
    limits = {WHOLE: limit}
    assert [_reserved(store, name, limits=limits) for name in "abc"] == [None, None, WHOLE]
    with store.begin() as work:
        assert _counts(work) == [(NOTHING_SPENT, Spend(200, 20))]


@pytest.mark.parametrize("limit", [Limit(99, None), Limit(None, 9), Limit(0, 0)])
def test_the_first_amount_on_a_meter_meets_its_limit_too(store: Store, limit: Limit) -> None:
    assert _reserved(store, "a", limits={WHOLE: limit}) == WHOLE


def test_what_is_spent_leaves_less_to_reserve(store: Store) -> None:
    limits = {WHOLE: Limit(250, None)}
    _reserved(store, "a", limits=limits)
    with store.begin() as work:
        work.meters.settle(ACME, "res_a", Spend(151, 0))
        work.commit()
    assert _reserved(store, "b", limits=limits) == WHOLE
    assert _reserved(store, "c", limits=limits, amount=Spend(99, 1)) is None


def test_a_meter_that_the_limits_do_not_name_has_none(store: Store) -> None:
    assert _reserved(store, "a", WHOLE, HELP, limits={HELP: Limit(100, 10)}, amount=Spend(100, 10)) is None
    assert _reserved(store, "b", WHOLE, limits={HELP: Limit(0, 0)}, amount=Spend(10**15, 10**12)) is None


def test_a_denied_reservation_names_the_first_full_meter_and_holds_nothing_even_if_committed(store: Store) -> None:
    limits = {WHOLE: Limit(1000, None), HELP: Limit(50, None), ANN: Limit(60, None)}
    for meters, full in (((WHOLE, HELP, ANN), HELP), ((ANN, WHOLE, HELP), ANN)):
        with store.begin() as work:
            assert work.meters.reserve(ACME, reservation("a", AMOUNT, *meters), limits) == full
            work.commit()
    with store.begin() as work:
        assert _counts(work, WHOLE, HELP, ANN) == [(NOTHING_SPENT, NOTHING_SPENT)] * 3
        assert work.meters.open_reservations(ACME) == []


def test_a_denied_reservation_leaves_what_others_hold(store: Store) -> None:
    _reserved(store, "a", WHOLE, HELP)
    assert _reserved(store, "b", WHOLE, HELP, limits={HELP: Limit(150, None)}) == HELP
    with store.begin() as work:
        assert _counts(work, WHOLE, HELP) == [(NOTHING_SPENT, AMOUNT)] * 2


def test_a_meter_named_twice_is_charged_once(store: Store) -> None:
    assert _reserved(store, "a", WHOLE, WHOLE) is None
    with store.begin() as work:
        assert _counts(work) == [(NOTHING_SPENT, AMOUNT)]
        work.meters.settle(ACME, "res_a", Spend(1, 1))
        assert _counts(work) == [(Spend(1, 1), NOTHING_SPENT)]


def test_an_open_reservations_id_is_given_once(store: Store) -> None:
    _reserved(store, "a")
    with store.begin() as work, pytest.raises(Conflict):
        work.meters.reserve(ACME, reservation("a"), {})
    with store.begin() as work:
        assert _counts(work) == [(NOTHING_SPENT, AMOUNT)]


@pytest.mark.parametrize("actual", [NOTHING_SPENT, Spend(60, 6), AMOUNT, Spend(130, 13)])
def test_settling_turns_what_was_reserved_into_what_was_spent_once(store: Store, actual: Spend) -> None:
    held = reservation("a", AMOUNT, WHOLE, NARROW)
    _reserved(store, "a", WHOLE, NARROW)
    _reserved(store, "b", WHOLE)
    with store.begin() as work:
        assert work.meters.settle(ACME, "res_a", actual) == held
        assert work.meters.settle(ACME, "res_a", actual) is None
        work.commit()
    with store.begin() as work:
        assert work.meters.settle(ACME, "res_a", actual) is None
        assert work.meters.settle(ACME, "res_unknown", actual) is None
        assert _counts(work, WHOLE, NARROW) == [(actual, AMOUNT), (actual, NOTHING_SPENT)]
        assert [each.reservation_id for each in work.meters.open_reservations(ACME)] == ["res_b"]


def test_what_expired_is_written_off_in_full_once_and_the_rest_stays_open(store: Store) -> None:
    late = NOW + timedelta(microseconds=1)
    rows = [
        reservation("b", Spend(1, 2), WHOLE, HELP, expires_at=NOW),
        reservation("a", Spend(10, 20), WHOLE, expires_at=NOW - timedelta(days=1)),
        reservation("c", Spend(100, 200), WHOLE, expires_at=late),
    ]
    with store.begin() as work:
        for row in rows:
            work.meters.reserve(ACME, row, {})
        work.commit()
    with store.begin() as work:
        assert work.meters.write_off(ACME, now=NOW) == [rows[1], rows[0]]
        assert work.meters.write_off(ACME, now=NOW) == []
        work.commit()
    with store.begin() as work:
        assert work.meters.settle(ACME, "res_b", NOTHING_SPENT) is None
        assert work.meters.open_reservations(ACME) == [rows[2]]
        assert _counts(work, WHOLE, HELP) == [(Spend(11, 22), Spend(100, 200)), (Spend(1, 2), NOTHING_SPENT)]


def test_what_was_settled_is_never_written_off(store: Store) -> None:
    _reserved(store, "a")
    with store.begin() as work:
        work.meters.settle(ACME, "res_a", Spend(7, 7))
        assert work.meters.write_off(ACME, now=NOW + timedelta(days=1)) == []
        assert _counts(work) == [(Spend(7, 7), NOTHING_SPENT)]


def test_open_reservations_come_back_with_all_their_fields_the_first_to_expire_first(store: Store) -> None:
    zone = timezone(timedelta(hours=-7, minutes=-30))
    fine = replace(meter("ünï/🦶", "v:1"), period_start=datetime(2026, 2, 3, 4, 5, 6, 7, tzinfo=zone))
    rows = [
        reservation("b", Spend(2**60, 2**61), NARROW, fine, WHOLE, expires_at=NOW.astimezone(zone)),
        reservation("a", Spend(0, 0), fine),
        reservation("c", AMOUNT, expires_at=NOW),
    ]
    with store.begin() as work:
        for row in rows:
            assert work.meters.reserve(ACME, row, {}) is None
        assert work.meters.open_reservations(ACME) == [rows[0], rows[2], rows[1]]


def test_states_come_in_the_order_asked_with_the_limit_asked(store: Store) -> None:
    _reserved(store, "a", WHOLE, HELP)
    limits = {NARROW: Limit(1, 2), HELP: Limit(200, None), ANN: Limit(), WHOLE: Limit(None, 40)}
    with store.begin() as work:
        states = work.meters.states(ACME, limits)
        assert work.meters.states(ACME, {}) == []
    assert {state.key: state.limit for state in states} == limits
    assert [state.key for state in states] == list(limits)
    assert [state.share for state in states] == [0, 0.5, 0, 0.25]


def test_states_of_more_meters_than_one_statement_names(store: Store) -> None:
    many = [meter("help", f"viewer-{number}") for number in range(1203)]
    assert _reserved(store, "a", many[0], many[700], many[-1]) is None
    with store.begin() as work:
        held = [each for each, (_, reserved) in zip(many, _counts(work, *many), strict=True) if reserved == AMOUNT]
    assert held == [many[0], many[700], many[-1]]


def test_a_period_begins_with_an_empty_meter(store: Store) -> None:
    limits = {WHOLE: Limit(100, None), (tomorrow := meter(start=TODAY + timedelta(days=1))): Limit(100, None)}
    assert _reserved(store, "a", WHOLE, limits=limits) is None
    assert _reserved(store, "b", WHOLE, limits=limits) == WHOLE
    assert _reserved(store, "c", tomorrow, limits=limits) is None


def test_known_meters_are_those_of_the_periods_asked_for_in_order(store: Store) -> None:
    old, edge = meter(start=TODAY - timedelta(microseconds=1)), meter("help", "viewer-1")
    _reserved(store, "a", WHOLE, NARROW, old, edge, ANN, HELP)
    with store.begin() as work:
        assert work.meters.known(ACME, since=TODAY) == [WHOLE, ANN, HELP, edge, NARROW]
        assert work.meters.known(ACME, since=TODAY - timedelta(days=1)) == [old, WHOLE, ANN, HELP, edge, NARROW]


def test_a_crossing_is_marked_once_for_each_meter_level_and_period(store: Store) -> None:
    tomorrow = meter(start=TODAY + timedelta(days=1))
    with store.begin() as work:
        assert work.meters.mark_crossed(ACME, WHOLE, "warn") is True
        assert work.meters.mark_crossed(ACME, WHOLE, "warn") is False
        work.commit()
    with store.begin() as work:
        assert work.meters.mark_crossed(ACME, WHOLE, "warn") is False
        assert [work.meters.mark_crossed(ACME, each, "warn") for each in (HELP, ANN, tomorrow)] == [True] * 3
        assert work.meters.mark_crossed(ACME, WHOLE, "exhausted") is True


def test_a_crossing_left_without_commit_was_not_marked(store: Store) -> None:
    for _ in range(2):
        with store.begin() as work:
            assert work.meters.mark_crossed(ACME, WHOLE, "warn") is True


def test_a_limit_as_large_as_the_column_is_a_limit_like_any_other(store: Store) -> None:
    half = Spend(2**62, 2**62)
    limits = {WHOLE: Limit(LARGEST - 1, LARGEST)}
    assert _reserved(store, "a", amount=half, limits=limits) is None
    assert _reserved(store, "b", amount=Spend(2**62 - 2, 0), limits=limits) is None
    assert _reserved(store, "c", amount=Spend(1, 0), limits=limits) == WHOLE
