"""Maker and checker: who may say yes, to what, and how often it has to be said."""

import pytest

from surefoot.actions.parts import RunView
from surefoot.core.errors import NotFound, PlanStale, RunNotAllowed
from surefoot.domain.runs import Approval, PolicyEffect, RunState, Stage, Verdict
from tests.unit.actions.acting import ANN, BOB, EVE, QUORUM, STRICT, TENANT, Acting, acting, person
from tests.unit.actions.declared import ARGUMENTS

CAT = person("cat", "revops")


def awaiting(world: Acting) -> tuple[RunView, str]:
    shown = world.propose()
    assert shown.run.state is RunState.AWAITING_APPROVAL and shown.plan is not None
    return shown, shown.plan.digest


def test_an_approved_run_is_applied_and_only_then() -> None:
    world = acting(STRICT)
    shown, digest = awaiting(world)
    with pytest.raises(RunNotAllowed, match="approve it first"):
        world.actions.apply(ANN, shown.run.run_id)
    approved = world.actions.approve(BOB, shown.run.run_id, digest, note="looks right")
    assert approved.run.state is RunState.APPROVED
    assert [(each.approver, each.plan_digest, each.verdict) for each in approved.approvals] == [("bob", digest, Verdict.APPROVE)]
    assert world.actions.apply(ANN, shown.run.run_id, wait=True).run.state is RunState.APPLIED


def test_a_policy_that_asks_for_approval_gets_it() -> None:
    world = acting()
    world.policy.needs_approval = True
    assert world.propose().run.state is RunState.AWAITING_APPROVAL


def test_a_policy_that_asks_only_at_apply_sends_the_run_back_for_approval() -> None:
    world = acting()
    shown = world.propose()
    world.policy.needs_approval = True
    assert world.actions.apply(ANN, shown.run.run_id).run.state is RunState.AWAITING_APPROVAL
    assert world.calls("apply") == 0


def test_the_maker_never_approves() -> None:
    world = acting(STRICT)
    shown, digest = awaiting(world)
    with pytest.raises(RunNotAllowed, match="yourself"):
        world.actions.approve(person("ann", "revops", "admin"), shown.run.run_id, digest)


@pytest.mark.parametrize("agent", [person("assistant", "revops"), person("robot", "revops", "agent")])
def test_an_agent_never_approves(agent) -> None:  # type: ignore[no-untyped-def]
    world = acting(STRICT)
    shown = world.propose(agent="assistant")
    assert shown.plan is not None
    with pytest.raises((RunNotAllowed, NotFound)):
        world.actions.approve(agent, shown.run.run_id, shown.plan.digest)
    assert world.state(shown.run.run_id) is RunState.AWAITING_APPROVAL


def test_without_the_role_there_is_nothing_to_approve() -> None:
    world = acting(STRICT)
    shown, digest = awaiting(world)
    with pytest.raises(NotFound):
        world.actions.approve(EVE, shown.run.run_id, digest)
    with pytest.raises(RunNotAllowed, match="one of the roles revops"):
        world.actions.approve(person("ada", "admin"), shown.run.run_id, digest)


def test_an_approver_sees_what_waits_for_them_and_what_they_spoke_on() -> None:
    world = acting(STRICT)
    shown, digest = awaiting(world)
    assert world.actions.show(BOB, shown.run.run_id).steps == {"approve", "reject"}
    assert [run.run_id for run in world.actions.page(BOB).runs] == [shown.run.run_id]
    world.actions.approve(BOB, shown.run.run_id, digest)
    assert world.actions.show(BOB, shown.run.run_id).steps == frozenset()
    with pytest.raises(NotFound):
        world.actions.show(CAT, shown.run.run_id)


def test_an_approval_is_bound_to_the_digest_that_was_seen() -> None:
    world = acting(STRICT)
    shown, _ = awaiting(world)
    with pytest.raises(PlanStale, match="not the one that you saw"):
        world.actions.approve(BOB, shown.run.run_id, "0" * 64)


def test_a_policy_that_denies_at_the_click_stops_the_approval_and_is_kept() -> None:
    world = acting(STRICT)
    shown, digest = awaiting(world)
    world.policy.effects[Stage.APPROVE] = PolicyEffect.DENY
    with pytest.raises(RunNotAllowed, match="The test says so"):
        world.actions.approve(BOB, shown.run.run_id, digest)
    now = world.actions.show(ANN, shown.run.run_id)
    assert now.approvals == () and now.decisions[-1].stage is Stage.APPROVE


def test_a_quorum_takes_that_many_different_people() -> None:
    world = acting(QUORUM)
    shown, digest = awaiting(world)
    world.actions.approve(BOB, shown.run.run_id, digest)
    assert world.actions.approve(BOB, shown.run.run_id, digest).run.state is RunState.AWAITING_APPROVAL
    done = world.actions.approve(CAT, shown.run.run_id, digest)
    assert done.run.state is RunState.APPROVED and len(done.approvals) == 2


def test_the_same_word_again_changes_nothing_and_another_one_is_refused() -> None:
    world = acting(QUORUM)
    shown, digest = awaiting(world)
    first = world.actions.approve(BOB, shown.run.run_id, digest)
    assert world.actions.approve(BOB, shown.run.run_id, digest) == first
    with pytest.raises(RunNotAllowed, match="a word stands"):
        world.actions.reject(BOB, shown.run.run_id, digest)


def test_one_rejection_rejects_for_good() -> None:
    world = acting(QUORUM)
    shown, digest = awaiting(world)
    assert world.actions.reject(BOB, shown.run.run_id, digest).run.state is RunState.REJECTED
    with pytest.raises((RunNotAllowed, NotFound)):
        world.actions.approve(CAT, shown.run.run_id, digest)
    with pytest.raises(RunNotAllowed, match="rejected"):
        world.actions.apply(ANN, shown.run.run_id)


def test_an_approval_that_is_too_old_counts_no_more() -> None:
    world = acting(STRICT)
    shown, digest = awaiting(world)
    world.actions.approve(BOB, shown.run.run_id, digest)
    world.later(hours=24)
    with pytest.raises(PlanStale):
        world.actions.apply(ANN, shown.run.run_id)
    assert world.calls("apply") == 0


def test_nobody_approves_after_the_plans_time_is_over() -> None:
    world = acting(STRICT)
    shown, digest = awaiting(world)
    world.later(hours=24)
    with pytest.raises(PlanStale, match="expired"):
        world.actions.approve(BOB, shown.run.run_id, digest)


def test_a_proposal_of_the_assistant_is_asked_about_as_its_persons_press() -> None:
    world = acting()
    shown = world.propose(agent="assistant")
    assert shown.run.state is RunState.PLANNED
    assert [question.is_agent for question in world.policy.asked] == [True, False]
    assert world.actions.show(ANN, shown.run.run_id).run.agent == "assistant"
    assert world.host.state_hash(TENANT) == acting().host.state_hash(TENANT)


def test_every_word_changes_the_runs_row_so_that_two_at_once_cannot_both_miss_the_quorum() -> None:
    world = acting(QUORUM)
    shown, digest = awaiting(world)
    after = world.actions.approve(BOB, shown.run.run_id, digest)
    assert after.run.version == shown.run.version + 1


def test_a_word_of_the_maker_does_not_count_wherever_it_came_from() -> None:
    world = acting(QUORUM)
    shown, digest = awaiting(world)
    with world.store.begin() as work:
        work.runs.add_approval(TENANT, Approval(shown.run.run_id, digest, "ann", Verdict.APPROVE, world.clock.now()))
        work.commit()
    assert world.actions.approve(BOB, shown.run.run_id, digest).run.state is RunState.AWAITING_APPROVAL


def test_pages_of_what_waits_for_an_approver_and_of_their_own_follow_each_other() -> None:
    world = acting(STRICT, ("x-action/caps", []))
    made = []
    for number, maker in enumerate((ANN, BOB, EVE, BOB, ANN)):
        made.append(world.propose(maker, arguments={**ARGUMENTS, "user_id": f"usr_abc12{number}"}).run.run_id)
        world.later(seconds=1)
    first = world.actions.page(BOB, limit=2)
    second = world.actions.page(BOB, limit=2, after=first.after)
    third = world.actions.page(BOB, limit=2, after=second.after)
    assert [run.run_id for page in (first, second, third) for run in page.runs] == made[::-1]
    assert third.after == ""
    assert [run.run_id for run in world.actions.page(BOB, mine=True).runs] == [made[3], made[1]]
    assert [run.maker for run in world.actions.page(EVE).runs] == ["eve"]
