"""Intervals: the closed form against published values, the bootstrap against what it must hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.evals import intervals


def test_wilson_agrees_with_published_values() -> None:
    # Newcombe, Statistics in Medicine 1998, table I, method 3: 81/263, 15/148, 0/20, 1/29.
    for successes, n, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        estimate = intervals.wilson(successes, n)
        assert estimate is not None
        assert (estimate.low, estimate.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


@given(st.integers(0, 500), st.integers(1, 500))
def test_wilson_holds_the_share_and_stays_a_share(successes: int, n: int) -> None:
    estimate = intervals.wilson(min(successes, n), n)
    assert estimate is not None
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_wilson_of_nothing_is_none_and_of_too_many_is_refused() -> None:
    assert intervals.wilson(0, 0) is None
    with pytest.raises(ValueError, match="3 successes of 2"):
        intervals.wilson(3, 2)


def test_bootstrap_repeats_with_its_seed() -> None:
    values = [0.0, 1.0, 0.5, 0.25] * 5
    assert intervals.bootstrap_mean(values) == intervals.bootstrap_mean(values)
    assert intervals.bootstrap_mean(values, seed=1) != intervals.bootstrap_mean(values, seed=2)


def test_bootstrap_of_the_mean_comes_close_to_the_normal_interval() -> None:
    values = np.random.default_rng(5).normal(3, 1, 400)
    estimate = intervals.bootstrap_mean(values.tolist())
    assert estimate is not None
    half = 1.96 * values.std() / 20
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.low == pytest.approx(values.mean() - half, abs=0.02)
    assert estimate.high == pytest.approx(values.mean() + half, abs=0.02)


def test_bootstrap_of_equal_values_has_no_width() -> None:
    assert intervals.bootstrap_mean([0.5] * 9) == intervals.Estimate(0.5, 0.5, 0.5, 9)


def test_auroc_interval_holds_the_value_and_narrows_with_more_items() -> None:
    random = np.random.default_rng(7)
    few = intervals.bootstrap_auroc(random.normal(1, 1, 30).tolist(), random.normal(0, 1, 30).tolist())
    many = intervals.bootstrap_auroc(random.normal(1, 1, 600).tolist(), random.normal(0, 1, 600).tolist())
    assert few is not None
    assert many is not None
    assert few.low < few.value < few.high
    assert many.high - many.low < few.high - few.low
    # Two unit normals one apart: the area is Phi(1 / sqrt 2) = 0.760.
    assert many.low < 0.760 < many.high


def test_nothing_has_no_interval() -> None:
    assert intervals.bootstrap_mean([]) is None
    assert intervals.bootstrap_auroc([], [0.5]) is None
