"""How far a figure may be off: Wilson for shares, the percentile bootstrap for the rest. Seeded; 95 % by default."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surefoot.domain.score_interval import score_interval
from surefoot.evals.metrics import Floats, auroc

RESAMPLES = 2000
SEED = 20090719


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure over `n` items and the interval it lies in."""

    value: float
    low: float
    high: float
    n: int


def wilson(successes: int, n: int, *, level: float = 0.95) -> Estimate | None:
    """A share and its score interval, which stays within 0..1 and is honest for few items (Wilson, JASA 1927); None for n = 0."""
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} cannot be.")
    if n == 0:
        return None
    share = successes / n
    return Estimate(share, *score_interval(share, n, level=level), n)


def clustered_wilson(hits: Floats, trials: Floats, *, level: float = 0.95) -> Estimate | None:
    """The share of hits over all trials of all cases, with Wilson's interval for as many trials as they are worth; None for none.

    `hits` and `trials` are counts by case. Trials of one case are alike, so n of them are worth n over the design effect, the
    ratio of the variance between cases to that of independent trials (Rao & Scott, Biometrics 1992). It is never taken to be
    below 1, and where every trial came out the same each case is worth one. The estimate's `n` is the number of cases.
    """
    held = trials > 0
    hits, trials = hits[held], trials[held]
    if not len(trials):
        return None
    share = float(hits.sum() / trials.sum())
    return Estimate(share, *score_interval(share, _worth(hits, trials, share), level=level), len(trials))


def clustered_quantile(
    values: Floats, case: NDArray[np.intp], share: float, *, level: float = 0.95
) -> tuple[float, float] | None:
    """The interval of a quantile, without a guess at the distribution (Woodruff, JASA 1952); None for no values.

    The share of trials at or below the quantile has a Wilson interval for what its cases are worth; its ends, read as quantiles,
    are the interval. It ends at the data: with few cases the true p99 may lie above the greatest value seen.
    """
    if not len(values):
        return None
    below = (values <= np.quantile(values, share)).astype(float)
    hits, trials = np.bincount(case, below).astype(np.float64), np.bincount(case).astype(np.float64)
    worth = _worth(hits[trials > 0], trials[trials > 0], float(below.mean()))
    low, high = np.quantile(values, score_interval(share, worth, level=level))
    return float(low), float(high)


def _worth(hits: Floats, trials: Floats, share: float) -> float:
    """How many independent trials these are worth."""
    cases, n = len(trials), float(trials.sum())
    if cases == n:
        return n
    if share in (0.0, 1.0) or cases == 1:
        return cases
    between = cases / (cases - 1) * float(((hits - share * trials) ** 2).sum()) / n**2
    return n / max(1.0, between * n / (share * (1 - share)))


def bootstrap_mean(
    values: Sequence[float], *, level: float = 0.95, resamples: int = RESAMPLES, seed: int = SEED
) -> Estimate | None:
    """The mean and its percentile bootstrap interval (Efron 1979); None for no values.

    For the difference of two systems on the same questions, give it the differences: the paired bootstrap of
    Sakai (SIGIR 2006).
    """
    sample = np.asarray(values, float)
    if not len(sample):
        return None
    random = np.random.default_rng(seed)
    means = [float(sample[random.integers(0, len(sample), len(sample))].mean()) for _ in range(resamples)]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(sample.mean()), float(low), float(high), len(sample))


def bootstrap_labelled(
    statistic: Callable[[Sequence[bool], Sequence[bool]], float | None],
    labels: Sequence[bool],
    predictions: Sequence[bool],
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Estimate | None:
    """A statistic of labels and predictions, the pairs resampled together; None when it is not defined on them."""
    value = statistic(labels, predictions)
    if value is None:
        return None
    truth, predicted = np.asarray(labels, bool), np.asarray(predictions, bool)
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(resamples):
        rows = random.integers(0, len(truth), len(truth))
        drawn.append(statistic(truth[rows].tolist(), predicted[rows].tolist()))
    low, high = np.quantile([figure for figure in drawn if figure is not None], [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high), len(truth))


def bootstrap_auroc(
    positives: Sequence[float], negatives: Sequence[float], *, level: float = 0.95, resamples: int = RESAMPLES, seed: int = SEED
) -> Estimate | None:
    """The AUROC of two groups of scores, each group resampled on its own; None when a group is empty."""
    value = _auroc(np.asarray(positives, float), np.asarray(negatives, float))
    if value is None:
        return None
    above, below = np.asarray(positives, float), np.asarray(negatives, float)
    random = np.random.default_rng(seed)
    drawn = [
        _auroc(above[random.integers(0, len(above), len(above))], below[random.integers(0, len(below), len(below))])
        for _ in range(resamples)
    ]
    low, high = np.quantile([share for share in drawn if share is not None], [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high), len(above) + len(below))


def _auroc(positives: Floats, negatives: Floats) -> float | None:
    labels = [True] * len(positives) + [False] * len(negatives)
    return auroc(labels, [*positives.tolist(), *negatives.tolist()])
