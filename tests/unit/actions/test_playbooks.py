"""Sagas: all of it, or none of it, or a person is told which part stands."""

from typing import Any

import pytest

from surefoot.actions.playbook_parts import Outcome, PlaybookView
from surefoot.adapters.memory.host import HostFault
from surefoot.core.errors import IdempotencyMismatch, InvalidAction, NotFound, PlanStale, RunNotAllowed, UndoConflict
from surefoot.domain.actions import Env
from surefoot.domain.host_wire import Operation
from surefoot.domain.playbooks import Playbook, PlaybookStep
from surefoot.domain.runs import RunKind, RunState
from surefoot.governance.audit import Verified
from tests.unit.actions.acting import ADMIN, ANN, BOB, EVE, STRICT, TENANT, Acting, acting
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
ONLY_WHEN_UNDOING = {"playbook:undoing", "proposed", "planned"}
PREVIEW_POINTS = (
    "proposed",
    "policy-asked",
    "simulated",
    "planned:before-commit",
    "planned",
    "playbook:previewed-step",
    "playbook:planned:before-commit",
    "playbook:planned",
)


def step(user: str) -> PlaybookStep:
    return PlaybookStep("send_note", {**ARGUMENTS, "user_id": user})


WELCOME = Playbook("welcome", (step("usr_aaa111"), step("usr_bbb222"), step("usr_ccc333")))


def started(world: Acting, playbook: Playbook = WELCOME, key: str = "k") -> str:
    """A playbook that was previewed and pressed, and has not gone on yet."""
    run_id = previewed(world, playbook, key).parent.run_id
    return world.actions.playbooks.apply(ANN, run_id).parent.run_id


def previewed(world: Acting, playbook: Playbook = WELCOME, key: str = "k") -> PlaybookView:
    return world.actions.playbooks.preview(ANN, playbook, key, Env.PRODUCTION)


def finished(world: Acting, run_id: str) -> Outcome:
    for _ in range(30):
        world.work()
        world.later(seconds=65)
    return world.actions.playbooks.show(ANN, run_id).outcome


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
    view = world.actions.playbooks.show(ANN, run_id)
    assert [each.run.arguments["user_id"] for each in view.steps] == ["usr_aaa111", "usr_bbb222", "usr_ccc333"]
    assert [call.run_id for name, call in world.host.calls if name == "apply"] == [each.run.run_id for each in view.steps]


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
    steps = world.actions.playbooks.show(ANN, run_id).steps
    assert [each.run.state for each in steps] == [RunState.UNDONE, RunState.UNDONE, RunState.FAILED]
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
    assert world.actions.playbooks.show(ANN, run_id).outcome is Outcome.PARTIAL
    assert world.calls("undo") == 0


def test_a_playbook_does_not_build_on_what_is_under_way_for_another_reason() -> None:
    world = acting()
    theirs = world.applied(arguments={**ARGUMENTS, "user_id": "usr_bbb222"})
    view = previewed(world)
    assert (view.outcome, view.why) == (Outcome.REFUSED, "step 2 is under way already")
    assert [each.run.state for each in view.steps] == [RunState.CANCELLED], "and nothing of it stands in anybody's way"
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
    [*((point, True) for point in POINTS), *((point, False) for point in POINTS if point not in ONLY_WHEN_UNDOING)],
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


def done(world: Acting, playbook: Playbook = WELCOME) -> PlaybookView:
    """A playbook pressed by somebody who waits for it."""
    run_id = previewed(world, playbook).parent.run_id
    return world.actions.playbooks.apply(ANN, run_id, deliver=world.actions.worker.deliver)


def undone(world: Acting, run_id: str, key: str = "u") -> PlaybookView:
    return world.actions.playbooks.undo(ANN, run_id, key=key, deliver=world.actions.worker.deliver)


@pytest.mark.parametrize("point", PREVIEW_POINTS)
def test_a_death_while_it_is_previewed_leaves_nothing_that_the_same_request_does_not_finish(point: str) -> None:
    world = acting()
    before = world.host.state_hash(TENANT)
    with world.dying_at(point):
        previewed(world)
    world.later(seconds=31)
    view = previewed(world)
    assert (view.outcome, view.parent.state, world.host.state_hash(TENANT)) == (Outcome.PREVIEWED, RunState.PLANNED, before)
    assert len(world.actions.page(ANN, limit=200).runs) == 1 + len(WELCOME.steps), "every step has one run"
    world.actions.playbooks.apply(ANN, view.parent.run_id)
    assert finished(world, view.parent.run_id) is Outcome.APPLIED


def test_a_preview_shows_what_all_of_it_would_change_and_changes_nothing() -> None:
    world = acting()
    before = world.host.state_hash(TENANT)
    view = previewed(world)
    assert view.plan is not None and view.open_steps == {"apply", "cancel"}
    assert view.plan.changes == tuple(change for each in view.steps if each.plan for change in each.plan.changes)
    assert (world.host.state_hash(TENANT), world.calls("apply"), world.calls("simulate")) == (before, 0, 3)
    assert previewed(world).replayed, "the same key answers with what is stored"


def test_the_plan_s_digest_changes_with_any_step_s_plan() -> None:
    one, two = acting(), acting()
    other = Playbook("welcome", (*WELCOME.steps[:2], step("usr_ddd444")))
    first, second = previewed(one).plan, previewed(two, other).plan
    assert first is not None and second is not None and first.digest != second.digest
    with pytest.raises(PlanStale):
        one.actions.playbooks.apply(ANN, previewed(one).parent.run_id, plan_digest=second.digest)


def test_whoever_waits_is_answered_with_the_outcome_and_a_second_press_does_nothing_new() -> None:
    world = acting()
    view = done(world)
    assert (view.outcome, len(view.stands), world.calls("apply")) == (Outcome.APPLIED, 3, 3)
    again = world.actions.playbooks.apply(ANN, view.parent.run_id, deliver=world.actions.worker.deliver)
    assert (again.parent.state, world.calls("apply")) == (RunState.APPLIED, 3)


def test_a_failure_while_somebody_waits_is_taken_back_before_they_are_answered_or_soon_after() -> None:
    world = acting()
    before = world.host.state_hash(TENANT)
    third_step_fails(world)
    view = done(world)
    assert finished(world, view.parent.run_id) is Outcome.COMPENSATED
    assert world.host.state_hash(TENANT) == before


def test_a_step_is_not_applied_by_itself() -> None:
    world = acting()
    run_id = previewed(world).steps[1].run.run_id
    with pytest.raises(RunNotAllowed, match="step of a playbook"):
        world.actions.apply(ANN, run_id, wait=True)
    assert world.calls("apply") == 0


def test_a_cancelled_playbook_leaves_no_step_in_anybody_s_way() -> None:
    world = acting()
    run_id = previewed(world).parent.run_id
    view = world.actions.playbooks.cancel(ANN, run_id)
    assert {each.run.state for each in view.steps} == {RunState.CANCELLED}
    assert previewed(world, key="again").outcome is Outcome.PREVIEWED


def test_others_do_not_see_it_and_a_run_of_one_action_is_no_playbook() -> None:
    world = acting()
    run_id = previewed(world).parent.run_id
    with pytest.raises(NotFound):
        world.actions.playbooks.show(EVE, run_id)
    with pytest.raises(NotFound):
        world.actions.playbooks.show(ANN, world.propose().run.run_id)
    assert world.actions.playbooks.show(ADMIN, run_id).parent.run_id == run_id
    with pytest.raises(RunNotAllowed):
        world.actions.playbooks.apply(ADMIN, run_id)


def test_somebody_else_approves_all_of_it_by_one_digest() -> None:
    world = acting(STRICT)
    view = previewed(world)
    assert view.plan is not None and view.parent.state is RunState.AWAITING_APPROVAL
    with pytest.raises(RunNotAllowed, match="approve it first"):
        world.actions.playbooks.apply(ANN, view.parent.run_id)
    with pytest.raises(RunNotAllowed, match="yourself"):
        world.actions.playbooks.approve(ANN, view.parent.run_id, view.plan.digest)
    with pytest.raises(PlanStale):
        world.actions.playbooks.approve(BOB, view.parent.run_id, "0" * 64)
    agreed = world.actions.playbooks.approve(BOB, view.parent.run_id, view.plan.digest, "fine")
    assert agreed.parent.state is RunState.APPROVED
    assert all([a.approver for a in each.approvals] == ["bob"] for each in agreed.steps), "the word stands on every step"
    again = world.actions.playbooks.apply(ANN, view.parent.run_id, deliver=world.actions.worker.deliver)
    assert again.outcome is Outcome.APPLIED


def test_who_has_no_role_that_a_step_asks_for_approves_nothing() -> None:
    world = acting(STRICT)
    view = previewed(world)
    assert view.plan is not None
    with pytest.raises(RunNotAllowed, match="waits for your word"):
        world.actions.playbooks.approve(ADMIN, view.parent.run_id, view.plan.digest)
    with pytest.raises(NotFound):
        world.actions.playbooks.approve(EVE, view.parent.run_id, view.plan.digest)


def test_one_rejection_ends_all_of_it() -> None:
    world = acting(STRICT)
    view = previewed(world)
    assert view.plan is not None
    after = world.actions.playbooks.reject(BOB, view.parent.run_id, view.plan.digest)
    assert (after.parent.state, after.outcome) == (RunState.REJECTED, Outcome.REFUSED)
    assert {each.run.state for each in world.actions.playbooks.show(ANN, view.parent.run_id).steps} <= {
        RunState.REJECTED,
        RunState.CANCELLED,
    }
    assert world.calls("apply") == 0


def test_undoing_it_takes_every_step_back_last_first_and_restores_the_state() -> None:
    world = acting()
    before = world.host.state_hash(TENANT)
    view = done(world)
    world.later(minutes=1)
    undo = undone(world, view.parent.run_id)
    assert undo.outcome is Outcome.APPLIED
    after = world.actions.playbooks.show(ANN, view.parent.run_id)
    assert (after.outcome, after.stands, after.parent.undone_by) == (Outcome.UNDONE, (), undo.parent.run_id)
    assert world.host.state_hash(TENANT) == before
    assert [call.arguments["user_id"] for name, call in world.host.calls if name == "undo"] == [
        "usr_ccc333",
        "usr_bbb222",
        "usr_aaa111",
    ]
    assert undone(world, view.parent.run_id, key="other").parent.run_id == undo.parent.run_id, "it is undone once"


def test_an_undo_that_would_overwrite_somebody_takes_nothing_back() -> None:
    world = acting()
    view = done(world)
    applied = world.host.state_hash(TENANT)
    first = view.steps[0].receipt
    assert first is not None
    world.host.write_outside(TENANT, first.after_etags[0].resource, {"text": "mine"})
    touched = world.host.state_hash(TENANT)
    assert touched != applied
    with pytest.raises(UndoConflict):
        undone(world, view.parent.run_id)
    assert (world.host.state_hash(TENANT), world.calls("undo")) == (touched, 0)
    assert world.actions.playbooks.show(ANN, view.parent.run_id).outcome is Outcome.APPLIED
    left = [run for run in world.actions.page(ANN, limit=200).runs if run.kind is RunKind.UNDO]
    assert {run.state for run in left} <= {RunState.CANCELLED, RunState.FAILED}, "no undo waits that nobody will press"


def test_an_undo_that_stops_half_way_is_partial_and_says_what_stands() -> None:
    world = acting()
    view = done(world)
    planned = world.actions.playbooks.preview_undo(ANN, view.parent.run_id, key="u")
    world.host.fail_next(HostFault.REJECTED, operation=Operation.UNDO)
    undo = world.actions.playbooks.apply(ANN, planned.parent.run_id, deliver=world.actions.worker.deliver)
    assert undo.outcome is Outcome.PARTIAL and "failed" in undo.why
    assert len(world.actions.playbooks.show(ANN, view.parent.run_id).stands) == 3


def test_a_step_whose_preview_has_expired_is_planned_anew_when_it_would_do_the_same() -> None:
    world = acting()
    run_id = started(world)
    world.later(minutes=16)
    assert finished(world, run_id) is Outcome.APPLIED
    assert world.calls("apply") == 3


def test_a_step_that_would_do_something_else_by_now_stops_all_of_it() -> None:
    world = acting()
    run_id = started(world)
    world.later(minutes=16)
    resource = world.actions.playbooks.show(ANN, run_id).steps[2].plan
    assert resource is not None
    world.host.write_outside(TENANT, resource.changes[0].resource, {"text": "already here"})
    touched = world.host.state_hash(TENANT)
    assert finished(world, run_id) is Outcome.COMPENSATED
    assert world.host.state_hash(TENANT) == touched


def test_what_was_previewed_too_long_ago_is_previewed_again_first() -> None:
    world = acting()
    run_id = previewed(world).parent.run_id
    world.later(minutes=16)
    with pytest.raises(PlanStale):
        world.actions.playbooks.apply(ANN, run_id)
    assert world.calls("apply") == 0


def test_a_playbook_of_which_one_step_is_denied_is_refused_with_all_of_it() -> None:
    world = acting()
    world.policy.errors = ("no",)
    view = previewed(world)
    assert (view.outcome, view.parent.state) == (Outcome.REFUSED, RunState.DENIED)
    with pytest.raises(RunNotAllowed):
        world.actions.playbooks.cancel(ANN, view.parent.run_id)
