"""What each floor of escalation would have given, from one run in which models were asked above the lowest of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from surefoot.domain.answers import Answer, Tier
from surefoot.evals.intervals import Estimate, wilson
from surefoot.evals.model_use import Asked

FLOORS = (0.0, 0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)


@dataclass(frozen=True, slots=True)
class Held:
    """One question: what came back, whether an answer can be right, and whether the one given is (it cites gold)."""

    asked: Asked
    is_answerable: bool
    is_right: bool


@dataclass(frozen=True, slots=True)
class FloorRow:
    """One floor over questions with gold (`right`, and `answered` right or not) and without (`false_answers`): shares of
    all of them, by any tier. `asked_share` is of how many a model was asked.
    """

    source: str
    floor: float
    asked_share: Estimate | None
    answered: Estimate | None
    right: Estimate | None
    false_answers: Estimate | None
    cost_usd_per_question: float


def floor_rows(source: str, every: Sequence[Held], *, lowest: float) -> list[FloorRow]:
    """A row for each floor from `lowest` on, below which nothing was asked, and for the floor that lets nothing through.

    Above its floor a question goes as it went in the run; below it the extractive tier's word stands, which was a refusal, or
    else no model would have been asked.
    """
    floors = [lowest, *(floor for floor in FLOORS if floor > lowest), 1.0]
    return [_row(source, floor, every) for floor in floors]


def _row(source: str, floor: float, every: Sequence[Held]) -> FloorRow:
    answerable = [held for held in every if held.is_answerable]
    others = [held for held in every if not held.is_answerable]
    let_through = [held for held in every if held.asked.drafts and held.asked.outcome.confidence >= floor]
    cost_usd = sum(step.spend.usd for held in let_through for step in held.asked.drafts)
    return FloorRow(
        source=source,
        floor=floor,
        asked_share=wilson(len(let_through), len(every)),
        answered=wilson(sum(_is_answered(held, floor) for held in answerable), len(answerable)),
        right=wilson(sum(held.is_right and _is_answered(held, floor) for held in answerable), len(answerable)),
        false_answers=wilson(sum(_is_answered(held, floor) for held in others), len(others)),
        cost_usd_per_question=round(cost_usd / len(every), 9) if every else 0.0,
    )


def _is_answered(held: Held, floor: float) -> bool:
    outcome = held.asked.outcome
    return isinstance(outcome, Answer) and (outcome.tier is Tier.EXTRACTIVE or outcome.confidence >= floor)
