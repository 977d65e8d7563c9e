"""Taking back and doing again: runs of their own, which overwrite nothing that somebody else wrote since."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from surefoot.actions.calling import host_call, outcome_of, simulated
from surefoot.actions.moves import found
from surefoot.actions.parts import ActionParts, Difference
from surefoot.actions.planning import Claim, Planner
from surefoot.actions.policing import Asker, asker_of, decided
from surefoot.actions.viewing import is_admin, seen, spec_of
from surefoot.core.errors import InvalidInput, NotFound, RunNotAllowed, UndoConflict
from surefoot.domain.actions import ActionSpec, Json, UndoMode
from surefoot.domain.identity import TenantId, Viewer
from surefoot.domain.json_patch import patched
from surefoot.domain.runs import (
    HostDone,
    HostStale,
    PolicyEffect,
    Precondition,
    Receipt,
    Run,
    RunKind,
    RunState,
    Stage,
)


class Undoing:
    """Plans undos and redos. Budgets, caps, quiet hours, change windows, holdouts and the kill switch never stop an undo; only
    tenancy, role, etag and its window do.
    """

    def __init__(self, parts: ActionParts, planner: Planner) -> None:
        self._parts = parts
        self._planner = planner

    def preview(self, viewer: Viewer, run_id: str, *, key: str = "", scope: str = "") -> Claim:
        """The undo run: planned, or denied by the policy, or the one that takes this run back already. The key is the viewer's
        own, unless it is of another `scope`.

        Raises NotFound, RunNotAllowed; UndoConflict with the differences when somebody changed since what the run had changed.
        """
        tenant = viewer.tenant
        with self._parts.store.begin() as work:
            original = seen(self._parts, work, viewer, run_id)
            receipt = work.runs.receipt(tenant, run_id)
            undone_by = work.runs.get(tenant, original.undone_by) if original.undone_by else None
        if original.state is RunState.UNDONE and undone_by is not None and undone_by.kind is RunKind.UNDO:
            return Claim(undone_by, is_open=False, is_replay=True)
        spec = spec_of(self._parts, original)
        held = self._check_undoable(viewer, original, receipt, spec)
        draft = self._planner.draft(
            spec, original.arguments, viewer.user, original.env, key=key, scope=scope, kind=RunKind.UNDO, reverses=run_id
        )
        deadline = min(draft.created_at + spec.simulate_ttl, held.undo_until or draft.deadline)
        claim = self._planner.claim(tenant, replace(_traced(draft, original), deadline=deadline))
        if not claim.is_open:
            return claim
        return replace(claim, run=self._planned(tenant, claim.run, held, spec, asker_of(viewer)))

    def _check_undoable(self, viewer: Viewer, original: Run, receipt: Receipt | None, spec: ActionSpec) -> Receipt:
        run_id = original.run_id
        if viewer.user != original.maker and not is_admin(viewer):
            raise RunNotAllowed(f"Only {original.maker!r}, who made run {run_id!r}, or an administrator can undo it.")
        if original.kind is RunKind.UNDO:
            raise RunNotAllowed(f"The run {run_id!r} is itself an undo; redo run {original.reverses!r} instead.")
        if original.state is not RunState.APPLIED or receipt is None:
            raise RunNotAllowed(f"The run {run_id!r} is {original.state}; only an applied one can be undone.")
        if spec.undo.mode is UndoMode.NONE or receipt.undo_until is None:
            raise RunNotAllowed(
                f"The run {run_id!r} of {original.action!r} cannot be undone; ask the host to reverse it by hand."
            )
        if self._parts.clock.now() >= receipt.undo_until:
            raise RunNotAllowed(
                f"The run {run_id!r} could be undone until {receipt.undo_until.isoformat()}; ask the host to reverse it by hand."
            )
        return receipt

    def _planned(self, tenant: TenantId, run: Run, receipt: Receipt, spec: ActionSpec, asker: Asker) -> Run:
        record = decided(self._parts, tenant, spec, run, Stage.UNDO, asker)
        if record.decision.effect is PolicyEffect.DENY:
            return self._planner.keep(tenant, run, [RunState.DENIED], record)
        call = host_call(
            tenant,
            spec.connector,
            run,
            preconditions=receipt.after_etags,
            changes=receipt.inverse,
            undo_handle=receipt.undo_handle,
        )
        reply = simulated(self._parts, tenant, spec, call)
        self._parts.at("undo:simulated")
        if isinstance(reply, HostDone) and _is_as_left(reply.before, receipt.after_etags):
            plan = self._planner.made(run, spec, reply, receipt.after_etags, expires_at=run.deadline)
            return self._planner.keep(tenant, run, [RunState.PLANNED], record, plan)
        failed = self._planner.refuse(tenant, run, record, call, outcome_of(reply), reply.status)
        if isinstance(reply, HostStale | HostDone):
            raise conflict(receipt, reply)
        return failed

    def conflict_of(self, tenant: TenantId, undo: Run) -> UndoConflict:
        """Why this undo went stale, from what the host shows now."""
        spec = spec_of(self._parts, undo)
        with self._parts.store.begin() as work:
            receipt = work.runs.receipt(tenant, undo.reverses)
        if receipt is None:
            raise NotFound(f"The run {undo.reverses!r} has no receipt.")
        call = host_call(
            tenant,
            spec.connector,
            undo,
            preconditions=receipt.after_etags,
            changes=receipt.inverse,
            undo_handle=receipt.undo_handle,
        )
        reply = simulated(self._parts, tenant, spec, call)
        return conflict(receipt, reply if isinstance(reply, HostStale) else HostStale())

    def redo(self, viewer: Viewer, run_id: str, *, key: str = "") -> Claim:
        """A new run with the arguments of an undone one, simulated afresh as any other. Raises NotFound, RunNotAllowed."""
        tenant = viewer.tenant
        with self._parts.store.begin() as work:
            undone = seen(self._parts, work, viewer, run_id)
            undo = found(work, tenant, undone.undone_by) if undone.undone_by else None
        if undone.state is not RunState.UNDONE or undo is None or undone.kind is RunKind.UNDO:
            raise RunNotAllowed(f"The run {run_id!r} is {undone.state}; only an undone one can be done again.")
        if viewer.user != undone.maker:
            raise RunNotAllowed(f"Only {undone.maker!r}, who made run {run_id!r}, can do it again.")
        spec = self._parts.registry.get(undone.action, int(undone.action_version.split(".")[0]))
        draft = self._planner.draft(
            spec, undone.arguments, viewer.user, undone.env, key=key, kind=RunKind.REDO, reverses=undo.run_id
        )
        claim = self._planner.claim(tenant, _traced(draft, undone))
        if not claim.is_open:
            return claim
        return replace(claim, run=self._planner.plan(tenant, claim.run, spec, asker_of(viewer)))


def _traced(run: Run, origin: Run) -> Run:
    """The run in the trace of what it reverses, so that one id finds the effect and what took it back, and for its account."""
    return replace(run, account=origin.account, trace_id=origin.trace_id, surface=origin.surface)


def _is_as_left(now: Sequence[Precondition], left: Sequence[Precondition]) -> bool:
    """Whether no resource that the host names has another etag than the run left it with."""
    etags = {each.resource: each.etag for each in left}
    return all(etags.get(each.resource, each.etag) == each.etag for each in now)


def conflict(receipt: Receipt, reply: HostStale | HostDone) -> UndoConflict:
    """What stands where, as data and in a sentence."""
    found_ones = differences(receipt, reply)
    names = ", ".join(sorted({each.resource for each in found_ones})) or "what it had changed"
    return UndoConflict(
        f"Somebody changed {names} since run {receipt.run_id!r} did; nothing was overwritten. Look at the differences and mend it"
        " by hand.",
        differences=[asdict(each) for each in found_ones],
    )


def differences(receipt: Receipt, reply: HostStale | HostDone) -> list[Difference]:
    """Every place that the run had changed, in resources that are not as it left them: before, as applied, and now."""
    current = reply.current if isinstance(reply, HostStale) else reply.before
    documents = (reply.documents or {}) if isinstance(reply, HostStale) else {}
    left = {each.resource: each.etag for each in receipt.after_etags}
    changed = {each.resource for each in current if left.get(each.resource) != each.etag} | {
        name for name in documents if name in left and not current
    }
    # A host that names none leaves every one of them in question.
    in_question = changed or set(left)
    return [
        difference
        for change in receipt.inverse
        if change.resource in in_question
        for difference in _places(change.resource, change.forward, change.backward, documents)
    ]


def _places(
    resource: str,
    back: Sequence[Mapping[str, Json]],
    forth: Sequence[Mapping[str, Json]],
    documents: Mapping[str, Json],
) -> list[Difference]:
    before = {str(operation.get("path")): operation.get("value") for operation in back}
    written = {str(operation.get("path")): operation.get("value") for operation in forth}
    is_known = resource in documents
    return [
        Difference(
            resource,
            path,
            before.get(path),
            written.get(path),
            _value_at(documents[resource], path) if is_known else None,
            is_known,
        )
        for path in sorted(before.keys() | written.keys())
    ]


def _value_at(document: Json, path: str) -> Json:
    """What stands at this place; None for nothing."""
    try:
        copied = patched({"to": None, "of": document}, [{"op": "copy", "from": f"/of{path}", "path": "/to"}])
    except InvalidInput:
        return None
    return copied["to"] if isinstance(copied, dict) else None
