"""Fits what is made of the evidence model's word on passages, on dev sites and dev abstracts only: temperatures, the mixture with
the fused score, and the logistics that join its word with the features'.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from surefoot.assistant.scorecard import log_odds
from surefoot.domain.documents import HEADINGS_APART
from surefoot.retrieval.rerank import is_asked_by_name, is_settled, mixed
from training.answerability import ANSWERABLE, CLAPNQ, IN_SCOPE, IN_SCOPE_KEPT, WEIGHTS
from training.evidence_judging import AskedList
from training.evidence_lists import RankedList
from training.evidence_scores import RawScores
from training.fitting import Labels, Table

WEIGHTS_TRIED = (0.0, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.4, 0.6, 1.0)
# A fused score is at most 1, so that no lead is as great as this.
NEVER = 1.1
MARGINS_TRIED = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, NEVER)
# No kind of dev list may lose more than this by the mixture, nor the mean by an early exit.
_MOST_LOST, _LOST_BY_EXIT = 0.003, 0.002
_L2 = 3.0


@dataclass(frozen=True, slots=True)
class Mixture:
    """The rerank rule: the first `top`, by (1 - weight) * fused + weight * relevance / temperature, unless the lead is clear."""

    temperature: float
    weight: float
    top: int
    margin: float

    def is_settled(self, one: RankedList | AskedList) -> bool:
        """Whether the order of the list stays, as the product's reranker says."""
        heading = one.texts[0].partition("\n")[0].rpartition(HEADINGS_APART)[2] if one.texts else ""
        return is_settled(one.fused, margin=self.margin) or is_asked_by_name(one.question, heading)

    def order(self, one: RankedList, relevance: Table) -> list[int]:
        if self.is_settled(one):
            return list(range(len(one.fused)))
        return mixed(one.fused, (relevance[: self.top] / self.temperature).tolist(), weight=self.weight)

    def ndcg(self, one: RankedList, relevance: Table) -> float:
        order = self.order(one, relevance)
        return one.ndcg(-np.argsort(order[: len(relevance)]).astype(float))


def ndcg_of(lists: Sequence[RankedList], scores: RawScores, mixture: Mixture) -> Table:
    """nDCG@10 of every list in the mixture's order."""
    return np.array([mixture.ndcg(one, scores.of(one.pairs[: mixture.top])[:, 0]) for one in lists])


def fit_mixture(kinds: Mapping[str, Sequence[RankedList]], scores: RawScores, *, top: int) -> tuple[Mixture, dict[str, Any]]:
    """The least weight whose mean gain over the kinds of lists comes near the greatest, among those by which none of them loses;
    and the search. Of weights that the dev lists hardly tell apart the least does least harm to what they do not hold.
    """
    every = [one for lists in kinds.values() for one in lists]
    temperature = _choice_temperature(every, scores, top)
    before = {kind: float(np.mean([one.ndcg() for one in lists])) for kind, lists in kinds.items()}
    tried: dict[str, Any] = {}
    means: dict[float, float] = {}
    for weight in WEIGHTS_TRIED:
        mixture = Mixture(temperature, weight, top, NEVER)
        gains = {kind: float(ndcg_of(lists, scores, mixture).mean()) - before[kind] for kind, lists in kinds.items()}
        tried[str(weight)] = {kind: round(gain, 4) for kind, gain in gains.items()}
        if min(gains.values()) >= -_MOST_LOST:
            means[weight] = float(np.mean(list(gains.values())))
    least = min(weight for weight, mean in means.items() if mean >= max(means.values()) - _MOST_LOST)
    return Mixture(temperature, least, top, NEVER), {"before": before, "gains": tried}


def margins_without_loss(kinds: Mapping[str, Sequence[RankedList]], scores: RawScores, mixture: Mixture) -> list[float]:
    """The leads, least first, at which the mean nDCG@10 of the kinds is hardly less than without an early exit."""

    def mean(margin: float) -> float:
        return float(np.mean([ndcg_of(lists, scores, replace(mixture, margin=margin)).mean() for lists in kinds.values()]))

    full = mean(NEVER)
    return [margin for margin in MARGINS_TRIED if mean(margin) >= full - _LOST_BY_EXIT]


def _choice_temperature(lists: Sequence[RankedList], scores: RawScores, top: int) -> float:
    """The temperature at which the softmax of a list's relevance says most truly which passage is gold."""
    rows = []
    for one in lists:
        gold = np.array([key in one.gold for key in one.keys[:top]])
        if gold.any() and not gold.all():
            rows.append((scores.of(one.pairs[:top])[:, 0], gold))

    def loss(temperature: float) -> float:
        return float(np.mean([surprise(logit / temperature, gold) for logit, gold in rows]))

    return float(minimize_scalar(loss, bounds=(0.2, 10.0), method="bounded").x)


def surprise(logit: Table, gold: Labels) -> float:
    return float(np.logaddexp.reduce(logit) - np.logaddexp.reduce(logit[gold]))


@dataclass(frozen=True, slots=True)
class Line:
    """A logistic over a few named numbers, unscaled."""

    names: tuple[str, ...]
    bias: float
    weights: tuple[float, ...]

    def logit(self, table: Table) -> Table:
        return np.asarray(table @ np.array(self.weights) + self.bias)

    def probability(self, table: Table) -> Table:
        return np.asarray(1 / (1 + np.exp(-self.logit(table))))

    def record(self) -> dict[str, float]:
        return {"bias": round(self.bias, 4)} | {
            name: round(weight, 4) for name, weight in zip(self.names, self.weights, strict=True)
        }


def fit_line_of(table: Table, labels: Labels, names: tuple[str, ...], signs: Sequence[int], weights: Table) -> Line:
    """Logistic regression on standardised numbers with a small penalty, each weight of the sign it must have."""
    mean, scale = table.mean(axis=0), np.maximum(table.std(axis=0), 1e-6)
    x, sample, target = (table - mean) / scale, weights * len(labels) / weights.sum(), labels.astype(float)

    def loss(point: Table) -> tuple[float, Table]:
        logit = x @ point[:-1] + point[-1]
        error = sample * (1 / (1 + np.exp(-logit)) - target)
        value = (sample * (np.logaddexp(0, logit) - target * logit)).sum() + 0.5 * _L2 * (point[:-1] ** 2).sum()
        return float(value), np.append(x.T @ error + _L2 * point[:-1], error.sum())

    bounds = [(0.0, None) if sign > 0 else (None, 0.0) for sign in signs] + [(None, None)]
    point = minimize(loss, np.zeros(len(names) + 1), jac=True, method="L-BFGS-B", bounds=bounds).x
    raw = point[:-1] / scale
    return Line(names, float(point[-1] - raw @ mean), tuple(float(weight) for weight in raw))


# Answers


def odds(values: Sequence[float] | Table) -> Table:
    return np.array([log_odds(float(value)) for value in values])


def answer_temperature(asked: Sequence[AskedList], scores: RawScores, top: int) -> float:
    """The temperature at which `answers` of a passage is the chance that it is gold; weighed so that gold is a third."""
    pairs = [(one.question, text) for one in asked for text in one.texts[:top]]
    logit, gold = scores.of(pairs)[:, 1], np.array([found for one in asked for found in one.gold[:top]])
    weight = np.where(gold, 0.5 / gold.sum(), 1.0 / (~gold).sum())

    def loss(point: Table) -> float:
        line = logit / point[0] + point[1]
        return float((weight * (np.logaddexp(0, line) - gold * line)).sum())

    found = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x
    return float(np.clip(found[0], 0.3, 5.0))


def answers_of(one: AskedList, scores: RawScores, temperature: float, mixture: Mixture) -> Table:
    """The log-odds of `answers` of the passages the model reads: of the first alone where the lead is clear."""
    read = 1 if mixture.is_settled(one) else mixture.top
    logit = scores.of([(one.question, text) for text in one.texts[:read]])[:, 1] / temperature
    return odds(1 / (1 + np.exp(-logit)))


def answer_table(asked: Sequence[AskedList], own: Table, scores: RawScores, temperature: float, mixture: Mixture) -> Table:
    """`(rows, 3)`: the features' log-odds, the surest passage, the mean of the two surest."""
    rows = []
    for one, said in zip(asked, odds(own), strict=True):
        surest = np.sort(answers_of(one, scores, temperature, mixture))[::-1]
        rows.append((said, surest[0], surest[:2].mean()))
    return np.array(rows, dtype=float).reshape(-1, 3)


ANSWER_NAMES = ("features", "best", "best_two")


@dataclass(frozen=True, slots=True)
class AnswerLines:
    """How answerability is told by features and model together."""

    temperature: float
    answerable: Line
    in_scope: Line
    source: Line
    answer_threshold: float
    scope_threshold: float

    def record(self) -> dict[str, Any]:
        return {
            "answerable": self.answerable.record(),
            "in_scope": self.in_scope.record(),
            "source": self.source.record(),
            "answer_threshold": round(self.answer_threshold, 3),
            "scope_threshold": round(self.scope_threshold, 3),
        }


def fit_answers(asked: Sequence[AskedList], scores: RawScores, mixture: Mixture, *, threshold: float) -> AnswerLines:
    """The lines by the dev sites' questions; at its threshold as many answerable ones are answered as at the features'."""
    answerable = np.array([one.condition in ANSWERABLE for one in asked])
    in_scope = np.array([one.condition in IN_SCOPE for one in asked])
    weights = np.array([WEIGHTS[one.condition] for one in asked])
    temperature = answer_temperature([one for one in asked if one.condition in ANSWERABLE], scores, mixture.top)
    own_answer, own_scope = (np.array([getattr(one, name) for one in asked]) for name in ("answerable", "in_scope"))
    answers = answer_table(asked, own_answer, scores, temperature, mixture)
    scopes = answer_table(asked, own_scope, scores, temperature, mixture)
    line = fit_line_of(answers[in_scope], answerable[in_scope], ANSWER_NAMES, (1, 1, 1), weights[in_scope])
    # A question of CLAPNQ comes with the one passage found for it: there is no scope to judge.
    docs = np.array([one.site != CLAPNQ for one in asked])
    scope = fit_line_of(scopes[docs], in_scope[docs], ANSWER_NAMES, (1, 1, 1), weights[docs])
    sure = line.probability(answers) * scope.probability(scopes)
    told = answerable & docs
    share = float((own_answer * own_scope >= threshold)[told].mean())
    return AnswerLines(
        temperature,
        line,
        scope,
        fit_source([one for one in asked if one.condition in ANSWERABLE], scores, temperature, mixture),
        float(np.quantile(sure[told], 1 - share)),
        float(np.quantile(scope.probability(scopes)[told], 1 - IN_SCOPE_KEPT)),
    )


SOURCE_NAMES = ("features", "relevance", "answers")


def source_table(one: AskedList, scores: RawScores, temperature: float, mixture: Mixture) -> Table:
    """`(passages, 3)`: the features' logit, relevance, log-odds of `answers`; a passage not read has the least of those read."""
    read = 1 if mixture.is_settled(one) else mixture.top
    found = scores.of([(one.question, text) for text in one.texts[:read]])
    said = odds(1 / (1 + np.exp(-found[:, 1] / temperature)))
    missing = len(one.texts) - len(found)
    relevance = found[:, 0] / mixture.temperature
    return np.column_stack(
        [
            odds(1 / (1 + np.exp(-np.array(one.sources)))),
            np.append(relevance, np.full(missing, relevance.min())),
            np.append(said, np.full(missing, said.min())),
        ]
    )


def fit_source(asked: Sequence[AskedList], scores: RawScores, temperature: float, mixture: Mixture) -> Line:
    """The weights under which a gold passage wins its list, and the bias that makes it a chance."""
    rows = [
        (source_table(one, scores, temperature, mixture), np.array(one.gold))
        for one in asked
        if any(one.gold) and not all(one.gold) and len(one.gold) > 1
    ]

    def loss(point: Table) -> float:
        return float(sum(surprise(table @ point, gold) for table, gold in rows)) + 0.5 * float(point @ point)

    point = minimize(loss, np.array([1.0, 0.1, 0.1]), method="L-BFGS-B", bounds=[(0.0, None)] * 3).x
    logit, gold = np.concatenate([table @ point for table, _ in rows]), np.concatenate([gold for _, gold in rows])
    slope = fit_line_of(logit[:, None], gold, ("logit",), (1,), np.ones(len(gold)))
    return Line(SOURCE_NAMES, slope.bias, tuple(float(weight * slope.weights[0]) for weight in point))
