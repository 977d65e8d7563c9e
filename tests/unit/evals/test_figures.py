"""Figures: each formula against scikit-learn or numpy, slices, and intervals that count cases and not trials."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference
from tests.unit.evals.trials import answers_run, numbers, result, truths

from surefoot.evals import metrics
from surefoot.evals.columns import Columns
from surefoot.evals.figures import COVERAGES, METRICS, Figure, figure_of, figures_of
from surefoot.evals.intervals import wilson
from surefoot.evals.measures import MEASURES
from surefoot.evals.results import CaseResult
from surefoot.evals.weighted import Resampler

QUICK = Resampler(resamples=50)
SCORES = st.integers(0, 8).map(lambda n: n / 8)
LABELLED = st.lists(st.tuples(st.booleans(), SCORES), min_size=2, max_size=30)


def labelled(pairs: list[tuple[bool, float]], label: str, score: str) -> list[CaseResult]:
    return [result(f"c{i}", measures={label: held, score: value}) for i, (held, value) in enumerate(pairs)]


@settings(deadline=None)
@given(LABELLED)
def test_auroc_agrees_with_scikit_learn(pairs: list[tuple[bool, float]]) -> None:
    figure = figure_of(labelled(pairs, "answerable", "confidence"), "auroc.confidence", resampler=QUICK)
    labels, scores = zip(*pairs, strict=True)
    assert figure.n == len(pairs)
    if all(labels) or not any(labels):
        assert figure.value is None
    else:
        assert figure.value == pytest.approx(reference.roc_auc_score(labels, scores))


@settings(deadline=None)
@given(LABELLED.filter(lambda pairs: len({label for label, _ in pairs}) == 2))
def test_balanced_accuracy_agrees_with_scikit_learn(pairs: list[tuple[bool, float]]) -> None:
    cases = [result(f"c{i}", measures={"supported": held, "decided": score > 0.5}) for i, (held, score) in enumerate(pairs)]
    expected = reference.balanced_accuracy_score([held for held, _ in pairs], [score > 0.5 for _, score in pairs])
    assert figure_of(cases, "balanced_accuracy.decided", resampler=QUICK).value == pytest.approx(expected)


@settings(deadline=None)
@given(LABELLED, st.sampled_from(COVERAGES))
def test_risk_at_coverage_is_that_of_the_risk_curve(pairs: list[tuple[bool, float]], coverage: float) -> None:
    cases = [
        result(f"c{i}", passed=right, measures={"answerable": True, "confidence": confidence})
        for i, (right, confidence) in enumerate(pairs)
    ]
    (point,) = metrics.risk_coverage([right for right, _ in pairs], [confidence for _, confidence in pairs], [coverage])
    assert figure_of(cases, f"risk_at_{coverage:g}", resampler=QUICK).value == pytest.approx(point.risk)


def test_a_question_without_an_answer_is_wrong_wherever_it_is_covered() -> None:
    cases = [
        result("refused", passed=True, measures={"answerable": False, "confidence": 0.9}),
        result("answered", passed=True, measures={"answerable": True, "confidence": 0.5}),
    ]
    assert figure_of(cases, "risk_at_0.5", resampler=QUICK).value == 1.0
    assert figure_of(cases, "risk_at_1", resampler=QUICK).value == 0.5


@settings(deadline=None)
@given(st.lists(st.floats(0, 1000), min_size=1, max_size=40), st.sampled_from([50, 95, 99]))
def test_percentiles_and_means_agree_with_numpy(values: list[float], percent: int) -> None:
    cases = numbers("latency_ms", values)
    assert figure_of(cases, f"p{percent}.latency_ms", resampler=QUICK).value == pytest.approx(np.percentile(values, percent))
    assert figure_of(cases, "mean.latency_ms", resampler=QUICK).value == pytest.approx(np.mean(values))
    assert figure_of(cases, "sum.latency_ms", resampler=QUICK).value == pytest.approx(np.sum(values))


def test_a_bootstrap_draw_is_the_statistic_of_the_drawn_cases() -> None:
    """Each weighted formula gives for a draw what the plain one gives for the cases repeated as drawn."""
    random = np.random.default_rng(3)
    run = answers_run(1, cases=40)
    weights = random.multinomial(40, [1 / 40] * 40)
    repeated = [
        case.model_copy(update={"case_id": f"{case.case_id}-{copy}"})
        for case, times in zip(run, weights, strict=True)
        for copy in range(times)
    ]
    names = ["share.passed", "mean.latency_ms", "p95.latency_ms", "auroc.confidence", "risk_at_0.7", "cost_per_success"]
    for name in names:
        columns = Columns(run)
        statistic = METRICS[name].formula(METRICS[name].sample(columns, columns.rows({})))
        drawn = float(statistic(weights[None, :].astype(np.float32))[0])
        assert drawn == pytest.approx(figure_of(repeated, name, resampler=QUICK).value, rel=1e-5), name


def test_a_share_over_single_trials_has_wilsons_interval() -> None:
    figure = figure_of(truths([True] * 84 + [False] * 82), "share.passed")
    expected = wilson(84, 166)
    assert expected is not None
    assert (figure.value, figure.low, figure.high, figure.n) == (expected.value, expected.low, expected.high, 166)


def test_repeating_cases_whose_trials_agree_narrows_no_interval() -> None:
    """Five trials of 100 cases that always come out the same are 100 facts, not 500."""
    outcomes = [i % 2 == 0 for i in range(100)]
    once = figure_of(truths(outcomes), "share.passed")
    five = [case for trial in range(5) for case in truths(outcomes, trial=trial)]
    repeated = figure_of(five, "share.passed")
    naive = wilson(250, 500)
    assert naive is not None
    assert (repeated.n, repeated.trials, repeated.value) == (100, 500, once.value)
    assert width(repeated) == pytest.approx(width(once), rel=0.02)
    assert naive.high - naive.low < 0.5 * width(repeated)


def test_repeating_cases_whose_trials_are_independent_does_narrow_it() -> None:
    random = np.random.default_rng(5)
    trials = [case for trial in range(5) for case in truths(list(random.random(100) < 0.5), trial=trial)]
    naive = wilson(sum(case.passed for case in trials), 500)
    assert naive is not None
    assert width(figure_of(trials, "share.passed")) == pytest.approx(naive.high - naive.low, rel=0.25)


@pytest.mark.parametrize("name", ["share.passed", "mean.groundedness", "p50.latency_ms"])
def test_clustered_intervals_hold_the_truth_as_often_as_they_say_and_naive_ones_do_not(name: str) -> None:
    """100 suites of 40 cases, each case run five times: trials of one case share its hardness."""
    held = naive_held = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        hardness = random.beta(0.5, 0.5, 40)
        made = []
        for trial in range(5):
            for i, chance in enumerate(hardness):
                passed = bool(random.random() < chance)
                measures = {"groundedness": float(chance), "latency_ms": float(chance * 100 + random.random())}
                made.append(result(f"c{i}", trial=trial, passed=passed, measures=measures))
        truth = 50.5 if name == "p50.latency_ms" else 0.5
        each_alone = [case.model_copy(update={"case_id": f"{case.case_id}-{case.trial}", "trial": 0}) for case in made]
        held += contains(figure_of(made, name, resampler=Resampler(resamples=300)), truth)
        naive_held += contains(figure_of(each_alone, name, resampler=Resampler(resamples=300)), truth)
    assert held >= 88  # of 95 expected: below this with a chance of 0.4 %
    assert naive_held <= 80


def test_no_failure_seen_is_not_no_failure_possible() -> None:
    figure = figure_of([result(f"c{i}", measures={"leaked": False}) for i in range(50)], "share.leaked")
    assert figure.value == 0
    assert figure.high == pytest.approx(0.071, abs=0.001)


def test_a_case_that_could_not_be_run_counts_as_failed_and_measures_nothing() -> None:
    cases = [
        result("a", measures={"leaked": False}),
        result("b", passed=True, error="TimeoutError: the target did not answer"),
    ]
    assert figure_of(cases, "share.passed").value == 0.5
    assert figure_of(cases, "share.error").value == 0.5
    assert figure_of(cases, "share.leaked").n == 1


def test_cost_per_success_is_not_defined_without_a_success() -> None:
    cases = [result(f"c{i}", passed=False, measures={"cost_usd": 0.01}) for i in range(3)]
    assert figure_of(cases, "cost_per_success") == Figure("cost_per_success", None, None, None, 3, trials=3)


def test_figures_come_for_all_cases_by_suite_task_kind_and_own_slice() -> None:
    cases = [
        result("a", slices={"locale": "en"}),
        result("b", kind="near-miss", slices={"locale": "de"}),
        result("c", task="act", kind="act", suite="t"),
    ]
    slices = [dict(f.slice) for f in figures_of(cases) if f.name == "share.passed"]
    assert slices == [
        {},
        {"suite": "s"},
        {"suite": "t"},
        {"task": "act"},
        {"task": "act", "kind": "act"},
        {"task": "ask"},
        {"task": "ask", "kind": "answer"},
        {"task": "ask", "kind": "near-miss"},
        {"task": "ask", "locale": "de"},
        {"task": "ask", "locale": "en"},
    ]


def test_equal_runs_have_equal_figures_and_each_is_the_one_asked_for_alone() -> None:
    run = answers_run(4, cases=60)
    figures = figures_of(run)
    assert figures == figures_of(run)
    for figure in figures:
        assert figure == figure_of(run, figure.name, figure.slice), figure.name


def test_a_run_without_results_has_no_figures() -> None:
    assert figures_of([]) == ()


def test_every_measure_has_its_metrics() -> None:
    for name, facts in MEASURES.items():
        assert (f"share.{name}" in METRICS) is facts.is_truth
        assert (f"mean.{name}" in METRICS) is not facts.is_truth
        assert f"sum.{name}" in METRICS


def width(figure: Figure) -> float:
    assert figure.low is not None
    assert figure.high is not None
    return figure.high - figure.low


def contains(figure: Figure, truth: float) -> bool:
    assert figure.low is not None
    assert figure.high is not None
    return figure.low <= truth <= figure.high
