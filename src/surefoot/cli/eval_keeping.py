"""`surefoot eval baseline` and `surefoot eval prune`: which stored runs stay, and which one is compared with."""

from typing import Annotated

import typer

from surefoot.cli.context import JsonOption, loaded, plain_errors, print_json, print_line
from surefoot.cli.eval_reports import RunsOption
from surefoot.evals.keeping import baseline_of, pin_baseline
from surefoot.evals.keeping import prune as prune_runs


def baseline(
    run: Annotated[
        str | None, typer.Argument(help="The run to pin: its id or `latest`; without one the pinned is shown.")
    ] = None,
    runs: RunsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show or pin the run that `--against baseline` means; it is never pruned."""
    with plain_errors():
        place = runs or loaded().settings.resolved_eval_runs_dir
        stored = pin_baseline(place, run) if run else baseline_of(place)
    if as_json:
        print_json({"baseline": stored.manifest.run_id if stored else None})
    else:
        print_line(stored.manifest.run_id if stored else "no baseline is pinned; `surefoot eval baseline latest` pins one")


def prune(
    keep: Annotated[
        int, typer.Option("--keep", min=1, help="How many of the newest runs stay; the baseline stays as well.")
    ] = 30,
    runs: RunsOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete old runs; the newest ones and the baseline stay."""
    with plain_errors():
        place = runs or loaded().settings.resolved_eval_runs_dir
        if not yes:
            typer.confirm(f"Delete all but the newest {keep} runs in {place}?", abort=True, err=True)
        done = prune_runs(place, keep=keep)
    if as_json:
        print_json({"gone": list(done.gone), "kept": list(done.kept)})
    else:
        for name in done.gone:
            print_line(f"deleted {name}")
        print_line(f"{len(done.gone)} deleted, {len(done.kept)} kept")
