"""`surefoot actions`: what may be done, checked before it is offered to anybody."""

from pathlib import Path
from typing import Annotated

import typer

from surefoot.actions.drafts import check_drafts
from surefoot.actions.registry import SHIPPED, Checked, check_folder, has_live_files
from surefoot.cli import action_import, playbooks
from surefoot.cli.action_probes import probe
from surefoot.cli.context import EXIT_GATE_FAILED, JsonOption, plain_errors, print_json, print_line

app = typer.Typer(name="actions", help="Actions: check their files, probe a host.", no_args_is_help=True)
app.command("probe")(probe)
app.add_typer(action_import.app, name="import")
app.add_typer(playbooks.app, name="playbook")


@app.command("check")
def check(
    folder: Annotated[Path | None, typer.Argument(help="Folder with action files; default: those shipped.")] = None,
    json: JsonOption = False,
) -> None:
    """Check every action file of a folder: its schema, its x-action object and its examples. Exit code 1 on a problem.

    Drafts (*.draft.json) are never in use; what each still misses is printed and fails nothing.
    """
    with plain_errors():
        drafts = check_drafts(folder or SHIPPED)
        # A folder of drafts alone has no action file yet, which is nothing wrong while they are being finished.
        checked = Checked((), ()) if drafts and not has_live_files(folder or SHIPPED) else check_folder(folder or SHIPPED)
        if json:
            print_json(
                {
                    "actions": [
                        {"name": s.name, "version": s.version, "schema_hash": s.schema_hash, "examples": len(s.examples)}
                        for s in checked.specs
                    ],
                    "playbooks": [
                        {"name": p.name, "version": p.version, "schema_hash": p.schema_hash, "steps": len(p.steps)}
                        for p in checked.playbooks
                    ],
                    "problems": [{"file": p.file, "place": p.place, "sentence": p.sentence} for p in checked.problems],
                    "drafts": [{"file": p.file, "place": p.place, "sentence": p.sentence} for p in drafts],
                }
            )
        else:
            for spec in checked.specs:
                print_line(f"ok    {spec.name} {spec.version}: {spec.title} ({len(spec.examples)} examples)")
            for playbook in checked.playbooks:
                print_line(
                    f"ok    {playbook.name} {playbook.version}: {playbook.title} (playbook of {len(playbook.steps)} steps)"
                )
            for problem in checked.problems:
                print_line(f"wrong {problem.file}: {problem.sentence}")
            for missing in drafts:
                print_line(f"draft {missing.file}: {missing.sentence}")
        if checked.problems:
            raise typer.Exit(EXIT_GATE_FAILED)
