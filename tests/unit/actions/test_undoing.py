"""Undo restores exactly, overwrites nothing, and is stopped by nothing but tenancy, role, etag and window."""

from dataclasses import replace

import pytest

from surefoot.adapters.memory.host import HostFault
from surefoot.core.errors import NotFound, RunNotAllowed, UndoConflict
from surefoot.domain.actions import Env
from surefoot.domain.host_wire import Operation
from surefoot.domain.json_patch import etag_of
from surefoot.domain.runs import PolicyEffect, Precondition, RunKind, RunState, Stage
from tests.unit.actions.acting import ADMIN, ANN, BOB, EVE, RESOURCE, STRICT, TENANT, acting


def test_undo_restores_the_hosts_state_exactly() -> None:
    world = acting()
    world.host.write_outside(TENANT, RESOURCE, {"older": True})
    before = world.host.state_hash(TENANT)
    done = world.applied()
    assert world.host.state_hash(TENANT) != before
    undo = world.actions.undo(ANN, done.run.run_id, wait=True)
    assert world.host.state_hash(TENANT) == before
    assert undo.run.kind is RunKind.UNDO and undo.run.state is RunState.APPLIED and undo.run.reverses == done.run.run_id
    original = world.actions.show(ANN, done.run.run_id)
    assert original.run.state is RunState.UNDONE and original.run.undone_by == undo.run.run_id


def test_a_preview_of_an_undo_shows_what_is_put_back_and_changes_nothing() -> None:
    world = acting()
    done = world.applied()
    state = world.host.state_hash(TENANT)
    shown = world.actions.preview_undo(ANN, done.run.run_id)
    assert shown.run.state is RunState.PLANNED and shown.plan is not None
    assert shown.plan.changes[0].forward == ({"op": "remove", "path": ""},)
    assert world.host.state_hash(TENANT) == state
    undo = world.actions.undo(ANN, done.run.run_id, wait=True)
    assert undo.run.run_id == shown.run.run_id and undo.run.state is RunState.APPLIED


def test_a_second_undo_answers_with_the_first() -> None:
    world = acting()
    done = world.applied()
    first = world.actions.undo(ANN, done.run.run_id, wait=True)
    second = world.actions.undo(ANN, done.run.run_id, wait=True)
    assert second.run == first.run and second.replayed
    assert world.calls("undo") == 1


def test_a_later_write_is_never_overwritten_and_the_difference_is_shown() -> None:
    world = acting()
    done = world.applied()
    theirs = {"written": "by somebody else"}
    world.host.write_outside(TENANT, RESOURCE, theirs)
    with pytest.raises(UndoConflict) as caught:
        world.actions.undo(ANN, done.run.run_id, wait=True)
    assert world.host.document(TENANT, RESOURCE) == theirs
    (difference,) = caught.value.differences
    assert (difference["resource"], difference["path"], difference["before"]) == (RESOURCE, "", None)
    assert difference["applied"]["send_note"]["count"] == 1  # type: ignore[index]
    assert (difference["now_known"], difference["now"]) == (True, theirs)
    assert world.state(done.run.run_id) is RunState.APPLIED


def test_a_write_between_preview_and_undo_is_not_overwritten_either() -> None:
    world = acting()
    done = world.applied()
    world.actions.preview_undo(ANN, done.run.run_id)
    world.host.write_outside(TENANT, RESOURCE, {"written": "meanwhile"})
    with pytest.raises(UndoConflict):
        world.actions.undo(ANN, done.run.run_id, wait=True)
    assert world.host.document(TENANT, RESOURCE) == {"written": "meanwhile"}
    assert world.state(done.run.run_id) is RunState.APPLIED


def test_an_undo_can_be_tried_again_after_a_conflict_was_mended() -> None:
    world = acting()
    done = world.applied()
    mine = world.host.document(TENANT, RESOURCE)
    world.host.write_outside(TENANT, RESOURCE, {"written": "by somebody else"})
    with pytest.raises(UndoConflict):
        world.actions.undo(ANN, done.run.run_id, wait=True)
    world.host.write_outside(TENANT, RESOURCE, mine)
    assert world.actions.undo(ANN, done.run.run_id, wait=True).run.state is RunState.APPLIED


@pytest.mark.parametrize("effect", [PolicyEffect.DEFER, PolicyEffect.SUGGEST_ONLY])
def test_budgets_quiet_hours_and_change_windows_never_stop_an_undo(effect: PolicyEffect) -> None:
    world = acting()
    done = world.applied()
    world.policy.effects = dict.fromkeys(Stage, effect)
    assert world.actions.undo(ANN, done.run.run_id, wait=True).run.state is RunState.APPLIED


def test_caps_approvals_and_the_kill_switch_never_stop_an_undo() -> None:
    world = acting(STRICT)
    shown = world.propose()
    assert shown.plan is not None
    world.actions.approve(BOB, shown.run.run_id, shown.plan.digest)
    world.actions.apply(ANN, shown.run.run_id, wait=True)
    assert world.cap_used() == 1
    world.actions.switch(ADMIN, Env.PRODUCTION, "*", off=True, reason="incident")
    assert world.actions.undo(ANN, shown.run.run_id, wait=True).run.state is RunState.APPLIED


def test_a_policy_that_denies_the_undo_stops_it() -> None:
    world = acting()
    done = world.applied()
    world.policy.effects[Stage.UNDO] = PolicyEffect.DENY
    assert world.actions.undo(ANN, done.run.run_id, wait=True).run.state is RunState.DENIED
    assert world.calls("undo") == 0


def test_an_undo_is_its_makers_or_an_administrators() -> None:
    world = acting()
    done = world.applied()
    with pytest.raises(NotFound):
        world.actions.undo(EVE, done.run.run_id)
    assert world.actions.undo(ADMIN, done.run.run_id, wait=True).run.state is RunState.APPLIED


def test_after_its_window_a_run_is_not_undone() -> None:
    world = acting()
    done = world.applied()
    assert done.receipt is not None and done.receipt.undo_until is not None
    world.later(seconds=(done.receipt.undo_until - world.clock.now()).total_seconds())
    with pytest.raises(RunNotAllowed, match="until 2026-11-25"):
        world.actions.undo(ANN, done.run.run_id)


def test_an_action_without_undo_says_so() -> None:
    world = acting(("x-action/undo", {"mode": "none"}), ("x-action/reversibility", "irreversible"))
    done = world.applied()
    with pytest.raises(RunNotAllowed, match="cannot be undone"):
        world.actions.undo(ANN, done.run.run_id)


def test_a_cap_is_refunded_only_when_nobody_saw_the_effect() -> None:
    for exposed, used in ((True, 1), (False, 0)):
        world = acting(exposed=lambda tenant, run, exposed=exposed: exposed)
        world.actions.undo(ANN, world.applied().run.run_id, wait=True)
        assert world.cap_used() == used


@pytest.mark.parametrize("point", ["undo:simulated", "applying", "calling", "called", "settled:before-commit", "settled"])
def test_a_death_at_any_point_of_an_undo_leaves_it_done_once(point: str) -> None:
    world = acting()
    before = world.host.state_hash(TENANT)
    done = world.applied()
    with world.dying_at(point):
        world.actions.undo(ANN, done.run.run_id, wait=True)
    world.later(minutes=2)
    undo = world.actions.undo(ANN, done.run.run_id)
    world.work()
    assert world.host.state_hash(TENANT) == before
    assert world.state(done.run.run_id) is RunState.UNDONE
    assert world.host.effects(undo.run.run_id) == 1


def test_an_undo_whose_reply_was_lost_is_settled_by_the_same_delivery() -> None:
    world = acting()
    done = world.applied()
    world.host.fail_next(HostFault.REPLY_LOST, operation=Operation.UNDO)
    undo = world.actions.undo(ANN, done.run.run_id, wait=True)
    assert undo.run.state is RunState.UNKNOWN
    world.later(seconds=5)
    world.work()
    assert world.state(done.run.run_id) is RunState.UNDONE
    assert world.host.effects(undo.run.run_id) == 1


def test_a_run_does_not_become_final_while_it_is_being_undone() -> None:
    world = acting()
    done = world.applied()
    assert done.receipt is not None and done.receipt.undo_until is not None
    undo = world.actions.undo(ANN, done.run.run_id)
    assert undo.run.state is RunState.APPLYING
    world.later(seconds=(done.receipt.undo_until - world.clock.now()).total_seconds())
    world.actions.expire_due(TENANT)
    world.work()
    assert world.state(done.run.run_id) is RunState.UNDONE


def test_a_redo_is_simulated_afresh_and_held_to_every_rule() -> None:
    world = acting(exposed=lambda tenant, run: False)
    done = world.applied()
    after = world.host.state_hash(TENANT)
    world.actions.undo(ANN, done.run.run_id, wait=True)
    redo = world.actions.redo(ANN, done.run.run_id)
    assert redo.run.kind is RunKind.REDO and redo.run.state is RunState.PLANNED
    assert world.actions.apply(ANN, redo.run.run_id, wait=True).run.state is RunState.APPLIED
    assert world.host.state_hash(TENANT) == after
    assert world.cap_used() == 1
    assert world.actions.undo(ANN, redo.run.run_id, wait=True).run.state is RunState.APPLIED


def test_only_what_is_undone_is_done_again() -> None:
    world = acting()
    done = world.applied()
    with pytest.raises(RunNotAllowed, match="only an undone one"):
        world.actions.redo(ANN, done.run.run_id)


def test_who_approved_a_run_may_see_it_but_not_undo_it() -> None:
    world = acting(STRICT)
    shown = world.propose()
    assert shown.plan is not None
    world.actions.approve(BOB, shown.run.run_id, shown.plan.digest)
    world.actions.apply(ANN, shown.run.run_id, wait=True)
    with pytest.raises(RunNotAllowed, match="Only 'ann'"):
        world.actions.undo(BOB, shown.run.run_id)


def test_a_host_whose_simulation_overlooks_etags_does_not_hide_a_conflict() -> None:
    world = acting()
    done = world.applied()
    world.host.write_outside(TENANT, RESOURCE, {**(world.host.document(TENANT, RESOURCE) or {}), "theirs": 1})
    careful = world.host.simulate
    now = (Precondition(RESOURCE, etag_of(world.host.document(TENANT, RESOURCE))),)
    world.host.simulate = lambda tenant, call: careful(tenant, replace(call, preconditions=now))  # type: ignore[method-assign]
    with pytest.raises(UndoConflict):
        world.actions.preview_undo(ANN, done.run.run_id)


def test_an_undo_that_begins_changes_its_originals_row_so_that_nothing_else_ends_it_meanwhile() -> None:
    world = acting()
    done = world.applied()
    world.actions.preview_undo(ANN, done.run.run_id)
    before = world.actions.show(ANN, done.run.run_id).run.version
    world.actions.undo(ANN, done.run.run_id)
    assert world.actions.show(ANN, done.run.run_id).run.version == before + 1
