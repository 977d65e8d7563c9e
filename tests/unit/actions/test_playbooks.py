"""Sagas: all of it, or none of it, or a person is told which part stands."""

from typing import Any

import pytest

from surefoot.actions.playbooks import Outcome, Playbook, PlaybookStep
from surefoot.adapters.memory.host import HostFault
from surefoot.core.errors import IdempotencyMismatch, InvalidAction, RunNotAllowed
from surefoot.domain.actions import Env
from surefoot.domain.host_wire import Operation
from surefoot.domain.runs import RunState
from surefoot.governance.audit import Verified
from tests.unit.actions.acting import ANN, TENANT, Acting, acting
from tests.unit.actions.declared import ARGUMENTS

POINTS = (
    "playbook:step",
    "playbook:compensation-recorded",
    "playbook:undoing",
    "proposed",
    "planned",
    "applying",
    "calling",
    "called",
    "settled:before-commit",
    "settled",
)


def step(user: str) -> PlaybookStep:
    return PlaybookStep("send_note", {**ARGUMENTS, "user_id": user})


WELCOME = Playbook("welcome", (step("usr_aaa111"), step("usr_bbb222"), step("usr_ccc333")))


def started(world: Acting, playbook: Playbook = WELCOME, key: str = "k") -> str:
    return world.actions.playbooks.start(ANN, playbook, key, Env.PRODUCTION).run_id


def finished(world: Acting, run_id: str) -> Outcome:
    for _ in range(30):
        world.work()
        world.later(seconds=65)
    return world.actions.playbooks.show(TENANT, run_id).outcome


def third_step_fails(world: Acting) -> None:
    """The host refuses what is asked for the third person."""
    true = world.host.apply

    def apply(tenant: Any, call: Any) -> Any:
        if call.arguments["user_id"] == "usr_ccc333":
            world.host.fail_next(HostFault.REJECTED)
        return true(tenant, call)

    world.host.apply = apply  # type: ignore[method-assign]


def test_a_playbook_applies_its_steps_in_order() -> None:
    world = acting()
    run_id = started(world)
    assert finished(world, run_id) is Outcome.APPLIED
    view = world.actions.playbooks.show(TENANT, run_id)
    assert [run.arguments["user_id"] for run in view.steps] == ["usr_aaa111", "usr_bbb222", "usr_ccc333"]
    assert [call.run_id for name, call in world.host.calls if name == "apply"] == [run.run_id for run in view.steps]


def test_the_same_key_starts_it_once() -> None:
    world = acting()
    assert started(world) == started(world)
    with pytest.raises(IdempotencyMismatch):
        started(world, Playbook("other", (step("usr_aaa111"),)))


def test_when_a_step_fails_the_ones_before_it_are_taken_back_last_first() -> None:
    world = acting()
    before = world.host.state_hash(TENANT)
    third_step_fails(world)
    run_id = started(world)
    assert finished(world, run_id) is Outcome.COMPENSATED
    assert world.host.state_hash(TENANT) == before
    steps = world.actions.playbooks.show(TENANT, run_id).steps
    assert [run.state for run in steps] == [RunState.UNDONE, RunState.UNDONE, RunState.FAILED]
    undone = [call.arguments["user_id"] for name, call in world.host.calls if name == "undo"]
    assert undone == ["usr_bbb222", "usr_aaa111"]


def test_a_compensation_is_written_down_before_its_step_begins() -> None:
    world = acting()
    started(world)
    with world.dying_at("playbook:compensation-recorded"):
        world.work()
    assert world.calls("apply") == 0
    with world.store.begin() as work:
        assert "action.playbook.compensation" in [row.what for row in work.audit.page(TENANT, after=0, limit=100)]


def test_what_cannot_be_taken_back_leaves_it_partial_for_a_person() -> None:
    world = acting()
    third_step_fails(world)
    world.host.fail_next(HostFault.REJECTED, operation=Operation.UNDO)
    run_id = started(world)
    assert finished(world, run_id) is Outcome.PARTIAL
    assert world.state(run_id) is RunState.NEEDS_HUMAN


def test_a_step_that_nobody_knows_about_is_never_taken_back_without_asking() -> None:
    world = acting()
    run_id = started(world)
    world.host.fail_next(HostFault.HANG, times=500)
    world.host.status = lambda tenant, call: world.host._refused(HostFault.HANG, call)  # type: ignore[assignment, method-assign, return-value]
    for _ in range(30):
        world.work()
        world.later(minutes=5)
    assert world.actions.playbooks.show(TENANT, run_id).outcome is Outcome.PARTIAL
    assert world.calls("undo") == 0


def test_a_step_of_somebody_elses_is_not_taken_back() -> None:
    world = acting()
    theirs = world.applied(arguments={**ARGUMENTS, "user_id": "usr_bbb222"})
    run_id = started(world)
    assert finished(world, run_id) is Outcome.COMPENSATED
    assert world.state(theirs.run.run_id) is RunState.APPLIED


def test_a_playbook_that_began_cannot_be_cancelled() -> None:
    world = acting()
    run_id = started(world)
    with pytest.raises(RunNotAllowed):
        world.actions.cancel(ANN, run_id)


def test_only_the_last_step_may_be_one_that_cannot_be_taken_back() -> None:
    world = acting(("x-action/undo", {"mode": "none"}), ("x-action/reversibility", "irreversible"))
    with pytest.raises(InvalidAction, match="only be the last step"):
        started(world)
    assert finished(world, started(world, Playbook("alone", (step("usr_aaa111"),)))) is Outcome.APPLIED


@pytest.mark.parametrize(
    ("point", "fails"),
    [*((point, True) for point in POINTS), *((point, False) for point in POINTS if point != "playbook:undoing")],
)
def test_a_death_at_any_point_of_a_playbook_changes_nothing_of_its_outcome(point: str, fails: bool) -> None:
    world = acting()
    before = world.host.state_hash(TENANT)
    if fails:
        third_step_fails(world)
    run_id = started(world)
    with world.dying_at(point):
        finished(world, run_id)
    assert finished(world, run_id) is (Outcome.COMPENSATED if fails else Outcome.APPLIED)
    assert (world.host.state_hash(TENANT) == before) is fails
    for run in world.actions.page(ANN, limit=200).runs:
        assert world.host.effects(run.run_id) <= 1
    assert isinstance(world.trail.verify(TENANT), Verified)
