"""The report as Markdown, short enough for a comment on a change."""

from collections.abc import Sequence

from surefoot.domain.verdicts import GateState
from surefoot.evals.pages.content import (
    RunReport,
    counts_by_kind,
    difference_text,
    figure_text,
    interval_text,
    slice_name,
    threshold_text,
)

_MOST_CASES = 20


def markdown_page(report: RunReport) -> str:
    """Verdict, gates, what changed, the kinds and the first failures."""
    colour = f"**{report.verdict.colour().upper()}** · " if report.verdict else ""
    lines = [f"# Eval run {report.manifest.run_id}", "", f"{colour}{report.headline()}", ""]
    lines += _gates(report) + _changes(report) + _kinds(report) + _failures(report)
    return "\n".join(lines).rstrip() + "\n"


def _gates(report: RunReport) -> list[str]:
    gates = report.gates()
    if not gates:
        return []
    rows = [
        (
            _cell(gate.gate),
            {GateState.PASSED: "passed", GateState.TOO_FEW: "not judged"}.get(
                gate.state, "**failed**" if gate.is_blocking else "warning"
            ),
            figure_text(gate.metric, gate.value),
            interval_text(gate.metric, gate.low, gate.high),
            threshold_text(gate),
            str(gate.n),
        )
        for gate in gates
    ]
    return ["## Gates", "", *_table(("gate", "came out", "figure", "interval", "has to be", "n"), rows), ""]


def _changes(report: RunReport) -> list[str]:
    if report.diff is None or report.baseline is None:
        return []
    lines = [f"## Against {report.baseline.run_id}", ""]
    rows = [
        (
            _cell(change.name),
            _cell(slice_name(change.slice)),
            str(change.change),
            figure_text(change.name, change.before),
            figure_text(change.name, change.after),
            difference_text(change),
            interval_text(change.name, change.low, change.high),
        )
        for change in report.changes()[:_MOST_CASES]
    ]
    header = ("metric", "slice", "went", "before", "now", "difference", "interval")
    lines += [*_table(header, rows), ""] if rows else ["No metric moved by more than chance explains.", ""]
    counted = (
        f"{len(report.diff.regressed)} cases got worse, {len(report.diff.improved)} better, {report.diff.unchanged} the same."
    )
    return [*lines, counted, ""]


def _kinds(report: RunReport) -> list[str]:
    counts = counts_by_kind(report.results)
    rows = [
        (_cell(suite), _cell(kind), str(n), str(passed), f"{100 * passed / n:.0f} %")
        for (suite, kind), (passed, n) in counts.items()
    ]
    return ["## Kinds", "", *_table(("suite", "kind", "n", "passed", "share"), rows), ""]


def _failures(report: RunReport) -> list[str]:
    failures = report.failures()
    if not failures:
        return []
    lines = ["## Failures", ""]
    for failure in failures[:_MOST_CASES]:
        because = failure.error or "; ".join(failure.failures)
        lines.append(f"- `{failure.suite}/{failure.case_id}` {_cell(failure.title)}: {_cell(because)}")
    left = len(failures) - _MOST_CASES
    return [*lines, *([f"- and {left} more"] if left > 0 else []), ""]


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    return [_row(header), _row(tuple("---" for _ in header)), *(_row(row) for row in rows)]


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """The text on one line, unable to end its cell or to become markup."""
    for mark in ("\\", "|", "<", "`", "*", "_", "[", "!"):
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
