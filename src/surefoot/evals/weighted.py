"""Statistics of trials as functions of how much each case weighs, so that one formula gives value, bootstrap and permutation.

`case` numbers the case of each trial, 0..n_cases-1. A `Weighted` takes weights `(draws, n_cases)` and returns `(draws,)`
figures, NaN where a draw does not define it. Weights are whole numbers; with every weight 1 it is the plain figure.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from surefoot.evals.intervals import SEED
from surefoot.evals.metrics import Floats

Indices = NDArray[np.intp]
Weights = NDArray[np.float32] | NDArray[np.float64]
Weighted = Callable[[Weights], Floats]

RESAMPLES = 1000
_BLOCK_VALUES = 2_000_000
_KEPT_VALUES = 8_000_000
_KEPT = 4


class Resampler:
    """The bootstrap's weights by number of cases: how often each case is drawn when as many are drawn with replacement.

    Two figures over equally many cases get the same draws, so a statement never depends on what was computed before it.
    """

    def __init__(self, *, resamples: int = RESAMPLES, seed: int = SEED) -> None:
        self.resamples = resamples
        self.seed = seed
        self._kept: OrderedDict[int, list[Weights]] = OrderedDict()

    def blocks(self, n_cases: int) -> Iterator[Weights]:
        """The weights, `(some draws, n_cases)` at a time."""
        if n_cases in self._kept:
            self._kept.move_to_end(n_cases)
            yield from self._kept[n_cases]
            return
        drawn = self._drawn(n_cases)
        if n_cases * self.resamples <= _KEPT_VALUES:
            self._kept[n_cases] = list(drawn)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            drawn = iter(self._kept[n_cases])
        yield from drawn

    def _drawn(self, n_cases: int) -> Iterator[Weights]:
        random = np.random.default_rng(self.seed)
        for draws in block_sizes(self.resamples, n_cases):
            places = random.integers(0, n_cases, (draws, n_cases), dtype=np.int32)
            places += np.arange(0, draws * n_cases, n_cases, dtype=np.int32)[:, None]
            counts = np.bincount(places.ravel(), minlength=draws * n_cases)
            yield counts.astype(np.float32).reshape(draws, n_cases)


def block_sizes(draws: int, n_cases: int) -> Iterator[int]:
    """The draws in parts whose weights fit well into memory."""
    size = max(1, min(draws, _BLOCK_VALUES // max(n_cases, 1)))
    for start in range(0, draws, size):
        yield min(size, draws - start)


def value_of(statistic: Weighted, n_cases: int) -> float | None:
    """The plain figure; None where it is not defined."""
    value = float(statistic(np.ones((1, n_cases)))[0])
    return value if np.isfinite(value) else None


def percentile_interval(
    statistic: Weighted, n_cases: int, resampler: Resampler, *, level: float = 0.95
) -> tuple[float, float] | None:
    """The percentile bootstrap interval over whole cases (Efron 1979; Field & Welsh, JRSS B 2007 for clusters), or None."""
    drawn = np.concatenate([statistic(weights) for weights in resampler.blocks(n_cases)])
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return None
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mean(values: Floats, case: Indices) -> Weighted:
    """The mean over trials."""
    return ratio(values, np.ones(len(values)), case)


def ratio(above: Floats, below: Floats, case: Indices) -> Weighted:
    """The sum of one column over the sum of another."""
    sums = np.stack([np.bincount(case, above), np.bincount(case, below)], axis=1)
    narrow = sums.astype(np.float32)

    def of(weights: Weights) -> Floats:
        totals = (weights @ (narrow if weights.dtype == np.float32 else sums)).astype(np.float64)
        return _divided(totals[:, 0], totals[:, 1])

    return of


def total(values: Floats, case: Indices) -> Weighted:
    """The sum over trials."""
    sums = np.bincount(case, values)
    return lambda weights: np.asarray(weights @ sums, np.float64)


def quantile(values: Floats, case: Indices, share: float) -> Weighted:
    """The quantile with linear interpolation (Hyndman & Fan 1996, type 7) of each trial repeated by its weight."""
    order = np.argsort(values, kind="stable")
    ordered, owner = values[order], case[order]

    def of(weights: Weights) -> Floats:
        reached = np.cumsum(weights[:, owner], axis=1)
        place = (reached[:, -1].astype(np.float64) - 1) * share
        lower = np.floor(place)
        at = np.minimum((reached <= lower[:, None]).sum(axis=1), len(ordered) - 1)
        after = np.minimum((reached <= lower[:, None] + 1).sum(axis=1), len(ordered) - 1)
        found: Floats = ordered[at] + (ordered[after] - ordered[at]) * (place - lower)
        return np.where(place < 0, np.nan, found)

    return of


def auroc(labels: Floats, scores: Floats, case: Indices) -> Weighted:
    """The chance that a True trial scores above a False one, ties counting half (Hanley & McNeil, Radiology 1982)."""
    order = np.argsort(scores, kind="stable")
    truth, owner = labels[order].astype(np.float32), case[order]
    ends = _ends(scores[order])
    group = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=-1))

    def of(weights: Weights) -> Floats:
        each = weights[:, owner]
        positive = each * truth
        reached = np.cumsum(each - positive, axis=1)[:, ends]
        # Within a group of equal scores half of its negatives count as below.
        middle = reached - np.diff(reached, axis=1, prepend=0) / 2
        wins = np.einsum("ij,ij->i", positive, middle[:, group] if len(ends) < len(owner) else middle)
        return _divided(wins.astype(np.float64), positive.sum(axis=1, dtype=np.float64) * reached[:, -1].astype(np.float64))

    return of


def balanced_accuracy(labels: Floats, predictions: Floats, case: Indices) -> Weighted:
    """The mean of the true positive and the true negative rate (Brodersen et al., ICPR 2010)."""
    hits = ratio(labels * predictions, labels, case)
    rejections = ratio((1 - labels) * (1 - predictions), 1 - labels, case)
    return lambda weights: (hits(weights) + rejections(weights)) / 2


def risk_at(coverage: float, wrong: Floats, confidences: Floats, case: Indices) -> Weighted:
    """The share that is wrong of the most confident `coverage` of trials (El-Yaniv & Wiener, JMLR 2010).

    Trials with the same confidence are taken together, so a little more than that share may be covered.
    """
    order = np.argsort(-confidences, kind="stable")
    amiss, owner = wrong[order].astype(np.float32), case[order]
    ends = _ends(confidences[order])

    def of(weights: Weights) -> Floats:
        each = weights[:, owner]
        covered = np.cumsum(each, axis=1)[:, ends].astype(np.float64)
        place = np.argmax(covered >= coverage * covered[:, -1:] - 1e-6, axis=1)
        rows = np.arange(len(each))
        taken = np.arange(len(owner)) <= ends[place][:, None]
        errors = np.einsum("ij,ij,j->i", each, taken, amiss)
        return _divided(errors.astype(np.float64), covered[rows, place])

    return of


def _ends(ordered: Floats) -> Indices:
    """The last index of each run of equal neighbours."""
    return np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))


def _divided(above: Floats, below: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, above / below, np.nan)
