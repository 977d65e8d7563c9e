"""How likely the passages hold the answer: the shipped model file, and the evidence it is applied to."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from surefoot.assistant.evidence import Features, Weights, list_features, passage_features, unit_lexical, weights_among
from surefoot.assistant.questions import Question
from surefoot.assistant.scorecard import Scorecard, ScorecardFile
from surefoot.assistant.units import Analysed, ChunkReader, Unit
from surefoot.core.errors import MissingModel
from surefoot.ports import Encoder
from surefoot.retrieval.search import Retrieved

# One short sentence costs the encoder about 1.5 ms of one core; a whole answer has 25 ms.
ENCODED_PASSAGES = 5
ENCODED_UNITS = 6


class AnswerabilityModel(BaseModel):
    """The model file `models/answerability.json`. `about` tells its reader how it was made and how good it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: Mapping[str, object]
    answer_threshold: float
    scope_threshold: float
    passage: ScorecardFile
    answer: ScorecardFile
    scope: ScorecardFile


@cache
def shipped_model() -> AnswerabilityModel:
    """The model in the package; MissingModel when the file is gone or not in its format."""
    source = files("surefoot") / "models" / "answerability.json"
    try:
        return AnswerabilityModel.model_validate_json(source.read_bytes())
    except (OSError, ValidationError, json.JSONDecodeError) as error:
        raise MissingModel(f"{source} cannot be read ({error}); reinstall surefoot.") from error


@dataclass(frozen=True, slots=True)
class ScoredUnit:
    """A unit that may be quoted: `place` is its passage's number in the list, `similarity` its cosine with the question."""

    place: int
    unit: Unit
    lexical: float
    similarity: float | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was measured about a question's passages, before any learned weight. Rows of `passages` are in their order."""

    question: Question
    retrieved: Retrieved
    weights: Weights
    analysed: tuple[Analysed, ...]
    units: tuple[ScoredUnit, ...]
    passages: tuple[Features, ...]
    whole: Features


def gather(question: Question, retrieved: Retrieved, reader: ChunkReader, encoder: Encoder) -> Evidence:
    """The evidence. At most ENCODED_UNITS short texts are encoded."""
    analysed = tuple(reader.read(passage.chunk) for passage in retrieved.passages)
    weights = weights_among(question, analysed)
    units = _units(question, weights, retrieved, analysed, reader, encoder)
    best: dict[int, float] = {}
    for scored in units:
        if scored.similarity is not None:
            best[scored.place] = max(best.get(scored.place, -1.0), scored.similarity)
    return Evidence(
        question=question,
        retrieved=retrieved,
        weights=weights,
        analysed=analysed,
        units=units,
        passages=tuple(
            passage_features(question, weights, retrieved, place, one, best.get(place)) for place, one in enumerate(analysed)
        ),
        whole=list_features(question, weights, retrieved, analysed),
    )


def _units(
    question: Question,
    weights: Weights,
    retrieved: Retrieved,
    analysed: Sequence[Analysed],
    reader: ChunkReader,
    encoder: Encoder,
) -> tuple[ScoredUnit, ...]:
    """Every quotable unit with its lexical score; the most promising ones with their cosine as well."""
    scored = [
        ScoredUnit(place, unit, unit_lexical(question, weights, unit, one), None)
        for place, one in enumerate(analysed)
        for unit in one.units
        if unit.says_something
    ]
    chosen: dict[int, None] = {}
    order = sorted(range(len(scored)), key=lambda row: (-scored[row].lexical, scored[row].place, scored[row].unit.start))
    seen: set[int] = set()
    for row in order:
        if scored[row].place < ENCODED_PASSAGES and scored[row].place not in seen:
            seen.add(scored[row].place)
            chosen[row] = None
    for row in order:
        if len(chosen) >= ENCODED_UNITS:
            break
        if scored[row].place < ENCODED_PASSAGES:
            chosen[row] = None
    rows = list(chosen)
    if not rows:
        return tuple(scored)
    passages = retrieved.passages
    vectors = reader.vectors([(passages[scored[row].place].chunk.chunk_id, scored[row].unit) for row in rows], encoder)
    for row, similarity in zip(rows, np.asarray(vectors @ retrieved.query_vector).tolist(), strict=True):
        one = scored[row]
        scored[row] = ScoredUnit(one.place, one.unit, one.lexical, float(similarity))
    return tuple(scored)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the model says: `answerable` (of a question in scope) and `in_scope` are probabilities.

    `order` are the passages, likeliest source first, with `sources` the probability of each (by its number in the list) to be
    one that answers.
    """

    answerable: float
    in_scope: float
    order: tuple[int, ...]
    sources: tuple[float, ...]

    @property
    def confidence(self) -> float:
        """The probability that the question is in scope and its passages answer it."""
        return self.answerable * self.in_scope

    def preferring(self, place: int, *, over: int) -> "Judgement":
        """The same judgement with passage `over` no longer a source and `place` first."""
        rest = tuple(other for other in self.order if other not in (place, over))
        return replace(self, order=(place, *rest), sources=tuple(0.0 if p == over else s for p, s in enumerate(self.sources)))


class Judge:
    """Applies the model to evidence."""

    def __init__(self, model: AnswerabilityModel) -> None:
        self._passage = Scorecard(model.passage.bias, model.passage.terms)
        self._answer = Scorecard(model.answer.bias, model.answer.terms)
        self._scope = Scorecard(model.scope.bias, model.scope.terms)

    def judge(self, evidence: Evidence) -> Judgement:
        """The judgement; evidence without passages is judged to hold nothing."""
        if not evidence.passages:
            return Judgement(0.0, 0.0, (), ())
        logits = [self._passage.logit(features) for features in evidence.passages]
        features = answer_features(evidence, logits)
        order = sorted(range(len(logits)), key=lambda place: (-logits[place], place))
        return Judgement(
            answerable=self._answer.probability(features),
            in_scope=self._scope.probability(features),
            order=tuple(order),
            sources=tuple(self._passage.probability(row) for row in evidence.passages),
        )


def answer_features(evidence: Evidence, logits: Sequence[float]) -> Features:
    """The list's features, those of the likeliest passage (`best_...`) and how far it stands out among the others."""
    order = sorted(range(len(logits)), key=lambda place: (-logits[place], place))
    best = evidence.passages[order[0]]
    top = logits[order[0]]
    second = logits[order[1]] if len(order) > 1 else top
    return {
        **evidence.whole,
        **{f"best_{name}": value for name, value in best.items()},
        "source_logit": top,
        "source_gap": top - second,
        "source_spread": top - float(np.mean(logits)),
        "source_any": float(np.log(np.exp(np.asarray(logits) - top).sum()) + top),
        "best_is_first": float(order[0] == 0),
    }
