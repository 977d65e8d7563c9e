"""What the host's answer means for a run, written down in one transaction: receipt, caps, states, audit and events."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from surefoot.actions.calling import outcome_of
from surefoot.actions.moves import SYSTEM, found, moved, summary
from surefoot.actions.parts import ActionParts
from surefoot.actions.windows import undo_until
from surefoot.core.errors import Conflict
from surefoot.domain.actions import ActionSpec, Json, Reversibility
from surefoot.domain.audit import AuditEntry
from surefoot.domain.identity import TenantId
from surefoot.domain.json_patch import inverted
from surefoot.domain.runs import (
    HostDone,
    HostNever,
    HostRejected,
    HostReply,
    HostStale,
    Plan,
    Receipt,
    Run,
    RunKind,
    RunState,
)
from surefoot.ports import UnitOfWork


def receipt_of(run: Run, plan: Plan, spec: ActionSpec, reply: HostDone, now: datetime) -> Receipt:
    """What the host says it did, and until when it can be taken back."""
    is_final = run.kind is RunKind.UNDO or spec.reversibility is Reversibility.IRREVERSIBLE
    return Receipt(
        run_id=run.run_id,
        after_etags=reply.after,
        inverse=inverted(reply.changes or plan.changes),
        undo_handle=reply.undo_handle,
        undo_until=None if is_final else undo_until(spec.undo, run.arguments, now),
        result=dict(reply.result or {}),
        at=now,
    )


def certain(
    parts: ActionParts,
    work: UnitOfWork,
    tenant: TenantId,
    run: Run,
    plan: Plan,
    spec: ActionSpec | None,
    reply: HostReply,
    *,
    actor: str = SYSTEM,
) -> Run | None:
    """The run as an answer that leaves nothing open makes it; None, with nothing changed, for every other answer."""
    match reply:
        case HostDone() if spec is not None:
            receipt = receipt_of(run, plan, spec, reply, parts.clock.now())
            return applied(parts, work, tenant, run, receipt, actor=actor)
        case HostStale() if run.state is not RunState.NEEDS_HUMAN:
            return stale(parts, work, tenant, run, actor=actor)
        case HostStale() | HostNever() | HostRejected():
            return failed(parts, work, tenant, run, outcome_of(reply), actor=actor)
        case _:
            return None


def applied(
    parts: ActionParts,
    work: UnitOfWork,
    tenant: TenantId,
    run: Run,
    receipt: Receipt,
    *,
    actor: str = SYSTEM,
    details: Mapping[str, Json] | None = None,
) -> Run:
    """The run is applied and its caps count; what it took back is undone."""
    work.runs.put_receipt(tenant, receipt)
    work.runs.settle_caps(tenant, run.run_id, committed=True)
    after = moved(parts, work, tenant, replace(run, state=RunState.APPLIED), actor, details=details)
    if run.reverses:
        reversed_run = found(work, tenant, run.reverses)
        # A redo may come after the undo that it reverses has become final; it points back all the same.
        if run.kind is RunKind.UNDO or reversed_run.state is RunState.APPLIED:
            undone = replace(reversed_run, state=RunState.UNDONE, undone_by=run.run_id)
            moved(parts, work, tenant, undone, actor, details={"undone_by": run.run_id})
        if run.kind is RunKind.UNDO and not parts.exposed(tenant, reversed_run):
            work.runs.refund_caps(tenant, run.reverses)
    work.runs.dequeue(tenant, run.run_id)
    return after


def failed(
    parts: ActionParts,
    work: UnitOfWork,
    tenant: TenantId,
    run: Run,
    why: str,
    *,
    actor: str = SYSTEM,
) -> Run:
    """The run has certainly had no effect; what it held of caps is free again."""
    work.runs.settle_caps(tenant, run.run_id, committed=False)
    after = moved(parts, work, tenant, replace(run, state=RunState.FAILED), actor, details={"why": why})
    work.runs.dequeue(tenant, run.run_id)
    return after


def stale(parts: ActionParts, work: UnitOfWork, tenant: TenantId, run: Run, *, actor: str = SYSTEM) -> Run:
    """The run has had no effect, because a resource is not as its plan saw it. It waits to be planned anew, but for an undo,
    over whose conflict a person decides.
    """
    work.runs.settle_caps(tenant, run.run_id, committed=False)
    after = moved(parts, work, tenant, replace(run, state=RunState.STALE), actor)
    work.runs.dequeue(tenant, run.run_id)
    if run.kind is not RunKind.UNDO:
        work.runs.enqueue(tenant, run.run_id, due_at=parts.clock.now())
    return after


def waiting(parts: ActionParts, work: UnitOfWork, tenant: TenantId, run: Run, *, due_at: datetime, is_new: bool) -> Run:
    """The host has taken the run on and will say what became of it: it stays as it is, with its caps held, and is asked about
    when it is due. `is_new` when the host has just said so.
    """
    if not work.runs.swap(tenant, run):
        raise Conflict
    if is_new:
        entry = AuditEntry(parts.clock.now(), SYSTEM, "action.run.accepted", run.run_id, summary(run))
        parts.trail.record(work, tenant, entry)
    work.runs.dequeue(tenant, run.run_id)
    work.runs.enqueue(tenant, run.run_id, due_at=due_at)
    return run


def unknown(parts: ActionParts, work: UnitOfWork, tenant: TenantId, run: Run, *, due_at: datetime, gives_up: bool) -> Run:
    """Nobody can say whether the run has had its effect: its caps stay held, and it waits to be asked about again, or for a
    person when that has gone on for too long.
    """
    after = run
    if run.state is RunState.APPLYING:
        after = moved(parts, work, tenant, replace(run, state=RunState.UNKNOWN), SYSTEM)
    if gives_up:
        after = moved(parts, work, tenant, replace(after, state=RunState.NEEDS_HUMAN), SYSTEM)
        work.runs.dequeue(tenant, run.run_id)
        return after
    if after is run and not work.runs.swap(tenant, run):
        raise Conflict
    work.runs.dequeue(tenant, run.run_id)
    work.runs.enqueue(tenant, run.run_id, due_at=due_at)
    return after
