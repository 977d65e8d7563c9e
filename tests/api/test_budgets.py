"""GET /v1/budgets: the caller's own tenant, what it spent and of how much."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from surefoot.domain.budgets import NANO_USD, Account, Limit, Period, Reservation, Spend
from surefoot.domain.policies import BudgetRule, ModelPolicy, SurfacePolicy, TenantPolicy
from tests.api.world import ACME, GLOBEX, World, world

RULES = (BudgetRule(Limit(100 * NANO_USD), Period.MONTH), BudgetRule(Limit(tokens=1_000), Period.DAY, per_viewer=True))
ADA = Account("help", "a" * 16)


@pytest.fixture
def limited() -> Iterator[World]:
    with world(policy=ModelPolicy({}, TenantPolicy({"help": SurfacePolicy()}, RULES))) as made:
        yield made


def spend(made: World, dollars: int, tokens: int = 0, *, account: Account = ADA) -> None:
    amount = Spend(dollars * NANO_USD, tokens)
    held = made.surefoot.budgets.reserve(ACME, account, amount)
    assert isinstance(held, Reservation)
    made.surefoot.budgets.settle(ACME, held, amount)


def test_before_anything_is_spent_there_are_the_declared_limits(limited: World) -> None:
    shown = limited.client.get("/v1/budgets", headers=limited.admin_key()).json()
    assert (shown["tenant"], shown["level"], shown["open_reservations"], shown["events"]) == ("acme", "normal", [], [])
    assert [(m["limit_usd"], m["spent_usd"], m["share"], m["forecast"]) for m in shown["meters"]] == [(100.0, 0.0, 0.0, None)]


def test_what_was_spent_shows_with_its_limit_level_forecast_and_crossing(limited: World) -> None:
    limited.clock.advance(timedelta(days=9, hours=12))
    spend(limited, 64)
    shown = limited.client.get("/v1/budgets", headers=limited.admin_key()).json()
    everything = shown["meters"][0]
    assert (everything["surface"], everything["viewer_hash"], everything["period"]) == ("", "", "month")
    assert (everything["share"], everything["level"], everything["limit_tokens"]) == (0.64, "warn", None)
    # 64 of 100 in ten days is all of it in fifteen and fifteen hours.
    assert everything["forecast"] == "2026-03-16T15:00:00Z"
    assert shown["level"] == "warn"
    assert [event["data"]["level"] for event in shown["events"]] == ["warn"]


def test_a_meter_without_a_limit_has_no_share(fresh: World) -> None:
    spend(fresh, 1)
    shown = fresh.client.get("/v1/budgets", headers=fresh.admin_key()).json()
    assert [meter["share"] for meter in shown["meters"]] == [None, None, None]
    assert {meter["spent_usd"] for meter in shown["meters"]} == {1.0}


def test_open_reservations_show_until_they_are_settled(limited: World) -> None:
    held = limited.surefoot.budgets.reserve(ACME, ADA, Spend(5, 7))
    assert isinstance(held, Reservation)
    (shown,) = limited.client.get("/v1/budgets", headers=limited.admin_key()).json()["open_reservations"]
    assert (shown["reservation_id"], shown["tokens"], shown["expires_at"]) == (held.reservation_id, 7, "2026-03-01T12:02:00Z")
    limited.surefoot.budgets.settle(ACME, held, Spend(5, 7))
    assert limited.client.get("/v1/budgets", headers=limited.admin_key()).json()["open_reservations"] == []


def test_as_many_viewers_and_events_are_shown_as_were_asked_for(limited: World) -> None:
    for letter in "abc":
        spend(limited, 1, 900, account=Account("help", letter * 16))
    shown = limited.client.get("/v1/budgets?viewers=1&events=2", headers=limited.admin_key()).json()
    assert len({meter["viewer_hash"] for meter in shown["meters"]} - {""}) == 1
    assert (shown["viewers_left_out"], len(shown["events"])) == (2, 2)
    for query in ("viewers=-1", "events=1001", "viewers=x"):
        assert limited.client.get(f"/v1/budgets?{query}", headers=limited.admin_key()).status_code == 422


def test_only_a_key_with_the_scope_admin_reads_budgets_and_only_its_own_tenant_s(limited: World) -> None:
    spend(limited, 64)
    assert limited.client.get("/v1/budgets", headers=limited.admin_key(GLOBEX)).json()["meters"][0]["spent_usd"] == 0.0
    assert limited.client.get("/v1/budgets", headers=limited.ingest_key()).status_code == 403
    assert limited.client.get("/v1/budgets", headers=limited.viewer()).status_code == 401
    assert limited.client.get("/v1/budgets").status_code == 401
