"""What people see of runs: their own, those that wait for their approval, and administrators all of the tenant's."""

from surefoot.actions.arguments import cap_keys
from surefoot.actions.gating import names_of_red
from surefoot.actions.moves import STOPPABLE, found
from surefoot.actions.parts import ADMIN_ROLE, ActionParts, CapCount, RunPage, RunView
from surefoot.actions.policing import roles_of
from surefoot.actions.windows import window_start
from surefoot.core.errors import NotFound
from surefoot.domain.actions import ActionSpec, Env, UndoMode
from surefoot.domain.identity import TenantId, Viewer
from surefoot.domain.runs import Approval, CapHold, Receipt, Run, RunKind, RunState
from surefoot.ports import UnitOfWork

APPROVER_ROLE = "approver"
REPLANNED = "replan"
MAX_PAGE = 200
_READY = frozenset({RunState.PLANNED, RunState.APPROVED, RunState.SCHEDULED})


def spec_of(parts: ActionParts, run: Run) -> ActionSpec:
    """The action as the run knows it. Raises NotFound when its file is gone."""
    return parts.registry.get(run.action, int(run.action_version.split(".")[0]))


def is_admin(viewer: Viewer) -> bool:
    """Whether the viewer looks after all of the tenant's runs."""
    return ADMIN_ROLE in roles_of(viewer)


def is_approver(viewer: Viewer, spec: ActionSpec, run: Run) -> bool:
    """Whether the viewer is one of those who are asked: somebody else than who wants it, with a role that the action names."""
    return viewer.user not in {run.maker, run.agent} and bool(
        roles_of(viewer) & frozenset(spec.approval.roles or {APPROVER_ROLE, ADMIN_ROLE})
    )


def seen(parts: ActionParts, work: UnitOfWork, viewer: Viewer, run_id: str) -> Run:
    """The run, for a viewer who may see it. Raises NotFound for what does not exist and for what is not theirs, alike."""
    run = found(work, viewer.tenant, run_id)
    if not _may_see(parts, viewer, run, work.runs.approvals(viewer.tenant, run_id)):
        raise NotFound
    return run


def view(parts: ActionParts, viewer: Viewer, run_id: str, *, replayed: bool = False) -> RunView:
    """The run with its whole history, of one moment. Raises NotFound."""
    tenant = viewer.tenant
    with parts.store.begin() as work:
        run = seen(parts, work, viewer, run_id)
        receipt = work.runs.receipt(tenant, run_id)
        successor = work.runs.by_key(tenant, run.env, REPLANNED, run_id)
        return RunView(
            run=run,
            plan=work.runs.plan(tenant, run_id),
            decisions=tuple(work.runs.decisions(tenant, run_id)),
            approvals=tuple(work.runs.approvals(tenant, run_id)),
            attempts=tuple(work.runs.attempts(tenant, run_id)),
            receipt=receipt,
            caps=_counts(parts, work, tenant, run),
            steps=_steps(parts, viewer, run, receipt),
            replayed=replayed,
            successor="" if successor is None else successor.run_id,
            red_gates=names_of_red(work, tenant, run),
        )


def page(
    parts: ActionParts, viewer: Viewer, *, env: Env | None, states: frozenset[RunState], mine: bool, after: str, limit: int
) -> RunPage:
    """Runs of the viewer, and those that wait for their approval; all of the tenant's for an administrator. Newest first."""
    wanted = max(1, min(limit, MAX_PAGE))
    sees_all = is_admin(viewer) and not mine
    with parts.store.begin() as work:
        maker = "" if sees_all else viewer.user
        shown = work.runs.page(viewer.tenant, env=env, states=states, maker=maker, after=after, limit=wanted + 1)
        if not sees_all and not mine and (not states or RunState.AWAITING_APPROVAL in states):
            shown = shown + _to_approve(parts, work, viewer, env, after, wanted + 1)
    newest = sorted({run.run_id: run for run in shown}.values(), key=lambda run: run.run_id, reverse=True)
    return RunPage(tuple(newest[:wanted]), newest[wanted - 1].run_id if len(newest) > wanted else "")


def _to_approve(parts: ActionParts, work: UnitOfWork, viewer: Viewer, env: Env | None, after: str, limit: int) -> list[Run]:
    """Up to `limit` runs that wait for this viewer, newest first. Only those that wait are looked through."""
    waiting: list[Run] = []
    while len(waiting) < limit:
        states = frozenset({RunState.AWAITING_APPROVAL})
        runs = work.runs.page(viewer.tenant, env=env, states=states, maker="", after=after, limit=MAX_PAGE)
        waiting += [run for run in runs if _may_see(parts, viewer, run, [])]
        if len(runs) < MAX_PAGE:
            break
        after = runs[-1].run_id
    return waiting[:limit]


def cap_holds(parts: ActionParts, tenant: TenantId, spec: ActionSpec, run: Run) -> tuple[CapHold, ...]:
    """What the run takes of each cap, in windows that end now."""
    now, zone = parts.clock.now(), parts.calendar.zone(tenant)
    keys = cap_keys(spec, run.arguments, tenant=tenant, account=run.account or tenant, user=run.maker)
    return tuple(
        CapHold(each.cap.id, each.key, window_start(each.cap.window, now, zone), each.cap.max)
        for each in sorted(keys, key=lambda each: (each.cap.id, each.key))
    )


def _counts(parts: ActionParts, work: UnitOfWork, tenant: TenantId, run: Run) -> tuple[CapCount, ...]:
    if run.kind is RunKind.UNDO:
        return ()
    try:
        holds = cap_holds(parts, tenant, spec_of(parts, run), run)
    except NotFound:
        # The history stays readable when the action's file is gone; there are no caps to count any more.
        return ()
    used = [work.runs.cap_used(tenant, run.env, hold.cap_id, hold.key, since=hold.since) for hold in holds]
    return tuple(CapCount(hold.cap_id, hold.key, count, hold.most) for hold, count in zip(holds, used, strict=True))


def _may_see(parts: ActionParts, viewer: Viewer, run: Run, approvals: list[Approval]) -> bool:
    if run.maker == viewer.user or is_admin(viewer) or any(each.approver == viewer.user for each in approvals):
        return True
    if run.state is not RunState.AWAITING_APPROVAL:
        return False
    try:
        return is_approver(viewer, spec_of(parts, run), run)
    except NotFound:
        return False


def _steps(parts: ActionParts, viewer: Viewer, run: Run, receipt: Receipt | None) -> frozenset[str]:
    """What this viewer may try now; whether it succeeds is decided on fresh facts when they do."""
    try:
        spec = spec_of(parts, run)
    except NotFound:
        return frozenset()
    is_maker, looks_after = run.maker == viewer.user, run.maker == viewer.user or is_admin(viewer)
    within_window = receipt is not None and receipt.undo_until is not None and parts.clock.now() < receipt.undo_until
    is_effect = run.kind is not RunKind.UNDO
    is_undoable = run.state is RunState.APPLIED and is_effect and within_window and spec.undo.mode is not UndoMode.NONE
    open_steps = {
        "approve": run.state is RunState.AWAITING_APPROVAL and is_approver(viewer, spec, run),
        "reject": run.state is RunState.AWAITING_APPROVAL and is_approver(viewer, spec, run),
        "take_up": run.state is RunState.SUGGESTED and is_maker,
        "apply": run.state in _READY and is_maker,
        "cancel": run.state in STOPPABLE and looks_after,
        "undo": is_undoable and looks_after,
        "redo": run.state is RunState.UNDONE and is_effect and is_maker,
        "settle": run.state is RunState.NEEDS_HUMAN and is_admin(viewer),
    }
    return frozenset(step for step, is_open in open_steps.items() if is_open)
