"""`surefoot eval report` and `surefoot eval diff`: what stored runs say, without running anything again."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from surefoot.cli.context import EXIT_GATE_FAILED, JsonOption, loaded, plain_errors, print_json, print_line, progress_console
from surefoot.domain.verdicts import Colour
from surefoot.evals.comparing import Change
from surefoot.evals.gates_file import load_gates
from surefoot.evals.pages.content import difference_text, figure_text, interval_text, slice_name
from surefoot.evals.pages.files import PAGES, write_pages
from surefoot.evals.report import table
from surefoot.evals.run_store import find_run
from surefoot.evals.stored_report import Against, against, stored_report

RunArgument = Annotated[str, typer.Argument(help="A run's id, its folder, `latest` or `baseline`.")]
RunsOption = Annotated[Path | None, typer.Option("--runs", file_okay=False, help="Folder of the runs; default: eval_runs_dir.")]
_MOST_CASES = 20


def report(
    run: RunArgument = "latest",
    compare: Annotated[str | None, typer.Option("--against", help="A run to compare with: its id, its folder.")] = None,
    gates: Annotated[
        list[Path] | None, typer.Option("--gates", exists=True, dir_okay=False, help="Judge anew by this gates.toml; repeatable.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", file_okay=False, help="Where to; default: the run's own folder.")] = None,
    runs: RunsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the report of a stored run: HTML, JSON, JUnit and Markdown; exit code 1 when its verdict is red."""
    with plain_errors():
        place = runs or loaded().settings.resolved_eval_runs_dir
        stored = find_run(place, run)
        baseline = find_run(place, compare) if compare else None
        made = stored_report(stored, baseline=baseline, gates=[load_gates(path) for path in gates or ()])
        written = write_pages(made, out or stored.folder)
    if as_json:
        print_json(
            {
                "run": made.manifest.run_id,
                "colour": str(made.verdict.colour()) if made.verdict else None,
                "passed": made.passed,
                "cases": len(made.results),
                "pages": {kind: str(path) for kind, path in zip(PAGES, written, strict=True)},
            }
        )
    else:
        progress_console.print(made.headline(), markup=False, highlight=False, soft_wrap=True)
        for path in written:
            print_line(str(path))
    if made.verdict is not None and made.verdict.colour() is Colour.RED:
        raise typer.Exit(EXIT_GATE_FAILED)


def diff(
    before: Annotated[str, typer.Argument(help="The baseline: a run's id or folder.")],
    after: RunArgument = "latest",
    runs: RunsOption = None,
    as_json: JsonOption = False,
) -> None:
    """What changed from one stored run to another: metrics beyond chance, and case by case."""
    with plain_errors():
        place = runs or loaded().settings.resolved_eval_runs_dir
        found = against(find_run(place, after), find_run(place, before))
    if as_json:
        names = {"before": found.baseline.manifest.run_id, "after": found.run.manifest.run_id}
        print_json({**names, **asdict(found.diff)})
    else:
        for line in diff_lines(found):
            print_line(line)


def diff_lines(found: Against) -> list[str]:
    """The difference as text: what moved beyond chance, what else was compared, and the cases that came out otherwise."""
    order = (Change.REGRESSED, Change.IMPROVED, Change.NEUTRAL)
    moved = sorted((c for c in found.diff.comparisons if c.change in order), key=lambda c: order.index(c.change))
    lines = [f"{found.baseline.manifest.run_id} -> {found.run.manifest.run_id}"]
    header = ("went", "metric", "slice", "n", "before", "after", "difference", "interval", "p (Holm)")
    rows = [
        (
            str(c.change),
            c.name,
            slice_name(c.slice),
            str(c.n),
            figure_text(c.name, c.before),
            figure_text(c.name, c.after),
            difference_text(c),
            interval_text(c.name, c.low, c.high),
            "-" if c.adjusted_p is None else f"{c.adjusted_p:.3g}",
        )
        for c in moved
    ]
    lines += table(header, rows) if rows else ["no metric moved by more than chance explains"]
    lines.append(f"{len(found.diff.comparisons) - len(moved)} other comparisons did not move beyond chance")
    for word, cases in (("worse", found.diff.regressed), ("better", found.diff.improved)):
        lines += [f"{word}: {case.suite}/{case.case_id}: {case.title}" for case in cases[:_MOST_CASES]]
        if len(cases) > _MOST_CASES:
            lines.append(f"{word}: and {len(cases) - _MOST_CASES} more; --json lists them all")
    counts = (len(found.diff.regressed), len(found.diff.improved), found.diff.unchanged)
    lines.append("{} worse, {} better, {} unchanged".format(*counts))
    if found.diff.added or found.diff.removed:
        lines.append(f"{len(found.diff.added)} cases are new, {len(found.diff.removed)} are gone; they are not compared")
    return lines
