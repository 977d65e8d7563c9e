"""Nobody climbs the ladder by counting one thing twice, or past somebody who is just taking a step away."""

from dataclasses import replace

from surefoot.actions.autonomy import Autonomy
from surefoot.actions.parity import MIN_PAIRS
from surefoot.domain.actions import AutonomyLevel
from tests.unit.actions.acting import ANN, TENANT, UNATTENDED, acting
from tests.unit.actions.test_autonomy import FREE, LONG, experienced, level


def test_what_the_maker_does_once_answers_one_proposal() -> None:
    world = acting(UNATTENDED, LONG, *FREE)
    for _ in range(MIN_PAIRS):
        world.actions.cancel(ANN, world.propose(agent="assistant").run.run_id)
    world.applied()
    parity = Autonomy(world.parts).evidence(TENANT, world.files.specs["send_note"]).parity
    assert (parity.as_proposed, parity.pairs) == (1, MIN_PAIRS)


def test_whoever_confirms_is_told_how_many_people_the_evidence_is_of() -> None:
    world, autonomy = experienced(runs=80)
    assert "proposals of 1 person" in autonomy.review(TENANT, world.files.specs["send_note"]).reason


def test_a_step_up_on_an_old_look_is_not_taken_past_a_step_down() -> None:
    world, _ = experienced(runs=80)

    def falls(point: str) -> None:
        if point == "review:judged" and level(world) is AutonomyLevel.ONE_CLICK:
            with world.store.begin() as work:
                work.runs.set_autonomy(TENANT, "send_note", AutonomyLevel.SUGGEST, reason="An alarm.", now=world.clock.now())
                work.commit()

    autonomy = Autonomy(replace(world.parts, at=falls))
    after = autonomy.review(TENANT, world.files.specs["send_note"], confirmed_by="ada").level
    assert after is level(world) is AutonomyLevel.ONE_CLICK, "one step from where it fell to, never two"
