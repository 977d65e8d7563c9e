"""`surefoot actions simulate|approve|apply|undo|...|runs`: one button press each, as a viewer of your choice."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from surefoot.actions.evidence import refuse_unreadable
from surefoot.actions.parts import Request, RunView
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
    stated,
)
from surefoot.core.errors import InvalidInput, UndoConflict
from surefoot.core.ids import new_id
from surefoot.core.visible import one_line
from surefoot.domain.actions import Env
from surefoot.domain.identity import TenantId, Viewer, parse_context, parse_principals
from surefoot.domain.runs import Plan, RunState

RunArgument = Annotated[str, typer.Argument(help="Id of the run.")]
AsOption = Annotated[str, typer.Option("--as", help="User id of the viewer.")]
PrincipalsOption = Annotated[
    list[str] | None, typer.Option("--principal", "-p", help="group:<id> or role:<id> the viewer acts as; repeatable.")
]
DigestOption = Annotated[str, typer.Option("--digest", help="Digest of the plan that was shown; `show` prints it.")]
NoteOption = Annotated[str, typer.Option("--note", help="Why, for the history.")]

app = typer.Typer()


@dataclass(frozen=True, slots=True)
class Who:
    """As whom a button is pressed: what `--as`, `--principal` and `--context` say."""

    user: str
    principals: list[str] | None = None
    context: list[str] | None = None

    def viewer(self, tenant: TenantId) -> Viewer:
        """The viewer of this tenant."""
        return Viewer(tenant, self.user, parse_principals(self.principals or ()), context=parse_context(stated(self.context)))


Step = Callable[[Surefoot, Viewer], RunView]


@app.command("simulate")
def simulate(
    action: Annotated[str, typer.Argument(help="Name of the action.")],
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
    """Preview an action: what would change, who must approve, how often it may still be done. Nothing changes."""

    def step(surefoot: Surefoot, viewer: Viewer) -> RunView:
        chosen = key or new_id("key", surefoot.clock.now())
        wanted = Request(action, arguments_of(arguments), chosen, env, reason=reason, citations=tuple(citation or ()))
        refuse_unreadable(surefoot.store, viewer, wanted.citations)
        return surefoot.actions.propose(viewer, wanted)

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
    """Agree to exactly the plan of this digest, as another person than its maker."""
    _press(
        lambda surefoot, viewer: surefoot.actions.approve(viewer, run, digest, note),
        Who(user, principal, context),
        tenant,
        data_dir,
        as_json,
    )


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
    """Refuse a run, as another person than its maker."""
    _press(
        lambda surefoot, viewer: surefoot.actions.reject(viewer, run, digest, note),
        Who(user, principal, context),
        tenant,
        data_dir,
        as_json,
    )


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
    """Let the run have its effect, once; pressing again does nothing new."""
    _press(
        lambda surefoot, viewer: surefoot.actions.apply(viewer, run, wait=True),
        Who(user, principal, context),
        tenant,
        data_dir,
        as_json,
    )


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
    """Put back what the run changed; what somebody changed since is shown and never overwritten."""

    def step(surefoot: Surefoot, viewer: Viewer) -> RunView:
        if preview:
            return surefoot.actions.preview_undo(viewer, run)
        return surefoot.actions.undo(viewer, run, wait=True)

    _press(step, Who(user, principal, context), tenant, data_dir, as_json)


@app.command("redo")
def redo(
    run: RunArgument,
    user: AsOption = "cli",
    principal: PrincipalsOption = None,
    context: ContextOption = None,
    tenant: TenantOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Preview an undone run's action again, with the same arguments."""
    _press(lambda surefoot, viewer: surefoot.actions.redo(viewer, run), Who(user, principal, context), tenant, data_dir, as_json)


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
    """End a run that has not begun to apply."""
    _press(
        lambda surefoot, viewer: surefoot.actions.cancel(viewer, run, note),
        Who(user, principal, context),
        tenant,
        data_dir,
        as_json,
    )


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
    """A run with its plan and its whole history."""
    _press(lambda surefoot, viewer: surefoot.actions.show(viewer, run), Who(user, principal, context), tenant, data_dir, as_json)


@app.command("settle")
def settle(
    run: RunArgument,
    happened: Annotated[bool, typer.Option("--happened/--did-not-happen", help="What you found out at the host.")],
    note: NoteOption = "",
    tenant: TenantOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Settle a run that needs a human: nobody but you can know whether it happened."""

    def step(surefoot: Surefoot, viewer: Viewer) -> RunView:
        return surefoot.actions.settle(viewer, run, happened=happened, note=note)

    _press(step, Who("operator", ["role:admin"]), tenant, data_dir, as_json)


@app.command("switch")
def switch(
    action: Annotated[str, typer.Argument(help="Name of the action; all of them with --all.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Every action of the tenant.")] = False,
    off: Annotated[bool, typer.Option("--off/--on", help="Off cancels what waits; undo works all the same.")] = True,
    env: Annotated[Env, typer.Option("--env", help="Where.")] = Env.PRODUCTION,
    reason: Annotated[str, typer.Option("--reason", help="Why, shown to whoever presses.")] = "",
    tenant: TenantOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Switch an action off at once, or on again."""
    with plain_errors(), product(data_dir=data_dir) as surefoot:
        if bool(action) == every:
            raise InvalidInput("Name one action, or all of them with --all.")
        if action:
            surefoot.registry.get(action)
        operator = Viewer(existing_tenant(surefoot, tenant), "operator", parse_principals(["role:admin"]))
        cancelled = surefoot.actions.switch(operator, env, action or "*", off=off, reason=reason)
    what, now = action or "every action", "off" if off else "on"
    print_line(f"{what} is {now} in {env}" + (f"; {cancelled} waiting runs were cancelled." if off else "."))


@app.command("autonomy")
def autonomy(
    action: Annotated[str, typer.Argument(help="Name of the action.")],
    confirm_by: Annotated[str, typer.Option("--confirm-by", help="Your name: take the step that the log has earned.")] = "",
    tenant: TenantOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look at the log and say how far the assistant may go with an action, and why. It falls by itself; a step up that the log
    has earned is taken when somebody confirms it by name.
    """
    with plain_errors(), product(data_dir=data_dir) as surefoot:
        review = surefoot.actions.review_autonomy(existing_tenant(surefoot, tenant), action, confirmed_by=confirm_by)
    parity = review.evidence.parity
    if as_json:
        print_json(
            {**asdict(review), "parity_low": parity.low, "parity_high": parity.high, "reversals": review.evidence.reversal_rate}
        )
        return
    print_line(f"{action}: {review.level}")
    print_line(f"  {review.reason}")
    if review.earned is not review.level:
        print_line(f"  The log has earned {review.earned}; --confirm-by YOUR-NAME takes the step.")


@app.command("runs")
def runs(
    state: Annotated[list[RunState] | None, typer.Option("--state", help="Only runs in this state; repeatable.")] = None,
    env: Annotated[Env | None, typer.Option("--env", help="Only runs of this environment.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=200, help="At most this many.")] = 50,
    tenant: TenantOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Every run of the tenant, newest first."""
    with plain_errors(), product(data_dir=data_dir) as surefoot:
        operator = Viewer(existing_tenant(surefoot, tenant), "operator", parse_principals(["role:admin"]))
        page = surefoot.actions.page(operator, env=env, states=frozenset(state or ()), limit=limit)
    if as_json:
        print_json([asdict(run) for run in page.runs])
        return
    for run in page.runs:
        print_line(
            f"{run.run_id}  {run.created_at:%Y-%m-%d %H:%M}  {run.env}  {run.kind} {run.action}  {run.state}  by {run.maker}"
        )
    if not page.runs:
        print_line("No runs yet. Try: surefoot actions simulate show_checklist ARGUMENTS")


def print_run(view: RunView) -> None:
    """The run for a person: what it is, what it changes, who spoke, what comes next."""
    run, plan = view.run, view.plan
    print_line(f"{run.run_id}: {run.kind} {run.action} ({run.env}) is {run.state}, wanted by {run.maker}")
    if run.trace_id:
        print_line(f"  trace {run.trace_id}")
    if plan is not None:
        _print_plan(plan)
    for cap in view.caps:
        print_line(f"  cap {cap.cap_id}: {cap.left} of {cap.most} left")
    for record in view.decisions:
        reasons = "; ".join(f"{each.reason} {each.remedy}".strip() for each in record.decision.reasons if each.reason)
        if reasons or record.decision.errors:
            print_line(f"  policy at {record.stage}: {record.decision.effect}. {reasons or '; '.join(record.decision.errors)}")
    for approval in view.approvals:
        print_line(f"  {approval.approver}: {approval.verdict}" + (f" ({one_line(approval.note)})" if approval.note else ""))
    for attempt in view.attempts:
        print_line(f"  call {attempt.number} ({attempt.operation}): {attempt.outcome} {attempt.status}")
    if view.receipt is not None and view.receipt.undo_until is not None:
        print_line(f"  can be undone until {view.receipt.undo_until:%Y-%m-%d %H:%M} UTC")
    if view.steps:
        print_line(f"  next: {', '.join(sorted(view.steps))}")


def _print_plan(plan: Plan) -> None:
    if plan.summary:
        print_line(f"  {plan.summary}")
    for change in plan.changes:
        for step in change.forward:
            value = f" = {json.dumps(step['value'], ensure_ascii=False)}" if "value" in step else ""
            print_line(f"  {change.resource}: {step['op']} {step['path']}{value}")
    print_line(f"  plan {plan.digest}, until {plan.expires_at:%Y-%m-%d %H:%M} UTC")


def _press(step: Step, who: Who, tenant: str | None, data_dir: Path | None, as_json: bool) -> None:
    with plain_errors(), product(data_dir=data_dir) as surefoot:
        viewer = who.viewer(existing_tenant(surefoot, tenant))
        try:
            view = step(surefoot, viewer)
        except UndoConflict as error:
            for difference in error.differences:
                print_line(json.dumps(dict(difference), ensure_ascii=False, default=str))
            raise
    if as_json:
        print_json({**asdict(view), "steps": sorted(view.steps)})
    else:
        print_run(view)


def arguments_of(text: str) -> bytes:
    """The JSON that was given on the command line, or stands in the @FILE named. Raises InvalidInput."""
    if not text.startswith("@"):
        return text.encode()
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise InvalidInput(f"{text[1:]!r} cannot be read ({error.strerror}).") from error
