"""The ladder is climbed on evidence from the log and fallen down from by itself."""

import pytest

from surefoot.actions.autonomy import MIN_RUNS, Autonomy
from surefoot.domain.actions import AutonomyLevel
from tests.unit.actions.acting import ANN, TENANT, UNATTENDED, Acting, acting
from tests.unit.actions.declared import ARGUMENTS

FREE = (("x-action/caps", []), ("x-action/idempotency", {"natural_key": ["args.user_id", "args.send_at"]}))
LONG = ("x-action/undo", {"mode": "inverse", "window": "P90D", "conflict": "refuse"})


def experienced(*, runs: int = MIN_RUNS, undone: int = 0, weeks: float = 7, parity: bool = True) -> tuple[Acting, Autonomy]:
    """A world whose log holds so many runs over so many weeks, the last of them taken back."""
    world = acting(UNATTENDED, LONG, *FREE, has_parity=lambda tenant, action: parity)
    for number in range(runs + 1):
        arguments = {**ARGUMENTS, "user_id": f"usr_abc{number:03}"}
        done = world.applied(arguments=arguments)
        if number > runs - undone:
            world.actions.undo(ANN, done.run.run_id, wait=True)
        world.later(weeks=weeks / runs)
    return world, Autonomy(world.parts)


def level(world: Acting) -> AutonomyLevel:
    with world.store.begin() as work:
        return work.runs.autonomy(TENANT, "send_note") or AutonomyLevel.ONE_CLICK


def test_weeks_of_runs_that_nobody_took_back_earn_unattended() -> None:
    world, autonomy = experienced(runs=80)
    assert autonomy.review(TENANT, world.files.specs["send_note"]) is AutonomyLevel.UNATTENDED
    assert level(world) is AutonomyLevel.UNATTENDED


@pytest.mark.parametrize(
    "history", [{"runs": 80, "weeks": 5}, {"runs": 20}, {"runs": 80, "undone": 4}, {"runs": 80, "parity": False}]
)
def test_too_short_too_few_too_often_taken_back_or_unfair_earns_nothing(history: dict[str, int]) -> None:
    world, autonomy = experienced(**history)  # type: ignore[arg-type]
    assert autonomy.review(TENANT, world.files.specs["send_note"]) is AutonomyLevel.ONE_CLICK


def test_a_file_that_allows_one_click_at_most_is_never_unattended() -> None:
    _, autonomy = experienced(runs=80)
    assert autonomy.review(TENANT, acting(*FREE).files.specs["send_note"]) is AutonomyLevel.ONE_CLICK


def test_reversals_demote_by_themselves_as_soon_as_they_happen() -> None:
    world, autonomy = experienced(runs=80)
    autonomy.review(TENANT, world.files.specs["send_note"])
    for number in range(3):
        done = world.applied(arguments={**ARGUMENTS, "user_id": f"usr_zzz{number:03}"})
        world.actions.undo(ANN, done.run.run_id, wait=True)
    assert level(world) is AutonomyLevel.ONE_CLICK


def test_an_action_that_is_mostly_taken_back_is_only_suggested() -> None:
    world, autonomy = experienced(runs=60, undone=40)
    assert autonomy.review(TENANT, world.files.specs["send_note"]) is AutonomyLevel.SUGGEST
    assert autonomy.review(TENANT, world.files.specs["send_note"]) is AutonomyLevel.SUGGEST


def test_each_change_of_level_is_in_the_audit_with_its_reason() -> None:
    world, autonomy = experienced(runs=80)
    autonomy.review(TENANT, world.files.specs["send_note"])
    with world.store.begin() as work:
        rows = [row for row in work.audit.page(TENANT, after=0, limit=2000) if row.what == "action.autonomy"]
    assert [row.details and row.details["to"] for row in rows] == ["unattended"]
