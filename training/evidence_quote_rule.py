"""How good quotes are, and the rule by which sentence scores choose them: fitted on what neither trained nor judges."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from surefoot.assistant.extract import quotes
from surefoot.assistant.sentence_scores import candidates, chosen, sentence_text
from surefoot.ports import QuoteRule
from training.evidence_quote_cases import QuoteCase
from training.evidence_scores import Pair, RawScores
from training.fitting import Table

# As many as are read at most, for a quoted answer is to stay quick, and the widest margins at which the others are fitted. Eight
# gain .006 more on what chooses and take nearly twice as long at the 95th percentile.
WIDEST = QuoteRule(weight=0.0, top=4, margin=0.5, source_margin=2.0)
WEIGHTS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
TEMPERATURES = (1.0, 2.0, 4.0)
SOURCE_WEIGHTS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.9)
MARGINS = (0.1, 0.15, 0.2, 0.3, 0.5)
SOURCE_MARGINS = (0.25, 0.5, 1.0, 1.5, 2.0)
# No row that chooses may lose more than this by the rule, as none that judges may, nor their mean by reading less.
_MOST_LOST, _LOST_BY_MARGIN = 0.01, 0.001
MEASURES = ("quality", "precision", "recall", "first", "quoted")
_QUALITY = 0


def measured(case: QuoteCase, rule: QuoteRule | None = None, scores: RawScores | None = None) -> tuple[float, ...]:
    """The MEASURES of one answer, by the features alone or with sentence scores.

    `precision` and `recall` are of its sentences; `first` and `quoted` say whether the first of them is gold, and whether any is.
    `quality` is F1, and for questions of whose answer only the section is known, precision.
    """
    shown = case.shown(_quotes(case, rule, scores))
    right = len(case.gold.intersection(shown))
    precision = right / len(shown) if shown else 0.0
    recall = right / len(case.gold)
    f1 = 2 * precision * recall / (precision + recall) if right else 0.0
    first = float(bool(shown) and shown[0] in case.gold)
    return precision if case.by_section else f1, precision, recall, first, float(right > 0)


def _quotes(case: QuoteCase, rule: QuoteRule | None, scores: RawScores | None) -> Any:
    units = candidates(case.evidence, case.judgement, case.worths, rule) if rule is not None else ()
    if rule is None or scores is None or not units:
        return quotes(case.evidence, case.judgement, case.worths)
    texts = [sentence_text(case.evidence, unit) for unit in units]
    said = scores.of([(case.question, text) for text in texts])[:, 0]
    relevance = {(unit.place, unit.unit.start): float(one) for unit, one in zip(units, said, strict=True)}
    found = chosen(case.judgement, case.worths, relevance, rule)
    return quotes(case.evidence, found.judgement, found.worths)


def pairs_of(cases: Iterable[QuoteCase]) -> list[Pair]:
    """Every pair that any rule could have read, each once: within narrow margins others come among the first to be read."""
    rules = [replace(WIDEST, margin=margin, source_margin=source) for margin in MARGINS for source in SOURCE_MARGINS]
    return list(
        dict.fromkeys(
            (case.question, sentence_text(case.evidence, unit))
            for case in cases
            for rule in rules
            for unit in candidates(case.evidence, case.judgement, case.worths, rule)
        )
    )


def table(cases: Sequence[QuoteCase], rule: QuoteRule | None = None, scores: RawScores | None = None) -> Table:
    """`(cases, MEASURES)`."""
    return np.array([measured(case, rule, scores) for case in cases], dtype=float).reshape(-1, len(MEASURES))


def by_source(cases: Iterable[QuoteCase]) -> dict[str, list[QuoteCase]]:
    """The cases of each source, in order."""
    found: dict[str, list[QuoteCase]] = {}
    for case in cases:
        found.setdefault(case.source, []).append(case)
    return found


@dataclass(frozen=True)
class _Choosing:
    """The rows that choose, each as good as any other, with their quality by the features."""

    rows: Mapping[str, Sequence[QuoteCase]]
    before: Mapping[str, Table]
    scores: RawScores

    def gains(self, rule: QuoteRule) -> dict[str, float]:
        return {
            name: float((table(cases, rule, self.scores)[:, _QUALITY] - self.before[name]).mean())
            for name, cases in self.rows.items()
        }


def fit_rule(cases: Sequence[QuoteCase], scores: RawScores) -> tuple[QuoteRule, dict[str, Any]]:
    """The rule with the greatest mean gain in quality over the sources among those by which none of them loses; and the search.

    First how much a passage's best sentence counts, then how much a sentence counts in its passage, then how little need be read.
    Weights are those of raw scores.
    """
    rows = by_source(cases)
    choosing = _Choosing(rows, {name: table(row)[:, _QUALITY] for name, row in rows.items()}, scores)
    tried: dict[str, Any] = {}
    rule = _best((replace(WIDEST, source_weight=weight) for weight in SOURCE_WEIGHTS), choosing, tried, WIDEST)
    within = (replace(rule, weight=weight, temperature=heat) for heat in TEMPERATURES for weight in WEIGHTS)
    rule = _best(within, choosing, tried, rule)
    if rule == WIDEST:
        return rule, tried
    least = float(np.mean(list(choosing.gains(rule).values()))) - _LOST_BY_MARGIN

    def holds(narrower: QuoteRule) -> bool:
        gains = choosing.gains(narrower)
        tried[_name(narrower)] = _rounded(gains)
        return float(np.mean(list(gains.values()))) >= least and min(gains.values()) >= -_MOST_LOST

    rule = _first((replace(rule, margin=margin) for margin in MARGINS), holds)
    return _first((replace(rule, source_margin=margin) for margin in SOURCE_MARGINS), holds), tried


def _best(rules: Iterable[QuoteRule], choosing: _Choosing, tried: dict[str, Any], otherwise: QuoteRule) -> QuoteRule:
    best = otherwise
    most = float(np.mean(list(choosing.gains(otherwise).values()))) if otherwise != WIDEST else 0.0
    for rule in rules:
        gains = choosing.gains(rule)
        tried[_name(rule)] = _rounded(gains)
        mean = float(np.mean(list(gains.values())))
        if min(gains.values()) >= -_MOST_LOST and mean > most:
            best, most = rule, mean
    return best


def _first(rules: Iterable[QuoteRule], holds: Callable[[QuoteRule], bool]) -> QuoteRule:
    """The first rule that holds, else the last."""
    rule = WIDEST
    for rule in rules:
        if holds(rule):
            break
    return rule


def _name(rule: QuoteRule) -> str:
    return f"{rule.source_weight} of sources, {rule.weight} at {rule.temperature}, within {rule.margin}, {rule.source_margin}"


def _rounded(gains: Mapping[str, float]) -> dict[str, float]:
    return {name: round(gain, 4) for name, gain in gains.items()}


def at_temperature(rule: QuoteRule, relevance: float) -> QuoteRule:
    """The same rule of raw scores for a model whose relevance is the raw score over this temperature."""
    return replace(
        rule, temperature=round(rule.temperature / relevance, 4), source_weight=round(rule.source_weight * relevance, 4)
    )
