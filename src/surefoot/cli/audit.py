"""`surefoot audit`: whether the chain of what was done still holds, and copies of it to keep elsewhere."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
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
from surefoot.domain.audit import Checkpoint
from surefoot.governance.audit import Verified, export_lines, read_export

app = typer.Typer(no_args_is_help=True, help="Verify and export the audit chain of a tenant.")

CheckpointOption = Annotated[
    list[Path] | None,
    typer.Option("--checkpoint", exists=True, dir_okay=False, help="File of an earlier checkpoint or export; repeatable."),
]


@app.command()
def verify(
    checkpoint: CheckpointOption = None,
    tenant: TenantOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether rows were changed, lost, forked or written anew; with a checkpoint also whether the end was cut off."""
    with plain_errors(), product(data_dir=data_dir) as surefoot:
        name = existing_tenant(surefoot, tenant)
        marks = _checkpoints(checkpoint or ())
        found = surefoot.audit.verify(name, marks)
    ok = isinstance(found, Verified)
    if as_json:
        print_json({"ok": ok, "tenant": name, **asdict(found)})
    elif isinstance(found, Verified):
        print_line(f"{name}: {found.count} rows hold, {found.erased} of them erased; {found.checkpoints} checkpoints met.")
        if not marks:
            print_line("Without a checkpoint rows cut off at the end cannot be seen; keep one: surefoot audit checkpoint")
    else:
        print_line(f"{name}: BROKEN ({found.damage}) at row {found.seq}. {found.message}")
    if not ok:
        raise typer.Exit(EXIT_GATE_FAILED)


@app.command()
def export(tenant: TenantOption = None, data_dir: DataDirOption = None) -> None:
    """Write the whole chain as JSON Lines on stdout, its signed checkpoint last."""
    with plain_errors(), product(data_dir=data_dir) as surefoot:
        name = existing_tenant(surefoot, tenant)
        mark = surefoot.audit.checkpoint(name, now=surefoot.clock.now())
        # Rows that come after the checkpoint was taken are exported too; it says how long the chain was at least.
        for line in export_lines(surefoot.audit.rows(name), mark):
            print_line(line)
    sys.stdout.flush()


@app.command()
def checkpoint(tenant: TenantOption = None, data_dir: DataDirOption = None) -> None:
    """Write a signed checkpoint on stdout; keep it where whoever writes the database cannot."""
    with plain_errors(), product(data_dir=data_dir) as surefoot:
        name = existing_tenant(surefoot, tenant)
        for line in export_lines((), surefoot.audit.checkpoint(name, now=surefoot.clock.now())):
            print_line(line)


def _checkpoints(files: Sequence[Path]) -> list[Checkpoint]:
    found: list[Checkpoint] = []
    for path in files:
        with path.open(encoding="utf-8") as lines:
            found += read_export(lines)[1]
    return found
