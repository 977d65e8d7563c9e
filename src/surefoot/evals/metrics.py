"""The numbers evals are stated in, as formulas of a few lines; every docstring names its source.

Rankings are ids, best first, each at most once. Labels are booleans, scores are floats that rise with belief in True.
A metric that the input does not define (one class only, no gold) is None, never a made-up 0 or 1.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


# Rankings


def ndcg_at(ranking: Sequence[str], gold: Collection[str], k: int = 10) -> float:
    """Discounted gain of the gold ids among the first k over the best possible, 0..1.

    Binary gain, discount log2(1 + rank) (Jarvelin & Kekalainen, TOIS 2002; the form with log2 from rank 1 as in trec_eval).
    """
    _require(ranking, gold)
    found = sum(1 / np.log2(rank + 1) for rank, item in enumerate(ranking[:k], start=1) if item in gold)
    best = sum(1 / np.log2(rank + 1) for rank in range(1, min(len(gold), k) + 1))
    return float(found / best)


def recall_at(ranking: Sequence[str], gold: Collection[str], k: int = 10) -> float:
    """The share of the gold ids among the first k (Manning, Raghavan & Schutze 2008, section 8.3)."""
    _require(ranking, gold)
    return len(set(ranking[:k]) & set(gold)) / len(gold)


def reciprocal_rank(ranking: Sequence[str], gold: Collection[str]) -> float:
    """One over the rank of the first gold id, 0 when there is none (Voorhees, TREC-8 1999); its mean is MRR."""
    _require(ranking, gold)
    return next((1 / rank for rank, item in enumerate(ranking, start=1) if item in gold), 0.0)


def ranked_average_precision(ranking: Sequence[str], gold: Collection[str]) -> float:
    """The precision at the rank of each gold id, averaged over all gold ids; one that is not ranked adds 0.

    Its mean is MAP (Buckley & Voorhees, SIGIR 2000; trec_eval's `map`).
    """
    _require(ranking, gold)
    ranks = [rank for rank, item in enumerate(ranking, start=1) if item in gold]
    return sum(found / rank for found, rank in enumerate(ranks, start=1)) / len(gold)


# Scores against labels


def auroc(labels: Sequence[bool], scores: Sequence[float]) -> float | None:
    """The chance that a True item scores above a False one, ties counting half; None unless both classes are there.

    The Mann-Whitney U statistic over the product of the class sizes (Hanley & McNeil, Radiology 1982).
    """
    truth, values = _labelled(labels, scores)
    positives = int(truth.sum())
    negatives = len(truth) - positives
    if not positives or not negatives:
        return None
    rank_sum = float(_middle_ranks(values)[truth].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def average_precision(labels: Sequence[bool], scores: Sequence[float]) -> float | None:
    """The sum over thresholds of precision times the gain in recall; None without a True item.

    Equal scores are one threshold (scikit-learn's step-wise definition, after Salton & McGill 1983).
    """
    truth, values = _labelled(labels, scores)
    if not truth.any():
        return None
    order = np.argsort(-values, kind="stable")
    hits = np.cumsum(truth[order])
    ends = _last_of_each_run(values[order])
    precision = hits[ends] / (ends + 1)
    recall = hits[ends] / truth.sum()
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def balanced_accuracy(labels: Sequence[bool], predictions: Sequence[bool]) -> float | None:
    """The mean of the true positive and the true negative rate; None unless both classes are there (Brodersen 2010)."""
    truth, predicted = np.asarray(labels, bool), np.asarray(predictions, bool)
    _same_length(truth, predicted)
    if truth.all() or not truth.any():
        return None
    return float((predicted[truth].mean() + (~predicted[~truth]).mean()) / 2)


def f1(labels: Sequence[bool], predictions: Sequence[bool]) -> float | None:
    """The harmonic mean of precision and recall of True (van Rijsbergen 1979); None when True occurs in neither."""
    truth, predicted = np.asarray(labels, bool), np.asarray(predictions, bool)
    _same_length(truth, predicted)
    total = int(truth.sum()) + int(predicted.sum())
    return 2 * int((truth & predicted).sum()) / total if total else None


def cohens_kappa(one: Sequence[bool], other: Sequence[bool]) -> float | None:
    """How far two raters agree beyond chance, 1 is wholly and 0 not at all (Cohen 1960); None for no items, and where both say
    the same of every item, so that chance alone would agree.
    """
    left, right = np.asarray(one, bool), np.asarray(other, bool)
    _same_length(left, right)
    if not len(left):
        return None
    ours, theirs = float(left.mean()), float(right.mean())
    by_chance = ours * theirs + (1 - ours) * (1 - theirs)
    return (float((left == right).mean()) - by_chance) / (1 - by_chance) if by_chance < 1 else None


# Calibration


def brier(labels: Sequence[bool], probabilities: Sequence[float]) -> float | None:
    """The mean squared distance between probability and outcome, 0 is best (Brier 1950); None for no items."""
    truth, values = _labelled(labels, probabilities)
    return float(np.mean((values - truth) ** 2)) if len(truth) else None


def expected_calibration_error(labels: Sequence[bool], probabilities: Sequence[float], bins: int = 10) -> float | None:
    """The mean distance between stated and observed share over equally wide bins, weighted by their size (Naeini 2015).

    A probability on a bin's edge belongs to the upper bin; 1.0 belongs to the last one. None for no items.
    """
    truth, values = _labelled(labels, probabilities)
    if not len(truth):
        return None
    place = np.minimum((values * bins).astype(int), bins - 1)
    gaps = (abs(float(values[place == b].sum()) - float(truth[place == b].sum())) for b in range(bins))
    return sum(gaps) / len(truth)


@dataclass(frozen=True, slots=True)
class RiskPoint:
    """Of the share `coverage` of items with confidence >= `threshold`, the share `risk` is wrong."""

    coverage: float
    risk: float
    threshold: float


def risk_coverage(correct: Sequence[bool], confidences: Sequence[float], coverages: Sequence[float]) -> list[RiskPoint]:
    """The risk when only the most confident items are answered (El-Yaniv & Wiener, JMLR 2010), one point per coverage.

    Items with the same confidence are answered together, so a point's `coverage` may be more than was asked for.
    """
    truth, values = _labelled(correct, confidences)
    points: list[RiskPoint] = []
    descending = np.sort(values)[::-1]
    for coverage in coverages if len(truth) else ():
        if not 0 < coverage <= 1:
            raise ValueError(f"Coverage {coverage!r} is not in (0, 1].")
        threshold = descending[max(int(np.ceil(coverage * len(truth))), 1) - 1]
        answered = values >= threshold
        points.append(RiskPoint(float(answered.mean()), float((~truth[answered]).mean()), float(threshold)))
    return points


# Times


def percentile(values: Sequence[float], q: float) -> float | None:
    """The q-th percentile, 0..100, with linear interpolation (Hyndman & Fan 1996, type 7); None for no values."""
    return float(np.percentile(np.asarray(values, float), q)) if len(values) else None


def _require(ranking: Sequence[str], gold: Collection[str]) -> None:
    if not gold:
        raise ValueError("A question without gold ids cannot be scored.")
    if len(set(ranking)) != len(ranking):
        raise ValueError("A ranking names an id twice; collapse it first.")


def _labelled(labels: Sequence[bool], scores: Sequence[float]) -> tuple[NDArray[np.bool_], Floats]:
    truth, values = np.asarray(labels, bool), np.asarray(scores, float)
    _same_length(truth, values)
    if not np.isfinite(values).all():
        raise ValueError("A score is not a finite number.")
    return truth, values


def _same_length(left: NDArray[np.generic], right: NDArray[np.generic]) -> None:
    if left.shape != right.shape:
        raise ValueError(f"{len(left)} labels for {len(right)} scores.")


def _middle_ranks(values: Floats) -> Floats:
    """Ranks from 1, ascending; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    middles: Floats = np.cumsum(counts) - (counts - 1) / 2
    return middles[inverse]


def _last_of_each_run(ordered: Floats) -> NDArray[np.intp]:
    """The last index of each run of equal neighbours."""
    return np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
