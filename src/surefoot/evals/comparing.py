"""Two runs over the same cases: what changed, by how much, and whether chance alone could have done it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from surefoot.evals.columns import Columns
from surefoot.evals.figures import EVERYTHING, METRICS, Metric, Sample
from surefoot.evals.measures import Better, Unit
from surefoot.evals.paired import Paired, holm, paired_means, paired_quantiles, paired_statistic, paired_truths
from surefoot.evals.results import CaseResult
from surefoot.evals.weighted import Indices, Resampler

# A difference is called real when Holm's p-value is at most this.
ALPHA = 0.05
Chosen = tuple[str, Mapping[str, str]]
_BY_CASE = ("share", "mean", "sum")
_DIFFED = ("share", "mean", "auroc", "balanced_accuracy", "cost_per_success", "p50", "p95")


class Change(StrEnum):
    """Where a metric went. A difference that chance could have made is UNDECIDED; NEUTRAL moved, but neither way is better."""

    IMPROVED = "improved"
    REGRESSED = "regressed"
    NEUTRAL = "neutral"
    UNDECIDED = "undecided"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Comparison:
    """How one metric moved from the baseline (`before`) to this run (`after`), over the `n` cases that both have in the slice.

    `difference` is after - before with its paired bootstrap interval `low`..`high`; `p_value` is two-sided, of the named
    `test`, and `adjusted_p` is Holm's over all comparisons made together. Everything is None where the metric is not defined.
    """

    name: str
    slice: Mapping[str, str]
    n: int
    before: float | None
    after: float | None
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    adjusted_p: float | None
    test: str
    change: Change


@dataclass(frozen=True, slots=True)
class CaseChange:
    """One case that came out otherwise: the share of its trials that passed before and after, and why it fails now (or did)."""

    suite: str
    case_id: str
    kind: str
    title: str
    before: float
    after: float
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunDiff:
    """A run against its baseline. `added` and `removed` are `suite/case_id` of cases that only one of the runs has."""

    comparisons: tuple[Comparison, ...]
    regressed: tuple[CaseChange, ...]
    improved: tuple[CaseChange, ...]
    unchanged: int
    added: tuple[str, ...]
    removed: tuple[str, ...]


class PairedRuns:
    """The trials that a run and its baseline both have, side by side: same suite, same case, same number of trial.

    Slices are those of the run, so a case that was sorted elsewhere since is compared where it stands now.
    """

    def __init__(self, before: Sequence[CaseResult], after: Sequence[CaseResult], *, resampler: Resampler | None = None) -> None:
        self.before = Columns(before)
        self.after = Columns(after)
        self._resampler = resampler or Resampler()
        places = {key: row for row, key in enumerate(self.before.keys)}
        shared = [(places[key], row) for row, key in enumerate(self.after.keys) if key in places]
        self._rows_before: Indices = np.array([row for row, _ in shared], np.intp)
        self._rows_after: Indices = np.array([row for _, row in shared], np.intp)

    def compare(self, name: str, where: Mapping[str, str] = EVERYTHING) -> tuple[int, Paired | None]:
        """How many cases of the slice carry the metric's measures in both runs, and its difference over them.

        None without such cases, and where the metric is not defined on either side. KeyError for a name not in METRICS.
        """
        metric = METRICS[name]
        left, right = self._samples(metric, where)
        n = left.n_cases
        if not n:
            return 0, None
        trials = np.bincount(left.case)
        if metric.family not in _BY_CASE:
            return n, self._joint(metric, left, right, trials)
        old, new = (np.bincount(side.case, side.columns[0]).astype(np.float64) for side in (left, right))
        if metric.family == "sum":
            return n, _times(paired_means(old, new, self._resampler), n)
        if metric.family == "share" and int(trials.max()) == 1:
            return n, paired_truths(old, new, self._resampler)
        return n, paired_means(old / trials, new / trials, self._resampler)

    def _joint(self, metric: Metric, left: Sample, right: Sample, trials: Indices) -> Paired | None:
        """The difference of a metric that is no sum over cases."""
        n = left.n_cases
        both = [np.concatenate(columns) for columns in zip(left.columns, right.columns, strict=True)]
        on_before, on_after = metric.formula(left), metric.formula(right)
        if metric.quantile is None:
            on_both = metric.formula(Sample(tuple(both), np.concatenate([left.case, right.case + n]), 2 * n))
            return paired_statistic(on_before, on_after, on_both, n, self._resampler)
        line = np.quantile(both[0], metric.quantile)
        old, new = (
            np.bincount(side.case, (side.columns[0] > line) + (side.columns[0] == line) / 2) / trials for side in (left, right)
        )
        return paired_quantiles(on_before, on_after, old, new, self._resampler)

    def _samples(self, metric: Metric, where: Mapping[str, str]) -> tuple[Sample, Sample]:
        """Both sides of the shared trials that carry what the metric needs in both runs, cases numbered alike."""
        there = np.zeros(len(self.after), bool)
        there[self.after.rows(where)] = True
        kept = there[self._rows_after]
        sides = (self.before, self._rows_before), (self.after, self._rows_after)
        columns = [[side.measure(name)[rows] for name in metric.needs] for side, rows in sides]
        for column in (*columns[0], *columns[1]):
            kept &= np.isfinite(column)
        _, case = np.unique(self.after.case[self._rows_after][kept], return_inverse=True)
        n_cases = int(case.max()) + 1 if len(case) else 0
        left, right = (Sample(tuple(column[kept] for column in side), case, n_cases) for side in columns)
        return left, right


def compare_runs(
    before: Sequence[CaseResult],
    after: Sequence[CaseResult],
    *,
    chosen: Sequence[Chosen] | None = None,
    resampler: Resampler | None = None,
) -> RunDiff:
    """How the run differs from its baseline, metric by metric and case by case.

    `chosen` are metrics with their slices; by default the shares, means, AUROC, cost per success, p50 and p95 that have a better
    way to go, by task, and what passed by kind. Only cases in both runs are compared, by the trials that both have.
    """
    pairs = PairedRuns(before, after, resampler=resampler)
    asked = list(_usual(pairs.after) if chosen is None else chosen)
    seen = [(name, where, *pairs.compare(name, where)) for name, where in asked]
    defined = [paired.p_value for *_, paired in seen if paired is not None]
    adjusted = iter(holm(defined))
    comparisons = [
        _comparison(name, where, n, paired, next(adjusted) if paired else None) for name, where, n, paired in seen if n
    ]
    return RunDiff(tuple(comparisons), *_case_changes(before, after))


def _usual(columns: Columns) -> Iterator[Chosen]:
    measured = frozenset(columns.measured()) - {"elapsed_ms"}
    shown = [
        metric
        for metric in METRICS.values()
        if metric.family in _DIFFED
        and metric.better is not Better.NEITHER
        and measured.issuperset(metric.needs)
        and (metric.family[0] != "p" or metric.unit is Unit.MILLISECONDS)
    ]
    for task in sorted(set(columns.labels("task"))):
        yield from ((metric.name, {"task": task}) for metric in shown)
        kinds = sorted(set(columns.labels("kind")[columns.rows({"task": task})]))
        yield from (("share.passed", {"task": task, "kind": kind}) for kind in kinds if len(kinds) > 1)


def _comparison(name: str, where: Mapping[str, str], n: int, paired: Paired | None, adjusted_p: float | None) -> Comparison:
    if paired is None or adjusted_p is None:
        return Comparison(name, dict(where), n, *(None,) * 7, "", Change.UNDECIDED)
    return Comparison(
        name=name,
        slice=dict(where),
        n=n,
        before=paired.before,
        after=paired.after,
        difference=paired.difference,
        low=paired.low,
        high=paired.high,
        p_value=paired.p_value,
        adjusted_p=adjusted_p,
        test=paired.test,
        change=_change(METRICS[name].better, paired, adjusted_p),
    )


def _change(better: Better, paired: Paired, adjusted_p: float) -> Change:
    if paired.difference == 0 and paired.low == paired.high:
        return Change.SAME
    if adjusted_p > ALPHA:
        return Change.UNDECIDED
    if better is Better.NEITHER:
        return Change.NEUTRAL
    return Change.IMPROVED if (paired.difference > 0) is (better is Better.HIGH) else Change.REGRESSED


def _case_changes(
    before: Sequence[CaseResult], after: Sequence[CaseResult]
) -> tuple[tuple[CaseChange, ...], tuple[CaseChange, ...], int, tuple[str, ...], tuple[str, ...]]:
    """The cases that pass less often than before, those that pass more often, how many do neither, and those in one run only."""
    old, new = _by_case(before), _by_case(after)
    shared = [key for key in new if key in old]
    changes = [_case_change(old[key], new[key]) for key in shared]
    regressed = tuple(change for change in changes if change.after < change.before)
    improved = tuple(change for change in changes if change.after > change.before)
    added, removed = (
        tuple(f"{suite}/{case_id}" for suite, case_id in one if (suite, case_id) not in other)
        for one, other in ((new, old), (old, new))
    )
    return regressed, improved, len(changes) - len(regressed) - len(improved), added, removed


def _by_case(results: Sequence[CaseResult]) -> dict[tuple[str, str], list[CaseResult]]:
    cases: dict[tuple[str, str], list[CaseResult]] = {}
    for result in results:
        cases.setdefault((result.suite, result.case_id), []).append(result)
    return cases


def _case_change(old: Sequence[CaseResult], new: Sequence[CaseResult]) -> CaseChange:
    before, after = (sum(result.passed and not result.error for result in side) / len(side) for side in (old, new))
    told = new if after < before else old
    reasons = [reason for result in told for reason in (*result.failures, *([result.error] if result.error else []))]
    first = new[0]
    return CaseChange(first.suite, first.case_id, first.kind, first.title, before, after, tuple(dict.fromkeys(reasons)))


def _times(paired: Paired, n: int) -> Paired:
    """The same test of sums instead of means."""
    ends = (paired.before * n, paired.after * n, paired.low * n, paired.high * n)
    return Paired(*ends, paired.p_value, paired.p_rise, paired.p_drop, paired.test)
