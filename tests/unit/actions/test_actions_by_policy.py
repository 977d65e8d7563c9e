"""The shipped actions under the shipped rules: real files, real facts, real Cedar, one press after another."""

from dataclasses import replace
from datetime import time, timedelta

import pytest

from surefoot.actions.facts import ActionFacts, RuleCalendar
from surefoot.actions.parts import Request
from surefoot.actions.registry import load_registry
from surefoot.actions.service import Actions
from surefoot.adapters.cedar_policy import CedarPolicy
from surefoot.adapters.memory.host import MemoryHost
from surefoot.domain.action_rules import ActionRules, TenantRules, WeekHours
from surefoot.domain.actions import ActionSpec, Env
from surefoot.domain.identity import Principal, Viewer, parse_context
from surefoot.domain.runs import RunState, Stage
from tests.unit.actions.acting import TENANT, acting

REGISTRY = load_registry()
RULES = ActionRules()
NORA = Viewer(TENANT, "nora", context=parse_context({"user_id": "usr_nora01", "account_id": "acc_fernhill1"}))
FELIX = Viewer(TENANT, "felix", context=parse_context({"user_id": "usr_felix01", "account_id": "acc_mossbank1"}))


def house(budget_share: float = 0.0, rules: ActionRules = RULES):  # type: ignore[no-untyped-def]
    """The world of the other tests with nothing in it that only a test would have."""
    world = acting()
    kinds = {spec.name: spec.effects[0].resource for spec in REGISTRY.newest() if spec.effects}
    world.host = MemoryHost(kinds=kinds, clock=world.clock)
    world.parts = replace(
        world.parts,
        registry=REGISTRY,
        policy=CedarPolicy(),
        facts=ActionFacts(world.store, rules, lambda tenant: budget_share),
        calendar=RuleCalendar(rules),
        hosts={spec.connector.ref: world.host for spec in REGISTRY.all()},
    )
    world.actions = Actions(world.parts)
    return world


def request_of(spec: ActionSpec, agent: str = "") -> Request:
    example = next(each for each in spec.examples if each.is_valid)
    return Request(spec.name, dict(example.arguments), f"key-{spec.name}", Env.PRODUCTION, agent)


@pytest.mark.parametrize("name", sorted(spec.name for spec in REGISTRY.newest()))
def test_every_shipped_action_comes_to_a_plan_or_to_a_reason(name: str) -> None:
    world = house()
    shown = world.actions.propose(NORA, request_of(REGISTRY.get(name)))
    decision = shown.decisions[-1].decision
    assert decision.errors == ()
    assert shown.run.state in {RunState.PLANNED, RunState.AWAITING_APPROVAL, RunState.DENIED}
    assert (shown.run.state is RunState.DENIED) is (shown.plan is None)
    assert decision.reasons


def test_a_shipped_low_risk_action_is_one_click_for_a_person_whom_the_assistant_asks() -> None:
    world = house()
    shown = world.actions.propose(NORA, request_of(REGISTRY.get("pin_shortcut"), agent="assistant"))
    assert shown.run.state is RunState.PLANNED
    before = world.host.state_hash(TENANT)
    done = world.actions.apply(NORA, shown.run.run_id, wait=True)
    assert done.run.state is RunState.APPLIED
    world.clock.advance(timedelta(minutes=1))
    assert world.actions.undo(NORA, shown.run.run_id, wait=True).run.state is RunState.APPLIED
    assert world.host.state_hash(TENANT) == before


def test_at_a_spent_budget_the_assistant_only_suggests_and_a_person_goes_on() -> None:
    world = house(budget_share=1.0)
    shown = world.actions.propose(NORA, request_of(REGISTRY.get("pin_shortcut"), agent="assistant"))
    assert shown.run.state is RunState.SUGGESTED
    world.actions.take_up(NORA, shown.run.run_id)
    assert world.actions.apply(NORA, shown.run.run_id, wait=True).run.state is RunState.APPLIED


@pytest.mark.parametrize("name", sorted(spec.name for spec in REGISTRY.newest()))
def test_nobody_runs_a_shipped_action_for_somebody_else(name: str) -> None:
    shown = house().actions.propose(FELIX, request_of(REGISTRY.get(name)))
    assert shown.run.state is RunState.DENIED
    assert "somebody-elses" in {reason.rule for reason in shown.decisions[-1].decision.reasons}


def test_a_viewer_of_whom_nothing_is_stated_owns_only_their_own_id() -> None:
    world = house()
    nobody = Viewer(TENANT, "nora")
    assert world.actions.propose(nobody, request_of(REGISTRY.get("pin_shortcut"))).run.state is RunState.DENIED
    herself = Viewer(TENANT, "usr_nora01")
    assert world.actions.propose(herself, request_of(REGISTRY.get("pin_shortcut"))).run.state is RunState.PLANNED


def test_a_role_that_the_rules_name_acts_for_others_and_no_other_does() -> None:
    world = house(rules=ActionRules(default=TenantRules(acts_for_others=frozenset({"support"}))))
    admin = replace(FELIX, principals=frozenset({Principal("role:admin")}))
    support = replace(FELIX, principals=frozenset({Principal("role:support")}))
    pin = request_of(REGISTRY.get("pin_shortcut"))
    assert world.actions.propose(admin, replace(pin, key="one")).run.state is RunState.DENIED
    shown = world.actions.propose(support, replace(pin, key="two"))
    assert world.actions.apply(support, shown.run.run_id, wait=True).run.state is RunState.APPLIED


def test_whose_the_run_is_is_asked_again_when_it_is_applied() -> None:
    world = house(rules=ActionRules(default=TenantRules(acts_for_others=frozenset({"support"}))))
    support = replace(FELIX, principals=frozenset({Principal("role:support")}))
    shown = world.actions.propose(support, request_of(REGISTRY.get("pin_shortcut")))
    denied = world.actions.apply(FELIX, shown.run.run_id, wait=True)
    assert (denied.run.state, denied.decisions[-1].stage) == (RunState.DENIED, Stage.APPLY)


def test_a_scheduled_run_goes_on_as_what_its_person_s_token_stated() -> None:
    quiet = TenantRules(quiet_hours=(WeekHours(time(11), time(13)),), consents=frozenset({"product_tips"}))
    world = house(rules=ActionRules(default=quiet))
    spec = REGISTRY.get("prefill_form")
    world.parts = replace(world.parts, registry=_Minding(replace(spec, gates=replace(spec.gates, quiet_hours=True))))
    world.actions = Actions(world.parts)
    shown = world.actions.propose(NORA, request_of(spec))
    assert world.actions.apply(NORA, shown.run.run_id, wait=True).run.state is RunState.SCHEDULED
    # The preview has expired by then, so that it is planned anew as well.
    world.later(hours=2)
    world.work()
    after = world.actions.show(NORA, shown.run.run_id)
    assert world.state(after.successor or after.run.run_id) is RunState.APPLIED


class _Minding:
    """One action, which minds quiet hours."""

    def __init__(self, spec: ActionSpec) -> None:
        self._spec = spec

    def get(self, name: str, major: int | None = None) -> ActionSpec:
        return self._spec
