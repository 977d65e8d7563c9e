"""Levels, states and forecasts as plain arithmetic."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.domain.budgets import (
    NANO_USD,
    BudgetLevel,
    BudgetState,
    Limit,
    MeterKey,
    MeterState,
    Period,
    Spend,
    forecast,
    level_of,
)

NOW = datetime(2026, 6, 11, 12, tzinfo=UTC)
MONEY = st.integers(0, 10_000 * NANO_USD)
MOMENTS = st.integers(0, 4 * 366 * 86_400_000).map(lambda ms: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms))
PERIODS = st.sampled_from(Period)


def meter(
    spent: Spend, limit: Limit, *, reserved: Spend | None = None, now: datetime = NOW, period: Period = Period.MONTH
) -> MeterState:
    return MeterState(MeterKey("help", "", period, period.start(now)), limit, spent, reserved or Spend())


@pytest.mark.parametrize(
    ("share", "level"),
    [
        (0.0, "normal"),
        (0.599, "normal"),
        (0.6, "warn"),
        (0.799, "warn"),
        (0.8, "small_only"),
        (0.999, "small_only"),
        (1.0, "exhausted"),
        (7.0, "exhausted"),
    ],
)
def test_each_level_begins_at_its_share(share: float, level: str) -> None:
    assert level_of(share) == level


def test_the_worse_of_money_and_tokens_and_of_all_meters_counts() -> None:
    by_tokens = meter(Spend(10, 90), Limit(100, 100))
    by_money = meter(Spend(65, 0), Limit(100, None), reserved=Spend())
    assert (by_tokens.share, by_money.share) == (0.9, 0.65)
    assert BudgetState.of([by_money, by_tokens]).level is BudgetLevel.SMALL_ONLY
    assert BudgetState.of([]) == BudgetState(BudgetLevel.NORMAL, ())


def test_what_is_reserved_counts_towards_the_level_and_not_towards_the_forecast() -> None:
    held = meter(Spend(), Limit(100), reserved=Spend(95))
    assert held.level is BudgetLevel.SMALL_ONLY and forecast(held, NOW) is None


def test_a_pace_of_half_the_limit_in_a_third_of_the_month_reaches_it_after_two_thirds() -> None:
    now = datetime(2026, 6, 11, tzinfo=UTC)
    assert forecast(meter(Spend(50), Limit(100), now=now), now) == datetime(2026, 6, 21, tzinfo=UTC)


def test_the_earlier_of_money_and_tokens_is_forecast() -> None:
    now = datetime(2026, 6, 11, tzinfo=UTC)
    assert forecast(meter(Spend(50, 80), Limit(100, 100), now=now), now) == datetime(2026, 6, 13, 12, tzinfo=UTC)


def test_one_call_in_the_first_second_is_not_taken_for_the_pace_of_the_day() -> None:
    start = datetime(2026, 6, 11, tzinfo=UTC)
    now = start + timedelta(seconds=1)
    assert forecast(meter(Spend(4), Limit(100), now=now, period=Period.DAY), now) is None
    # 5 % within what counts as an hour is 100 % in 20 hours.
    reached = forecast(meter(Spend(5), Limit(100), now=now, period=Period.DAY), now)
    assert reached == now + timedelta(hours=19)


def test_a_limit_of_nothing_is_reached_at_once() -> None:
    none_allowed = meter(Spend(), Limit(0))
    assert none_allowed.level is BudgetLevel.EXHAUSTED and forecast(none_allowed, NOW) == NOW


@given(spent=MONEY, limit=st.none() | MONEY, now=MOMENTS, period=PERIODS)
def test_a_forecast_lies_between_now_and_the_end_of_the_period(
    spent: int, limit: int | None, now: datetime, period: Period
) -> None:
    reached = forecast(meter(Spend(spent), Limit(limit), now=now, period=period), now)
    assert reached is None or now <= reached < period.end(now)
    assert (reached == now) if limit is not None and spent >= limit else (reached != now)


@given(less=MONEY, more=MONEY, limit=MONEY, now=MOMENTS, period=PERIODS)
def test_who_spent_more_is_never_forecast_later(less: int, more: int, limit: int, now: datetime, period: Period) -> None:
    low, high = sorted((less, more))
    late = forecast(meter(Spend(low), Limit(limit), now=now, period=period), now)
    early = forecast(meter(Spend(high), Limit(limit), now=now, period=period), now)
    assert late is None or (early is not None and early <= late)


@given(hours=st.integers(30, 700), later=st.integers(0, 700), per_hour=st.integers(1, 10**9), limit=st.integers(1, 10**12))
def test_at_an_even_pace_the_forecast_does_not_move(hours: int, later: int, per_hour: int, limit: int) -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    due = start + timedelta(hours=limit / per_hour) if limit / per_hour < 100_000 else None
    if due is None or due <= start + timedelta(hours=hours + later):
        return
    for passed in (hours, hours + later):
        now = start + timedelta(hours=passed)
        if now >= Period.MONTH.end(start):
            continue
        reached = forecast(meter(Spend(per_hour * passed), Limit(limit), now=now), now)
        if due < Period.MONTH.end(start) - timedelta(seconds=1):
            assert reached is not None and abs(reached - due) < timedelta(seconds=1)
        elif due > Period.MONTH.end(start) + timedelta(seconds=1):
            assert reached is None


def test_a_period_begins_and_ends_at_midnight_utc_whatever_the_zone() -> None:
    late_in_honolulu = datetime(2026, 12, 31, 20, tzinfo=timezone(timedelta(hours=-10)))
    assert Period.DAY.start(late_in_honolulu) == datetime(2027, 1, 1, tzinfo=UTC)
    assert Period.MONTH.end(datetime(2026, 12, 31, 23, 59, tzinfo=UTC)) == datetime(2027, 1, 1, tzinfo=UTC)
