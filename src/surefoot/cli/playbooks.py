"""`surefoot actions playbook`: several actions at once, one button press each, as a viewer of your choice."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from surefoot.actions.evidence import refuse_unreadable
from surefoot.actions.playbook_file import filled_in
from surefoot.actions.playbook_parts import PlaybookView
from surefoot.bootstrap import Surefoot
from surefoot.cli.context import (
    ContextOption,
    DataDirOption,
    JsonOption,
    TenantOption,
    existing_tenant,
    plain_errors,
    print_json,
    print_line,
    product,
)
from surefoot.cli.runs import AsOption, DigestOption, NoteOption, PrincipalsOption, Who, arguments_of, print_run
from surefoot.core.errors import UndoConflict
from surefoot.core.ids import new_id
from surefoot.domain.actions import Env
from surefoot.domain.identity import Viewer

RunArgument = Annotated[str, typer.Argument(help="Id of the playbook's run.")]
Step = Callable[[Surefoot, Viewer], PlaybookView]

app = typer.Typer(help="Several actions previewed together, agreed to as one and taken back as one.", no_args_is_help=True)


@app.command("list")
def list_(as_json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """Every playbook with its actions, in order."""
    with plain_errors(), product(data_dir=data_dir) as surefoot:
        known = [spec for _, spec in sorted(surefoot.registry.playbooks.items())]
    if as_json:
        print_json(
            [{"name": spec.name, "version": spec.version, "actions": [each.action for each in spec.steps]} for spec in known]
        )
        return
    for spec in known:
        print_line(f"{spec.name} {spec.version}: {spec.title} ({', '.join(step.action for step in spec.steps)})")


@app.command("simulate")
def simulate(
    playbook: Annotated[str, typer.Argument(help="Name of the playbook.")],
    arguments: Annotated[str, typer.Argument(help="Its arguments as JSON, or @FILE.")],
    user: AsOption = "cli",
    principal: PrincipalsOption = None,
    context: ContextOption = None,
    env: Annotated[Env, typer.Option("--env", help="Where it would have its effect.")] = Env.SANDBOX,
    key: Annotated[str | None, typer.Option("--key", help="Idempotency key; default: a fresh one.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why it is offered.")] = "",
    citation: Annotated[list[str] | None, typer.Option("--citation", help="Chunk id it rests on; repeatable.")] = None,
    tenant: TenantOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Preview a playbook: what each step would change, and who must approve. Nothing changes."""

    def step(surefoot: Surefoot, viewer: Viewer) -> PlaybookView:
        wanted = filled_in(surefoot.registry.playbook(playbook), arguments_of(arguments))
        cited = tuple(citation or ())
        refuse_unreadable(surefoot.store, viewer, cited)
        chosen = key or new_id("key", surefoot.clock.now())
        return surefoot.actions.playbooks.preview(viewer, wanted, chosen, env, reason=reason, citations=cited)

    _press(step, Who(user, principal, context), tenant, data_dir, as_json)


@app.command("approve")
def approve(
    run: RunArgument,
    digest: DigestOption,
    user: AsOption = "cli",
    principal: PrincipalsOption = None,
    context: ContextOption = None,
    note: NoteOption = "",
    tenant: TenantOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Agree to exactly the joint plan of this digest, as another person than its maker."""

    def step(surefoot: Surefoot, viewer: Viewer) -> PlaybookView:
        return surefoot.actions.playbooks.approve(viewer, run, digest, note)

    _press(step, Who(user, principal, context), tenant, data_dir, as_json)


@app.command("reject")
def reject(
    run: RunArgument,
    digest: DigestOption,
    user: AsOption = "cli",
    principal: PrincipalsOption = None,
    context: ContextOption = None,
    note: NoteOption = "",
    tenant: TenantOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Refuse a playbook, as another person than its maker; none of its steps is done."""

    def step(surefoot: Surefoot, viewer: Viewer) -> PlaybookView:
        return surefoot.actions.playbooks.reject(viewer, run, digest, note)

    _press(step, Who(user, principal, context), tenant, data_dir, as_json)


@app.command("apply")
def apply(
    run: RunArgument,
    user: AsOption = "cli",
    principal: PrincipalsOption = None,
    context: ContextOption = None,
    tenant: TenantOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let its steps have their effect, one after another; what was done is taken back when a later one fails."""

    def step(surefoot: Surefoot, viewer: Viewer) -> PlaybookView:
        return surefoot.actions.playbooks.apply(viewer, run, deliver=surefoot.actions.worker.deliver)

    _press(step, Who(user, principal, context), tenant, data_dir, as_json)


@app.command("undo")
def undo(
    run: RunArgument,
    preview: Annotated[bool, typer.Option("--preview", help="Only show what would be put back.")] = False,
    user: AsOption = "cli",
    principal: PrincipalsOption = None,
    context: ContextOption = None,
    tenant: TenantOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put all of it back, the last step first; what somebody changed since is shown and never overwritten."""

    def step(surefoot: Surefoot, viewer: Viewer) -> PlaybookView:
        if preview:
            return surefoot.actions.playbooks.preview_undo(viewer, run)
        return surefoot.actions.playbooks.undo(viewer, run, deliver=surefoot.actions.worker.deliver)

    _press(step, Who(user, principal, context), tenant, data_dir, as_json)


@app.command("cancel")
def cancel(
    run: RunArgument,
    user: AsOption = "cli",
    principal: PrincipalsOption = None,
    context: ContextOption = None,
    note: NoteOption = "",
    tenant: TenantOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a playbook that has not begun, with all its steps."""

    def step(surefoot: Surefoot, viewer: Viewer) -> PlaybookView:
        return surefoot.actions.playbooks.cancel(viewer, run, note)

    _press(step, Who(user, principal, context), tenant, data_dir, as_json)


@app.command("show")
def show(
    run: RunArgument,
    user: AsOption = "cli",
    principal: PrincipalsOption = None,
    context: ContextOption = None,
    tenant: TenantOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """A playbook's run as it stands, with the run of each step."""

    def step(surefoot: Surefoot, viewer: Viewer) -> PlaybookView:
        return surefoot.actions.playbooks.show(viewer, run)

    _press(step, Who(user, principal, context), tenant, data_dir, as_json)


def print_playbook(view: PlaybookView) -> None:
    """The playbook for a person: what became of it and why, each step, what stands, what comes next."""
    parent = view.parent
    print_line(f"{parent.run_id}: {parent.kind} {parent.action} ({parent.env}) is {view.outcome}, wanted by {parent.maker}")
    if view.why:
        print_line(f"  {view.why}")
    for number, step in enumerate(view.steps, 1):
        print_line(f"step {number} of {len(view.steps)}")
        print_run(step)
    if view.plan is not None:
        print_line(f"joint plan {view.plan.digest}, until {view.plan.expires_at:%Y-%m-%d %H:%M} UTC")
    if view.stands and view.outcome.value == "partial":
        print_line(f"still there, or may be: {', '.join(view.stands)}")
    if view.open_steps:
        print_line(f"next: {', '.join(sorted(view.open_steps))}")


def _press(step: Step, who: Who, tenant: str | None, data_dir: Path | None, as_json: bool) -> None:
    with plain_errors(), product(data_dir=data_dir) as surefoot:
        try:
            view = step(surefoot, who.viewer(existing_tenant(surefoot, tenant)))
        except UndoConflict as error:
            for difference in error.differences:
                print_line(json.dumps(dict(difference), ensure_ascii=False, default=str))
            raise
    if as_json:
        print_json({**asdict(view), "open_steps": sorted(view.open_steps)})
    else:
        print_playbook(view)
