"""`surefoot eval live` and `surefoot eval harvest`: what live replies are worth, and which of them become golden cases."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from surefoot.assistant.groundedness import Support
from surefoot.bootstrap import Surefoot
from surefoot.cli.context import (
    DataDirOption,
    JsonOption,
    TenantOption,
    existing_tenant,
    plain_errors,
    print_json,
    print_line,
    product,
    progress_console,
)
from surefoot.core.clock import parse_moment
from surefoot.core.errors import InvalidInput
from surefoot.core.ids import new_id
from surefoot.core.visible import one_line, visible
from surefoot.domain.identity import TenantId
from surefoot.evals.figures import figures_of
from surefoot.evals.harvest import Candidate, Verdict, candidates, review
from surefoot.evals.results import CaseResult, RunManifest, SuiteFacts
from surefoot.evals.run_store import RunWriter
from surefoot.evals.sampling import SUITE, Scorer, drawn
from surefoot.retrieval.options import freshness_rule

SinceOption = Annotated[str, typer.Option("--since", help="How far back: 12h, 7d, 4w, or a date.")]
_SPAN = re.compile(r"(\d{1,4})([hdw])\Z")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_NOTHING = "No live samples to read. keep_live_samples must name the tenant, and viewers' tokens must state their consent."
_WORDS = {"a": Verdict.ACCEPT, "e": Verdict.EDIT, "s": Verdict.SKIP, "q": Verdict.QUIT}


def live(
    share: Annotated[float, typer.Option("--share", min=0, max=1, help="Share of the samples to score.")] = 0.1,
    since: SinceOption = "7d",
    seed: Annotated[int, typer.Option("--seed", help="Another seed draws another share.")] = 0,
    runs: Annotated[
        Path | None, typer.Option("--runs", file_okay=False, help="Folder of runs; default: the setting `eval_runs_dir`.")
    ] = None,
    tenant: TenantOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score a share of the live replies that tenant and viewers let be kept; the run is stored like any other."""
    with plain_errors(), product(data_dir=data_dir) as surefoot:
        name, begin = existing_tenant(surefoot, tenant), _moment(since, surefoot.clock.now())
        surefoot.samples.sweep(name)
        scorer = Scorer(
            surefoot.store,
            name,
            Support(surefoot.encoder, evidence=surefoot.evidence),
            freshness_rule(surefoot.settings),
            surefoot.clock.now(),
        )
        results = [scorer.score(sample) for sample in drawn(surefoot.samples.read(name, begin), share=share, seed=seed)]
        folder = _stored(surefoot, name, results, runs or surefoot.settings.resolved_eval_runs_dir, seed, share)
    figures = [figure for figure in figures_of(results) if not figure.slice] if results else []
    if as_json:
        told = [{"name": f.name, "value": f.value, "low": f.low, "high": f.high, "n": f.n} for f in figures]
        print_json({"run": str(folder), "samples": len(results), "figures": told})
        return
    if not results:
        print_line(_NOTHING)
    for figure in figures:
        if figure.value is not None:
            interval = f"  [{figure.low:.3f}, {figure.high:.3f}]" if figure.low is not None and figure.high is not None else ""
            print_line(f"{figure.name:28} {figure.value:.3f}{interval}  n={figure.n}")
    print_line(f"{len(results)} live replies scored; the run is in {folder}")


def harvest(
    since: SinceOption = "30d",
    out: Annotated[Path | None, typer.Option("--out", dir_okay=False, help="File to write candidates to; else stdout.")] = None,
    into: Annotated[
        Path | None, typer.Option("--review", dir_okay=False, help="Look at each here; those you accept go into this case file.")
    ] = None,
    viewer: Annotated[str, typer.Option("--viewer", help="Who asks in the suite: a name of its people file.")] = "everyone",
    tenant: TenantOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Make candidate golden cases of feedback, refusals and unsure answers; only what you accept goes into a suite."""
    with plain_errors(), product(data_dir=data_dir) as surefoot:
        name, begin = existing_tenant(surefoot, tenant), _moment(since, surefoot.clock.now())
        surefoot.samples.sweep(name)
        found = list(candidates(surefoot.store, name, surefoot.samples.read(name, begin), viewer=viewer))
        if into is not None:
            done = review(found, into, judge=_judge, edit=_edit)
            print_line(f"{done.accepted} accepted into {into}, {done.skipped} skipped, {done.known} there already.")
            return
        lines = "".join(f"{visible(candidate.model_dump_json())}\n" for candidate in found)
        if out is None:
            sys.stdout.write(lines)
        else:
            _write(out, lines)
    progress_console.print(f"{len(found)} candidates" if found else _NOTHING, highlight=False)


def _judge(candidate: Candidate, problem: str) -> Verdict:
    told = candidate.review
    print_line(f"\n{candidate.id}: {candidate.why}")
    print_line(f"  asked     {one_line(candidate.question)}")
    for claim in told.shown:
        print_line(f"  shown     {one_line(claim)}")
    comment = f", “{one_line(told.comment)}”" if told.comment else ""
    print_line(f"  outcome   {told.outcome}, confidence {told.confidence:.2f}{comment}")
    print_line(f"  expects   {candidate.expect}; documents: {', '.join(candidate.gold_uris) or 'not said yet'}")
    if problem:
        print_line(f"  That is no case: {problem}")
    while True:
        answer = str(typer.prompt("  [a]ccept, [e]dit, [s]kip or [q]uit", default="s")).strip().lower()[:1]
        if answer in _WORDS:
            return _WORDS[answer]


def _edit(text: str) -> str | None:
    """The text after the person's editor had it; None when the editor did not end well."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with TemporaryDirectory() as folder:
        path = Path(folder) / "case.json"
        path.write_text(text, encoding="utf-8")
        ended = subprocess.run([*shlex.split(editor), str(path)], check=False)  # noqa: S603
        return path.read_text(encoding="utf-8") if ended.returncode == 0 else None


def _stored(surefoot: Surefoot, tenant: TenantId, results: Sequence[CaseResult], runs: Path, seed: int, share: float) -> Path:
    now = surefoot.clock.now()
    run_id = new_id("live", now)
    facts = SuiteFacts(id=SUITE, title="Live replies", fingerprint="", cases=len(results), source="live samples, by consent")
    manifest = RunManifest(
        run_id=run_id,
        started_at=now,
        target=f"live:{tenant}",
        seed=seed,
        repeat=1,
        suites=(facts,),
        facts={"tenant": tenant, "share": share},
    )
    with RunWriter(runs / run_id, manifest) as writer:
        for result in results:
            writer.append(result)
        writer.finish(surefoot.clock.now())
    return runs / run_id


def _moment(text: str, now: datetime) -> datetime:
    """The moment so long ago, or the one named. Raises InvalidInput."""
    span = _SPAN.match(text)
    if span is not None:
        return now - timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        return parse_moment(text)
    except ValueError:
        raise InvalidInput(f"--since {text!r} is no span such as 7d and no date such as 2026-01-31.") from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{str(path)!r} cannot be written ({error.strerror}); name another file.") from error
