"""Facts come from the action's file, the tenant's rules and the store, and the shipped schema knows each of them."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from surefoot.actions.arguments import cap_keys
from surefoot.actions.facts import ActionFacts, RuleCalendar
from surefoot.actions.registry import load_registry
from surefoot.adapters.cedar_policy import CedarPolicy
from surefoot.domain.action_rules import ActionRules, HostAddress, TenantRules, WeekHours
from surefoot.domain.actions import Arguments, AutonomyLevel, Cap, Env, Json
from surefoot.domain.runs import CapHold, PolicyEffect, PolicyQuestion, Run, RunKind, RunState, Stage
from tests.world import NOW, TENANT, World, markdown, memory_world, reader

REGISTRY = load_registry()
UPGRADE, NUDGE = REGISTRY.get("suggest_upgrade_within_policy"), REGISTRY.get("schedule_nudge")
HOSTS = {"host_app": HostAddress("http://127.0.0.1:9000", "SECRET", "eu")}
ALL_DAY = TenantRules(max_discount_percent=100.0, consents=frozenset({"product_tips", "upgrade_offers"}))


def run_of(name: str = "schedule_nudge", *, citations: tuple[str, ...] = (), arguments: Arguments | None = None) -> Run:
    spec = REGISTRY.get(name)
    given = arguments or next(example.arguments for example in spec.examples if example.is_valid)
    return Run(
        run_id="run_1",
        env=Env.PRODUCTION,
        kind=RunKind.APPLY,
        action=name,
        action_version=spec.version,
        schema_hash=spec.schema_hash,
        maker="ann",
        arguments=given,
        arguments_hash="hash",
        idem_scope="ann",
        idem_key="key",
        idem_fingerprint="print",
        natural_key="",
        state=RunState.PROPOSED,
        created_at=NOW,
        deadline=NOW + timedelta(hours=1),
        citations=citations,
    )


@pytest.fixture
def world() -> World:
    return memory_world()


def facts_in(
    world: World, rules: TenantRules = ALL_DAY, *, run: Run | None = None, share: float = 0.0, now: datetime = NOW
) -> dict[str, Json]:
    run = run or run_of()
    computed = ActionFacts(world.store, ActionRules(HOSTS, rules), lambda tenant: share)
    return dict(computed.compute(TENANT, REGISTRY.get(run.action), run, Stage.APPLY, now))


@pytest.mark.parametrize("name", [spec.name for spec in REGISTRY.all()])
def test_the_shipped_schema_takes_exactly_the_facts_that_are_computed(world: World, name: str) -> None:
    facts = facts_in(world, run=run_of(name)) | {"own": []}
    decision = CedarPolicy().decide(TENANT, PolicyQuestion(Stage.UNDO, Env.PRODUCTION, name, "ann", frozenset(), False, facts))
    assert (decision.effect, decision.errors) == (PolicyEffect.ALLOW, ())


def test_caps_count_what_is_reserved_and_committed_in_their_window(world: World) -> None:
    run = run_of()
    cap = NUDGE.caps[0]
    most = facts_in(world, run=run)["caps_left"]
    key = next(each.key for each in cap_keys(NUDGE, run.arguments, tenant=TENANT, account=TENANT, user="ann") if each.cap is cap)
    with world.store.begin() as work:
        hold = CapHold(cap.id, key, NOW - timedelta(days=7), cap.max)
        assert work.runs.create(TENANT, replace(run, run_id="run_0")) is None
        assert work.runs.hold_caps(TENANT, Env.PRODUCTION, "run_0", [hold], now=NOW) is None
        work.commit()
    assert isinstance(most, int)
    assert facts_in(world, run=run)["caps_left"] == min(most, cap.max - 1)
    assert facts_in(world, run=replace(run, env=Env.SANDBOX))["caps_left"] == most, "environments have caps of their own"
    assert facts_in(world, run=run, now=NOW + timedelta(days=8))["caps_left"] == most, "the window has moved on"


def test_citations_count_only_chunks_that_exist_and_age_is_the_oldest(world: World) -> None:
    old = "---\nupdated_at: 2026-05-22\n---\n# Old\n\nRefunds arrive within 5 business days.\n"
    new = "---\nupdated_at: 2026-05-31\n---\n# New\n\nPayouts arrive every Monday.\n"
    world.put(markdown("old.md", old), markdown("new.md", new))
    ids = tuple(p.chunk.chunk_id for p in world.searcher.search(reader(), "When do refunds and payouts arrive?").passages)
    facts = facts_in(world, run=run_of("suggest_upgrade_within_policy", citations=(*ids, "chk_000000000000000000000000")))
    assert (facts["citations"], facts["evidence_age_days"]) == (2, 10)


def test_evidence_without_a_date_has_no_age_and_so_denies_where_age_counts(world: World) -> None:
    world.put(markdown("undated.md", "# Undated\n\nRefunds arrive within 5 business days.\n"))
    ids = tuple(p.chunk.chunk_id for p in world.searcher.search(reader(), "refunds").passages)
    run = run_of("suggest_upgrade_within_policy", citations=ids)
    facts = facts_in(world, run=run) | {"own": ["account:acc_fernhill1"]}
    assert "evidence_age_days" not in facts
    decision = CedarPolicy().decide(
        TENANT, PolicyQuestion(Stage.APPLY, Env.PRODUCTION, run.action, "ann", frozenset(), False, facts)
    )
    assert decision.effect is PolicyEffect.DENY and decision.errors


def test_whom_a_run_is_for_is_what_its_arguments_name_of_the_kind_of_its_scope(world: World) -> None:
    assert facts_in(world, run=run_of("pin_shortcut"))["concerns"] == ["user:usr_nora01"]
    assert facts_in(world, run=run_of("enable_feature"))["concerns"] == ["account:acc_fernhill1"]


def test_a_run_that_names_nobody_has_no_such_fact_and_is_denied(world: World) -> None:
    spec = REGISTRY.get("show_checklist")
    capless, run = replace(spec, caps=()), run_of("show_checklist", arguments={"checklist_id": "tax_setup"})
    facts = ActionFacts(world.store, ActionRules(HOSTS, ALL_DAY), lambda tenant: 0.0).compute(
        TENANT, capless, run, Stage.APPLY, NOW
    )
    assert "concerns" not in facts


def test_consent_is_what_the_tenant_s_people_agreed_to_and_nothing_by_default(world: World) -> None:
    assert facts_in(world)["has_consent"] is True
    assert facts_in(world, TenantRules())["has_consent"] is False


def test_hours_and_windows_are_the_tenant_s_own(world: World) -> None:
    berlin = replace(ALL_DAY, zone=ZoneInfo("Europe/Berlin"), quiet_hours=(WeekHours(time(22), time(7)),))
    late = datetime(2026, 6, 1, 20, 30, tzinfo=UTC)
    assert facts_in(world, berlin, now=late)["in_quiet_hours"] is True, "22:30 in Berlin"
    assert facts_in(world, replace(berlin, zone=UTC), now=late)["in_quiet_hours"] is False
    windowed = replace(ALL_DAY, change_windows=(WeekHours(time(9), time(16), frozenset({1})),))
    assert facts_in(world, windowed)["in_change_window"] is False, "it is Monday"
    assert facts_in(world, windowed, now=NOW + timedelta(days=1))["in_change_window"] is True
    assert facts_in(world)["in_change_window"] is True, "no windows, none that is shut"


def test_a_tenant_with_a_region_lets_data_go_only_to_hosts_that_state_it(world: World) -> None:
    assert facts_in(world, replace(ALL_DAY, region="eu"))["is_resident"] is True
    assert facts_in(world, replace(ALL_DAY, region="us"))["is_resident"] is False


def test_arguments_that_name_another_region_are_no_way_around_residency(world: World) -> None:
    rules = replace(ALL_DAY, region="eu")
    run = run_of("connect_integration")
    for region, stays in (("eu", True), ("us", False), ("au", False)):
        named = replace(run, arguments={**run.arguments, "data_region": region})
        assert facts_in(world, rules, run=named)["is_resident"] is stays, region
        assert facts_in(world, replace(rules, region=""), run=named)["is_resident"] is True, "no region is minded"


def test_budget_holdout_and_autonomy_are_told(world: World) -> None:
    facts = facts_in(world, replace(ALL_DAY, holdouts=frozenset({"ann"})), share=0.999)
    assert (facts["budget_percent"], facts["in_holdout"], facts["autonomy"]) == (99, True, 1)
    with world.store.begin() as work:
        work.runs.set_autonomy(TENANT, "schedule_nudge", AutonomyLevel.UNATTENDED, reason="test", now=NOW)
        work.commit()
    assert facts_in(world)["autonomy"] == min(2, NUDGE.autonomy_max.rank), "never beyond what the action declares"


def test_a_deferred_run_goes_on_when_quiet_hours_end_within_a_change_window() -> None:
    rules = TenantRules(
        quiet_hours=(WeekHours(time(22), time(10)),), change_windows=(WeekHours(time(9), time(16), frozenset({2})),)
    )
    calendar = RuleCalendar(ActionRules({}, rules))
    spec = replace(UPGRADE, gates=replace(UPGRADE.gates, quiet_hours=True, change_window=True))
    opens = calendar.opens_at(TENANT, spec, run_of("suggest_upgrade_within_policy"), NOW)
    assert opens == datetime(2026, 6, 3, 10, tzinfo=UTC), "Wednesday, after the quiet hours"


def test_an_incident_is_looked_at_again_after_a_pause() -> None:
    calendar = RuleCalendar(ActionRules({}, TenantRules(incident_open=True)))
    assert calendar.opens_at(TENANT, NUDGE, run_of(), NOW) == NOW + timedelta(minutes=15)


def test_a_cap_by_account_counts_by_the_account_that_the_token_stated_and_by_tenant_without_one(world: World) -> None:
    spec = replace(NUDGE, caps=(Cap("nudges_account_day", ("account",), "P1D", 5),))
    facts = ActionFacts(world.store, ActionRules(HOSTS, ALL_DAY), lambda tenant: 0.0)
    with world.store.begin() as work:
        for number, account in enumerate(["acc_1"] * 3 + ["acc_2"] + [""] * 2):
            run = replace(run_of(), run_id=f"run_{number}", idem_key=str(number), natural_key=str(number), account=account)
            key = cap_keys(spec, run.arguments, tenant=TENANT, account=account or TENANT, user="ann")[0].key
            hold = CapHold("nudges_account_day", key, NOW - timedelta(days=1), 5)
            assert work.runs.create(TENANT, run) is None
            assert work.runs.hold_caps(TENANT, Env.PRODUCTION, run.run_id, [hold], now=NOW) is None
        work.commit()
    left = {
        account: facts.compute(TENANT, spec, replace(run_of(), account=account), Stage.APPLY, NOW)["caps_left"]
        for account in ("acc_1", "acc_2", "acc_3", "")
    }
    assert left == {"acc_1": 2, "acc_2": 4, "acc_3": 5, "": 3}
