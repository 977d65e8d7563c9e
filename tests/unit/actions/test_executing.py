"""The worker: one effect whatever goes wrong, and every held cap settled or kept for a reason."""

from dataclasses import replace
from datetime import timedelta

import pytest

from surefoot.actions.delivering import Lease
from surefoot.actions.parts import Pace
from surefoot.actions.service import Actions
from surefoot.adapters.memory.host import HostFault
from surefoot.core.errors import Forbidden, RunNotAllowed
from surefoot.domain.runs import RunState
from tests.unit.actions.acting import ADMIN, ANN, BOB, RESOURCE, STRICT, TENANT, Acting, acting, person

POINTS = ("applying", "leased", "calling", "called", "settled:before-commit", "settled")


def pressed(world: Acting) -> str:
    return world.actions.apply(ANN, world.propose().run.run_id).run.run_id


def test_a_worker_goes_on_with_what_was_pressed() -> None:
    world = acting()
    run_id = pressed(world)
    assert world.state(run_id) is RunState.APPLYING and world.calls("apply") == 0
    assert world.work() == 1
    assert world.state(run_id) is RunState.APPLIED
    assert world.work() == 0


def test_a_worker_without_a_tenant_looks_after_all_of_them() -> None:
    world = acting()
    run_id = pressed(world)
    assert world.actions.worker.run_once() is True
    assert world.state(run_id) is RunState.APPLIED
    assert world.actions.worker.run_once() is False


def test_two_workers_never_hold_the_same_run() -> None:
    world = acting()
    pressed(world)
    other = Actions(replace(world.parts, worker_id="worker-2"))
    with world.dying_at("leased"):
        world.actions.worker.run_once(TENANT)
    assert other.worker.run_once(TENANT) is False
    world.later(seconds=60)
    assert other.worker.run_once(TENANT) is True


@pytest.mark.parametrize("point", POINTS)
def test_a_death_at_any_point_leaves_one_effect_after_the_next_worker(point: str) -> None:
    world = acting()
    run_id = world.propose().run.run_id
    with world.dying_at(point):
        world.actions.apply(ANN, run_id)
        world.work()
    world.later(minutes=2)
    world.actions.apply(ANN, run_id)
    world.work()
    assert world.state(run_id) is RunState.APPLIED
    assert world.host.effects(run_id) == 1
    assert world.cap_used() == 1


@pytest.mark.parametrize("point", ["apply:policy-asked", "applying:before-commit"])
def test_a_death_before_the_commit_leaves_nothing_behind(point: str) -> None:
    world = acting()
    shown = world.propose()
    with world.dying_at(point):
        world.actions.apply(ANN, shown.run.run_id)
    assert world.actions.show(ANN, shown.run.run_id).run == shown.run
    assert world.cap_used() == 0 and world.work() == 0
    assert world.actions.apply(ANN, shown.run.run_id, wait=True).run.state is RunState.APPLIED


def test_every_attempt_carries_the_same_delivery_id() -> None:
    world = acting()
    run_id = pressed(world)
    world.host.fail_next(HostFault.REPLY_LOST)
    world.work()
    assert world.state(run_id) is RunState.UNKNOWN
    assert world.cap_used() == 1
    world.later(seconds=2)
    world.work()
    history = world.actions.show(ANN, run_id)
    assert history.run.state is RunState.APPLIED
    assert len({attempt.delivery_id for attempt in history.attempts}) == 1
    assert [attempt.number for attempt in history.attempts] == [1, 2]
    assert world.host.effects(run_id) == 1


def test_pauses_double_and_a_host_that_asks_for_longer_gets_it() -> None:
    world = acting()
    run_id = pressed(world)
    world.host.fail_next(HostFault.ERROR_BEFORE, times=3)
    world.work()
    for seconds in (2, 4, 8):
        world.later(seconds=seconds - 1)
        assert world.work() == 0
        world.later(seconds=1)
        assert world.work() == 1
    assert world.state(run_id) is RunState.APPLIED


def test_after_so_many_deliveries_the_host_is_only_asked_what_became_of_it() -> None:
    world = acting()
    run_id = pressed(world)
    world.host.fail_next(HostFault.REPLY_LOST)
    world.host.fail_next(HostFault.HANG, times=4)
    for _ in range(6):
        world.work()
        world.later(minutes=5)
    assert world.calls("apply") == 5 and world.calls("status") == 1
    assert world.state(run_id) is RunState.APPLIED
    assert world.host.effects(run_id) == 1


def test_a_call_that_was_never_seen_is_made_again_so_that_a_late_copy_finds_its_place_taken() -> None:
    world = acting()
    run_id = pressed(world)
    world.host.fail_next(HostFault.HANG_THEN_EFFECT, times=5)
    for _ in range(6):
        world.work()
        world.later(minutes=5)
    assert world.state(run_id) is RunState.APPLIED
    world.host.let_late_effects_happen()
    assert world.host.effects(run_id) == 1


def test_what_nobody_can_tell_by_the_deadline_needs_a_human_and_keeps_its_caps() -> None:
    world = acting()
    run_id = pressed(world)
    world.parts.hosts["host_app"].status = lambda tenant, call: world.host._refused(HostFault.HANG, call)  # type: ignore[attr-defined]
    world.host.fail_next(HostFault.HANG, times=50)
    for _ in range(20):
        world.work()
        world.later(minutes=5)
    assert world.state(run_id) is RunState.NEEDS_HUMAN
    assert world.cap_used() == 1 and world.calls("undo") == 0


@pytest.mark.parametrize(("happened", "state", "used"), [(True, RunState.APPLIED, 1), (False, RunState.FAILED, 0)])
def test_a_human_settles_what_needs_one(happened: bool, state: RunState, used: int) -> None:
    world = acting()
    run_id = pressed(world)
    world.parts.hosts["host_app"].status = lambda tenant, call: world.host._refused(HostFault.HANG, call)  # type: ignore[attr-defined]
    world.host.fail_next(HostFault.HANG, times=50)
    for _ in range(20):
        world.work()
        world.later(minutes=5)
    with pytest.raises(Forbidden):
        world.actions.settle(ANN, run_id, happened=happened, note="I looked")
    assert world.actions.settle(ADMIN, run_id, happened=happened, note="I looked").run.state is state
    assert world.cap_used() == used
    with pytest.raises(RunNotAllowed):
        world.actions.settle(ADMIN, run_id, happened=happened, note="again")


def test_a_refusal_of_the_host_fails_the_run_and_frees_its_caps() -> None:
    world = acting()
    world.host.fail_next(HostFault.REJECTED)
    done = world.actions.apply(ANN, world.propose().run.run_id, wait=True)
    assert done.run.state is RunState.FAILED
    assert done.attempts[-1].status == 422
    assert world.cap_used() == 0


def test_a_refusal_after_an_unknown_attempt_does_not_make_that_one_undone() -> None:
    world = acting()
    world.host.fail_next(HostFault.REPLY_LOST)
    run_id = world.propose().run.run_id
    assert world.actions.apply(ANN, run_id, wait=True).run.state is RunState.UNKNOWN
    world.host.fail_next(HostFault.REJECTED)
    world.later(minutes=5)
    world.work()
    assert world.actions.show(ANN, run_id).run.state is RunState.UNKNOWN, "the first attempt had its effect"
    world.later(minutes=5)
    world.work()
    assert world.actions.show(ANN, run_id).run.state is RunState.APPLIED
    assert world.cap_used() == 1


def test_a_stale_run_is_planned_anew_and_waits_when_it_would_do_something_else() -> None:
    world = acting()
    shown = world.propose()
    world.host.write_outside(TENANT, RESOURCE, {"written": "by somebody else"})
    done = world.actions.apply(ANN, shown.run.run_id, wait=True)
    assert done.run.state is RunState.STALE and done.successor
    # The new plan replaces nothing that was not shown: here it adds to a document where it had made one.
    assert world.state(done.successor) is RunState.PLANNED
    assert world.cap_used() == 0
    assert world.host.document(TENANT, RESOURCE) == {"written": "by somebody else"}


def test_a_stale_run_goes_on_by_itself_once_when_it_would_do_the_same() -> None:
    world = acting()
    shown = world.propose()
    world.host.fail_next(HostFault.STALE)
    done = world.actions.apply(ANN, shown.run.run_id, wait=True)
    assert done.run.state is RunState.STALE
    world.work()
    assert world.state(done.successor) is RunState.APPLIED
    assert world.cap_used() == 1


def test_a_successor_that_goes_stale_has_none() -> None:
    world = acting()
    shown = world.propose()
    world.host.fail_next(HostFault.STALE, times=2)
    done = world.actions.apply(ANN, shown.run.run_id, wait=True)
    world.work()
    successor = world.actions.show(ANN, done.successor)
    assert successor.run.state is RunState.STALE and successor.successor == ""


def test_a_stale_run_that_was_approved_needs_a_new_approval() -> None:
    world = acting(STRICT)
    shown = world.propose()
    assert shown.plan is not None
    world.actions.approve(BOB, shown.run.run_id, shown.plan.digest)
    world.host.fail_next(HostFault.STALE)
    done = world.actions.apply(ANN, shown.run.run_id, wait=True)
    assert world.state(done.successor) is RunState.AWAITING_APPROVAL


@pytest.mark.parametrize("point", ["settled", "proposed", "simulated", "planned", "planned-anew", "applying"])
def test_a_death_while_planning_anew_is_caught_up_with(point: str) -> None:
    world = acting()
    run_id = pressed(world)
    world.host.fail_next(HostFault.STALE)
    with world.dying_at(point):
        world.work()
    world.later(seconds=61)
    world.work()
    successor = world.actions.show(ANN, run_id).successor
    assert world.state(successor) is RunState.APPLIED
    assert world.host.effects(successor) == 1 and world.host.effects(run_id) == 0


def test_a_host_that_forgets_deliveries_is_asked_before_a_call_is_repeated() -> None:
    world = acting(check_first=frozenset({"host_app"}))
    run_id = pressed(world)
    with world.dying_at("called"):
        world.work()
    world.later(seconds=61)
    world.work()
    assert world.state(run_id) is RunState.APPLIED
    assert world.calls("apply") == 1 and world.calls("status") == 1


def test_a_host_that_forgets_deliveries_is_called_when_it_has_never_seen_the_run() -> None:
    world = acting(check_first=frozenset({"host_app"}))
    run_id = pressed(world)
    with world.dying_at("calling"):
        world.work()
    world.later(seconds=61)
    world.work()
    assert world.state(run_id) is RunState.APPLIED
    assert world.calls("apply") == 1


def test_a_run_whose_action_is_gone_waits_instead_of_stopping_the_others() -> None:
    world = acting()
    run_id = pressed(world)
    world.files.specs.clear()
    world.work()
    assert world.state(run_id) is RunState.UNKNOWN
    assert world.calls("apply") == 0


def test_a_host_that_forgets_deliveries_is_not_called_again_when_a_copy_may_be_on_its_way() -> None:
    world = acting(check_first=frozenset({"host_app"}))
    run_id = pressed(world)
    world.host.fail_next(HostFault.HANG)
    world.work()
    assert world.state(run_id) is RunState.UNKNOWN
    world.later(minutes=1)
    world.work()
    assert world.state(run_id) is RunState.FAILED
    assert world.calls("apply") == 1


def test_what_somebody_approved_does_not_go_on_by_itself_even_if_approval_is_not_needed_any_more() -> None:
    world = acting()
    world.policy.needs_approval = True
    shown = world.propose()
    assert shown.plan is not None
    world.actions.approve(person("zoe", "approver"), shown.run.run_id, shown.plan.digest)
    world.policy.needs_approval = False
    world.host.fail_next(HostFault.STALE)
    done = world.actions.apply(ANN, shown.run.run_id, wait=True)
    assert world.state(done.successor) is RunState.PLANNED


def outcomes(world: Acting, run_id: str) -> list[tuple[str, str, int]]:
    return [(each.operation, each.outcome.partition(":")[0], each.status) for each in world.actions.show(ANN, run_id).attempts]


@pytest.mark.parametrize("point", ["calling", "called", "settled:before-commit"])
def test_a_call_is_written_down_before_it_is_made_and_stands_when_the_worker_dies(point: str) -> None:
    world = acting()
    run_id = pressed(world)
    with world.dying_at(point):
        world.work()
    assert outcomes(world, run_id) == [("apply", "sent", 0)]


@pytest.mark.parametrize("fault", [HostFault.REJECTED, HostFault.STALE])
def test_a_refusal_after_a_call_whose_worker_died_is_not_final_but_asked_about(fault: HostFault) -> None:
    world = acting()
    run_id = pressed(world)
    with world.dying_at("called"):
        world.work()
    assert world.host.effects(run_id) == 1, "the call arrived"
    world.host.fail_next(fault)
    world.later(seconds=61)
    world.work()
    assert world.state(run_id) is RunState.UNKNOWN and world.cap_used() == 1
    world.later(minutes=1)
    world.work()
    assert world.state(run_id) is RunState.APPLIED
    refusal = (fault.value, 422 if fault is HostFault.REJECTED else 412)
    assert outcomes(world, run_id) == [("apply", "sent", 0), ("apply", *refusal), ("status", "done", 200)]


def test_a_refusal_after_a_call_that_never_left_is_final_once_the_host_says_so() -> None:
    world = acting()
    run_id = pressed(world)
    with world.dying_at("calling"):
        world.work()
    world.host.write_outside(TENANT, RESOURCE, {"written": "by somebody else"})
    world.later(seconds=61)
    world.work()
    assert world.state(run_id) is RunState.UNKNOWN
    world.later(minutes=1)
    world.work()
    assert world.state(run_id) is RunState.STALE and world.cap_used() == 0
    assert world.host.effects(run_id) == 0


def test_a_worker_whose_lease_is_over_calls_nobody() -> None:
    world = acting()
    run_id = pressed(world)
    slow = Actions(replace(world.parts, worker_id="slow"))
    now = world.clock.now()
    with world.store.begin() as work:
        assert work.runs.lease_due(TENANT, "slow", now=now, until=now + world.parts.pace.lease) is not None
        work.commit()
    world.later(seconds=60)
    slow.worker.deliver(TENANT, run_id, Lease("slow", now + world.parts.pace.lease))
    assert world.calls("apply") == 0 and outcomes(world, run_id) == []
    world.work()
    slow.worker.deliver(TENANT, run_id, Lease("slow", now + world.parts.pace.lease))
    assert world.state(run_id) is RunState.APPLIED and world.calls("apply") == 1


def test_nobody_delivers_what_somebody_else_has_leased() -> None:
    world = acting()
    run_id = pressed(world)
    with world.dying_at("leased"):
        world.work()
    world.actions.worker.deliver(TENANT, run_id)
    other = Lease("worker-2", world.clock.now() + world.parts.pace.lease)
    world.actions.worker.deliver(TENANT, run_id, other)
    assert world.calls("apply") == 0


def test_a_press_that_waits_keeps_the_workers_away_until_its_lease_is_over() -> None:
    world = acting()
    run_id = world.propose().run.run_id
    with world.dying_at("called"):
        world.actions.apply(ANN, run_id, wait=True)
    assert world.work() == 0
    world.later(seconds=60)
    assert world.work() == 1
    assert world.state(run_id) is RunState.APPLIED and world.host.effects(run_id) == 1


def accepted(world: Acting) -> str:
    """A run that the host has taken on and says nothing about yet."""
    run_id = pressed(world)
    world.host.fail_next(HostFault.ACCEPTED)
    world.work()
    return run_id


def test_a_202_is_waited_for_and_is_no_unknown_outcome() -> None:
    world = acting()
    run_id = accepted(world)
    assert outcomes(world, run_id) == [("apply", "accepted", 202)]
    for _ in range(5):
        world.later(minutes=5)
        world.work()
        assert world.state(run_id) is RunState.APPLYING and world.cap_used() == 1
    assert world.calls("apply") == 1 and world.calls("status") > 1


def test_what_was_taken_on_is_found_done_when_it_is_asked_about() -> None:
    world = acting()
    run_id = accepted(world)
    world.host.let_late_effects_happen()
    world.later(seconds=2)
    world.work()
    assert world.state(run_id) is RunState.APPLIED and world.host.effects(run_id) == 1
    assert world.calls("apply") == 1


def test_after_its_own_deadline_a_202_is_an_outcome_that_nobody_knows() -> None:
    world = acting(pace=Pace(callback_within=timedelta(minutes=10), settle_within=timedelta(minutes=20)))
    run_id = accepted(world)
    seen = []
    for _ in range(14):
        world.later(minutes=3)
        world.work()
        seen.append(world.state(run_id).value)
    assert list(dict.fromkeys(seen)) == ["applying", "unknown", "needs_human"]
    assert seen.count("applying") == 3 and world.cap_used() == 1
    assert world.calls("apply") == 1, "what a host has taken on is not sent again while it says that it has"


def test_a_death_after_a_202_changes_nothing() -> None:
    world = acting()
    run_id = pressed(world)
    world.host.fail_next(HostFault.ACCEPTED)
    with world.dying_at("settled:before-commit"):
        world.work()
    world.host.let_late_effects_happen()
    world.later(seconds=61)
    world.work()
    assert world.state(run_id) is RunState.APPLIED and world.host.effects(run_id) == 1


def test_the_audit_says_that_a_host_has_taken_a_run_on_once() -> None:
    world = acting()
    run_id = accepted(world)
    world.later(minutes=5)
    world.work()
    with world.store.begin() as work:
        rows = [row.what for row in work.audit.page(TENANT, after=0, limit=100) if row.subject == run_id]
    assert rows.count("action.run.accepted") == 1
