"""A playbook that has begun: its steps one after another, and what was done taken back in reverse when a later one fails."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from surefoot.actions.applying import READY, Applier
from surefoot.actions.moves import STOPPABLE, SYSTEM, again, found, moved, told
from surefoot.actions.parts import ActionParts, Request
from surefoot.actions.planning import Planner
from surefoot.actions.playbook_parts import (
    DONE,
    HOLDS,
    asker_of_parent,
    cancelled_rest,
    scope_of,
    step_runs,
    steps_of,
    successor,
    through,
    undo_scope_of,
    viewer_of_parent,
)
from surefoot.actions.policing import Asker, asker_of
from surefoot.actions.undoing import Undoing
from surefoot.actions.viewing import REPLANNED, spec_of
from surefoot.core.errors import InvalidInput, NotFound, RunInProgress, RunNotAllowed
from surefoot.domain.actions import ActionSpec, Json
from surefoot.domain.audit import AuditEntry
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import Receipt, Run, RunKind, RunState

_TAKES_TIME = frozenset({RunState.PROPOSED, RunState.AWAITING_APPROVAL, RunState.SCHEDULED, RunState.APPLYING, RunState.UNKNOWN})
_GONE = (RunState.UNKNOWN, RunState.NEEDS_HUMAN)
# Calls the host for a run that was just begun; a worker does it later when there is none.
Deliver = Callable[[TenantId, str], None]


class Sagas:
    """Moves playbooks on. The parent waits in the same queue as other runs, so that any worker goes on where one died."""

    def __init__(self, parts: ActionParts, planner: Planner, applier: Applier, undoing: Undoing) -> None:
        self._parts = parts
        self._planner = planner
        self._applier = applier
        self._undoing = undoing

    def advance(self, tenant: TenantId, parent: Run, deliver: Deliver | None = None) -> None:
        """The playbook has gone as far as it can without waiting; for whoever holds the parent's lease, or began it."""
        if parent.state is not RunState.APPLYING:
            self._dequeue(tenant, parent)
        elif parent.kind is RunKind.UNDO:
            self._take_back(tenant, parent, deliver)
        else:
            self._go_on(tenant, parent, deliver)

    def claimed(self, tenant: TenantId, parent: Run, number: int) -> tuple[Run, ActionSpec, bool]:
        """The step's run, planned, its action, and whether it is this playbook's: the same may be under way for another
        reason, which is not ours to build on, nor to take back. Raises RunInProgress.
        """
        step, asker = steps_of(parent)[number], asker_of_parent(parent)
        arguments, major = step["arguments"], step["major"]
        assert isinstance(arguments, Mapping) and isinstance(major, int)
        request = Request(
            str(step["action"]),
            arguments,
            str(number),
            parent.env,
            citations=parent.citations,
            major=major,
            trace_id=parent.trace_id,
            surface=parent.surface,
        )
        wanted, spec = self._planner.wanted(tenant, asker, request)
        why = f"step {number + 1} of {parent.action}. {parent.reason}".strip()
        claim = self._planner.claim(tenant, replace(wanted, idem_scope=scope_of(parent), reason=why))
        if claim.run.idem_scope != scope_of(parent):
            return claim.run, spec, False
        return (self._planner.plan(tenant, claim.run, spec, asker) if claim.is_open else claim.run), spec, True

    def _go_on(self, tenant: TenantId, parent: Run, deliver: Deliver | None) -> None:
        for number in range(len(steps_of(parent))):
            run = self._step(tenant, parent, number, deliver)
            self._parts.at("playbook:step")
            if run is None or run.state in _TAKES_TIME:
                self._look_again(tenant, parent)
                return
            if run.state not in DONE:
                self._compensate(tenant, parent, stopped_at=run, deliver=deliver)
                return
        self._applied(tenant, parent)

    def _step(self, tenant: TenantId, parent: Run, number: int, deliver: Deliver | None) -> Run | None:
        """The step's run, begun if nothing stands against it; None while somebody else is at it."""
        asker = asker_of_parent(parent)
        try:
            run, spec, is_ours = self.claimed(tenant, parent, number)
            if not is_ours:
                return replace(run, state=RunState.CANCELLED)
            run = self._renewed(tenant, run, spec, asker)
        except RunInProgress:
            return None
        except (NotFound, InvalidInput):
            # The action's file is gone, or is another one by now; what was previewed by it can only be given up.
            return self._given_up(tenant, parent, number)
        if run.state not in READY or run.state is RunState.SCHEDULED:
            return run
        self._record_compensation(tenant, parent, run)
        try:
            return self._pressed(tenant, run, asker, deliver)
        except RunNotAllowed:
            return replace(run, state=RunState.CANCELLED)

    def _given_up(self, tenant: TenantId, parent: Run, number: int) -> Run:
        """The step's run as what cannot go on: cancelled, unless it has begun."""
        with self._parts.store.begin() as work:
            run = work.runs.by_key(tenant, parent.env, scope_of(parent), str(number))
        if run is None:
            raise NotFound(f"Step {number + 1} of {parent.run_id!r} was never previewed.")
        return replace(run, state=RunState.CANCELLED) if run.state in STOPPABLE else run

    def _renewed(self, tenant: TenantId, run: Run, spec: ActionSpec, asker: Asker) -> Run:
        """The step as it was previewed; or, when that preview has expired, one planned anew that would do exactly the same.
        What somebody approved is never planned anew without them. Raises RunInProgress.
        """
        with self._parts.store.begin() as work:
            run = successor(work, tenant, found(work, tenant, run.run_id))
            plan, was_approved = work.runs.plan(tenant, run.run_id), bool(work.runs.approvals(tenant, run.run_id))
        now = self._parts.clock.now()
        is_expired = run.state is RunState.EXPIRED or (
            run.state is RunState.PLANNED and plan is not None and plan.expires_at <= now
        )
        if not is_expired or was_approved or run.idem_scope == REPLANNED:
            return run
        if run.state is RunState.PLANNED:
            run = through(self._parts, tenant, run, [RunState.EXPIRED], "its preview expired before its turn came")
        draft = self._planner.draft(
            spec_of(self._parts, run), run.arguments, run.maker, run.env, key=run.run_id, scope=REPLANNED, agent=run.agent
        )
        draft = replace(draft, account=run.account, trace_id=run.trace_id, surface=run.surface)
        claim = self._planner.claim(tenant, replace(draft, reason=run.reason, citations=run.citations))
        if claim.run.idem_scope != REPLANNED:
            return run
        renewed = self._planner.plan(tenant, claim.run, spec, asker) if claim.is_open else claim.run
        with self._parts.store.begin() as work:
            fresh = work.runs.plan(tenant, renewed.run_id)
        if renewed.state is RunState.PLANNED and (fresh is None or plan is None or fresh.changes != plan.changes):
            return through(self._parts, tenant, renewed, [RunState.CANCELLED], "it would do something else by now")
        return renewed

    def _pressed(self, tenant: TenantId, run: Run, asker: Asker, deliver: Deliver | None) -> Run:
        head_start = self._parts.pace.lease if deliver is not None else timedelta()
        pressed = self._applier.press(tenant, run.run_id, asker, head_start=head_start)
        if deliver is None or not pressed.is_begun:
            return pressed.run
        deliver(tenant, run.run_id)
        with self._parts.store.begin() as work:
            return successor(work, tenant, found(work, tenant, run.run_id))

    def _record_compensation(self, tenant: TenantId, parent: Run, run: Run) -> None:
        """How the step will be taken back is written down before it begins, so that nothing is done that nobody knows to undo."""
        with self._parts.store.begin() as work:
            details: dict[str, Json] = {"step": run.run_id, "action": run.action, "how": "undo"}
            entry = AuditEntry(self._parts.clock.now(), SYSTEM, "action.playbook.compensation", parent.run_id, details)
            self._parts.trail.record(work, tenant, entry)
            work.commit()
        self._parts.at("playbook:compensation-recorded")

    def _compensate(self, tenant: TenantId, parent: Run, *, stopped_at: Run, deliver: Deliver | None) -> None:
        """Every step that was done is undone, the last first; what cannot be leaves the playbook partial, for a person."""
        why = f"the step {stopped_at.run_id} is {stopped_at.state}"
        cancelled_rest(self._parts, tenant, parent, why)
        with self._parts.store.begin() as work:
            done = [run for run in step_runs(work, tenant, parent) if run.state in HOLDS]
        wrong = self._undone_all(tenant, parent, done, deliver)
        if wrong is None:
            self._look_again(tenant, parent)
        elif wrong:
            through(self._parts, tenant, parent, _GONE, f"{why}; {wrong}")
        else:
            self._end(tenant, parent, (RunState.APPLIED, RunState.UNDONE), f"{why}; every step before it was taken back")

    def _take_back(self, tenant: TenantId, parent: Run, deliver: Deliver | None) -> None:
        """The undo of a whole playbook: as a compensation, but by somebody's wish."""
        with self._parts.store.begin() as work:
            original = found(work, tenant, parent.reverses)
            done = [run for run in step_runs(work, tenant, original) if run.state in HOLDS]
        wrong = self._undone_all(tenant, parent, done, deliver)
        if wrong is None:
            self._look_again(tenant, parent)
        elif wrong:
            through(self._parts, tenant, parent, _GONE, wrong)
        else:
            self._end(tenant, parent, (RunState.APPLIED,), "every step was taken back", original_id=original.run_id)

    def _undone_all(self, tenant: TenantId, parent: Run, done: list[Run], deliver: Deliver | None) -> str | None:
        """Empty when all of these are taken back, the last first; why one cannot be; None while one takes time."""
        viewer = viewer_of_parent(tenant, parent)
        for run in reversed(done):
            if run.state is not RunState.APPLIED:
                # Whether it happened is not known, or it is final: it is never taken back without asking.
                return f"{run.run_id} is {run.state}"
            try:
                # One key for all looks: an undo that the host refused is not tried for ever, a person has to see it.
                undo = self._undoing.preview(viewer, run.run_id, key=run.run_id, scope=undo_scope_of(parent)).run
                if undo.state is RunState.PLANNED:
                    undo = self._pressed(tenant, undo, asker_of(viewer), deliver)
            except RunInProgress:
                return None
            except RunNotAllowed as error:
                return str(error)
            except NotFound:
                return f"{run.run_id} cannot be undone: the action {run.action!r} is not set up here any more"
            self._parts.at("playbook:undoing")
            if undo.state in _TAKES_TIME:
                return None
            if undo.state not in DONE:
                return f"undo {undo.run_id} is {undo.state}"
        return ""

    def _applied(self, tenant: TenantId, parent: Run) -> None:
        """The parent is applied, and can be undone for as long as every one of its steps can."""
        with self._parts.store.begin() as work:
            receipts = [work.runs.receipt(tenant, run.run_id) for run in step_runs(work, tenant, parent)]
        ends = [receipt.undo_until if receipt else None for receipt in receipts]
        known = [moment for moment in ends if moment is not None]
        until: datetime | None = min(known) if len(known) == len(ends) else None
        self._end(tenant, parent, (RunState.APPLIED,), "every step is applied", undo_until=until)

    def _end(
        self,
        tenant: TenantId,
        parent: Run,
        states: tuple[RunState, ...],
        why: str,
        *,
        undo_until: datetime | None = None,
        original_id: str = "",
    ) -> None:
        def once() -> Run | None:
            with self._parts.store.begin() as work:
                run = found(work, tenant, parent.run_id)
                if run.state is not RunState.APPLYING:
                    return None
                for state in states:
                    run = moved(self._parts, work, tenant, replace(run, state=state), SYSTEM, details={"why": why})
                work.runs.put_receipt(tenant, Receipt(run.run_id, (), (), "", undo_until, {}, self._parts.clock.now()))
                if original_id:
                    original = replace(found(work, tenant, original_id), state=RunState.UNDONE, undone_by=run.run_id)
                    moved(self._parts, work, tenant, original, SYSTEM, details={"undone_by": run.run_id})
                work.runs.dequeue(tenant, parent.run_id)
                work.commit()
                return run

        ended = again(once)
        if ended is not None:
            told(self._parts, tenant, ended)

    def _look_again(self, tenant: TenantId, parent: Run) -> None:
        with self._parts.store.begin() as work:
            work.runs.dequeue(tenant, parent.run_id)
            work.runs.enqueue(tenant, parent.run_id, due_at=self._parts.clock.now() + self._parts.pace.first_pause)
            work.commit()

    def _dequeue(self, tenant: TenantId, parent: Run) -> None:
        with self._parts.store.begin() as work:
            work.runs.dequeue(tenant, parent.run_id)
            work.commit()
