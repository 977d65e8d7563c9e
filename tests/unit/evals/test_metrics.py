"""Each metric against scikit-learn and trec_eval where they have it, and against cases computed by hand."""

import math
from typing import TypeVar

import numpy as np
import pytest
import pytrec_eval
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from surefoot.evals import metrics

Left = TypeVar("Left")
Right = TypeVar("Right")

# Few distinct values, so that ties are common.
SCORES = st.integers(0, 8).map(lambda n: n / 8)
LABELLED = st.lists(st.tuples(st.booleans(), SCORES), min_size=2, max_size=40)
PAIRED = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40)


def split(pairs: list[tuple[Left, Right]]) -> tuple[list[Left], list[Right]]:
    return [left for left, _ in pairs], [right for _, right in pairs]


@settings(deadline=None)
@given(st.integers(1, 12), st.data(), st.integers(1, 12))
def test_ndcg_agrees_with_scikit_learn(size: int, data: st.DataObject, k: int) -> None:
    ranking = [str(i) for i in range(size)]
    gold = data.draw(st.sets(st.sampled_from(ranking), min_size=1))
    assume(size > 1)
    truth = [[float(item in gold) for item in ranking]]
    expected = reference.ndcg_score(truth, [[float(-i) for i in range(size)]], k=k)
    assert metrics.ndcg_at(ranking, gold, k) == pytest.approx(expected)


def test_ndcg_counts_gold_that_was_not_retrieved() -> None:
    assert metrics.ndcg_at(["x", "a"], {"a", "b"}) == pytest.approx((1 / math.log2(3)) / (1 + 1 / math.log2(3)))


def test_ndcg_of_more_gold_than_k_can_still_be_one() -> None:
    assert metrics.ndcg_at(["a", "b", "c"], {"a", "b", "c"}, k=2) == pytest.approx(1.0)


def test_recall_is_the_share_of_gold_within_k() -> None:
    assert metrics.recall_at(["a", "x", "b"], {"a", "b", "c", "d"}, k=2) == 0.25
    assert metrics.recall_at(["a", "x", "b"], {"a", "b", "c", "d"}, k=3) == 0.5


def test_reciprocal_rank_looks_at_the_first_gold_id_alone() -> None:
    assert metrics.reciprocal_rank(["x", "a", "b"], {"a", "b"}) == 0.5
    assert metrics.reciprocal_rank(["x"], {"a"}) == 0.0


@pytest.mark.parametrize(
    "metric", [metrics.ndcg_at, metrics.recall_at, metrics.reciprocal_rank, metrics.ranked_average_precision]
)
def test_a_ranking_that_names_an_id_twice_is_refused(metric: object) -> None:
    with pytest.raises(ValueError, match="twice"):
        metric(["a", "a"], {"a"})  # type: ignore[operator]
    with pytest.raises(ValueError, match="without gold"):
        metric(["a"], set())  # type: ignore[operator]


@settings(deadline=None)
@given(LABELLED)
def test_auroc_agrees_with_scikit_learn(pairs: list[tuple[bool, float]]) -> None:
    labels, scores = split(pairs)
    if all(labels) or not any(labels):
        assert metrics.auroc(labels, scores) is None
    else:
        assert metrics.auroc(labels, scores) == pytest.approx(reference.roc_auc_score(labels, scores))


@settings(deadline=None)
@given(LABELLED)
def test_average_precision_agrees_with_scikit_learn(pairs: list[tuple[bool, float]]) -> None:
    labels, scores = split(pairs)
    if not any(labels):
        assert metrics.average_precision(labels, scores) is None
    else:
        assert metrics.average_precision(labels, scores) == pytest.approx(reference.average_precision_score(labels, scores))


@settings(deadline=None)
@given(PAIRED)
def test_balanced_accuracy_agrees_with_scikit_learn(pairs: list[tuple[bool, bool]]) -> None:
    labels, predictions = split(pairs)
    if all(labels) or not any(labels):
        assert metrics.balanced_accuracy(labels, predictions) is None
    else:
        assert metrics.balanced_accuracy(labels, predictions) == pytest.approx(
            reference.balanced_accuracy_score(labels, predictions)
        )


@settings(deadline=None)
@given(PAIRED)
def test_cohens_kappa_agrees_with_scikit_learn(pairs: list[tuple[bool, bool]]) -> None:
    one, other = split(pairs)
    if len({*one, *other}) == 1:
        assert metrics.cohens_kappa(one, other) is None
    else:
        assert metrics.cohens_kappa(one, other) == pytest.approx(reference.cohen_kappa_score(one, other))


def test_no_items_have_no_kappa() -> None:
    assert metrics.cohens_kappa([], []) is None


@settings(deadline=None)
@given(PAIRED)
def test_f1_agrees_with_scikit_learn(pairs: list[tuple[bool, bool]]) -> None:
    labels, predictions = split(pairs)
    if not any(labels) and not any(predictions):
        assert metrics.f1(labels, predictions) is None
    else:
        assert metrics.f1(labels, predictions) == pytest.approx(reference.f1_score(labels, predictions))


@settings(deadline=None)
@given(LABELLED)
def test_brier_agrees_with_scikit_learn(pairs: list[tuple[bool, float]]) -> None:
    labels, scores = split(pairs)
    assert metrics.brier(labels, scores) == pytest.approx(
        reference.brier_score_loss(labels, scores, pos_label=True, labels=[0, 1])
    )


def test_calibration_error_weighs_each_bin_by_its_size() -> None:
    # Bin 0.2: three items said 0.25, one true (gap 1/12). Bin 0.9: one item said 0.95, false (gap 0.95).
    labels, stated = [True, False, False, False], [0.25, 0.25, 0.25, 0.95]
    assert metrics.expected_calibration_error(labels, stated) == pytest.approx(3 / 4 * (1 / 3 - 0.25) + 1 / 4 * 0.95)


def test_calibration_error_is_zero_when_stated_and_observed_shares_agree() -> None:
    assert metrics.expected_calibration_error([True, False, True, True], [0.5, 0.5, 1.0, 1.0]) == 0.0


@settings(deadline=None)
@given(LABELLED, st.floats(0.01, 1))
def test_risk_is_the_share_of_wrong_items_at_or_above_the_threshold(pairs: list[tuple[bool, float]], coverage: float) -> None:
    correct, confidences = split(pairs)
    (point,) = metrics.risk_coverage(correct, confidences, [coverage])
    answered = [right for right, confidence in pairs if confidence >= point.threshold]
    assert point.coverage == pytest.approx(len(answered) / len(pairs))
    assert point.coverage >= coverage - 1e-9
    assert point.risk == pytest.approx(answered.count(False) / len(answered))
    # No higher threshold would have covered enough.
    assert sum(confidence > point.threshold for confidence in confidences) < coverage * len(pairs) + 1e-9


def test_risk_coverage_by_hand() -> None:
    points = metrics.risk_coverage([True, False, True, False], [0.9, 0.8, 0.7, 0.1], [0.25, 0.5, 1.0])
    assert [(p.coverage, p.risk, p.threshold) for p in points] == [(0.25, 0.0, 0.9), (0.5, 0.5, 0.8), (1.0, 0.5, 0.1)]


def test_percentile_interpolates() -> None:
    assert metrics.percentile([10.0, 20.0], 50) == 15.0
    assert metrics.percentile(list(map(float, range(101))), 95) == 95.0


def test_what_nothing_defines_is_none() -> None:
    assert metrics.percentile([], 50) is None
    assert metrics.brier([], []) is None
    assert metrics.expected_calibration_error([], []) is None
    assert metrics.risk_coverage([], [], [0.5]) == []


@pytest.mark.parametrize("metric", [metrics.auroc, metrics.average_precision, metrics.brier])
def test_lists_of_different_length_and_scores_that_are_no_numbers_are_refused(metric: object) -> None:
    with pytest.raises(ValueError, match="labels for"):
        metric([True, False], [0.5])  # type: ignore[operator]
    with pytest.raises(ValueError, match="finite"):
        metric([True, False], [0.5, np.nan])  # type: ignore[operator]


RANKED = st.lists(st.integers(0, 30).map(str), unique=True, max_size=20)
GOLD = st.sets(st.integers(0, 30).map(str), min_size=1, max_size=12)


@settings(deadline=None)
@given(RANKED, GOLD, st.sampled_from([5, 10]))
def test_every_ranking_metric_agrees_with_trec_eval(ranking: list[str], gold: set[str], k: int) -> None:
    assume(ranking)
    names = {f"ndcg_cut.{k}", f"recall.{k}", "recip_rank", "map"}
    evaluator = pytrec_eval.RelevanceEvaluator({"q": dict.fromkeys(gold, 1)}, names)
    scores = {"q": {item: float(len(ranking) - place) for place, item in enumerate(ranking)}}
    theirs = evaluator.evaluate(scores)["q"]
    assert metrics.ndcg_at(ranking, gold, k) == pytest.approx(theirs[f"ndcg_cut_{k}"])
    assert metrics.recall_at(ranking, gold, k) == pytest.approx(theirs[f"recall_{k}"])
    assert metrics.reciprocal_rank(ranking, gold) == pytest.approx(theirs["recip_rank"])
    assert metrics.ranked_average_precision(ranking, gold) == pytest.approx(theirs["map"])


def test_average_precision_of_a_ranking_counts_gold_that_was_not_ranked() -> None:
    assert metrics.ranked_average_precision(["a", "x", "b"], {"a", "b", "c"}) == pytest.approx((1 + 2 / 3) / 3)
