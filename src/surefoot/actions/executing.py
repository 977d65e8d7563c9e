"""The worker: takes runs that wait, calls the host under one delivery id, and goes on wherever another worker died."""

from dataclasses import replace

from surefoot.actions.applying import Applier
from surefoot.actions.autonomy import Autonomy
from surefoot.actions.delivering import UNSETTLED, Deliverer, Lease
from surefoot.actions.moves import SYSTEM, again, found, moved, told
from surefoot.actions.parts import ActionParts
from surefoot.actions.planning import Planner
from surefoot.actions.playbook_parts import PREFIX
from surefoot.actions.playbooks import Playbooks
from surefoot.actions.policing import asker_before
from surefoot.actions.viewing import REPLANNED, spec_of
from surefoot.core.errors import NotFound, PlanStale, RunInProgress, RunNotAllowed
from surefoot.core.tracing import note_trace
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import Run, RunKind, RunState


class Worker:
    """Moves waiting runs on. Any number may run, in any number of processes: leases spread the work, the host's idempotency
    makes a lost lease harmless, and every step is a compare-and-swap.
    """

    def __init__(self, parts: ActionParts, planner: Planner, applier: Applier, autonomy: Autonomy, playbooks: Playbooks) -> None:
        self._parts = parts
        self._planner = planner
        self._applier = applier
        self._autonomy = autonomy
        self._playbooks = playbooks
        self._deliverer = Deliverer(parts)

    def run_once(self, tenant: TenantId | None = None) -> bool:
        """One due run of the tenant (or of any) has moved on as far as it can; False when none was due."""
        if tenant is not None:
            return self._run_once(tenant)
        with self._parts.store.begin() as work:
            tenants = work.tenants.all()
        return any(self._run_once(each) for each in tenants)

    def _run_once(self, tenant: TenantId) -> bool:
        now = self._parts.clock.now()
        lease = Lease(self._parts.worker_id, now + self._parts.pace.lease)
        with self._parts.store.begin() as work:
            run = work.runs.lease_due(tenant, lease.owner, now=now, until=lease.until)
            if run is None:
                return False
            work.commit()
        note_trace(trace_id=run.trace_id)
        note_trace(tenant=tenant, surface=run.surface)
        self._parts.at("leased")
        if run.action.startswith(PREFIX):
            self._playbooks.advance(tenant, run)
        elif run.state in UNSETTLED:
            self.deliver(tenant, run.run_id, lease)
        elif run.state is RunState.SCHEDULED:
            self._press_again(tenant, run)
        elif run.state in (RunState.STALE, RunState.EXPIRED):
            self._plan_anew(tenant, run)
        else:
            self._dequeue(tenant, run)
        return True

    def deliver(self, tenant: TenantId, run_id: str, lease: Lease | None = None) -> None:
        """The host is asked once for a run that is applying or unknown, and its answer written down: under the lease, or else
        under that of the press which began the run here with a head start. When that is lost somebody else is at it.
        """
        delivered = self._deliverer.deliver(tenant, run_id, lease)
        if delivered is None:
            return
        after, spec = delivered.run, delivered.spec
        if after.state is RunState.STALE and after.kind is not RunKind.UNDO:
            self._plan_anew(tenant, after)
        if after.state is RunState.APPLIED and after.kind is RunKind.UNDO and spec is not None:
            self._autonomy.look_after(tenant, spec)

    def _press_again(self, tenant: TenantId, run: Run) -> None:
        """A scheduled run is due: the policy is asked again in the name of whoever pressed."""
        with self._parts.store.begin() as work:
            asker = asker_before(work.runs.decisions(tenant, run.run_id), run)
        try:
            self._applier.press(tenant, run.run_id, asker)
        except PlanStale:
            if again(lambda: self._stopped(tenant, run.run_id, RunState.EXPIRED, "its plan expired while it was scheduled")):
                self._plan_anew(tenant, run)
        except RunNotAllowed as error:
            why = str(error)
            again(lambda: self._stopped(tenant, run.run_id, RunState.CANCELLED, why))
            self._dequeue(tenant, run)

    def _stopped(self, tenant: TenantId, run_id: str, state: RunState, why: str) -> bool:
        with self._parts.store.begin() as work:
            run = found(work, tenant, run_id)
            if run.state is not RunState.SCHEDULED:
                return False
            after = moved(self._parts, work, tenant, replace(run, state=state), SYSTEM, details={"why": why})
            work.commit()
        told(self._parts, tenant, after)
        return True

    def _plan_anew(self, tenant: TenantId, run: Run) -> None:
        """A run that went stale has a successor, once; it is applied when it would do exactly what was pressed for and nobody
        needs to approve it. Else it waits for a person.
        """
        if run.kind is not RunKind.UNDO and run.idem_scope != REPLANNED:
            try:
                self._succeeded(tenant, run)
            except RunInProgress:
                # Another worker is at it; the lease brings this run back if that one dies.
                return
            except (RunNotAllowed, NotFound):
                # The successor waits, or was refused, as its own history says.
                pass
        self._dequeue(tenant, run)

    def _succeeded(self, tenant: TenantId, run: Run) -> None:
        with self._parts.store.begin() as work:
            asker = asker_before(work.runs.decisions(tenant, run.run_id), run)
            before, was_approved = work.runs.plan(tenant, run.run_id), bool(work.runs.approvals(tenant, run.run_id))
        spec = spec_of(self._parts, run)
        draft = self._planner.draft(
            spec,
            run.arguments,
            run.maker,
            run.env,
            key=run.run_id,
            scope=REPLANNED,
            kind=run.kind,
            reverses=run.reverses,
            agent=run.agent,
        )
        draft = replace(draft, account=run.account, trace_id=run.trace_id, surface=run.surface)
        claim = self._planner.claim(tenant, replace(draft, reason=run.reason, citations=run.citations))
        successor = self._planner.plan(tenant, claim.run, spec, asker) if claim.is_open else claim.run
        self._parts.at("planned-anew")
        if successor.idem_scope != REPLANNED or successor.state is not RunState.PLANNED or was_approved or before is None:
            return
        with self._parts.store.begin() as work:
            plan = work.runs.plan(tenant, successor.run_id)
        if plan is not None and plan.changes == before.changes and successor.arguments_hash == run.arguments_hash:
            self._applier.press(tenant, successor.run_id, asker, plan_digest=plan.digest)

    def _dequeue(self, tenant: TenantId, run: Run) -> None:
        with self._parts.store.begin() as work:
            work.runs.dequeue(tenant, run.run_id)
            work.commit()
