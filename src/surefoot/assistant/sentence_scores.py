"""Which sentences answer best, after a model has read the most promising of them beside the question.

It chooses among what may be quoted anyway: whether a question is answered at all is settled before, and without it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from surefoot.assistant.answerability import Evidence, Judgement, ScoredUnit
from surefoot.assistant.extract import Worths, worths_by_features
from surefoot.assistant.scorecard import log_odds, logistic
from surefoot.ports import QuoteRule
from surefoot.retrieval.judgements import KeptJudgements

Relevance = Mapping[tuple[int, int], float]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What to quote from: the passages in `judgement`'s order, their units by `worths`."""

    judgement: Judgement
    worths: Worths


def candidates(evidence: Evidence, judgement: Judgement, worths: Worths, rule: QuoteRule) -> tuple[ScoredUnit, ...]:
    """The units that are worth reading, `rule.top` at most; none when there is nothing to choose between.

    The best unit of every passage that comes near the likeliest is among them first, then the others by their passage.
    """
    near = _near(judgement, rule.source_margin)
    of_place: dict[int, list[ScoredUnit]] = {place: [] for place in near}
    for unit in evidence.units:
        if unit.place in of_place:
            of_place[unit.place].append(unit)
    best, others = [], []
    for found in of_place.values():
        found.sort(key=lambda unit: (-worths[_key(unit)], unit.unit.start))
        kept = [unit for unit in found if worths[_key(unit)] >= worths[_key(found[0])] - rule.margin]
        best += kept[:1]
        others += kept[1:]
    chosen = (*best, *others)[: rule.top]
    return chosen if len(chosen) > 1 else ()


def _near(judgement: Judgement, margin: float) -> list[int]:
    """The passages, likeliest first, whose log-odds to be the source come within the margin of the likeliest."""
    if not judgement.order:
        return []
    least = log_odds(judgement.sources[judgement.order[0]]) - margin
    return [place for place in judgement.order if log_odds(judgement.sources[place]) >= least]


def chosen(judgement: Judgement, worths: Worths, relevance: Relevance, rule: QuoteRule) -> Chosen:
    """The judgement and the features' worths with the model's word on the units that it read, by passage number and start.

    A unit that was not read counts as the least relevant of those read of its passage, else of all. A passage none of whose
    units was read keeps its log-odds; the others' change against those of the passage that was likeliest.
    """
    least_of: dict[int, float] = {}
    best_of: dict[int, float] = {}
    for (place, _), found in relevance.items():
        least_of[place] = min(least_of.get(place, found), found)
        best_of[place] = max(best_of.get(place, found), found)
    least = min(relevance.values())
    mixed = {
        key: (1 - rule.weight) * own + rule.weight * logistic(relevance.get(key, least_of.get(key[0], least)) / rule.temperature)
        for key, own in worths.items()
    }
    return Chosen(_ordered(judgement, best_of, rule.source_weight), mixed)


def _ordered(judgement: Judgement, best_of: Mapping[int, float], weight: float) -> Judgement:
    first = judgement.order[0]
    if first not in best_of or not weight:
        return judgement
    sources = list(judgement.sources)
    for place, best in best_of.items():
        sources[place] = logistic(log_odds(sources[place]) + weight * (best - best_of[first]))
    order = sorted(judgement.order, key=lambda place: -sources[place])
    return replace(judgement, order=tuple(order), sources=tuple(sources))


class SentenceReader:
    """Reads the most promising sentences with the evidence model. Safe from many threads.

    It is given what a viewer's own search found, and reads nothing else. Its judgements are kept among those of passages, each
    sentence by its chunk's id and its place in the chunk.
    """

    def __init__(self, kept: KeptJudgements, rule: QuoteRule) -> None:
        self._kept = kept
        self._rule = rule

    @property
    def rule(self) -> QuoteRule:
        """What is read, and how much it weighs."""
        return self._rule

    def choose(self, evidence: Evidence, judgement: Judgement) -> Chosen | None:
        """What to quote from; None, and nothing read, when there is nothing to choose between."""
        worths = worths_by_features(evidence)
        units = candidates(evidence, judgement, worths, self._rule)
        if not units:
            return None
        texts = {_id(evidence, unit): sentence_text(evidence, unit) for unit in units}
        judged = self._kept.of(evidence.question.text, texts)
        relevance = {_key(unit): judged[_id(evidence, unit)].relevance for unit in units}
        return chosen(judgement, worths, relevance, self._rule)


def sentence_text(evidence: Evidence, unit: ScoredUnit) -> str:
    """The sentence as the model reads it: its words without Markdown, under the headings of its passage."""
    return replace(evidence.retrieved.passages[unit.place].chunk, text=unit.unit.plain).encoder_text()


def _key(unit: ScoredUnit) -> tuple[int, int]:
    return unit.place, unit.unit.start


def _id(evidence: Evidence, unit: ScoredUnit) -> str:
    return f"{evidence.retrieved.passages[unit.place].chunk.chunk_id}:{unit.unit.start}-{unit.unit.end}"


def sentence_reader_of(kept: KeptJudgements | None) -> SentenceReader | None:
    """The reader of sentences of the model whose judgements are kept; None without a model that is asked for quotes."""
    rule = kept.model.rules.quotes if kept is not None else None
    return None if kept is None or rule is None else SentenceReader(kept, rule)
