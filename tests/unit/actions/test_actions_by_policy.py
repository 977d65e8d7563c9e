"""The shipped actions under the shipped rules: real files, real facts, real Cedar, one press after another."""

from dataclasses import replace
from datetime import timedelta

import pytest

from surefoot.actions.facts import ActionFacts, RuleCalendar
from surefoot.actions.parts import Request
from surefoot.actions.registry import load_registry
from surefoot.actions.service import Actions
from surefoot.adapters.cedar_policy import CedarPolicy
from surefoot.adapters.memory.host import MemoryHost
from surefoot.domain.action_rules import ActionRules
from surefoot.domain.actions import ActionSpec, Env
from surefoot.domain.runs import RunState
from tests.unit.actions.acting import ANN, TENANT, acting

REGISTRY = load_registry()
RULES = ActionRules()


def house(budget_share: float = 0.0):  # type: ignore[no-untyped-def]
    """The world of the other tests with nothing in it that only a test would have."""
    world = acting()
    kinds = {spec.name: spec.effects[0].resource for spec in REGISTRY.newest() if spec.effects}
    world.host = MemoryHost(kinds=kinds, clock=world.clock)
    world.parts = replace(
        world.parts,
        registry=REGISTRY,
        policy=CedarPolicy(),
        facts=ActionFacts(world.store, RULES, lambda tenant: budget_share),
        calendar=RuleCalendar(RULES),
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
    shown = world.actions.propose(ANN, request_of(REGISTRY.get(name)))
    decision = shown.decisions[-1].decision
    assert decision.errors == ()
    assert shown.run.state in {RunState.PLANNED, RunState.AWAITING_APPROVAL, RunState.DENIED}
    assert (shown.run.state is RunState.DENIED) is (shown.plan is None)
    assert decision.reasons


def test_a_shipped_low_risk_action_is_one_click_for_a_person_whom_the_assistant_asks() -> None:
    world = house()
    shown = world.actions.propose(ANN, request_of(REGISTRY.get("pin_shortcut"), agent="assistant"))
    assert shown.run.state is RunState.PLANNED
    before = world.host.state_hash(TENANT)
    done = world.actions.apply(ANN, shown.run.run_id, wait=True)
    assert done.run.state is RunState.APPLIED
    world.clock.advance(timedelta(minutes=1))
    assert world.actions.undo(ANN, shown.run.run_id, wait=True).run.state is RunState.APPLIED
    assert world.host.state_hash(TENANT) == before


def test_at_a_spent_budget_the_assistant_only_suggests_and_a_person_goes_on() -> None:
    world = house(budget_share=1.0)
    shown = world.actions.propose(ANN, request_of(REGISTRY.get("pin_shortcut"), agent="assistant"))
    assert shown.run.state is RunState.SUGGESTED
    world.actions.take_up(ANN, shown.run.run_id)
    assert world.actions.apply(ANN, shown.run.run_id, wait=True).run.state is RunState.APPLIED
