"""`surefoot actions`: what may be done, checked before it is offered to anybody."""

from pathlib import Path
from typing import Annotated

import typer

from surefoot.actions.registry import SHIPPED, check_folder
from surefoot.cli.action_probes import probe
from surefoot.cli.context import EXIT_GATE_FAILED, JsonOption, plain_errors, print_json, print_line

app = typer.Typer(name="actions", help="Actions: check their files, probe a host.", no_args_is_help=True)
app.command("probe")(probe)


@app.command("check")
def check(
    folder: Annotated[Path | None, typer.Argument(help="Folder with action files; default: those shipped.")] = None,
    json: JsonOption = False,
) -> None:
    """Check every action file of a folder: its schema, its x-action object and its examples. Exit code 1 on a problem."""
    with plain_errors():
        checked = check_folder(folder or SHIPPED)
        if json:
            print_json(
                {
                    "actions": [
                        {"name": s.name, "version": s.version, "schema_hash": s.schema_hash, "examples": len(s.examples)}
                        for s in checked.specs
                    ],
                    "problems": [{"file": p.file, "place": p.place, "sentence": p.sentence} for p in checked.problems],
                }
            )
        else:
            for spec in checked.specs:
                print_line(f"ok    {spec.name} {spec.version}: {spec.title} ({len(spec.examples)} examples)")
            for problem in checked.problems:
                print_line(f"wrong {problem.file}: {problem.sentence}")
        if checked.problems:
            raise typer.Exit(EXIT_GATE_FAILED)
