"""How well the support score tells claims that their evidence holds up from those it does not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from surefoot.evals import metrics
from surefoot.evals.datasets import GroundednessPair
from surefoot.evals.intervals import Estimate, bootstrap_auroc, bootstrap_labelled

Score = Callable[[str, Sequence[str]], float]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class GroundednessReport:
    """Figures of the score at `threshold` (a claim at or above it counts as supported), with 95 % bootstrap intervals.

    A figure is None when the pairs do not define it, such as the AUROC of one class alone.
    """

    n: int
    supported: int
    threshold: float
    predicted_supported: int
    balanced_accuracy: Estimate | None
    f1: Estimate | None
    auroc: Estimate | None
    average_precision: float | None


def run(
    score: Score, pairs: Sequence[GroundednessPair], *, threshold: float, progress: Progress | None = None
) -> GroundednessReport:
    """The report over these pairs; each is scored once."""
    scores: list[float] = []
    for done, pair in enumerate(pairs, start=1):
        scores.append(score(pair.claim, pair.evidence))
        if progress is not None:
            progress(done, len(pairs))
    labels = [pair.supported for pair in pairs]
    predicted = [value >= threshold for value in scores]
    positives = [value for value, label in zip(scores, labels, strict=True) if label]
    negatives = [value for value, label in zip(scores, labels, strict=True) if not label]
    return GroundednessReport(
        n=len(pairs),
        supported=len(positives),
        threshold=threshold,
        predicted_supported=sum(predicted),
        balanced_accuracy=bootstrap_labelled(metrics.balanced_accuracy, labels, predicted),
        f1=bootstrap_labelled(metrics.f1, labels, predicted),
        auroc=bootstrap_auroc(positives, negatives),
        average_precision=metrics.average_precision(labels, scores),
    )
