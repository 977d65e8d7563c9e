"""A floor is judged from one run: what it would have kept from the models, and what that spares and costs."""

from tests.unit.evals.builders import answer, draft, passage, refusal

from surefoot.domain.answers import Tier
from surefoot.evals.floors import FloorTrials, Held, floor_rows
from surefoot.evals.model_use import Asked

GOLD = passage("g", page="/a")
QUOTED = Held(Asked(answer(0.6, GOLD), {}), is_right=True)
RIGHT = Held(Asked(answer(0.4, GOLD, tier=Tier.SMALL), {}, (draft(nano_usd=4000),)), is_right=True)
FALSE = Held(Asked(answer(0.3, GOLD, tier=Tier.SMALL), {}, (draft(nano_usd=4000),)))
FOREIGN = Held(Asked(answer(0.2, GOLD, tier=Tier.SMALL), {}, (draft(nano_usd=4000),)))
REFUSED = Held(Asked(refusal(0.5), {}, (draft("cannot_answer", nano_usd=4000),)))
TRIALS = FloorTrials("faq", present=[QUOTED, RIGHT], removed=[FALSE, REFUSED], foreign=[FOREIGN])


def shares(floor: float) -> list[float | None]:
    row = next(row for row in floor_rows(TRIALS, lowest=0.0) if row.floor == floor)
    return [share and share.value for share in (row.asked_share, row.answered, row.right, row.removed, row.foreign)]


def test_above_the_floor_a_question_goes_as_it_went_and_below_it_is_refused() -> None:
    assert shares(0.2) == [0.75, 1.0, 1.0, 0.5, 1.0]
    assert shares(0.3) == [0.75, 1.0, 1.0, 0.5, 0.0]
    assert shares(0.35) == [0.5, 1.0, 1.0, 0.0, 0.0]
    assert shares(0.45) == [0.25, 0.5, 0.5, 0.0, 0.0]


def test_an_extractive_answer_stays_whatever_the_floor() -> None:
    assert shares(1.0) == [0.0, 0.5, 0.5, 0.0, 0.0]


def test_what_a_floor_keeps_from_the_models_is_not_paid() -> None:
    costs = {row.floor: row.cost_usd_per_question for row in floor_rows(TRIALS, lowest=0.0)}
    assert (costs[0.0], costs[0.35], costs[0.45], costs[1.0]) == (3e-6, 2e-6, 1e-6, 0.0)


def test_no_floor_below_that_of_the_run_is_made_up() -> None:
    assert [row.floor for row in floor_rows(TRIALS, lowest=0.4)] == [0.4, 0.45, 0.5, 1.0]
    assert floor_rows(FloorTrials("faq", [], []), lowest=0.4)[0].answered is None
