"""While a gate of the evals is red, actions are only suggested: previews and undo work, nothing is applied."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.actions.gating import red_gates
from surefoot.core.errors import GateIsRed, SurefootError
from surefoot.core.ids import uuid7
from surefoot.domain.actions import AutonomyLevel
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import PolicyEffect, RunKind, RunState, Stage
from surefoot.domain.verdicts import ACTIONS_SURFACE, GateResult, GateState, Verdict
from surefoot.governance.verdicts import Verdicts
from tests.unit.actions.acting import ANN, BOB, NOW, RESOURCE, STRICT, TENANT, UNATTENDED, Acting, acting

RED = GateResult("wrong_actions", "share.right_action", GateState.FAILED, True, 0.95, True, 200)
WARNING = replace(RED, gate="latency", is_blocking=False)


def judge(world: Acting, *results: GateResult, tenant: TenantId = TENANT) -> None:
    name = uuid7(NOW).hex
    verdict = Verdict(f"vrd_{name}", f"evr_{name}", ("sample",), world.clock.now(), results)
    Verdicts(world.store, world.clock, world.trail).put(tenant, verdict, by="nightly")


def test_a_press_is_refused_by_the_name_of_the_gate_and_the_run_waits() -> None:
    world = acting()
    judge(world, RED)
    shown = world.propose()
    assert shown.run.state is RunState.PLANNED, "previews go on"
    with pytest.raises(GateIsRed, match="'wrong_actions'") as refused:
        world.actions.apply(ANN, shown.run.run_id, wait=True)
    assert (refused.value.code, refused.value.status, refused.value.retryable) == ("gate_red", 409, True)
    assert world.actions.show(ANN, shown.run.run_id).run.state is RunState.PLANNED
    assert world.calls("apply") == 0


def test_the_same_press_has_its_effect_once_the_verdict_is_green() -> None:
    world = acting()
    shown = world.propose()
    judge(world, RED)
    with pytest.raises(GateIsRed):
        world.actions.apply(ANN, shown.run.run_id)
    judge(world, replace(RED, state=GateState.PASSED))
    assert world.actions.apply(ANN, shown.run.run_id, wait=True).run.state is RunState.APPLIED


def test_undo_works_while_a_gate_is_red() -> None:
    world = acting()
    done = world.applied()
    judge(world, RED)
    assert world.actions.undo(ANN, done.run.run_id, wait=True).run.state is RunState.APPLIED
    assert world.actions.show(ANN, done.run.run_id).run.state is RunState.UNDONE
    assert world.host.document(TENANT, RESOURCE) is None


def test_a_run_that_has_begun_is_finished_while_a_gate_is_red() -> None:
    world = acting()
    shown = world.propose()
    world.actions.apply(ANN, shown.run.run_id)
    judge(world, RED)
    world.work()
    assert world.actions.show(ANN, shown.run.run_id).run.state is RunState.APPLIED


@pytest.mark.parametrize("result", [WARNING, replace(RED, state=GateState.TOO_FEW), replace(RED, surfaces=("help",))])
def test_what_only_warns_or_speaks_for_another_surface_stops_nothing(result: GateResult) -> None:
    world = acting()
    judge(world, result)
    world.applied()


def test_a_gate_of_actions_alone_and_one_of_the_surface_that_offered_the_run_both_stop_it() -> None:
    for named in (ACTIONS_SURFACE, "billing"):
        world = acting()
        shown = world.propose(surface="billing")
        judge(world, replace(RED, surfaces=(named,)))
        with pytest.raises(GateIsRed):
            world.actions.apply(ANN, shown.run.run_id)


def test_a_gate_about_one_action_stops_that_one_alone() -> None:
    world = acting()
    judge(world, replace(RED, surfaces=(), action="another_action"))
    world.applied()
    shown = world.propose(arguments=_note(world, 4))
    judge(world, replace(RED, surfaces=(), action="send_note"))
    with pytest.raises(GateIsRed):
        world.actions.apply(ANN, shown.run.run_id)


def test_another_tenants_red_gate_stops_nothing() -> None:
    world = acting()
    judge(world, RED, tenant=TenantId("globex"))
    world.applied()


def test_the_agent_only_suggests_while_a_gate_is_red_and_says_why() -> None:
    world = acting(UNATTENDED)
    with world.store.begin() as work:
        work.runs.set_autonomy(TENANT, "send_note", AutonomyLevel.UNATTENDED, reason="Earned.", now=NOW)
        work.commit()
    assert world.propose(agent="agt").run.state is RunState.PLANNED
    judge(world, RED)
    shown = world.propose(agent="agt", arguments={**world.request().arguments, "user_id": "usr_zzz999"})  # type: ignore[dict-item]
    assert shown.run.state is RunState.SUGGESTED
    decision = shown.decisions[-1].decision
    assert (decision.effect, decision.reasons[0].rule) == (PolicyEffect.SUGGEST_ONLY, "gate-red")
    assert "'wrong_actions'" in decision.reasons[0].reason


def test_the_agent_cannot_apply_what_was_planned_before_the_gate_turned_red() -> None:
    world = acting(UNATTENDED)
    with world.store.begin() as work:
        work.runs.set_autonomy(TENANT, "send_note", AutonomyLevel.UNATTENDED, reason="Earned.", now=NOW)
        work.commit()
    shown = world.propose(agent="agt")
    judge(world, RED)
    with pytest.raises(GateIsRed):
        world.actions.apply(ANN, shown.run.run_id, by_agent=True)
    assert world.calls("apply") == 0


def test_a_denial_stays_a_denial_for_the_agent() -> None:
    world = acting()
    world.policy.effects[Stage.SIMULATE] = PolicyEffect.DENY
    judge(world, RED)
    assert world.propose(agent="agt").run.state is RunState.DENIED


def scheduled(world: Acting) -> str:
    """A run that its maker has pressed, and that the policy lets go on in an hour."""
    shown = world.propose()
    world.policy.effects[Stage.APPLY] = PolicyEffect.DEFER
    assert world.actions.apply(ANN, shown.run.run_id).run.state is RunState.SCHEDULED
    world.policy.effects.clear()
    return shown.run.run_id


def test_a_scheduled_run_goes_on_waiting_while_a_gate_is_red() -> None:
    world = acting(("x-action/simulate", {"ttl": "PT24H", "sideEffects": "none"}))
    run_id = scheduled(world)
    judge(world, RED)
    world.later(minutes=61)
    world.work()
    waiting = world.actions.show(ANN, run_id)
    assert waiting.run.state is RunState.SCHEDULED and waiting.decisions[-1].decision.reasons[0].rule == "gate-red"
    judge(world, replace(RED, state=GateState.PASSED))
    world.later(minutes=61)
    world.work()
    assert world.state(run_id) is RunState.APPLIED


def test_a_scheduled_run_whose_plan_expires_meanwhile_is_planned_anew_and_waits_for_its_maker() -> None:
    world = acting()
    run_id = scheduled(world)
    judge(world, RED)
    world.later(minutes=61)
    world.work()
    expired = world.actions.show(ANN, run_id)
    assert expired.run.state is RunState.EXPIRED and world.state(expired.successor) is RunState.PLANNED
    judge(world, replace(RED, state=GateState.PASSED))
    assert world.actions.apply(ANN, expired.successor, wait=True).run.state is RunState.APPLIED


def test_a_gate_that_turns_red_between_the_look_and_the_beginning_stops_the_run() -> None:
    world = acting()
    shown = world.propose()

    def turns(point: str) -> None:
        if point == "apply:policy-asked":
            judge(world, RED)

    late = acting(store=world.store)
    late.actions = type(late.actions)(replace(late.parts, at=turns))
    with pytest.raises(GateIsRed):
        late.actions.apply(ANN, shown.run.run_id)
    with world.store.begin() as work:
        plan = work.runs.plan(TENANT, shown.run.run_id)
    assert plan is not None and plan.consumed_at is None


BUTTONS = ("propose", "agent", "apply", "agent apply", "approve", "take up", "work", "later", "redo", "policy")


@settings(max_examples=80, deadline=None)
@given(
    presses=st.lists(st.tuples(st.sampled_from(BUTTONS), st.integers(0, 9)), max_size=25),
    before=st.integers(0, 3),
    named=st.sampled_from([("*",), (ACTIONS_SURFACE,), ("help", ACTIONS_SURFACE)]),
    strict=st.booleans(),
)
def test_while_a_blocking_gate_is_red_nothing_is_applied_whatever_is_pressed(
    presses: list[tuple[str, int]], before: int, named: tuple[str, ...], strict: bool
) -> None:
    world = acting(*([STRICT] if strict else []))
    runs = [world.propose(arguments=_note(world, number)).run.run_id for number in range(before)]
    judge(world, WARNING, replace(RED, surfaces=named))
    for button, number in presses:
        with suppress(SurefootError):
            _press(world, runs, button, number)
    assert world.calls("apply") == 0
    with world.store.begin() as work:
        for run_id in runs:
            run = work.runs.get(TENANT, run_id)
            assert run is not None and run.state not in (RunState.APPLYING, RunState.APPLIED)
            assert red_gates(work, TENANT, run) and not red_gates(work, TENANT, replace(run, kind=RunKind.UNDO))


def _note(world: Acting, number: int) -> dict[str, object]:
    arguments = world.request().arguments
    assert isinstance(arguments, dict)
    return {**arguments, "user_id": f"usr_abc12{number}"}


def _press(world: Acting, runs: list[str], button: str, number: int) -> None:
    run_id = runs[number % len(runs)] if runs else "run_none"
    match button:
        case "propose" | "agent":
            agent = "agt" if button == "agent" else ""
            runs.append(world.propose(arguments=_note(world, number), agent=agent).run.run_id)
        case "apply" | "agent apply":
            world.actions.apply(ANN, run_id, by_agent=button == "agent apply", wait=bool(number % 2))
        case "approve":
            plan = world.actions.show(ANN, run_id).plan
            world.actions.approve(BOB, run_id, plan.digest if plan else "")
        case "take up":
            world.actions.take_up(ANN, run_id)
        case "redo":
            world.actions.redo(ANN, run_id)
        case "policy":
            world.policy.effects[Stage.APPLY] = list(PolicyEffect)[number % 4]
        case "later":
            world.clock.advance(timedelta(minutes=number))
        case "work":
            world.work()
