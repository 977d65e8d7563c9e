"""What a report of one run says, whatever page it stands on: failures first, then what changed, then every figure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from surefoot.domain.verdicts import GateResult, GateState, Verdict
from surefoot.evals.comparing import Change, Comparison, RunDiff
from surefoot.evals.figures import METRICS, Figure
from surefoot.evals.measures import Unit
from surefoot.evals.results import CaseResult, RunManifest

_GATE_ORDER = {GateState.FAILED: 0, GateState.PASSED: 1, GateState.TOO_FEW: 2}
NOTHING = "-"
_SIGNIFICANT_CHANGES = (Change.REGRESSED, Change.IMPROVED, Change.NEUTRAL)


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run with what was made of it. `verdict` is None when it was judged by no gates, `diff` when it has no baseline."""

    manifest: RunManifest
    results: tuple[CaseResult, ...]
    figures: tuple[Figure, ...]
    verdict: Verdict | None = None
    diff: RunDiff | None = None
    baseline: RunManifest | None = None

    @property
    def passed(self) -> int:
        """How many lines passed."""
        return sum(result.passed for result in self.results)

    @property
    def is_whole(self) -> bool:
        """Whether the run came to its end."""
        return self.manifest.finished_at is not None

    def failures(self) -> list[CaseResult]:
        """Every line that did not pass: those that could not be run first, then by suite, kind and case."""
        failed = [result for result in self.results if not result.passed]
        return sorted(failed, key=lambda result: (not result.error, result.suite, result.kind, result.case_id, result.trial))

    def gates(self) -> list[GateResult]:
        """The gates, failed ones first, blocking ones before warnings."""
        results = self.verdict.results if self.verdict else ()
        return sorted(results, key=lambda gate: (_GATE_ORDER[gate.state], not gate.is_blocking, gate.gate))

    def slices(self) -> list[Figure]:
        """The share of passed cases of every slice, the whole run first."""
        return [figure for figure in self.figures if figure.name == "share.passed"]

    def metrics(self) -> list[Figure]:
        """Every other figure of the whole run and of each task, in the order of METRICS within a slice."""
        order = {name: place for place, name in enumerate(METRICS)}
        whole = [f for f in self.figures if set(f.slice) <= {"task"} and f.name != "share.passed" and f.value is not None]
        kept = [figure for figure in whole if figure.slice or _is_of_all_tasks(figure)]
        return sorted(
            kept, key=lambda figure: (slice_name(figure.slice) != "all cases", slice_name(figure.slice), order[figure.name])
        )

    def changes(self) -> list[Comparison]:
        """What moved beyond chance since the baseline, for the worse first."""
        comparisons = self.diff.comparisons if self.diff else ()
        moved = [comparison for comparison in comparisons if comparison.change in _SIGNIFICANT_CHANGES]
        return sorted(moved, key=lambda c: (_SIGNIFICANT_CHANGES.index(c.change), slice_name(c.slice), c.name))

    def headline(self) -> str:
        """The run in one sentence."""
        share = f"{self.passed} of {len(self.results)} cases passed"
        judged = f"; {self._failed()}{self._unjudged()}" if self.verdict else "; no gates were given"
        unfinished = "" if self.is_whole else "; the run was interrupted and can be resumed"
        return f"{share}{judged}{unfinished}."

    def _failed(self) -> str:
        failed = [gate.is_blocking for gate in self.gates() if gate.state is GateState.FAILED]
        blocking = sum(failed)
        if blocking:
            return "a blocking gate failed" if blocking == 1 else f"{blocking} blocking gates failed"
        if failed:
            return f"{'a warning' if len(failed) == 1 else f'{len(failed)} warnings'} failed, nothing is blocked"
        return "no gate failed"

    def _unjudged(self) -> str:
        silent = sum(gate.state is GateState.TOO_FEW for gate in self.gates())
        return f", {silent} could not be judged" if silent else ""


def _is_of_all_tasks(figure: Figure) -> bool:
    return figure.name.split(".")[-1] in ("latency_ms", "cost_usd", "tokens", "error", "cost_per_success")


def slice_name(where: Mapping[str, str]) -> str:
    """The slice in words; an empty one is all cases."""
    return ", ".join(f"{name} {value}" for name, value in where.items()) or "all cases"


def figure_text(name: str, value: float | None) -> str:
    """The value with the unit and precision of its metric; a hyphen for none."""
    if value is None:
        return NOTHING
    metric = METRICS.get(name)
    unit = metric.unit if metric else Unit.SCORE
    if unit is Unit.MILLISECONDS:
        return f"{value:,.1f} ms"
    if unit is Unit.DOLLARS:
        return f"${value:,.6f}".rstrip("0").rstrip(".")
    if unit is Unit.COUNT:
        return f"{value:,.4g}"
    if name.startswith("share."):
        return f"{value * 100:.1f} %"
    return f"{value:.3f}"


def interval_text(name: str, low: float | None, high: float | None) -> str:
    """The interval, or a hyphen when the figure has none."""
    return NOTHING if low is None or high is None else f"{figure_text(name, low)} to {figure_text(name, high)}"


def difference_text(comparison: Comparison) -> str:
    """The difference with its sign."""
    if comparison.difference is None:
        return NOTHING
    text = figure_text(comparison.name, abs(comparison.difference))
    return f"{'-' if comparison.difference < 0 else '+'}{text}"


def threshold_text(gate: GateResult) -> str:
    """What the figure has to be; nothing where there is no figure to hold it against."""
    if gate.value is None:
        return NOTHING
    return f"{'at least' if gate.is_floor else 'at most'} {figure_text(gate.metric, gate.threshold)}"


def counts_by_kind(results: Iterable[CaseResult]) -> Mapping[tuple[str, str], tuple[int, int]]:
    """For each suite and kind in order of first appearance: how many passed, and how many there are."""
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    for result in results:
        passed, n = counts.get((result.suite, result.kind), (0, 0))
        counts[result.suite, result.kind] = (passed + result.passed, n + 1)
    return counts


def facts_of(manifest: RunManifest) -> Sequence[tuple[str, str]]:
    """What was measured, row by row."""
    rows = [
        ("run", manifest.run_id),
        ("target", manifest.target),
        ("started", f"{manifest.started_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("finished", f"{manifest.finished_at:%Y-%m-%d %H:%M:%S} UTC" if manifest.finished_at else "not finished"),
        ("seed", str(manifest.seed)),
        ("trials a case", str(manifest.repeat)),
    ]
    rows += [(f"suite {suite.id}", f"{suite.title}: {suite.cases} cases, {suite.fingerprint[:12]}") for suite in manifest.suites]
    return rows + [(name, "" if value is None else str(value)) for name, value in sorted(manifest.facts.items())]
