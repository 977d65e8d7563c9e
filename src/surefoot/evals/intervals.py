"""How far a figure may be off: Wilson for shares, the percentile bootstrap for the rest. Seeded; 95 % by default."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

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
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = successes / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * ((share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5)
    # At 0 and at n the bound is exactly 0 or 1; rounding must not move it past the share itself.
    return Estimate(share, min(max(0.0, middle - half), share), max(min(1.0, middle + half), share), n)


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
