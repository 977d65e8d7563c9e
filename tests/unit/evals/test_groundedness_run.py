"""The support score is judged at its threshold and over all thresholds."""

from collections.abc import Sequence

import pytest

from surefoot.evals.datasets import GroundednessPair
from surefoot.evals.groundedness_run import run


def pair(claim: str, supported: bool) -> GroundednessPair:
    return GroundednessPair(claim=claim, evidence=["first", "second"], supported=supported)


PAIRS = [pair("0.9", True), pair("0.5", True), pair("0.4", True), pair("0.6", False), pair("0.1", False)]


def read_score(claim: str, evidence: Sequence[str]) -> float:
    assert list(evidence) == ["first", "second"]
    return float(claim)


def test_a_score_at_the_threshold_counts_as_supported() -> None:
    report = run(read_score, PAIRS, threshold=0.5)
    assert (report.n, report.supported, report.predicted_supported) == (5, 3, 3)
    assert report.balanced_accuracy is not None
    assert report.f1 is not None
    assert report.auroc is not None
    assert report.balanced_accuracy.value == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert report.f1.value == pytest.approx(2 * 2 / (3 + 3))
    # Of the six pairs of a supported and an unsupported claim four are in order.
    assert report.auroc.value == pytest.approx(4 / 6)


def test_one_class_alone_has_no_auroc() -> None:
    report = run(read_score, [pair("0.9", True), pair("0.2", True)], threshold=0.5)
    assert report.auroc is None
    assert report.balanced_accuracy is None
    assert report.f1 is not None


def test_progress_counts_every_pair() -> None:
    seen: list[tuple[int, int]] = []
    run(read_score, PAIRS, threshold=0.5, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n, 5) for n in range(1, 6)]
