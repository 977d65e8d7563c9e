"""The figures of a run: every metric over every slice of its results, with how many cases it is of and how far it may be off."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from surefoot.evals import weighted
from surefoot.evals.columns import Columns
from surefoot.evals.intervals import SEED, clustered_quantile, clustered_wilson
from surefoot.evals.measures import MEASURES, Better, Unit
from surefoot.evals.metrics import Floats
from surefoot.evals.results import CaseResult
from surefoot.evals.weighted import RESAMPLES, Indices, Resampler, Weighted, percentile_interval, value_of

PERCENTILES = (50, 95, 99)
COVERAGES = tuple(percent / 100 for percent in range(5, 101, 5))
# The coverages that every report shows; a gate may name any of COVERAGES.
SHOWN_COVERAGES = (0.5, 0.7, 0.8, 0.9, 1.0)
_PERCENTILE_FAMILIES = frozenset(f"p{percent}" for percent in PERCENTILES)
EVERYTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric over the cases of one slice. `name` is the metric (`share.passed`, `p95.latency_ms`), `slice` what the cases
    have in common (`task`, `kind`, `suite` or a slice of their own; empty: all cases).

    `n` cases have the measure, run `trials` times in all; a case that is repeated is still one case, so the interval
    `low`..`high` is no narrower for trials that agree. A sum has no interval. `value` is None where cases exist but the metric
    is not defined on them, such as an AUROC of one class.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    slice: Mapping[str, str] = field(default_factory=dict)
    trials: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """The trials of a slice that carry all the measures that a metric needs: a column each, and the case of each trial,
    0..n_cases-1.
    """

    columns: tuple[Floats, ...]
    case: Indices
    n_cases: int


Interval = Callable[[Sample], tuple[float, float] | None]


@dataclass(frozen=True, slots=True)
class Metric:
    """One way to sum up trials: the measures that it needs, and its formula over them. `family` is what stands before the dot."""

    name: str
    family: str
    needs: tuple[str, ...]
    better: Better
    unit: Unit
    says: str
    formula: Callable[[Sample], Weighted]
    interval: Interval | None = None
    has_interval: bool = True

    @property
    def is_bounded(self) -> bool:
        """Whether every value lies in 0..1."""
        return self.unit is Unit.SCORE and self.family != "sum"

    @property
    def quantile(self) -> float | None:
        """The share of trials at or below the metric, if it is a percentile."""
        return int(self.family[1:]) / 100 if self.family in _PERCENTILE_FAMILIES else None

    def sample(self, columns: Columns, rows: Indices) -> Sample:
        """The trials among these rows that the metric is of."""
        needed = tuple(columns.measure(name)[rows] for name in self.needs)
        there = np.ones(len(rows), bool)
        for column in needed:
            there &= np.isfinite(column)
        _, case = np.unique(columns.case[rows][there], return_inverse=True)
        return Sample(tuple(column[there] for column in needed), case, int(case.max()) + 1 if len(case) else 0)

    def figure(self, sample: Sample, resampler: Resampler) -> Figure:
        """The figure over the sample, its slice not yet said."""
        trials = len(sample.case)
        if not sample.n_cases:
            return Figure(self.name, None, None, None, 0)
        statistic = self.formula(sample)
        value = value_of(statistic, sample.n_cases)
        ends: tuple[float, float] | None = None
        if value is not None and self.has_interval:
            ends = self.interval(sample) if self.interval else percentile_interval(statistic, sample.n_cases, resampler)
        low, high = (None, None) if ends is None else ends
        return Figure(self.name, value, low, high, sample.n_cases, trials=trials)


def figures_of(results: Sequence[CaseResult], *, resamples: int = RESAMPLES, seed: int = SEED) -> tuple[Figure, ...]:
    """Every shown metric over all cases, by suite, by task, by task and kind, and by task and each slice of the cases' own.

    A figure is there only where some case carries the measure. Equal input gives equal output.
    """
    columns = Columns(results)
    resampler = Resampler(resamples=resamples, seed=seed)
    measured = frozenset(columns.measured())
    metrics = [metric for metric in METRICS.values() if measured.issuperset(metric.needs) and _is_shown(metric)]
    known: dict[bytes, list[Figure]] = {}
    found: list[Figure] = []
    for where in _slices(columns):
        rows = columns.rows(where)
        key = rows.tobytes()
        if key not in known:
            made = [metric.figure(metric.sample(columns, rows), resampler) for metric in metrics]
            known[key] = [figure for figure in made if figure.n]
        found += [replace(figure, slice=where) for figure in known[key]]
    return tuple(found)


def figure_of(
    results: Sequence[CaseResult] | Columns,
    name: str,
    where: Mapping[str, str] = EVERYTHING,
    *,
    resampler: Resampler | None = None,
) -> Figure:
    """One metric over the cases that have all of `where`; `n` is 0 when there is none. KeyError for a name not in METRICS."""
    columns = results if isinstance(results, Columns) else Columns(results)
    metric = METRICS[name]
    figure = metric.figure(metric.sample(columns, columns.rows(where)), resampler or Resampler())
    return replace(figure, slice=dict(where))


def _is_shown(metric: Metric) -> bool:
    """Reports leave out the finer coverages, sums of scores and percentiles of what is no time."""
    unit_shows = {"sum": metric.unit in (Unit.DOLLARS, Unit.COUNT), "risk_at": metric.name in _SHOWN_RISKS}
    return metric.unit is Unit.MILLISECONDS if metric.quantile is not None else unit_shows.get(metric.family, True)


def _slices(columns: Columns) -> Iterator[Mapping[str, str]]:
    yield {}
    suites = sorted(set(columns.labels("suite")))
    yield from ({"suite": suite} for suite in suites if len(suites) > 1)
    for task in sorted(set(columns.labels("task"))):
        yield {"task": task}
        rows = columns.rows({"task": task})
        for name in ("kind", *columns.slice_names()):
            yield from ({"task": task, name: value} for value in sorted(set(columns.labels(name)[rows])) if value)


def _share_interval(sample: Sample) -> tuple[float, float] | None:
    hits = np.bincount(sample.case, sample.columns[0]).astype(np.float64)
    trials = np.bincount(sample.case).astype(np.float64)
    estimate = clustered_wilson(hits, trials)
    return None if estimate is None else (estimate.low, estimate.high)


def _quantile_interval(share: float, sample: Sample) -> tuple[float, float] | None:
    return clustered_quantile(sample.columns[0], sample.case, share)


def _mean(sample: Sample) -> Weighted:
    return weighted.mean(sample.columns[0], sample.case)


def _total(sample: Sample) -> Weighted:
    return weighted.total(sample.columns[0], sample.case)


def _quantile(share: float, sample: Sample) -> Weighted:
    return weighted.quantile(sample.columns[0], sample.case, share)


def _auroc(sample: Sample) -> Weighted:
    return weighted.auroc(sample.columns[0], sample.columns[1], sample.case)


def _balanced_accuracy(sample: Sample) -> Weighted:
    return weighted.balanced_accuracy(sample.columns[0], sample.columns[1], sample.case)


def _ratio(sample: Sample) -> Weighted:
    return weighted.ratio(sample.columns[0], sample.columns[1], sample.case)


def _risk(coverage: float, sample: Sample) -> Weighted:
    """Wrong is every question that has no answer, and every one whose outcome is not what it must be."""
    passed, answerable, confidence = sample.columns
    return weighted.risk_at(coverage, 1 - passed * answerable, confidence, sample.case)


def _metrics() -> Iterator[Metric]:
    for name, facts in MEASURES.items():
        one = (name,)
        if facts.is_truth:
            says = f"share of cases: {facts.says}"
            yield Metric(f"share.{name}", "share", one, facts.better, Unit.SCORE, says, _mean, _share_interval)
            yield Metric(
                f"sum.{name}", "sum", one, facts.better, Unit.COUNT, f"number of trials: {facts.says}", _total, has_interval=False
            )
            continue
        yield Metric(f"mean.{name}", "mean", one, facts.better, facts.unit, f"mean: {facts.says}", _mean)
        yield Metric(f"sum.{name}", "sum", one, facts.better, facts.unit, f"sum: {facts.says}", _total, has_interval=False)
        for percent in PERCENTILES:
            share = percent / 100
            says = f"{percent}th percentile: {facts.says}"
            interval = partial(_quantile_interval, share)
            formula = partial(_quantile, share)
            yield Metric(f"p{percent}.{name}", f"p{percent}", one, facts.better, facts.unit, says, formula, interval)
    yield from _joint_metrics()


def _joint_metrics() -> Iterator[Metric]:
    """The metrics of several measures at once."""
    up, down, score = Better.HIGH, Better.LOW, Unit.SCORE
    says = "chance that a question with an answer is held surer than one without"
    yield Metric("auroc.confidence", "auroc", ("answerable", "confidence"), up, score, says, _auroc)
    says = "chance that a supported claim scores above one that is not"
    yield Metric("auroc.score", "auroc", ("supported", "score"), up, score, says, _auroc)
    says = "mean of the shares of supported and of unsupported claims that are told as such"
    yield Metric("balanced_accuracy.decided", "balanced_accuracy", ("supported", "decided"), up, score, says, _balanced_accuracy)
    for coverage in COVERAGES:
        says = f"share that is wrong of the most confident {coverage:.0%} of questions"
        needs = ("passed", "answerable", "confidence")
        yield Metric(f"risk_at_{coverage:g}", "risk_at", needs, down, score, says, partial(_risk, coverage))
    says = "what models cost for each case that came out as it must"
    yield Metric("cost_per_success", "cost_per_success", ("cost_usd", "passed"), down, Unit.DOLLARS, says, _ratio)


METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _metrics()}
_SHOWN_RISKS = frozenset(f"risk_at_{coverage:g}" for coverage in SHOWN_COVERAGES)
