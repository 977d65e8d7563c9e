"""`surefoot eval verdict`: which verdict of the evals a tenant's serving process obeys, and putting or clearing one."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from surefoot.cli.context import (
    EXIT_GATE_FAILED,
    DataDirOption,
    JsonOption,
    TenantOption,
    existing_tenant,
    plain_errors,
    print_json,
    print_line,
    product,
)
from surefoot.core.errors import InvalidInput
from surefoot.domain.identity import TenantId
from surefoot.domain.verdict_file import verdict_from_json, verdict_record
from surefoot.domain.verdicts import Colour, GateResult, GateState, Verdict
from surefoot.evals.stored_report import VERDICT_FILE
from surefoot.governance.verdicts import sentence

app = typer.Typer(no_args_is_help=True, help="The verdict that the serving process obeys: show it, put one, clear it.")

_BY = "surefoot eval verdict"
_MEANS = {
    Colour.RED: "models are kept away and actions are only suggested, where these gates speak",
    Colour.AMBER: "only warnings; nothing is kept back",
    Colour.GREEN: "nothing is kept back",
}

RunArgument = Annotated[Path, typer.Argument(exists=True, readable=True, help="Folder of a run, or its verdict.json.")]
WhyOption = Annotated[str, typer.Option("--why", help="Why it no longer counts; the audit chain keeps it.")]


@app.command()
def show(tenant: TenantOption = None, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Say which verdict stands and which gates fail; exit code 1 while it is red."""
    with plain_errors(), product(data_dir=data_dir) as surefoot:
        name, now = existing_tenant(surefoot, tenant), surefoot.clock.now()
        standing = surefoot.verdicts.current(name)
    if as_json:
        found = None if standing is None else {**verdict_record(standing), "is_stale": standing.is_stale(now)}
        print_json({"tenant": name, "standing": found})
    else:
        for line in _lines(name, standing, now):
            print_line(line)
    if standing is not None and standing.colour() is Colour.RED:
        raise typer.Exit(EXIT_GATE_FAILED)


@app.command()
def put(run: RunArgument, tenant: TenantOption = None, data_dir: DataDirOption = None) -> None:
    """Let the tenant's serving process obey the verdict of a run, within seconds."""
    with plain_errors(), product(data_dir=data_dir) as surefoot:
        name = existing_tenant(surefoot, tenant)
        verdict = _read(run)
        before = surefoot.verdicts.put(name, verdict, by=_BY)
    was = "none" if before is None else before.colour().value
    print_line(f"{name}: {verdict.verdict_id} stands, {verdict.colour()} (before: {was}); {_MEANS[verdict.colour()]}.")


@app.command()
def clear(why: WhyOption, tenant: TenantOption = None, data_dir: DataDirOption = None) -> None:
    """Take the standing verdict away without a newer one: nothing is kept back any more."""
    with plain_errors(), product(data_dir=data_dir) as surefoot:
        name = existing_tenant(surefoot, tenant)
        before = surefoot.verdicts.clear(name, by=_BY, why=why)
    if before is None:
        print_line(f"{name}: no verdict stood; nothing has changed.")
    else:
        print_line(f"{name}: {before.verdict_id}, {before.colour()}, is cleared; nothing is kept back.")


def _read(run: Path) -> Verdict:
    path = run / VERDICT_FILE if run.is_dir() else run
    if not path.is_file():
        raise InvalidInput(f"{str(run)!r} has no {VERDICT_FILE}; a run has one when its suites or --gates name gates.")
    return verdict_from_json(path.read_bytes(), source=str(path))


def _lines(tenant: TenantId, verdict: Verdict | None, now: datetime) -> Iterator[str]:
    if verdict is None:
        yield f"{tenant}: no verdict stands; nothing is kept back. Put one: surefoot eval run SUITE --store-verdict {tenant}"
        return
    colour = verdict.colour()
    yield f"{tenant}: {colour}, by {verdict.verdict_id} of {verdict.decided_at:%Y-%m-%d %H:%M} UTC; {_MEANS[colour]}."
    if verdict.is_stale(now):
        yield f"It is stale since {verdict.valid_until:%Y-%m-%d %H:%M} UTC: look why no newer run came. It goes on to count."
    counts = [sum(each.state is state for each in verdict.results) for state in GateState]
    yield f"{counts[0]} gates passed, {counts[1]} failed, {counts[2]} had too few cases."
    for result in sorted(verdict.results, key=lambda each: not each.is_blocking):
        if result.state is GateState.FAILED:
            yield f"  {'BLOCKS' if result.is_blocking else 'warns '}  {result.gate} on {_where(result)}: {sentence(result)}"


def _where(result: GateResult) -> str:
    places = ["all surfaces" if surface == "*" else surface for surface in result.surfaces]
    return ", ".join([*places, *([f"action {result.action}"] if result.action else [])])
