"""`surefoot eval run`: suites of golden cases, run, stored with every trace, and judged by their gates."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from surefoot.cli.context import (
    EXIT_GATE_FAILED,
    JsonOption,
    existing_tenant,
    loaded,
    plain_errors,
    print_json,
    print_line,
    product,
    progress_console,
)
from surefoot.cli.eval_targets import Server, Wanted, behind_url, in_process
from surefoot.cli.models import ModelOption
from surefoot.cli.scratch import question_bar
from surefoot.core.clock import SystemClock
from surefoot.core.errors import InvalidInput
from surefoot.core.ids import is_tenant_id, new_id
from surefoot.domain.identity import TenantId
from surefoot.domain.verdict_file import verdict_to_json
from surefoot.domain.verdicts import Colour, GateState, Verdict
from surefoot.evals.comparing import Change
from surefoot.evals.gates import RunNames, judge_run
from surefoot.evals.gates_file import load_gates
from surefoot.evals.pages.content import RunReport
from surefoot.evals.pages.files import write_pages
from surefoot.evals.report import table
from surefoot.evals.results import CaseResult, RunManifest
from surefoot.evals.run_store import RunWriter, StoredRun, find_run
from surefoot.evals.runner import Sitting, check_same_run, check_sittings, run_cases
from surefoot.evals.stored_report import VERDICT_FILE, stored_report
from surefoot.evals.suites import Suite, load_suite
from surefoot.governance.tokens import DEFAULT_AUDIENCE, DEVELOPMENT_ISSUER
from surefoot.llm.recording import Recording
from surefoot.sample.tenant import TENANT as SAMPLE_TENANT

EXIT_INTERRUPTED = 130

SuitesArgument = Annotated[list[Path], typer.Argument(help="Folders of suites, such as eval_sets/sample.")]
UrlOption = Annotated[str | None, typer.Option("--url", help="Measure the server at this URL instead of this process.")]
AgainstOption = Annotated[str | None, typer.Option("--against", help="Baseline: a run's id, its folder, `latest` or `baseline`.")]
RecordOption = Annotated[
    Path | None,
    typer.Option("--record", dir_okay=False, help="Keep what models say in this file, and ask nothing that it holds already."),
]
ReplayOption = Annotated[
    Path | None, typer.Option("--replay", dir_okay=False, help="Take what models said from this file; none is asked.")
]

FloorOption = Annotated[
    float | None, typer.Option("--escalate-floor", min=0, max=1, help="With --model: least confidence at which it is asked.")
]
KeyOption = Annotated[
    Path | None,
    typer.Option("--signing-key", dir_okay=False, help="With --url: private JWK of viewer tokens; default: the development key."),
]
ResumeOption = Annotated[
    str | None, typer.Option("--resume", help="Go on with this interrupted run: its id, its folder or `latest`.")
]
GatesOption = Annotated[
    list[Path] | None,
    typer.Option("--gates", exists=True, dir_okay=False, help="Gates besides those of the suites; repeatable."),
]
RunsOption = Annotated[Path | None, typer.Option("--runs", file_okay=False, help="Folder of the runs; default: eval_runs_dir.")]
CacheOption = Annotated[
    Path | None, typer.Option("--cache", file_okay=False, help="Folder of remembered chunk vectors; default: the user's cache.")
]
StoreOption = Annotated[
    str | None, typer.Option("--store-verdict", help="Tenant of this data folder whose serving process obeys the verdict.")
]


@dataclass(frozen=True, slots=True)
class _Run:
    """What is to be run, and where it is stored."""

    runs: Path
    seed: int
    repeat: int
    workers: int
    resume: str | None


def run(
    suites: SuitesArgument,
    model: ModelOption = None,
    escalate_floor: FloorOption = None,
    url: UrlOption = None,
    tenant: Annotated[str, typer.Option("--tenant", "-t", help="With --url: the tenant that is asked.")] = SAMPLE_TENANT,
    signing_key: KeyOption = None,
    issuer: Annotated[str, typer.Option("--issuer", help="With --url: who signs viewer tokens.")] = DEVELOPMENT_ISSUER,
    audience: Annotated[str, typer.Option("--audience", help="With --url: whom viewer tokens are for.")] = DEFAULT_AUDIENCE,
    compare: AgainstOption = None,
    repeat: Annotated[int, typer.Option("--repeat", min=1, max=1000, help="Run every case this often.")] = 1,
    workers: Annotated[int, typer.Option("--workers", min=1, max=256, help="Cases run at once.")] = 2,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="A seeded sample of this many cases a suite.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the sample that --limit draws.")] = 0,
    resume: ResumeOption = None,
    record: RecordOption = None,
    replay: ReplayOption = None,
    gates: GatesOption = None,
    runs: RunsOption = None,
    cache: CacheOption = None,
    store_verdict: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run suites of golden cases, store every case with its trace, and judge the run; exit code 1 on a blocking failed gate."""
    with plain_errors():
        place = runs or loaded().settings.resolved_eval_runs_dir
        wanted = _Run(place, seed, repeat, workers, resume)
        read = [suite if limit is None else suite.sampled(limit, seed=seed) for suite in _suites(suites)]
        baseline = find_run(place, compare) if compare else None
        server = None if url is None else Server(url, _tenant(tenant), signing_key, issuer, audience)
        product_wanted = Wanted(model, escalate_floor, _recording(record, replay, model, url), replay is not None, cache)
        with _sittings(read, product_wanted, server, cache) as sittings:
            stored = _conducted(sittings, wanted)
        made = _judged(stored, read, baseline, gates or [])
        write_pages(made, stored.folder)
        if store_verdict is not None:
            _store(made.verdict, store_verdict)
    if as_json:
        print_json(_as_json(made, stored))
    else:
        _print(made, stored)
    if made.verdict is not None and made.verdict.colour() is Colour.RED:
        raise typer.Exit(EXIT_GATE_FAILED)


def _suites(folders: Sequence[Path]) -> list[Suite]:
    return [load_suite(folder, os.environ) for folder in folders]


def _tenant(name: str) -> TenantId:
    if not is_tenant_id(name):
        raise InvalidInput(f"{name!r} cannot name a tenant; give the one that the server has with --tenant.")
    return TenantId(name)


def _recording(record: Path | None, replay: Path | None, model: str | None, url: str | None) -> Recording | None:
    """The recording. Raises InvalidInput for options that do not go together."""
    if url is not None and (model or record or replay):
        raise InvalidInput("A server at --url asks its own models; leave --model, --record and --replay out.")
    if record is not None and replay is not None:
        raise InvalidInput("Give --record or --replay, not both; --record asks nothing that its file holds already.")
    path = record or replay
    if path is None:
        return None
    if model is None:
        raise InvalidInput("--record and --replay need the --model whose words they keep.")
    return Recording(path, must_exist=replay is not None)


def _sittings(
    suites: Sequence[Suite], wanted: Wanted, server: Server | None, cache: Path | None
) -> AbstractContextManager[list[Sitting]]:
    return in_process(suites, wanted) if server is None else behind_url(suites, server, cache)


def _conducted(sittings: Sequence[Sitting], wanted: _Run) -> StoredRun:
    """The run, whole and stored. Interrupted, it says how to go on."""
    check_sittings(sittings)
    clock = SystemClock()
    earlier = find_run(wanted.runs, wanted.resume) if wanted.resume else None
    now = clock.now()
    manifest = RunManifest(
        run_id=new_id("evr", now),
        started_at=now,
        target=sittings[0].target.name,
        seed=wanted.seed,
        repeat=wanted.repeat,
        suites=tuple(sitting.suite.facts() for sitting in sittings),
        facts={sitting.suite.id: dict(sitting.target.facts()) for sitting in sittings},
    )
    if earlier is not None:
        check_same_run(earlier.manifest, manifest)
        manifest = earlier.manifest.model_copy(update={"finished_at": None})
    folder = earlier.folder if earlier is not None else wanted.runs / manifest.run_id
    finished = earlier.finished() if earlier is not None else frozenset()
    with RunWriter(folder, manifest) as writer:
        try:
            with question_bar("running cases") as tell:
                run_cases(sittings, writer, finished=finished, repeat=wanted.repeat, workers=wanted.workers, progress=tell)
        except KeyboardInterrupt:
            progress_console.print(
                f"Interrupted; go on with the same command and --resume {manifest.run_id}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
            raise typer.Exit(EXIT_INTERRUPTED) from None
        return writer.finish(clock.now())


def _judged(stored: StoredRun, suites: Sequence[Suite], baseline: StoredRun | None, more: Sequence[Path]) -> RunReport:
    """The run's report; its verdict, where there are gates, is beside it."""
    files = [load_gates(suite.gates, suite=suite.id) for suite in suites if suite.gates is not None]
    files += [load_gates(path) for path in more]
    if files:
        now = SystemClock().now()
        names = RunNames(
            verdict_id=new_id("vrd", now),
            run_id=stored.manifest.run_id,
            decided_at=now,
            baseline_run_id=baseline.manifest.run_id if baseline else "",
        )
        before = None if baseline is None else tuple(baseline.results())
        verdict = judge_run(files, tuple(stored.results()), names, baseline=before)
        (stored.folder / VERDICT_FILE).write_text(verdict_to_json(verdict), encoding="utf-8")
    return stored_report(stored, baseline=baseline)


def _store(verdict: Verdict | None, tenant: str) -> None:
    if verdict is None:
        raise InvalidInput("There is no verdict to store: neither the suites nor --gates name gates.")
    with product() as surefoot:
        surefoot.verdicts.put(existing_tenant(surefoot, tenant), verdict, by="surefoot eval run")


def _as_json(made: RunReport, stored: StoredRun) -> dict[str, Any]:
    verdict = made.verdict
    return {
        "run": made.manifest.run_id,
        "folder": str(stored.folder),
        "cases": len(made.results),
        "passed": made.passed,
        "errors": sum(bool(result.error) for result in made.results),
        "colour": str(verdict.colour()) if verdict else None,
        "kinds": [dict(zip(_HEADER, row, strict=True)) for row in _rows(made.results)],
        "gates": [
            {"gate": each.gate, "state": str(each.state), "blocking": each.is_blocking, "value": each.value, "n": each.n}
            | {"threshold": each.threshold, "because": each.because}
            for each in (verdict.results if verdict else ())
        ],
        "moved": [
            {"metric": each.name, "slice": dict(each.slice), "went": str(each.change), "difference": each.difference}
            for each in (made.diff.comparisons if made.diff else ())
            if each.change in (Change.REGRESSED, Change.IMPROVED, Change.NEUTRAL)
        ],
    }


_HEADER = ("suite", "task", "kind", "cases", "passed", "errors", "p50_ms", "cost_usd")


def _rows(results: Sequence[CaseResult]) -> list[tuple[str, str, str, int, int, int, float, float]]:
    """A row for each kind of each suite, in the order in which kinds first appear."""
    kinds: dict[tuple[str, str, str], list[CaseResult]] = {}
    for result in results:
        kinds.setdefault((result.suite, result.task, result.kind), []).append(result)
    return [
        (
            *key,
            len(rows),
            sum(row.passed for row in rows),
            sum(bool(row.error) for row in rows),
            sorted(row.elapsed_ms for row in rows)[len(rows) // 2],
            sum(float(row.measures.get("cost_usd") or 0.0) for row in rows),
        )
        for key, rows in kinds.items()
    ]


def _print(made: RunReport, stored: StoredRun) -> None:
    rows = [(*map(str, row[:6]), f"{row[6]:.1f}", f"{row[7]:.6f}") for row in _rows(made.results)]
    for line in table(_HEADER, rows):
        print_line(line)
    for result in made.results:
        if result.error:
            print_line(f"error: {result.suite}/{result.case_id}: {result.error}")
    for gate in made.verdict.results if made.verdict else ():
        if gate.state is not GateState.PASSED:
            print_line(f"{'blocking' if gate.is_blocking else 'warning'} gate {gate.gate} {gate.state}: {gate.because}")
    print_line(made.headline())
    print_line(str(stored.folder / "report.html"))
