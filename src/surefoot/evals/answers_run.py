"""What the product answers when the answer is there, when it was taken away, and when the question is about something else."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from surefoot.domain.answers import Answer, Refusal, Tier
from surefoot.domain.documents import ChunkId
from surefoot.evals import metrics
from surefoot.evals.corpora import ChunkMap
from surefoot.evals.datasets import ForeignQuestion, Question
from surefoot.evals.floors import FloorRow, FloorTrials, Held, floor_rows
from surefoot.evals.intervals import Estimate, bootstrap_auroc, wilson
from surefoot.evals.model_use import Asked, ModelUse, citations, is_uncited, model_use

COVERAGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class Condition(StrEnum):
    """Whether an answer can be right: its gold is there, was removed, or the question is foreign to the tenant."""

    PRESENT = "present"
    REMOVED = "removed"
    FOREIGN = "foreign"


AskWithout = Callable[[str, frozenset[ChunkId]], Asked]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Trial:
    """One question under one condition. The hits are None where there is no such gold; for a refusal they say whether the
    closest places it names hit gold.
    """

    qid: str
    source: str
    condition: Condition
    answered: bool
    reason: str
    confidence: float
    cites_gold_section: bool | None
    cites_gold_page: bool | None
    first_cites_gold_page: bool | None
    asked: Asked

    @property
    def tier(self) -> Tier | None:
        """Who wrote the answer; None for a refusal."""
        return self.asked.outcome.tier if isinstance(self.asked.outcome, Answer) else None


@dataclass(frozen=True, slots=True)
class TierRow:
    """The answers of one tier, and the shares of them that cite gold."""

    tier: Tier
    answered: int
    cites_gold_section: Estimate | None
    cites_gold_page: Estimate | None


@dataclass(frozen=True, slots=True)
class AnswersRow:
    """What happened to the questions of one source under one condition. The citation shares are of answered questions; a
    question counts as a hit when any of its citations is in gold, `first_...` when the first one is.
    """

    source: str
    condition: Condition
    n: int
    answered: int
    answered_share: Estimate
    refused: Mapping[str, int]
    answers_without_citation: int
    cites_gold_section: Estimate | None
    cites_gold_page: Estimate | None
    first_cites_gold_page: Estimate | None
    tiers: tuple[TierRow, ...]
    models: ModelUse


@dataclass(frozen=True, slots=True)
class Separation:
    """How well the confidence tells questions with gold from those without, with a 95 % bootstrap interval."""

    source: str
    against: Condition
    auroc: Estimate


@dataclass(frozen=True, slots=True)
class Curve:
    """Risk at rising coverage over the questions of one source under the conditions named.

    Wrong is any question whose gold is not there, and any whose citations (for a refusal, the closest places) miss the gold
    page.
    """

    source: str
    conditions: tuple[Condition, ...]
    points: tuple[metrics.RiskPoint, ...]


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far the confidence is from the share of questions, gold present and removed, whose gold was there."""

    source: str
    n: int
    brier: float
    expected_calibration_error: float


@dataclass(frozen=True, slots=True)
class StageTime:
    """Milliseconds of one stage over the questions with gold present, each asked for the first time."""

    stage: str
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class AnswersReport:
    """Everything `surefoot eval answers` prints. `left_out` are qids whose gold is not among the sections at all; `floors` are
    there when a model may have been asked.
    """

    rows: tuple[AnswersRow, ...]
    separations: tuple[Separation, ...]
    risk_coverage: tuple[Curve, ...]
    calibration: tuple[Calibration, ...]
    stage_times: tuple[StageTime, ...]
    models: ModelUse
    floors: tuple[FloorRow, ...]
    left_out: tuple[str, ...]


def ask_all(
    ask: AskWithout,
    questions: Sequence[Question],
    foreign: Sequence[ForeignQuestion],
    chunks: ChunkMap,
    *,
    progress: Progress | None = None,
) -> tuple[list[Trial], list[str]]:
    """Every question with its gold present and with its gold removed, every foreign question once; and the qids left out.

    Removed chunks are gone before the legs are ranked and normalised, so nothing of them is left to see. The pages in
    `linked_from`, which hold the question's very words, are removed under every condition.
    """
    trials: list[Trial] = []
    left_out: list[str] = []
    total = len(questions) + len(foreign)
    for done, question in enumerate(questions, start=1):
        gold = chunks.gold_of(question)
        if gold:
            linking = chunks.of_pages(question.linked_from) - gold
            present, removed = ask(question.question, linking), ask(question.question, linking | gold)
            sections, pages = frozenset(question.gold_sections), frozenset(question.gold_pages)
            trials += [
                _trial(question.qid, question.source, Condition.PRESENT, present, sections=sections, pages=pages),
                _trial(question.qid, question.source, Condition.REMOVED, removed),
            ]
        else:
            left_out.append(question.qid)
        if progress is not None:
            progress(done, total)
    for done, stranger in enumerate(foreign, start=1):
        asked = ask(stranger.question, frozenset())
        trials.append(_trial(f"foreign-{done}", stranger.source or "unstated", Condition.FOREIGN, asked))
        if progress is not None:
            progress(len(questions) + done, total)
    return trials, left_out


def summarise(trials: Sequence[Trial], left_out: Sequence[str] = (), *, escalate_floor: float | None = None) -> AnswersReport:
    """The report over these trials, sources in alphabetical order. `escalate_floor` is the one that models were asked above;
    None when there were none.
    """
    groups: dict[tuple[str, Condition], list[Trial]] = {}
    for trial in trials:
        groups.setdefault((trial.source, trial.condition), []).append(trial)
    order = list(Condition)
    sources = sorted({trial.source for trial in trials if trial.condition is not Condition.FOREIGN})
    present = [trial for trial in trials if trial.condition is Condition.PRESENT]
    return AnswersReport(
        rows=tuple(_row(*key, groups[key]) for key in sorted(groups, key=lambda key: (key[0], order.index(key[1])))),
        separations=tuple(found for source in sources for found in _separations(source, trials)),
        risk_coverage=tuple(curve for source in sources for curve in _curves(source, trials)),
        calibration=tuple(_calibration(source, trials) for source in sources),
        stage_times=_stage_times(present),
        models=model_use([trial.asked for trial in trials]),
        floors=tuple(row for source in sources for row in _floors(source, trials, escalate_floor)),
        left_out=tuple(left_out),
    )


def _trial(
    qid: str,
    source: str,
    condition: Condition,
    asked: Asked,
    *,
    sections: frozenset[str] = frozenset(),
    pages: frozenset[str] = frozenset(),
) -> Trial:
    """The trial of one outcome; without `sections` or `pages` there is no such gold to hit."""
    outcome = asked.outcome
    cited = citations(outcome)
    return Trial(
        qid=qid,
        source=source,
        condition=condition,
        answered=isinstance(outcome, Answer),
        reason=str(outcome.reason) if isinstance(outcome, Refusal) else "",
        confidence=outcome.confidence,
        cites_gold_section=any((citation.anchor or citation.uri) in sections for citation in cited) if sections else None,
        cites_gold_page=any(citation.uri in pages for citation in cited) if pages else None,
        first_cites_gold_page=bool(cited and cited[0].uri in pages) if pages else None,
        asked=asked,
    )


def _row(source: str, condition: Condition, trials: Sequence[Trial]) -> AnswersRow:
    answered = [trial for trial in trials if trial.answered]
    share = wilson(len(answered), len(trials))
    assert share is not None, "A row has at least one trial."
    return AnswersRow(
        source=source,
        condition=condition,
        n=len(trials),
        answered=len(answered),
        answered_share=share,
        refused=dict(sorted(Counter(trial.reason for trial in trials if not trial.answered).items())),
        answers_without_citation=sum(is_uncited(trial.asked.outcome) for trial in answered),
        cites_gold_section=_share(trial.cites_gold_section for trial in answered),
        cites_gold_page=_share(trial.cites_gold_page for trial in answered),
        first_cites_gold_page=_share(trial.first_cites_gold_page for trial in answered),
        tiers=tuple(_tier_row(tier, answered) for tier in Tier if any(trial.tier is tier for trial in answered)),
        models=model_use([trial.asked for trial in trials]),
    )


def _tier_row(tier: Tier, answered: Sequence[Trial]) -> TierRow:
    own = [trial for trial in answered if trial.tier is tier]
    return TierRow(
        tier=tier,
        answered=len(own),
        cites_gold_section=_share(trial.cites_gold_section for trial in own),
        cites_gold_page=_share(trial.cites_gold_page for trial in own),
    )


def _share(hits: Iterable[bool | None]) -> Estimate | None:
    known = [hit for hit in hits if hit is not None]
    return wilson(sum(known), len(known))


def _separations(source: str, trials: Sequence[Trial]) -> list[Separation]:
    """Present against removed, and against foreign questions: those of the same source where there are any, so that form
    alone does not tell them apart, else all of them.
    """
    present = _of(trials, source, Condition.PRESENT)
    found: list[Separation] = []
    for against in (Condition.REMOVED, Condition.FOREIGN):
        others = _of(trials, source, against) or [t for t in trials if t.condition is against]
        auroc = bootstrap_auroc([t.confidence for t in present], [t.confidence for t in others])
        if auroc is not None:
            found.append(Separation(source, against, auroc))
    return found


def _floors(source: str, trials: Sequence[Trial], lowest: float | None) -> list[FloorRow]:
    """The floors over present and removed questions, which are equally many, and over every foreign one."""
    if lowest is None:
        return []
    present, removed = ([_held(t) for t in _of(trials, source, kind)] for kind in (Condition.PRESENT, Condition.REMOVED))
    foreign = [_held(trial) for trial in trials if trial.condition is Condition.FOREIGN]
    return floor_rows(FloorTrials(source, present, removed, foreign), lowest=lowest)


def _held(trial: Trial) -> Held:
    hits = trial.cites_gold_page if trial.cites_gold_section is None else trial.cites_gold_section
    return Held(trial.asked, is_right=trial.answered and bool(hits))


def _curves(source: str, trials: Sequence[Trial]) -> list[Curve]:
    present = _of(trials, source, Condition.PRESENT)
    mixed = [*present, *_of(trials, source, Condition.REMOVED)]
    return [_curve(source, (Condition.PRESENT,), present), _curve(source, (Condition.PRESENT, Condition.REMOVED), mixed)]


def _curve(source: str, conditions: tuple[Condition, ...], trials: Sequence[Trial]) -> Curve:
    correct = [bool(trial.cites_gold_page) for trial in trials]
    points = metrics.risk_coverage(correct, [trial.confidence for trial in trials], COVERAGES)
    return Curve(source, conditions, tuple(points))


def _calibration(source: str, trials: Sequence[Trial]) -> Calibration:
    both = [*_of(trials, source, Condition.PRESENT), *_of(trials, source, Condition.REMOVED)]
    labels = [trial.condition is Condition.PRESENT for trial in both]
    stated = [trial.confidence for trial in both]
    distance, error = metrics.brier(labels, stated), metrics.expected_calibration_error(labels, stated)
    assert distance is not None, "A source has at least one trial."
    assert error is not None, "A source has at least one trial."
    return Calibration(source, len(both), distance, error)


def _of(trials: Sequence[Trial], source: str, condition: Condition) -> list[Trial]:
    return [trial for trial in trials if trial.source == source and trial.condition is condition]


def _stage_times(trials: Sequence[Trial]) -> tuple[StageTime, ...]:
    """Per stage in the order the product names them, then `total`, the sum within each question."""
    stages: dict[str, list[float]] = {}
    for trial in trials:
        for stage, spent_ms in trial.asked.timings_ms.items():
            stages.setdefault(stage, []).append(spent_ms)
        stages.setdefault("total", []).append(sum(trial.asked.timings_ms.values()))
    ordered = sorted(stages, key=lambda stage: stage == "total")
    return tuple(
        StageTime(s, metrics.percentile(stages[s], 50) or 0.0, metrics.percentile(stages[s], 95) or 0.0) for s in ordered
    )
