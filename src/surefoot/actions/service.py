"""Actions as their callers see them: one method for each button."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from surefoot.actions.applying import Applier
from surefoot.actions.approvals import Approvals
from surefoot.actions.autonomy import Autonomy, Review
from surefoot.actions.callbacks import CallbackAnswer, Callbacks
from surefoot.actions.executing import Worker
from surefoot.actions.expiry import Expiry
from surefoot.actions.parts import ActionParts, Request, RunPage, RunView
from surefoot.actions.planning import Claim, Planner
from surefoot.actions.playbook_parts import is_playbook, is_step
from surefoot.actions.playbooks import Playbooks
from surefoot.actions.policing import asker_of
from surefoot.actions.sagas import Sagas
from surefoot.actions.undoing import Undoing
from surefoot.actions.viewing import page, seen, spec_of, view
from surefoot.core.errors import InvalidAction, NotFound, RunNotAllowed
from surefoot.domain.actions import ActionSpec, Env
from surefoot.domain.identity import TenantId, Viewer
from surefoot.domain.runs import Run, RunState, Verdict


class Actions:
    """Simulate, approve, apply, undo. Every method answers with the run as it then stands; safe from many threads."""

    def __init__(self, parts: ActionParts) -> None:
        self._parts = parts
        self._planner = Planner(parts)
        self._applier = Applier(parts)
        self._approvals = Approvals(parts)
        self._undoing = Undoing(parts, self._planner)
        self._expiry = Expiry(parts)
        self._autonomy = Autonomy(parts)
        self._callbacks = Callbacks(parts, self._autonomy)
        sagas = Sagas(parts, self._planner, self._applier, self._undoing)
        self.playbooks = Playbooks(parts, self._planner, self._approvals, self._undoing, sagas)
        self.worker = Worker(parts, self._planner, self._applier, self._autonomy, self.playbooks)

    def propose(self, maker: Viewer, request: Request) -> RunView:
        """The run, simulated: planned or awaiting approval; denied or suggested when the policy says so; failed when the host
        refused to simulate it. A known key with the same payload answers with the stored run, `replayed`.

        Raises InvalidAction and NotFound (nothing is stored), IdempotencyMismatch, RunInProgress.
        """
        asker = asker_of(maker)
        wanted, spec = self._wanted(maker, request)
        claim = self._planner.claim(maker.tenant, wanted)
        if claim.is_open:
            by = replace(asker, is_agent=asker.is_agent or bool(request.agent))
            self._planner.plan(maker.tenant, claim.run, spec, by)
        return self._answer(maker, claim)

    def take_up(self, viewer: Viewer, run_id: str) -> RunView:
        """A suggested run is the viewer's own wish now, and simulated."""
        with self._parts.store.begin() as work:
            run = seen(self._parts, work, viewer, run_id)
        asker = asker_of(viewer)
        if viewer.user != run.maker or asker.is_agent:
            raise RunNotAllowed(f"Only {run.maker!r}, for whom run {run_id!r} is suggested, can take it up.")
        if run.state is RunState.SUGGESTED:
            self._planner.plan(viewer.tenant, run, spec_of(self._parts, run), asker)
        return view(self._parts, viewer, run_id)

    def approve(self, approver: Viewer, run_id: str, plan_digest: str, note: str = "") -> RunView:
        """The approver's word counts; approved once the quorum is there. Raises RunNotAllowed, PlanStale, NotFound."""
        self._approvals.speak(approver, run_id, plan_digest, Verdict.APPROVE, note)
        return view(self._parts, approver, run_id)

    def reject(self, approver: Viewer, run_id: str, plan_digest: str, note: str = "") -> RunView:
        """The run is rejected. Raises as approve does."""
        self._approvals.speak(approver, run_id, plan_digest, Verdict.REJECT, note)
        return view(self._parts, approver, run_id)

    def apply(self, viewer: Viewer, run_id: str, *, plan_digest: str = "", by_agent: bool = False, wait: bool = False) -> RunView:
        """The run is applying (or scheduled, denied, suggested, as the policy says on fresh facts); with `wait` the host is
        called here and the answer is its outcome. A second press does nothing new.

        Raises RunNotAllowed, PlanStale (simulate again), NotFound.
        """
        with self._parts.store.begin() as work:
            run = seen(self._parts, work, viewer, run_id)
        if viewer.user != run.maker:
            raise RunNotAllowed(f"Only {run.maker!r}, who made run {run_id!r}, can apply it.")
        if is_playbook(run):
            raise RunNotAllowed(f"The run {run_id!r} is a playbook's, whose steps are applied together; apply the playbook.")
        if is_step(run):
            raise RunNotAllowed(f"The run {run_id!r} is a step of a playbook, which applies it in its turn; apply the playbook.")
        self._press(viewer, run_id, plan_digest=plan_digest, by_agent=by_agent, wait=wait)
        return view(self._parts, viewer, run_id)

    def preview_undo(self, viewer: Viewer, run_id: str, *, key: str = "") -> RunView:
        """A run of kind undo, planned: its plan shows what is put back.

        Raises UndoConflict with the differences, RunNotAllowed, NotFound.
        """
        return self._answer(viewer, self._undoing.preview(viewer, run_id, key=key))

    def undo(self, viewer: Viewer, run_id: str, *, key: str = "", wait: bool = False) -> RunView:
        """The undo run, applying; with `wait` its outcome. What somebody else wrote since is never overwritten: UndoConflict."""
        claim = self._undoing.preview(viewer, run_id, key=key)
        if claim.run.state is RunState.PLANNED and claim.run.maker == viewer.user:
            self._press(viewer, claim.run.run_id, wait=wait)
        answer = self._answer(viewer, claim)
        if answer.run.state is RunState.STALE:
            raise self._undoing.conflict_of(viewer.tenant, answer.run)
        return answer

    def redo(self, viewer: Viewer, run_id: str, *, key: str = "") -> RunView:
        """A new run with the arguments of an undone one, simulated afresh."""
        return self._answer(viewer, self._undoing.redo(viewer, run_id, key=key))

    def cancel(self, viewer: Viewer, run_id: str, note: str = "") -> RunView:
        """The run is cancelled, a playbook's with its steps; impossible once applying has begun (RunNotAllowed)."""
        with self._parts.store.begin() as work:
            run = seen(self._parts, work, viewer, run_id)
        if is_playbook(run):
            self.playbooks.cancel(viewer, run_id, note)
        else:
            self._expiry.cancel(viewer, run_id, note)
        return view(self._parts, viewer, run_id)

    def settle(self, admin: Viewer, run_id: str, *, happened: bool, note: str) -> RunView:
        """A run that needs a human is applied, or failed, on a person's word."""
        self._expiry.settle(admin, run_id, happened=happened, note=note)
        return view(self._parts, admin, run_id)

    def show(self, viewer: Viewer, run_id: str) -> RunView:
        """The run with its whole history. Raises NotFound also for what is not the viewer's to see."""
        return view(self._parts, viewer, run_id)

    def page(
        self,
        viewer: Viewer,
        *,
        env: Env | None = None,
        states: frozenset[RunState] = frozenset(),
        mine: bool = False,
        after: str = "",
        limit: int = 50,
    ) -> RunPage:
        """Runs that the viewer may see, newest first."""
        return page(self._parts, viewer, env=env, states=states, mine=mine, after=after, limit=limit)

    def switch(self, admin: Viewer, env: Env, action: str, *, off: bool, reason: str) -> int:
        """The action (`*`: all) is switched off or on again; returns how many waiting runs were cancelled by it."""
        return self._expiry.switch(admin, env, action, off=off, reason=reason)

    def takes_callbacks(self, host: str) -> bool:
        """Whether this host could sign callbacks."""
        return host in self._parts.callback_secrets

    def receive_callback(self, host: str, headers: Mapping[str, str], body: bytes) -> CallbackAnswer:
        """What the host says later about a delivery that it took on is settled, once. Raises as Callbacks.receive does."""
        return self._callbacks.receive(host, headers, body)

    def review_autonomy(self, tenant: TenantId, action: str, *, confirmed_by: str = "") -> Review:
        """How far the agent may go with this action after a look at the log, and why. It climbs only when the log has earned it
        and somebody confirms it by name. Raises NotFound.
        """
        spec = self._parts.registry.get(action)
        return self._autonomy.review(tenant, spec, confirmed_by=confirmed_by)

    def review_due(self, tenant: TenantId) -> tuple[Review, ...]:
        """Every action is reviewed when a review is due, by one worker of the tenant alone; call it often."""
        return self._autonomy.review_due(tenant)

    def expire_due(self, tenant: TenantId, now: datetime | None = None) -> int:
        """Every run whose time has run out is expired, and every applied one whose undo window is over is final; returns
        how many changed.
        """
        return self._expiry.expire_due(tenant, now or self._parts.clock.now())

    def _wanted(self, maker: Viewer, request: Request) -> tuple[Run, ActionSpec]:
        observer = self._parts.observer
        try:
            wanted, spec = self._planner.wanted(maker.tenant, asker_of(maker), request)
        except InvalidAction:
            if observer is not None:
                observer.requested(maker.tenant, request.action, is_valid=False)
            raise
        if observer is not None:
            observer.requested(maker.tenant, spec.name, is_valid=True)
        return wanted, spec

    def _press(self, viewer: Viewer, run_id: str, *, plan_digest: str = "", by_agent: bool = False, wait: bool = False) -> None:
        # Whoever waits calls the host in this thread; workers leave the run alone for as long as a lease would hold.
        head_start = self._parts.pace.lease if wait else timedelta()
        asker = asker_of(viewer, by_agent=by_agent)
        pressed = self._applier.press(viewer.tenant, run_id, asker, plan_digest=plan_digest, head_start=head_start)
        if wait and pressed.is_begun:
            self.worker.deliver(viewer.tenant, run_id)

    def _answer(self, viewer: Viewer, claim: Claim) -> RunView:
        try:
            return view(self._parts, viewer, claim.run.run_id, replayed=claim.is_replay)
        except NotFound:
            raise RunNotAllowed("The same is under way already, asked for by somebody else.") from None
