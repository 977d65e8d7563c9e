"""Proposing and applying: claimed once, asked of the policy on fresh facts, begun in one transaction."""

import pytest

from surefoot.core.errors import IdempotencyMismatch, InvalidAction, NotFound, PlanStale, RunInProgress, RunNotAllowed
from surefoot.domain.actions import AutonomyLevel, Env
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import PolicyEffect, RunKind, RunState, Stage
from surefoot.governance.audit import Verified
from tests.unit.actions.acting import ADMIN, ANN, BOB, EVE, RESOURCE, TENANT, UNATTENDED, acting, person
from tests.unit.actions.declared import ARGUMENTS

OTHER = {**ARGUMENTS, "user_id": "usr_zzz999"}


def test_a_proposal_is_planned_and_changes_nothing_at_the_host() -> None:
    world = acting()
    before = world.host.state_hash(TENANT)
    shown = world.propose()
    assert shown.run.state is RunState.PLANNED
    assert shown.plan is not None and len(shown.plan.changes) == 1
    assert world.host.state_hash(TENANT) == before
    assert shown.steps == {"apply", "cancel"}
    assert [(cap.used, cap.left, cap.most) for cap in shown.caps] == [(0, 1, 1)]


def test_an_applied_run_has_its_effect_once_and_its_whole_history() -> None:
    world = acting()
    done = world.applied()
    assert world.host.effects(done.run.run_id) == 1
    assert world.host.document(TENANT, RESOURCE) is not None
    assert [record.stage for record in done.decisions] == [Stage.SIMULATE, Stage.APPLY]
    assert [(each.operation, each.outcome) for each in done.attempts] == [("apply", "done")]
    assert done.plan is not None and done.plan.consumed_at is not None
    assert done.receipt is not None and done.receipt.undo_until is not None
    assert sorted(world.events()) == [f"surefoot.action.run.{state}" for state in ("applied", "applying", "planned", "proposed")]
    assert isinstance(world.trail.verify(TENANT), Verified)


def test_a_second_press_of_the_same_button_does_nothing_new() -> None:
    world = acting()
    done = world.applied()
    again = world.actions.apply(ANN, done.run.run_id, wait=True)
    assert again.run == done.run
    assert world.calls("apply") == 1


def test_a_known_key_with_the_same_payload_answers_with_the_stored_run() -> None:
    world = acting()
    first = world.propose(key="k")
    second = world.propose(key="k")
    assert second.run == first.run and second.replayed and not first.replayed
    assert world.calls("simulate") == 1


def test_a_known_key_with_another_payload_is_refused() -> None:
    world = acting()
    world.propose(key="k")
    with pytest.raises(IdempotencyMismatch, match="another request"):
        world.propose(key="k", arguments=OTHER)


def test_a_key_belongs_to_its_maker_and_its_environment() -> None:
    world = acting()
    mine = world.propose(key="k")
    theirs = world.propose(EVE, key="k", arguments=OTHER)
    sandbox = world.propose(key="k", env=Env.SANDBOX)
    assert len({mine.run.run_id, theirs.run.run_id, sandbox.run.run_id}) == 3


def test_a_request_whose_key_is_still_being_worked_on_is_told_to_wait_and_then_goes_on() -> None:
    world = acting()
    with world.dying_at("policy-asked"):
        world.propose(key="k")
    with pytest.raises(RunInProgress) as caught:
        world.propose(key="k")
    assert caught.value.retry_after_seconds == 31
    world.later(seconds=31)
    assert world.propose(key="k").run.state is RunState.PLANNED


def test_what_is_not_valid_stores_nothing() -> None:
    world = acting()
    with pytest.raises(InvalidAction):
        world.propose(key="k", arguments={"user_id": "nobody"})
    with pytest.raises(NotFound):
        world.propose(key="k", action="drop_table")
    assert world.actions.page(ADMIN).runs == ()
    assert world.propose(key="k").run.state is RunState.PLANNED


def test_the_same_intent_answers_with_the_live_run() -> None:
    world = acting()
    first = world.propose()
    assert world.propose().run.run_id == first.run.run_id
    assert world.propose(env=Env.SANDBOX).run.run_id != first.run.run_id


def test_the_same_intent_of_somebody_else_is_refused_without_showing_theirs() -> None:
    world = acting()
    first = world.propose()
    with pytest.raises(RunNotAllowed, match="somebody else") as caught:
        world.propose(EVE)
    assert first.run.run_id not in str(caught.value)


def test_a_run_whose_time_is_over_stands_in_nobodys_way() -> None:
    world = acting()
    first = world.propose()
    world.later(minutes=16)
    second = world.propose()
    assert second.run.run_id != first.run.run_id
    assert world.state(first.run.run_id) is RunState.EXPIRED


@pytest.mark.parametrize("stage", [Stage.SIMULATE, Stage.APPLY])
def test_a_denied_run_never_reaches_the_host(stage: Stage) -> None:
    world = acting()
    world.policy.effects[stage] = PolicyEffect.DENY
    shown = world.propose()
    if stage is Stage.APPLY:
        shown = world.actions.apply(ANN, shown.run.run_id, wait=True)
    assert shown.run.state is RunState.DENIED
    assert world.calls("apply") == 0
    assert world.calls("simulate") == (stage is Stage.APPLY)
    assert shown.decisions[-1].decision.reasons


@pytest.mark.parametrize("late", [False, True])
def test_an_evaluation_error_denies_whatever_the_effect_says(late: bool) -> None:
    world = acting()
    if not late:
        world.policy.errors = ("a fact is missing",)
    shown = world.propose()
    if late:
        world.policy.errors = ("a fact is missing",)
        shown = world.actions.apply(ANN, shown.run.run_id, wait=True)
    assert shown.run.state is RunState.DENIED
    assert world.calls("apply") == 0


def test_facts_are_fresh_at_apply() -> None:
    world = acting()
    shown = world.propose()
    world.parts.facts.facts["budget_percent"] = 7  # type: ignore[attr-defined]
    world.actions.apply(ANN, shown.run.run_id)
    assert dict(world.policy.asked[-1].facts) == {"budget_percent": 7, "own": ["user:ann"]}


def test_what_the_agent_may_only_suggest_waits_for_its_person_to_take_it_up() -> None:
    world = acting()
    world.policy.suggests_to_agents = True
    shown = world.propose(agent="assistant", reason="you asked for it")
    assert shown.run.state is RunState.SUGGESTED and shown.run.reason == "you asked for it"
    assert world.calls("simulate") == 0
    assert shown.steps == {"take_up", "cancel"}
    with pytest.raises(RunNotAllowed, match="take it up"):
        world.actions.apply(ANN, shown.run.run_id)
    taken = world.actions.take_up(ANN, shown.run.run_id)
    assert taken.run.state is RunState.PLANNED
    assert world.actions.apply(ANN, shown.run.run_id, wait=True).run.state is RunState.APPLIED


def test_the_agent_applies_by_itself_only_when_the_log_has_earned_it() -> None:
    world = acting(UNATTENDED)
    shown = world.propose(agent="assistant")
    with pytest.raises(RunNotAllowed, match="agent may not apply"):
        world.actions.apply(ANN, shown.run.run_id, by_agent=True)
    with world.store.begin() as work:
        work.runs.set_autonomy(TENANT, "send_note", AutonomyLevel.UNATTENDED, reason="earned", now=world.clock.now())
        work.commit()
    done = world.actions.apply(ANN, shown.run.run_id, by_agent=True, wait=True)
    assert done.run.state is RunState.APPLIED


def test_at_a_spent_budget_the_agents_press_becomes_a_suggestion_and_a_persons_goes_on() -> None:
    world = acting(UNATTENDED)
    with world.store.begin() as work:
        work.runs.set_autonomy(TENANT, "send_note", AutonomyLevel.UNATTENDED, reason="earned", now=world.clock.now())
        work.commit()
    shown = world.propose(agent="assistant")
    world.policy.effects[Stage.APPLY] = PolicyEffect.SUGGEST_ONLY
    assert world.actions.apply(ANN, shown.run.run_id, by_agent=True).run.state is RunState.SUGGESTED
    world.actions.take_up(ANN, shown.run.run_id)
    assert world.actions.apply(ANN, shown.run.run_id, wait=True).run.state is RunState.APPLIED


def test_a_deferred_run_is_scheduled_and_goes_on_by_itself() -> None:
    world = acting(("x-action/simulate", {"ttl": "PT3H", "sideEffects": "none"}))
    world.policy.effects[Stage.APPLY] = PolicyEffect.DEFER
    shown = world.actions.apply(ANN, world.propose().run.run_id, wait=True)
    assert shown.run.state is RunState.SCHEDULED and shown.run.not_before is not None
    assert world.work() == 0
    world.later(hours=1)
    world.policy.effects.clear()
    world.work()
    assert world.state(shown.run.run_id) is RunState.APPLIED
    assert world.host.effects(shown.run.run_id) == 1


def test_a_scheduled_run_whose_plan_expired_is_planned_anew_and_applied_when_nothing_changed() -> None:
    world = acting()
    world.policy.effects[Stage.APPLY] = PolicyEffect.DEFER
    shown = world.actions.apply(ANN, world.propose().run.run_id)
    world.later(hours=1)
    world.policy.effects.clear()
    world.work()
    first = world.actions.show(ANN, shown.run.run_id)
    assert first.run.state is RunState.EXPIRED and first.successor
    assert world.state(first.successor) is RunState.APPLIED


def test_a_scheduled_run_is_pressed_again_in_its_makers_name_and_roles() -> None:
    world = acting(("x-action/simulate", {"ttl": "PT3H", "sideEffects": "none"}))
    world.policy.effects[Stage.APPLY] = PolicyEffect.DEFER
    maker = person("ann", "seller")
    world.actions.apply(maker, world.propose(maker).run.run_id)
    world.later(hours=1)
    world.work()
    question = world.policy.asked[-1]
    assert (question.principal, question.roles, question.is_agent) == ("ann", {"seller"}, False)


def test_an_expired_plan_is_not_applied() -> None:
    world = acting()
    shown = world.propose()
    world.later(minutes=15)
    with pytest.raises(PlanStale, match="simulate again"):
        world.actions.apply(ANN, shown.run.run_id)
    assert world.calls("apply") == 0


def test_a_plan_of_another_action_file_is_not_applied() -> None:
    world = acting()
    shown = world.propose()
    world.files.specs["send_note"] = acting(("title", "Send another note")).files.specs["send_note"]
    with pytest.raises(PlanStale, match="changed since"):
        world.actions.apply(ANN, shown.run.run_id)


def test_a_press_on_another_plan_than_the_one_shown_is_refused() -> None:
    world = acting()
    shown = world.propose()
    with pytest.raises(PlanStale, match="another plan"):
        world.actions.apply(ANN, shown.run.run_id, plan_digest="0" * 64)


def test_a_cap_without_room_denies_at_apply_and_holds_nothing() -> None:
    world = acting(("x-action/idempotency", {"natural_key": ["args.send_at"]}))
    first = world.propose()
    second = world.propose(arguments={**ARGUMENTS, "send_at": "2026-11-26T09:00:00Z"})
    world.actions.apply(ANN, first.run.run_id, wait=True)
    refused = world.actions.apply(ANN, second.run.run_id, wait=True)
    assert refused.run.state is RunState.DENIED
    assert refused.decisions[-1].decision.reasons[0].rule == "cap:notes_user_week"
    assert world.cap_used() == 1
    assert world.host.effects(second.run.run_id) == 0


def test_the_kill_switch_cancels_what_waits_and_denies_what_comes() -> None:
    world = acting()
    shown = world.propose()
    assert world.actions.switch(ADMIN, Env.PRODUCTION, "send_note", off=True, reason="it misbehaves") == 1
    assert world.state(shown.run.run_id) is RunState.CANCELLED
    assert world.propose().run.state is RunState.DENIED
    assert world.calls("simulate") == 1
    world.actions.switch(ADMIN, Env.PRODUCTION, "send_note", off=False, reason="mended")
    assert world.propose().run.state is RunState.PLANNED


def test_the_kill_switch_is_an_administrators() -> None:
    world = acting()
    with pytest.raises(Exception, match="role admin"):
        world.actions.switch(ANN, Env.PRODUCTION, "*", off=True, reason="mischief")


def test_a_cancelled_run_is_never_applied_and_an_applied_one_never_cancelled() -> None:
    world = acting()
    shown = world.propose()
    world.actions.cancel(ANN, shown.run.run_id)
    with pytest.raises(RunNotAllowed, match="cancelled"):
        world.actions.apply(ANN, shown.run.run_id)
    done = world.applied()
    with pytest.raises(RunNotAllowed, match="undo it"):
        world.actions.cancel(ANN, done.run.run_id)


def test_time_expires_what_waits_and_finishes_what_cannot_be_undone_any_more() -> None:
    world = acting()
    done = world.applied()
    waiting = world.propose(arguments=OTHER)
    assert world.actions.expire_due(TENANT) == 0
    world.later(minutes=15)
    assert world.actions.expire_due(TENANT) == 1
    assert world.state(waiting.run.run_id) is RunState.EXPIRED
    world.later(days=6)
    assert world.actions.expire_due(TENANT) == 1
    assert world.state(done.run.run_id) is RunState.FINAL


def test_a_run_is_seen_by_its_maker_and_administrators_alone() -> None:
    world = acting()
    shown = world.propose()
    assert world.actions.show(ADMIN, shown.run.run_id).run == shown.run
    for other in (EVE, BOB, person("ann", tenant=TenantId("other"))):
        with pytest.raises(NotFound):
            world.actions.show(other, shown.run.run_id)
        assert world.actions.page(other).runs == ()
    with pytest.raises(NotFound):
        world.actions.apply(EVE, shown.run.run_id)
    with pytest.raises(RunNotAllowed, match="Only 'ann'"):
        world.actions.apply(ADMIN, shown.run.run_id)


def test_pages_follow_each_other_newest_first() -> None:
    world = acting(("x-action/caps", []))
    made = []
    for number in range(5):
        made.append(world.propose(arguments={**ARGUMENTS, "user_id": f"usr_abc12{number}"}).run.run_id)
        world.later(seconds=1)
    first = world.actions.page(ANN, limit=3)
    second = world.actions.page(ANN, limit=3, after=first.after)
    assert [run.run_id for run in (*first.runs, *second.runs)] == made[::-1]
    assert second.after == ""


def test_a_host_that_would_change_more_than_declared_gets_no_plan() -> None:
    world = acting(("x-action/effects", [{"op": "create", "resource": "letter", "max": 1}]))
    shown = world.propose()
    assert shown.run.state is RunState.FAILED
    assert "more of 'note'" in shown.attempts[-1].outcome


def test_the_audit_tells_every_step_and_no_argument() -> None:
    world = acting()
    done = world.applied()
    with world.store.begin() as work:
        rows = work.audit.page(TENANT, after=0, limit=100)
    assert [row.what for row in rows if row.subject == done.run.run_id] == [
        f"action.run.{state}" for state in ("proposed", "planned", "applying", "applied")
    ]
    assert "usr_abc123" not in str([row.details for row in rows])
    assert done.run.kind is RunKind.APPLY
