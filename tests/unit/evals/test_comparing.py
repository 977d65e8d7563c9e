"""Two runs compared: exact tests against scipy, what changed case by case, and who is compared with whom."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.unit.evals.trials import answers_run, numbers, result, truths

from surefoot.evals.comparing import Change, Comparison, PairedRuns, compare_runs
from surefoot.evals.paired import Paired, holm
from surefoot.evals.results import CaseResult
from surefoot.evals.weighted import Resampler

QUICK = Resampler(resamples=200)
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def paired(before: Sequence[CaseResult], after: Sequence[CaseResult], name: str) -> Paired:
    _, found = PairedRuns(before, after, resampler=QUICK).compare(name)
    assert found is not None
    return found


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(0, 40))
def test_shares_are_tested_by_the_exact_sign_test_of_the_cases_that_changed(gained: int, lost: int) -> None:
    before = truths([False] * gained + [True] * lost + [True] * 3)
    after = truths([True] * gained + [False] * lost + [True] * 3)
    found = paired(before, after, "share.passed")
    assert found.test == "exact McNemar"
    if gained + lost:
        for side, seen in (("two-sided", found.p_value), ("greater", found.p_rise), ("less", found.p_drop)):
            assert seen == pytest.approx(stats.binomtest(gained, gained + lost, alternative=side).pvalue)
    else:
        assert found.p_value == 1.0


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(-6, 6), min_size=2, max_size=9))
def test_means_of_few_cases_are_tested_by_every_assignment_of_signs(changes: list[int]) -> None:
    before = numbers("latency_ms", [10.0] * len(changes))
    after = numbers("latency_ms", [10.0 + change for change in changes])
    found = paired(before, after, "mean.latency_ms")
    theirs = stats.permutation_test((np.array(changes, float),), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert found.p_rise == pytest.approx(
        stats.permutation_test(
            (np.array(changes, float),), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="greater"
        ).pvalue
    )
    assert found.p_value == pytest.approx(theirs.pvalue)


def test_means_of_many_cases_agree_with_the_exact_test_within_sampling() -> None:
    random = np.random.default_rng(11)
    before, after = random.normal(10, 3, 200), random.normal(10.4, 3, 200)
    found = paired(numbers("latency_ms", list(before)), numbers("latency_ms", list(after)), "mean.latency_ms")
    assert found.p_value == pytest.approx(stats.ttest_rel(after, before).pvalue, abs=0.03)
    assert found.low < found.difference < found.high
    theirs = stats.bootstrap((after - before,), np.mean, method="percentile", rng=np.random.default_rng(1))
    assert found.low == pytest.approx(theirs.confidence_interval.low, abs=0.1)
    assert found.high == pytest.approx(theirs.confidence_interval.high, abs=0.1)


@pytest.mark.parametrize("name", ["auroc.confidence", "cost_per_success", "risk_at_0.8"])
def test_a_statistic_of_many_cases_is_tested_by_swapping_the_runs(name: str) -> None:
    found = paired(answers_run(1), answers_run(2), name)
    assert found.test == "label-swap permutation"
    assert found.low <= found.difference <= found.high
    assert found.p_value > 0.05
    assert found.p_rise + found.p_drop >= 1


@pytest.mark.parametrize("name", ["p50.latency_ms", "auroc.confidence", "cost_per_success"])
def test_tests_of_whole_distributions_are_fair_under_no_change(name: str) -> None:
    pairs = [paired(answers_run(2 * seed, cases=60), answers_run(2 * seed + 1, cases=60), name) for seed in range(120)]
    # Of 120 fair p-values 12 are expected at 0.1 or below on either side: outside of 4 to 22 with a chance of 0.4 %.
    assert 4 <= sum(pair.p_rise <= 0.1 for pair in pairs) <= 22
    assert 4 <= sum(pair.p_drop <= 0.1 for pair in pairs) <= 22


def test_a_slower_run_has_a_later_p95_that_chance_does_not_explain() -> None:
    found = paired(answers_run(1), answers_run(2, slower=1.5), "p95.latency_ms")
    assert found.p_rise < 0.01
    assert found.p_drop > 0.99


@pytest.mark.parametrize("name", ["p50.latency_ms", "p95.latency_ms", "p99.latency_ms"])
def test_a_slowness_that_every_case_shares_is_seen_at_every_percentile(name: str) -> None:
    found = paired(numbers("latency_ms", [1.0] * 30), numbers("latency_ms", [9.0] * 30), name)
    assert (found.before, found.after) == (1.0, 9.0)
    assert found.p_rise < 0.001


def test_a_slow_tail_is_seen_at_p95_and_not_at_p50() -> None:
    before, after = [1.0 + i / 1000 for i in range(200)], [(20.0 if i % 10 == 0 else 1.0) + i / 1000 for i in range(200)]
    tail = paired(numbers("latency_ms", before), numbers("latency_ms", after), "p95.latency_ms")
    middle = paired(numbers("latency_ms", before), numbers("latency_ms", after), "p50.latency_ms")
    assert tail.p_rise < 0.001
    assert middle.after - middle.before < 0.1


@given(P_VALUES)
def test_holm_keeps_the_order_and_only_ever_raises(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(0 <= raw <= better <= 1 for raw, better in zip(p_values, adjusted, strict=True))
    assert sorted(adjusted) == [adjusted[place] for place in sorted(range(len(p_values)), key=lambda at: p_values[at])]
    assert min(adjusted) == pytest.approx(min(1.0, min(p_values) * len(p_values)))


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_only_cases_and_trials_that_both_runs_have_are_compared() -> None:
    before = [*truths([True, True]), result("gone"), result("c0", trial=1)]
    after = [*truths([True, False]), result("new", passed=False)]
    n, found = PairedRuns(before, after, resampler=QUICK).compare("share.passed")
    assert (n, found and found.before, found and found.after) == (2, 1.0, 0.5)
    diff = compare_runs(before, after, resampler=QUICK)
    assert (diff.added, diff.removed) == (("s/new",), ("s/gone",))
    assert diff.unchanged == 1


def test_a_case_of_the_same_id_in_another_suite_is_another_case() -> None:
    n, _ = PairedRuns([result("a")], [result("a", suite="t")], resampler=QUICK).compare("share.passed")
    assert n == 0


def test_trials_of_one_case_are_not_many_cases() -> None:
    """Forty trials of two cases that both got worse prove nothing; forty cases would."""
    before = [result(f"c{i}", trial=trial) for i in range(2) for trial in range(20)]
    after = [result(f"c{i}", trial=trial, passed=False) for i in range(2) for trial in range(20)]
    repeated = paired(before, after, "share.passed")
    assert (repeated.test, repeated.p_drop) == ("sign-flip permutation", 0.25)
    assert paired(truths([True] * 40), truths([False] * 40), "share.passed").p_drop < 1e-9


def test_regressed_and_improved_cases_are_listed_with_why_they_failed() -> None:
    before = [result("worse"), result("better", passed=False, failures=["cited nothing"]), result("same", passed=False)]
    after = [result("worse", error="TimeoutError: no answer"), result("better"), result("same", passed=False)]
    diff = compare_runs(before, after, resampler=QUICK)
    (worse,), (better,) = diff.regressed, diff.improved
    assert (worse.case_id, worse.before, worse.after, worse.because) == ("worse", 1.0, 0.0, ("TimeoutError: no answer",))
    assert (better.case_id, better.because) == ("better", ("cited nothing",))
    assert diff.unchanged == 1


def comparison(before: Sequence[CaseResult], after: Sequence[CaseResult], name: str) -> Comparison:
    (found,) = compare_runs(before, after, chosen=[(name, {})], resampler=QUICK).comparisons
    return found


def test_a_change_is_called_by_the_way_that_is_better_for_the_metric() -> None:
    down, up = [1.0] * 30, [9.0] * 30
    assert comparison(truths([True] * 30), truths([False] * 30), "share.passed").change is Change.REGRESSED
    assert comparison(truths([False] * 30), truths([True] * 30), "share.passed").change is Change.IMPROVED
    assert comparison(numbers("latency_ms", down), numbers("latency_ms", up), "mean.latency_ms").change is Change.REGRESSED
    assert comparison(numbers("latency_ms", up), numbers("latency_ms", down), "p50.latency_ms").change is Change.IMPROVED
    assert comparison(numbers("offers", up), numbers("offers", down), "mean.offers").change is Change.NEUTRAL
    assert comparison(truths([True] * 30), truths([True] * 30), "share.passed").change is Change.SAME
    assert comparison(truths([True] * 30), truths([True] * 29 + [False]), "share.passed").change is Change.UNDECIDED


def test_many_comparisons_made_together_are_held_to_a_stricter_bar() -> None:
    before, after = truths([True] * 6 + [False] * 20), truths([False] * 6 + [False] * 20)
    alone = comparison(before, after, "share.passed")
    assert alone.change is Change.REGRESSED
    chosen = [("share.passed", {}), ("share.error", {}), ("sum.error", {})]
    among = compare_runs(before, after, chosen=chosen, resampler=QUICK).comparisons[0]
    assert among.p_value == alone.p_value
    assert among.adjusted_p == pytest.approx(3 * 0.03125)
    assert among.change is Change.UNDECIDED


def test_the_usual_comparison_of_a_run_with_itself_shows_no_change() -> None:
    diff = compare_runs(answers_run(1), answers_run(1), resampler=QUICK)
    assert {c.change for c in diff.comparisons} == {Change.SAME}
    assert {c.name for c in diff.comparisons} >= {"share.passed", "share.leaked", "mean.groundedness", "p95.latency_ms"}
    assert {c.slice.get("kind") for c in diff.comparisons if c.name == "share.passed"} == {None, "answer", "near-miss"}
    assert not diff.regressed
    assert not diff.improved
