"""Tests of a difference between two runs over the same cases. Seeded.

Under the null hypothesis the two outcomes of one case could as well have been swapped; whole cases are swapped, with all of
their trials.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from surefoot.evals.metrics import Floats
from surefoot.evals.weighted import Resampler, Weighted, block_sizes

PERMUTATIONS = 2000
_MOST_ENUMERATED = 12


@dataclass(frozen=True, slots=True)
class Paired:
    """A difference, after - before, its 95 % paired bootstrap interval, and how likely chance alone makes it: at least as far
    either way (`p_value`), as far up (`p_rise`), as far down (`p_drop`).
    """

    before: float
    after: float
    low: float
    high: float
    p_value: float
    p_rise: float
    p_drop: float
    test: str

    @property
    def difference(self) -> float:
        """after - before."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class _Tails:
    either: float
    rise: float
    drop: float


def paired_truths(before: Floats, after: Floats, resampler: Resampler) -> Paired:
    """The difference of two shares, one truth a case, by McNemar's exact test: a sign test of the cases that changed.

    (McNemar, Psychometrika 1947; Fagerland, Lydersen & Laake, BMC Medical Research Methodology 2013 for the exact form.)
    """
    gained = int((after > before).sum())
    lost = int((after < before).sum())
    return _with_interval(before, after, _sign_tails(gained, lost), "exact McNemar", resampler)


def paired_means(before: Floats, after: Floats, resampler: Resampler) -> Paired:
    """The difference of two means, one number a case, by the sign-flip permutation test (Fisher 1935; Smucker, CIKM 2007).

    Every assignment of signs is tried where at most 12 cases differ, else 2,000 seeded ones.
    """
    differences = after - before
    tails = _flip_tails(differences[differences != 0], resampler.seed)
    return _with_interval(before, after, tails, "sign-flip permutation", resampler)


def paired_quantiles(
    on_before: Weighted, on_after: Weighted, before: Floats, after: Floats, resampler: Resampler
) -> Paired | None:
    """The difference of two quantiles by a sign-flip test of who lies beyond; None where a quantile is not defined.

    `before` and `after` are, by case, the share of its trials above that quantile of both runs together, one equal to it counting
    half: the median test of Mood (1950) for pairs and any quantile. Swapping a case's runs moves no trial across the line, so the
    test is exact; the quantiles of swapped runs jump between the runs' levels, and their test would miss what all cases share.
    """
    n_cases = len(before)
    ends = _bootstrap_ends(on_before, on_after, n_cases, resampler)
    if ends is None:
        return None
    differences = after - before
    tails = _flip_tails(differences[differences != 0], resampler.seed)
    return Paired(*ends, tails.either, tails.rise, tails.drop, "sign-flip permutation beyond the quantile")


def paired_statistic(
    on_before: Weighted, on_after: Weighted, on_both: Weighted, n_cases: int, resampler: Resampler
) -> Paired | None:
    """The difference of any statistic, by swapping the runs of whole cases; None where it is not defined.

    `on_both` is the statistic of the trials of both runs together: cases 0..n-1 are the baseline's, n..2n-1 the run's.
    """
    ends = _bootstrap_ends(on_before, on_after, n_cases, resampler)
    if ends is None:
        return None
    before, after, *_ = ends
    random = np.random.default_rng(resampler.seed)
    chance = []
    for draws in block_sizes(PERMUTATIONS, 2 * n_cases):
        stays = random.integers(0, 2, (draws, n_cases)).astype(np.float32)
        moved = on_both(np.concatenate([1 - stays, stays], axis=1)) - on_both(np.concatenate([stays, 1 - stays], axis=1))
        chance.append(moved[np.isfinite(moved)])
    tails = _tails(np.concatenate(chance), after - before, is_sampled=True)
    return Paired(*ends, tails.either, tails.rise, tails.drop, "label-swap permutation")


def holm(p_values: Sequence[float]) -> list[float]:
    """Each p-value adjusted so that at most 5 % of families whose hypotheses all hold have one at 0.05 or below (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted = [1.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def _bootstrap_ends(
    on_before: Weighted, on_after: Weighted, n_cases: int, resampler: Resampler
) -> tuple[float, float, float, float] | None:
    """Both figures and the ends of their difference's interval, the same cases drawn from both runs."""
    plain = np.ones((1, n_cases))
    before, after = float(on_before(plain)[0]), float(on_after(plain)[0])
    if not (np.isfinite(before) and np.isfinite(after)):
        return None
    drawn = np.concatenate([on_after(weights) - on_before(weights) for weights in resampler.blocks(n_cases)])
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.quantile(drawn, [0.025, 0.975]) if len(drawn) else (after - before, after - before)
    return before, after, float(low), float(high)


def _with_interval(before: Floats, after: Floats, tails: _Tails, test: str, resampler: Resampler) -> Paired:
    differences = after - before
    narrow, n = differences.astype(np.float32), len(differences)
    drawn = np.concatenate([np.asarray(weights @ narrow, np.float64) / n for weights in resampler.blocks(n)])
    low, high = np.quantile(drawn, [0.025, 0.975])
    ends = float(low), float(high)
    return Paired(float(before.mean()), float(after.mean()), *ends, tails.either, tails.rise, tails.drop, test)


def _sign_tails(gained: int, lost: int) -> _Tails:
    """Of as many fair coins, the chance of so many heads."""
    n = gained + lost
    if not n:
        return _Tails(1.0, 1.0, 1.0)
    rise, drop = _at_least(gained, n), _at_least(lost, n)
    return _Tails(min(1.0, 2 * min(rise, drop)), rise, drop)


def _at_least(heads: int, n: int) -> float:
    # Whole numbers, divided once: the sum of thousands of tiny chances would lose its digits.
    ways, tail = 1, 0
    for k in range(n - heads + 1):
        tail += ways
        ways = ways * (n - k) // (k + 1)
    return float(tail / 2**n)


def _flip_tails(differences: Floats, seed: int) -> _Tails:
    n = len(differences)
    if not n:
        return _Tails(1.0, 1.0, 1.0)
    if n <= _MOST_ENUMERATED:
        signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        return _tails(signs @ differences, float(differences.sum()), is_sampled=False)
    random = np.random.default_rng(seed)
    sums = [
        (1 - 2 * random.integers(0, 2, (draws, n), dtype=np.int8)).astype(np.float32) @ differences.astype(np.float32)
        for draws in block_sizes(PERMUTATIONS, n)
    ]
    return _tails(np.concatenate(sums).astype(np.float64), float(differences.sum()), is_sampled=True)


def _tails(chance: Floats, seen: float, *, is_sampled: bool) -> _Tails:
    """The shares of chance's differences that are at least as far out as the one seen, which is one of them itself when they
    are a sample (Phipson & Smyth 2010). Ties are told apart from rounding by a millionth.
    """
    if not len(chance):
        return _Tails(1.0, 1.0, 1.0)
    slack = 1e-6 * max(abs(seen), float(np.abs(chance).max()))
    extra = int(is_sampled)
    rise, drop, either = (
        (int((side >= bound - slack).sum()) + extra) / (len(chance) + extra)
        for side, bound in ((chance, seen), (-chance, -seen), (np.abs(chance), abs(seen)))
    )
    return _Tails(either, rise, drop)
