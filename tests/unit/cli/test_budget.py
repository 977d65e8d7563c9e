"""`surefoot budget`, as a person reads it and as a program does."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from surefoot.adapters.memory.store import MemoryStore
from surefoot.adapters.sql.store import SqlStore
from surefoot.cli.budget import lines
from surefoot.cli.main import app
from surefoot.core.clock import FixedClock, SystemClock
from surefoot.domain.budgets import NANO_USD, Account, Limit, Period, Reservation, Spend
from surefoot.domain.identity import TenantId
from surefoot.domain.policies import NO_MODELS, BudgetRule, ModelPolicy, SurfacePolicy, TenantPolicy
from surefoot.governance.budgets import Budgets

ACME = TenantId("acme")
ADA = Account("help", "a" * 16)
RULES = (
    BudgetRule(Limit(100 * NANO_USD, 20_000), Period.MONTH),
    BudgetRule(Limit(10 * NANO_USD), Period.DAY, per_viewer=True),
)


def reserve(budgets: Budgets, amount: Spend, account: Account = ADA) -> Reservation:
    held = budgets.reserve(ACME, account, amount)
    assert isinstance(held, Reservation)
    return held


def in_memory(*rules: BudgetRule) -> tuple[Budgets, FixedClock]:
    clock = FixedClock(datetime(2026, 6, 11, tzinfo=UTC))
    return Budgets(MemoryStore(), clock, ModelPolicy({}, TenantPolicy({"help": SurfacePolicy()}, rules))), clock


def test_a_person_reads_meters_limits_forecasts_reservations_and_crossings() -> None:
    budgets, _ = in_memory(*RULES)
    budgets.settle(ACME, reserve(budgets, Spend(6 * NANO_USD, 12_000)), Spend(6 * NANO_USD, 12_000))
    held = reserve(budgets, Spend(NANO_USD // 500, 40))
    shown = [line.split("  ") for line in lines(budgets.report(ACME))]
    cells = [[cell.strip() for cell in line if cell] for line in shown]
    assert cells[0] == ["Budgets of acme at 2026-06-11 00:00 UTC: warn"]
    assert cells[2] == [
        "everything", "month", "$6.00", "$0.0020", "$100.00", "12,040 of 20,000", "60.2%", "warn", "2026-06-17 16:00 UTC",
    ]  # fmt: skip
    assert cells[3] == ["surface help", "month", "$6.00", "$0.0020", "none", "12,040", "-", "-", "-"]
    assert cells[4][:2] == [f"viewer {'a' * 16}", "day"] and cells[4][-2:] == ["warn", "2026-06-11 00:40 UTC"]
    assert cells[6][0].startswith("Open reservations: 1;")
    assert cells[7][0] == held.reservation_id and cells[7][-1] == "expires 2026-06-11 00:02:00 UTC"
    said = {line[-1] for line in cells[9:]}
    assert said == {
        "warn: everything, month from 2026-06-01, at 60.0%",
        f"warn: viewer {'a' * 16}, day from 2026-06-11, at 60.0%",
    }


def test_a_person_is_told_plainly_that_nothing_was_spent_and_where_limits_are_declared() -> None:
    budgets, _ = in_memory()
    assert list(lines(budgets.report(ACME))) == [
        "acme has spent nothing and holds nothing in reserve in the current periods.",
        "Limits are declared in models.toml; nothing shown here has one.",
    ]


def test_declared_limits_show_although_nothing_was_spent() -> None:
    budgets, _ = in_memory(*RULES)
    shown = "\n".join(lines(budgets.report(ACME)))
    assert "spent nothing" in shown and "models.toml" not in shown and "$100.00" in shown


def test_a_write_off_and_what_is_left_out_are_said() -> None:
    budgets, clock = in_memory()
    for number in range(12):
        reserve(budgets, Spend(NANO_USD), Account("help", f"{number:016}"))
    shown = "\n".join(lines(budgets.report(ACME, viewers=3)))
    assert "not shown: 9;" in shown and "and 2 more;" in shown
    clock.advance(timedelta(minutes=5))
    shown = "\n".join(lines(budgets.report(ACME)))
    assert "written off: 12 expired reservations, $12.00" in shown and "Open reservations" not in shown


def test_the_command_shows_what_is_in_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in ("SUREFOOT_DATA_DIR", "SUREFOOT_TENANT", "SUREFOOT_DATABASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    run = CliRunner()
    unknown = run.invoke(app, ["budget", "--tenant", "nobody", "--data-dir", "data"])
    assert unknown.exit_code == 2 and "surefoot init" in unknown.stderr
    store = SqlStore(f"sqlite:///{tmp_path / 'data' / 'surefoot.db'}")
    with store.begin() as work:
        work.tenants.create(ACME, now=SystemClock().now())
        work.commit()
    arguments = ["budget", "--tenant", "acme", "--data-dir", "data"]
    assert "acme has spent nothing" in run.invoke(app, arguments).stdout
    budgets = Budgets(store, SystemClock(), NO_MODELS)
    budgets.settle(ACME, reserve(budgets, Spend(3 * NANO_USD, 70)), Spend(2 * NANO_USD, 60))
    store.close()
    record = json.loads(run.invoke(app, [*arguments, "--json"]).stdout)
    assert [(meter["spent_usd"], meter["spent_tokens"], meter["reserved_usd"]) for meter in record["meters"]] == [
        (2.0, 60, 0.0)
    ] * 3
    shown = run.invoke(app, arguments)
    assert shown.exit_code == 0 and "$2.00" in shown.stdout and "nothing shown here has one" in shown.stdout
