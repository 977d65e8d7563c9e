"""What may be spent, by rule: levels, events, periods, refusals, expiry."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from surefoot.adapters.memory.store import MemoryStore
from surefoot.core.clock import FixedClock
from surefoot.core.errors import InvalidInput
from surefoot.domain.budgets import (
    NANO_USD,
    Account,
    BudgetLevel,
    BudgetState,
    Limit,
    MeterState,
    NoRoom,
    Period,
    Reservation,
    Spend,
)
from surefoot.domain.events import OutgoingEvent
from surefoot.domain.identity import TenantId
from surefoot.domain.policies import NO_MODELS, BudgetRule, ModelPolicy, SurfacePolicy, TenantPolicy
from surefoot.governance.budgets import CROSSED, WRITTEN_OFF, Budgets

NOW = datetime(2026, 6, 11, 12, tzinfo=UTC)
ACME, GLOBEX = TenantId("acme"), TenantId("globex")
ADA, BOB = Account("help", "a" * 16), Account("help", "b" * 16)
ADA_IN_CHAT = Account("chat", "a" * 16)
TENANT_WIDE = BudgetRule(Limit(100 * NANO_USD), Period.MONTH)
ON_HELP = BudgetRule(Limit(50 * NANO_USD), Period.DAY, surface="help")
PER_VIEWER = BudgetRule(Limit(10 * NANO_USD), Period.DAY, per_viewer=True)
PER_VIEWER_ON_HELP = BudgetRule(Limit(tokens=100), Period.DAY, surface="help", per_viewer=True)


def usd(dollars: float, tokens: int = 0) -> Spend:
    return Spend(round(dollars * NANO_USD), tokens)


class Till:
    """Budgets over a memory store. Its clock moves a millisecond with each act, so that events have an order."""

    def __init__(self, *rules: BudgetRule) -> None:
        self.store, self.clock = MemoryStore(), FixedClock(NOW)
        self.use(*rules)

    def use(self, *rules: BudgetRule) -> None:
        """These rules hold from now on."""
        surfaces = {"help": SurfacePolicy(), "chat": SurfacePolicy()}
        self.budgets = Budgets(self.store, self.clock, ModelPolicy({}, TenantPolicy(surfaces, tuple(rules))))

    def reserve(self, amount: Spend, account: Account, tenant: TenantId) -> Reservation | NoRoom:
        self.clock.advance(timedelta(milliseconds=1))
        return self.budgets.reserve(tenant, account, amount)

    def hold(self, amount: Spend, account: Account = ADA, tenant: TenantId = ACME) -> Reservation:
        made = self.reserve(amount, account, tenant)
        assert isinstance(made, Reservation)
        return made

    def settle(self, held: Reservation, actual: Spend, tenant: TenantId = ACME) -> None:
        self.clock.advance(timedelta(milliseconds=1))
        self.budgets.settle(tenant, held, actual)

    def spend(self, amount: Spend, account: Account = ADA, tenant: TenantId = ACME) -> None:
        self.settle(self.hold(amount, account, tenant), amount, tenant)

    def refused(self, amount: Spend, account: Account = ADA) -> MeterState:
        made = self.reserve(amount, account, ACME)
        assert isinstance(made, NoRoom)
        return made.meter

    def events(self, kind: str = CROSSED, tenant: TenantId = ACME) -> list[OutgoingEvent]:
        """In the order in which they are delivered."""
        with self.store.begin() as work:
            due = work.events.due(tenant, now=self.clock.now(), limit=100)
        return [each.event for each in due if each.event.type == kind]

    def levels(self) -> list[object]:
        return [event.data["level"] for event in self.events()]

    def meters(self, tenant: TenantId = ACME) -> dict[tuple[str, str, str], tuple[float, float]]:
        """Dollars spent and reserved by surface, first letter of the viewer, and period."""
        found = self.budgets.report(tenant, viewers=100).meters
        keys = [(m.state.key.surface, m.state.key.viewer_hash[:1], m.state.key.period.value) for m in found]
        return dict(zip(keys, [(m.state.spent.usd, m.state.reserved.usd) for m in found], strict=True))


# What counts where


def test_without_rules_everything_is_counted_and_nothing_is_refused() -> None:
    till = Till()
    till.spend(usd(1_000_000))
    assert till.budgets.state(ACME, ADA) == BudgetState()
    assert till.meters() == {
        ("", "", "month"): (1_000_000.0, 0.0),
        ("help", "", "month"): (1_000_000.0, 0.0),
        ("", "a", "month"): (1_000_000.0, 0.0),
    }
    assert till.events() == []


def test_with_the_built_in_policy_the_help_surface_counts_too() -> None:
    budgets = Budgets(MemoryStore(), FixedClock(NOW), NO_MODELS)
    assert isinstance(budgets.reserve(ACME, ADA, usd(1)), Reservation)


def test_every_rule_that_concerns_the_account_has_its_meter() -> None:
    till = Till(TENANT_WIDE, ON_HELP, PER_VIEWER, PER_VIEWER_ON_HELP)
    till.hold(usd(2), ADA)
    till.spend(usd(3), ADA_IN_CHAT)
    assert till.meters() == {
        ("", "", "month"): (3.0, 2.0),
        ("chat", "", "month"): (3.0, 0.0),
        ("help", "", "day"): (0.0, 2.0),
        ("help", "", "month"): (0.0, 2.0),
        ("", "a", "day"): (3.0, 2.0),
        ("help", "a", "day"): (0.0, 2.0),
        ("", "a", "month"): (3.0, 2.0),
    }


def test_the_lowest_limit_of_each_unit_holds_where_rules_meet() -> None:
    till = Till(
        BudgetRule(Limit(100, 50), Period.DAY), BudgetRule(Limit(80, None), Period.DAY), BudgetRule(Limit(90, 70), Period.DAY)
    )
    assert [meter.limit for meter in till.budgets.state(ACME, ADA).meters] == [Limit(80, 50)]


@pytest.mark.parametrize("rule", [TENANT_WIDE, ON_HELP, PER_VIEWER, PER_VIEWER_ON_HELP], ids=str)
def test_each_kind_of_rule_refuses_what_passes_it_and_allows_what_just_fits(rule: BudgetRule) -> None:
    till = Till(rule)
    limit = Spend(rule.limit.nano_usd or 0, rule.limit.tokens or 0)
    meter = till.refused(limit + Spend(1, 1))
    assert (meter.key.surface, bool(meter.key.viewer_hash), meter.key.period) == (rule.surface, rule.per_viewer, rule.period)
    till.hold(limit)
    till.refused(Spend(1, 1))


def test_a_refusal_leaves_nothing_behind() -> None:
    till = Till(TENANT_WIDE, PER_VIEWER)
    before = till.budgets.report(ACME)
    till.refused(usd(11))
    assert replace(till.budgets.report(ACME), now=before.now) == before
    assert before.is_empty and before.open_reservations == ()


def test_the_budget_of_one_viewer_touches_no_other_viewer() -> None:
    till = Till(PER_VIEWER)
    till.spend(usd(10), ADA)
    assert till.budgets.state(ACME, ADA).level is BudgetLevel.EXHAUSTED
    assert till.budgets.state(ACME, BOB).level is BudgetLevel.NORMAL
    till.refused(usd(1), ADA)
    till.spend(usd(10), BOB)


def test_a_viewer_s_limit_on_one_surface_leaves_them_the_others() -> None:
    till = Till(PER_VIEWER_ON_HELP)
    till.spend(Spend(tokens=100), ADA)
    till.refused(Spend(tokens=1), ADA)
    till.spend(Spend(tokens=1_000), ADA_IN_CHAT)


def test_one_tenant_spends_nothing_of_another() -> None:
    till = Till(TENANT_WIDE)
    till.spend(usd(100), tenant=GLOBEX)
    assert till.budgets.state(ACME, ADA).level is BudgetLevel.NORMAL
    assert till.budgets.report(ACME).is_empty and till.events() == []


def test_threads_together_never_hold_more_than_the_limit() -> None:
    till = Till(TENANT_WIDE)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: till.budgets.reserve(ACME, (ADA, BOB)[n % 2], usd(3)), range(64)))
    assert sum(isinstance(each, Reservation) for each in made) == 33
    assert till.meters()["", "", "month"] == (0.0, 99.0)


@pytest.mark.parametrize("account", [Account("nowhere", "a"), Account("", "a"), Account("help", "")])
def test_nobody_spends_on_a_surface_that_is_not_declared_or_without_a_name(account: Account) -> None:
    with pytest.raises(InvalidInput):
        Till(TENANT_WIDE).budgets.reserve(ACME, account, usd(1))


def test_no_amount_is_below_nothing() -> None:
    till = Till(TENANT_WIDE)
    with pytest.raises(InvalidInput, match="below 0"):
        till.budgets.reserve(ACME, ADA, Spend(-1))
    with pytest.raises(InvalidInput, match="below 0"):
        till.budgets.settle(ACME, till.hold(usd(1)), Spend(0, -1))


# Settling


def test_settling_gives_back_what_was_not_spent() -> None:
    till = Till(TENANT_WIDE)
    held = till.hold(usd(90))
    till.refused(usd(20))
    till.settle(held, usd(1.5, 700))
    assert till.meters()["", "", "month"] == (1.5, 0.0)
    till.hold(usd(90))


def test_a_reservation_is_settled_once() -> None:
    till = Till(TENANT_WIDE)
    held = till.hold(usd(5))
    till.settle(held, usd(2))
    till.settle(held, usd(2))
    assert till.meters()["", "", "month"] == (2.0, 0.0)


def test_more_than_was_reserved_is_counted_all_the_same() -> None:
    till = Till(TENANT_WIDE)
    till.settle(till.hold(usd(90)), usd(120))
    assert till.meters()["", "", "month"] == (120.0, 0.0)
    assert till.levels() == ["warn", "small_only", "exhausted"]


# Expiry


def test_what_expired_counts_as_spent_in_full_and_only_once() -> None:
    till = Till(TENANT_WIDE)
    held = till.hold(usd(5, 40))
    till.clock.advance(timedelta(seconds=119))
    assert till.budgets.write_off(ACME) == []
    till.clock.advance(timedelta(seconds=1))
    assert till.budgets.write_off(ACME) == [held]
    assert till.budgets.write_off(ACME) == []
    till.settle(held, usd(1))
    assert till.meters()["", "", "month"] == (5.0, 0.0)
    (event,) = till.events(WRITTEN_OFF)
    assert event.data == {"tenant": "acme", "surfaces": ["help"], "reservations": 1, "spent_usd": 5.0, "tokens": 40}


def test_reserving_writes_off_what_expired_at_most_once_in_a_ttl() -> None:
    till = Till()
    till.hold(usd(1))
    till.clock.advance(timedelta(seconds=60))
    till.hold(usd(2))
    till.clock.advance(timedelta(seconds=60))
    till.hold(usd(4))
    assert len(till.events(WRITTEN_OFF)) == 1
    # The second expires now, and the last write-off is not a ttl ago.
    till.clock.advance(timedelta(seconds=60))
    till.hold(usd(8))
    assert len(till.events(WRITTEN_OFF)) == 1
    till.clock.advance(timedelta(seconds=60))
    till.hold(usd(16))
    assert len(till.events(WRITTEN_OFF)) == 2
    assert till.meters()["", "", "month"] == (7.0, 24.0)


def test_a_report_shows_nothing_as_open_that_expired() -> None:
    till = Till()
    held = till.hold(usd(1))
    assert till.budgets.report(ACME).open_reservations == (held,)
    till.clock.advance(timedelta(seconds=120))
    report = till.budgets.report(ACME)
    assert report.open_reservations == () and [event.type for event in report.events] == [WRITTEN_OFF]


# Levels and their events


@pytest.mark.parametrize(("dollars", "level"), [(59.9, "normal"), (60, "warn"), (80, "small_only"), (100, "exhausted")])
def test_the_state_has_the_level_of_what_is_spent_and_reserved(dollars: float, level: str) -> None:
    till = Till(TENANT_WIDE)
    till.spend(usd(dollars / 2))
    till.hold(usd(dollars / 2))
    assert till.budgets.state(ACME, ADA).level == level


def test_the_worst_meter_gives_the_level() -> None:
    till = Till(TENANT_WIDE, PER_VIEWER)
    till.spend(usd(8.5), ADA)
    assert till.budgets.state(ACME, ADA).level is BudgetLevel.SMALL_ONLY
    assert till.budgets.report(ACME).level is BudgetLevel.NORMAL


def test_each_level_is_told_when_it_is_crossed() -> None:
    till = Till(TENANT_WIDE)
    told = []
    for dollars in (59, 1, 19, 1, 19, 1):
        till.spend(usd(dollars))
        told.append(till.levels())
    all_of_them = ["warn", "small_only", "exhausted"]
    assert told == [[], all_of_them[:1], all_of_them[:1], all_of_them[:2], all_of_them[:2], all_of_them]


def test_a_jump_over_two_levels_tells_both_in_order() -> None:
    till = Till(TENANT_WIDE)
    till.spend(usd(50))
    assert till.levels() == []
    till.hold(usd(35))
    assert till.levels() == ["warn", "small_only"]


def test_a_level_is_told_once_in_a_period_even_when_it_is_left_and_entered_again() -> None:
    till = Till(TENANT_WIDE)
    for _ in range(3):
        held = till.hold(usd(70))
        assert till.budgets.state(ACME, ADA).level is BudgetLevel.WARN
        till.settle(held, usd(0))
        assert till.budgets.state(ACME, ADA).level is BudgetLevel.NORMAL
    assert till.levels() == ["warn"]


def test_meters_tell_their_levels_each_for_themselves() -> None:
    till = Till(PER_VIEWER, ON_HELP)
    till.spend(usd(6), ADA)
    till.spend(usd(6), BOB)
    assert [(event.data["level"], event.subject) for event in till.events()] == [
        ("warn", f"day/viewer:{'a' * 16}"),
        ("warn", f"day/viewer:{'b' * 16}"),
    ]


def test_a_crossing_says_what_of_how_much_and_until_when() -> None:
    till = Till(BudgetRule(Limit(100 * NANO_USD, 1_000), Period.DAY, surface="help"))
    till.spend(usd(50, 10))
    till.hold(usd(12.5, 5))
    (event,) = till.events()
    assert event.subject == "day/surface:help" and event.time == till.clock.now() and event.event_id.startswith("evt_")
    assert event.data == {
        "tenant": "acme",
        "surface": "help",
        "viewer_hash": "",
        "period": "day",
        "period_start": "2026-06-11T00:00:00+00:00",
        "level": "warn",
        "share": 0.625,
        "spent_usd": 50.0,
        "reserved_usd": 12.5,
        "limit_usd": 100.0,
        "tokens": 15,
        "limit_tokens": 1000,
        "forecast": None,
    }


def test_a_new_limit_that_is_passed_already_is_told_with_the_next_spending() -> None:
    till = Till()
    till.spend(usd(85))
    till.use(TENANT_WIDE)
    till.spend(usd(1))
    assert till.levels() == ["warn", "small_only"]


def test_a_call_refused_past_80_percent_tells_that_the_budget_is_exhausted() -> None:
    till = Till(TENANT_WIDE)
    till.spend(usd(97))
    assert till.refused(usd(4)).share == 0.97
    till.refused(usd(4))
    assert till.levels() == ["warn", "small_only", "exhausted"]
    assert till.budgets.state(ACME, ADA).level is BudgetLevel.SMALL_ONLY
    till.spend(usd(3))
    assert till.levels() == ["warn", "small_only", "exhausted"]


def test_a_call_refused_below_80_percent_or_only_until_others_settle_tells_nothing_of_the_kind() -> None:
    till = Till(TENANT_WIDE)
    till.spend(usd(50))
    till.refused(usd(60))
    assert till.levels() == []
    till.hold(usd(45))
    till.refused(usd(10))
    assert till.levels() == ["warn", "small_only"]


def test_a_spending_that_is_not_committed_tells_nothing() -> None:
    till = Till(TENANT_WIDE, PER_VIEWER_ON_HELP)
    till.spend(usd(59))
    till.refused(usd(30, 101))
    assert till.events() == []


# Periods


def test_a_new_day_begins_at_nothing_and_tells_its_levels_again() -> None:
    till = Till(ON_HELP)
    till.spend(usd(50))
    till.refused(usd(1))
    till.clock.advance(timedelta(hours=12))
    assert till.budgets.state(ACME, ADA) == BudgetState.of(till.budgets.state(ACME, ADA).meters)
    assert till.budgets.state(ACME, ADA).level is BudgetLevel.NORMAL
    till.spend(usd(30))
    assert till.levels() == ["warn", "small_only", "exhausted", "warn"]
    assert till.meters()["help", "", "day"] == (30.0, 0.0)
    assert till.meters()["help", "", "month"] == (80.0, 0.0)


def test_what_was_reserved_before_midnight_counts_for_the_day_it_was_reserved_in() -> None:
    till = Till(ON_HELP)
    till.clock.moment = datetime(2026, 6, 30, 23, 59, 50, tzinfo=UTC)
    held = till.hold(usd(20))
    till.clock.advance(timedelta(seconds=20))
    till.settle(held, usd(20))
    report = till.budgets.report(ACME)
    assert report.is_empty and report.now.month == 7


# Reports


def test_a_report_shows_declared_limits_before_anything_is_spent() -> None:
    report = Till(TENANT_WIDE, ON_HELP, PER_VIEWER).budgets.report(ACME)
    assert report.is_empty
    assert [(m.state.key.surface, m.state.key.period, m.has_limit) for m in report.meters] == [
        ("", Period.MONTH, True),
        ("help", Period.DAY, True),
    ]


def test_a_report_has_share_level_forecast_reservations_and_events() -> None:
    till = Till(TENANT_WIDE)
    till.spend(usd(60))
    held = till.hold(usd(1))
    report = till.budgets.report(ACME)
    first = report.meters[0]
    assert (first.state.share, first.state.level, report.level) == (0.61, "warn", "warn")
    # 60 of 100 in ten days and a half is all of it in seventeen and a half.
    assert first.forecast is not None
    assert abs(first.forecast - datetime(2026, 6, 18, 12, tzinfo=UTC)) < timedelta(seconds=1)
    assert report.open_reservations == (held,)
    assert [event.type for event in report.events] == [CROSSED]


def test_a_report_shows_the_viewers_nearest_to_their_limit_and_counts_the_others() -> None:
    till = Till(PER_VIEWER)
    for number in range(30):
        till.spend(usd(number / 10), Account("help", f"{number:016}"))
    report = till.budgets.report(ACME, viewers=2)
    assert viewers_of(report.meters) == [f"{29:016}", f"{28:016}"] and report.viewers_left_out == 28


def viewers_of(meters: Sequence[object]) -> list[str]:
    return [meter.state.key.viewer_hash for meter in meters if meter.state.key.viewer_hash]  # type: ignore[attr-defined]
