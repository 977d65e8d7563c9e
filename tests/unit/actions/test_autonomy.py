"""The ladder is climbed on evidence from the log, by somebody's name, and fallen down from by itself."""

from dataclasses import replace
from datetime import timedelta

import pytest

from surefoot.actions.autonomy import MIN_RUNS, Autonomy, Review
from surefoot.actions.parity import MIN_PAIRS, Parity
from surefoot.actions.service import Actions
from surefoot.domain.actions import AutonomyLevel
from surefoot.domain.audit import AuditRow
from tests.unit.actions.acting import ANN, TENANT, UNATTENDED, Acting, acting
from tests.unit.actions.declared import ARGUMENTS
from tests.unit.actions.test_red_gates import RED, judge

FREE = (("x-action/caps", []), ("x-action/idempotency", {"natural_key": ["args.user_id", "args.send_at"]}))
LONG = ("x-action/undo", {"mode": "inverse", "window": "P90D", "conflict": "refuse"})


def experienced(
    *, runs: int = MIN_RUNS, undone: int = 0, weeks: float = 7, rejected: int = 0, edited: int = 0, agent: str = "assistant"
) -> tuple[Acting, Autonomy]:
    """A world whose log holds so many runs over so many weeks, all proposed by the agent and pressed by a person, the last of
    them taken back; and besides so many proposals that were cancelled, or done otherwise.
    """
    world = acting(UNATTENDED, LONG, *FREE)
    for number in range(runs + 1):
        done = world.applied(arguments={**ARGUMENTS, "user_id": f"usr_abc{number:03}"}, agent=agent)
        if number > runs - undone:
            world.actions.undo(ANN, done.run.run_id, wait=True)
        world.later(weeks=weeks / runs)
    for number in range(rejected + edited):
        proposed = world.propose(arguments={**ARGUMENTS, "user_id": f"usr_rej{number:03}"}, agent=agent)
        world.actions.cancel(ANN, proposed.run.run_id)
        if number < edited:
            world.applied(arguments={**ARGUMENTS, "user_id": f"usr_own{number:03}"})
        world.later(days=1.1)
    return world, Autonomy(world.parts)


def level(world: Acting) -> AutonomyLevel:
    with world.store.begin() as work:
        return work.runs.autonomy(TENANT, "send_note") or AutonomyLevel.ONE_CLICK


def review(world: Acting, *, by: str = "ada") -> Review:
    spec = world.files.specs["send_note"]
    return Autonomy(world.parts).review(TENANT, spec, confirmed_by=by)


def audit(world: Acting, what: str) -> list[AuditRow]:
    with world.store.begin() as work:
        return [row for row in work.audit.page(TENANT, after=0, limit=4000) if row.what == what]


def test_weeks_of_runs_that_nobody_took_back_earn_unattended() -> None:
    world, _ = experienced(runs=80)
    assert review(world).level is AutonomyLevel.UNATTENDED
    assert level(world) is AutonomyLevel.UNATTENDED


def test_what_was_earned_waits_for_somebody_who_confirms_it_by_name() -> None:
    world, _ = experienced(runs=80)
    for _ in range(3):
        looked = review(world, by="")
        assert (looked.level, looked.earned) == (AutonomyLevel.ONE_CLICK, AutonomyLevel.UNATTENDED)
    assert [row.details and row.details["to"] for row in audit(world, "action.autonomy.earned")] == ["unattended"]
    assert review(world, by="ada").level is AutonomyLevel.UNATTENDED
    assert [row.actor for row in audit(world, "action.autonomy")] == ["ada"]


@pytest.mark.parametrize(
    "history",
    [
        {"runs": 80, "weeks": 5},
        {"runs": 20},
        {"runs": 80, "undone": 4},
        {"runs": 80, "agent": ""},
        {"runs": 80, "rejected": 4},
        {"runs": 80, "edited": 4},
    ],
    ids=["too short", "too few", "taken back", "nobody proposed", "rejected", "edited"],
)
def test_what_the_log_does_not_show_earns_nothing_whoever_confirms(history: dict[str, int]) -> None:
    world, _ = experienced(**history)  # type: ignore[arg-type]
    assert review(world).level is AutonomyLevel.ONE_CLICK
    assert audit(world, "action.autonomy") == []


def test_a_file_that_allows_one_click_at_most_is_never_unattended() -> None:
    _, autonomy = experienced(runs=80)
    spec = acting(*FREE).files.specs["send_note"]
    assert autonomy.review(TENANT, spec, confirmed_by="ada").level is AutonomyLevel.ONE_CLICK


def test_reversals_demote_by_themselves_as_soon_as_they_happen() -> None:
    world, _ = experienced(runs=80)
    review(world)
    for number in range(3):
        done = world.applied(arguments={**ARGUMENTS, "user_id": f"usr_zzz{number:03}"})
        world.actions.undo(ANN, done.run.run_id, wait=True)
    assert level(world) is AutonomyLevel.ONE_CLICK


def test_an_action_that_is_mostly_taken_back_is_only_suggested() -> None:
    world, _ = experienced(runs=60, undone=40)
    assert review(world, by="").level is AutonomyLevel.SUGGEST
    assert review(world, by="").level is AutonomyLevel.SUGGEST


def test_a_red_gate_takes_unattended_away_and_lets_nothing_climb() -> None:
    world, _ = experienced(runs=80)
    judge(world, RED)
    assert review(world).level is AutonomyLevel.ONE_CLICK
    judge(world)
    review(world)
    assert level(world) is AutonomyLevel.UNATTENDED
    judge(world, replace(RED, surfaces=(), action="another_action"))
    assert review(world, by="").level is AutonomyLevel.UNATTENDED
    judge(world, replace(RED, surfaces=(), action="send_note"))
    assert review(world, by="").level is AutonomyLevel.ONE_CLICK
    assert "the evals do not pass ('wrong_actions')" in str((audit(world, "action.autonomy")[-1].details or {})["reason"])


def test_people_who_stop_doing_what_is_proposed_take_unattended_away() -> None:
    world, _ = experienced(runs=80)
    review(world)
    for number in range(60):
        proposed = world.propose(arguments={**ARGUMENTS, "user_id": f"usr_rej{number:03}"}, agent="assistant")
        world.actions.cancel(ANN, proposed.run.run_id)
    assert review(world, by="").level is AutonomyLevel.ONE_CLICK


def test_each_change_of_level_is_in_the_audit_with_its_reason() -> None:
    world, _ = experienced(runs=80)
    review(world)
    rows = audit(world, "action.autonomy")
    assert [row.details and row.details["to"] for row in rows] == ["unattended"]
    assert "as proposed" in str((rows[0].details or {})["reason"])


def test_parity_counts_what_people_did_with_each_proposal() -> None:
    world, autonomy = experienced(runs=10, weeks=1, undone=2, rejected=3, edited=2)
    parity = autonomy.evidence(TENANT, world.files.specs["send_note"]).parity
    # Of eleven that were pressed two were taken back; of five that were left two were done otherwise.
    assert (parity.as_proposed, parity.edited, parity.rejected) == (9, 2, 5)


def test_what_the_maker_did_by_themselves_just_as_proposed_is_agreement() -> None:
    world = acting(UNATTENDED, LONG, *FREE)
    proposed = world.propose(agent="assistant")
    world.actions.cancel(ANN, proposed.run.run_id)
    world.applied()
    parity = Autonomy(world.parts).evidence(TENANT, world.files.specs["send_note"]).parity
    assert (parity.as_proposed, parity.edited, parity.rejected) == (1, 0, 0)


def test_a_proposal_that_is_still_open_and_one_of_before_are_no_pairs() -> None:
    world, autonomy = experienced(runs=5, weeks=1)
    world.propose(arguments={**ARGUMENTS, "user_id": "usr_open01"}, agent="assistant")
    spec = world.files.specs["send_note"]
    assert autonomy.evidence(TENANT, spec).parity.pairs == 6
    world.later(weeks=7)
    assert autonomy.evidence(TENANT, spec).parity == Parity()


def test_what_the_agent_applies_by_itself_is_nobodys_word() -> None:
    world, autonomy = experienced(runs=80)
    review(world)
    spec = world.files.specs["send_note"]
    before = autonomy.evidence(TENANT, spec)
    alone = world.propose(arguments={**ARGUMENTS, "user_id": "usr_alone1"}, agent="assistant")
    world.actions.apply(ANN, alone.run.run_id, by_agent=True, wait=True)
    after = autonomy.evidence(TENANT, spec)
    assert (after.parity, after.runs) == (before.parity, before.runs + 1)


@pytest.mark.parametrize(
    ("parity", "is_shown", "is_lost"),
    [
        (Parity(), False, False),
        (Parity(MIN_PAIRS - 1), False, False),
        (Parity(MIN_PAIRS), True, False),
        (Parity(MIN_PAIRS - 1, 1), False, False),
        (Parity(95, 3, 2), False, False),
        (Parity(97, 2, 1), True, False),
        (Parity(0, MIN_PAIRS - 1), False, False),
        (Parity(20, 20, 20), False, True),
    ],
)
def test_parity_is_what_the_interval_says_and_nothing_with_few_pairs(parity: Parity, is_shown: bool, is_lost: bool) -> None:
    assert (parity.is_shown(0.9), parity.is_lost(0.9)) == (is_shown, is_lost)


def test_the_interval_is_wilsons() -> None:
    assert (round(Parity(81, 19).low, 4), round(Parity(81, 19).high, 4)) == (0.7222, 0.8749)


def test_a_review_is_done_by_one_worker_when_it_is_due_and_is_in_the_audit() -> None:
    world, _ = experienced(runs=80)
    other = Actions(replace(world.parts, worker_id="worker-2"))
    assert [each.action for each in world.actions.review_due(TENANT)] == ["send_note"]
    assert other.review_due(TENANT) == () == world.actions.review_due(TENANT)
    world.later(days=1)
    assert len(other.review_due(TENANT)) == 1 and world.actions.review_due(TENANT) == ()
    rows = audit(world, "action.autonomy.reviewed")
    assert [row.subject for row in rows] == ["worker-1", "worker-2"]
    assert level(world) is AutonomyLevel.ONE_CLICK, "a review alone never promotes"


def test_a_review_whose_worker_died_is_done_by_the_next() -> None:
    world, _ = experienced(runs=60, undone=40)
    with world.dying_at("review:leased"):
        world.actions.review_due(TENANT)
    other = Actions(replace(world.parts, worker_id="worker-2"))
    assert other.review_due(TENANT) == ()
    world.clock.advance(timedelta(minutes=10))
    assert len(other.review_due(TENANT)) == 1
    assert level(world) is AutonomyLevel.SUGGEST
