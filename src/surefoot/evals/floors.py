"""What each floor of escalation would have given, from one run in which models were asked above the lowest of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from surefoot.domain.answers import Answer, Tier
from surefoot.evals.intervals import Estimate, wilson
from surefoot.evals.model_use import Asked

FLOORS = (0.0, 0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)


@dataclass(frozen=True, slots=True)
class Held:
    """One question: what came back, and whether it is an answer that cites gold."""

    asked: Asked
    is_right: bool = False


@dataclass(frozen=True, slots=True)
class FloorRow:
    """One floor, answers of every tier counted. `answered` and `right` are shares of the questions with gold, `removed` and
    `foreign` the shares of those without that were answered all the same. `asked_share` is of how many questions with gold
    present or removed a model was asked; the cost, in US dollars, is of those too.
    """

    source: str
    floor: float
    asked_share: Estimate | None
    answered: Estimate | None
    right: Estimate | None
    removed: Estimate | None
    foreign: Estimate | None
    cost_usd_per_question: float


@dataclass(frozen=True, slots=True)
class FloorTrials:
    """The questions of one source by what was there to answer them."""

    source: str
    present: Sequence[Held]
    removed: Sequence[Held]
    foreign: Sequence[Held] = ()


def floor_rows(trials: FloorTrials, *, lowest: float) -> list[FloorRow]:
    """A row for each floor from `lowest` on, below which nothing was asked, and for the floor that lets nothing through.

    Above its floor a question goes as it went in the run; below it the extractive tier's word stands, which was a refusal, or
    else no model would have been asked.
    """
    return [_row(trials, floor) for floor in (lowest, *(floor for floor in FLOORS if floor > lowest), 1.0)]


def _row(trials: FloorTrials, floor: float) -> FloorRow:
    both = [*trials.present, *trials.removed]
    let_through = [held for held in both if held.asked.drafts and held.asked.outcome.confidence >= floor]
    cost_usd = sum(step.spend.usd for held in let_through for step in held.asked.drafts)
    return FloorRow(
        source=trials.source,
        floor=floor,
        asked_share=wilson(len(let_through), len(both)),
        answered=_answered_share(trials.present, floor),
        right=wilson(sum(held.is_right and _is_answered(held, floor) for held in trials.present), len(trials.present)),
        removed=_answered_share(trials.removed, floor),
        foreign=_answered_share(trials.foreign, floor),
        cost_usd_per_question=round(cost_usd / len(both), 9) if both else 0.0,
    )


def _answered_share(every: Sequence[Held], floor: float) -> Estimate | None:
    return wilson(sum(_is_answered(held, floor) for held in every), len(every))


def _is_answered(held: Held, floor: float) -> bool:
    outcome = held.asked.outcome
    return isinstance(outcome, Answer) and (outcome.tier is Tier.EXTRACTIVE or outcome.confidence >= floor)
