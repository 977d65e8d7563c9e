"""The worker: takes runs that wait, calls the host under one delivery id, and goes on wherever another worker died."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import perf_counter

from surefoot.actions.applying import Applier
from surefoot.actions.autonomy import Autonomy
from surefoot.actions.calling import call_hash, host_call, outcome_of
from surefoot.actions.moves import SYSTEM, again, found, moved, told
from surefoot.actions.parts import ActionParts
from surefoot.actions.planning import Planner
from surefoot.actions.playbooks import PREFIX, Playbooks
from surefoot.actions.policing import asker_before, level_of
from surefoot.actions.settling import applied, failed, receipt_of, stale, unknown
from surefoot.actions.viewing import REPLANNED, spec_of
from surefoot.core.errors import NotFound, PlanStale, RunInProgress, RunNotAllowed
from surefoot.domain.actions import ActionSpec, AutonomyLevel, Connector
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import (
    Attempt,
    HostCall,
    HostDone,
    HostNever,
    HostRejected,
    HostReply,
    HostStale,
    HostUnknown,
    Plan,
    Run,
    RunKind,
    RunState,
)
from surefoot.ports import HostApp, UnitOfWork

_UNSETTLED = frozenset({RunState.APPLYING, RunState.UNKNOWN})
_STARTED, _STATUS = "started", "status"
# Where a run of an action whose file is gone would be sent; it is not.
_NOWHERE = Connector("none", "", "")


@dataclass(frozen=True, slots=True)
class _Delivery:
    """One run as it is about to be delivered."""

    run: Run
    plan: Plan
    attempts: tuple[Attempt, ...]
    call: HostCall
    spec: ActionSpec | None
    host: HostApp | None

    @property
    def operation(self) -> str:
        return "undo" if self.run.kind is RunKind.UNDO else "apply"

    @property
    def may_have_arrived(self) -> bool:
        """Whether an earlier attempt ended in nobody knows what: a refusal of this one, by a gateway or for a changed secret,
        then says nothing about that one.
        """
        return any(attempt.outcome.startswith("unknown") for attempt in self.attempts)

    def count(self, operation: str) -> int:
        return sum(attempt.operation == operation for attempt in self.attempts)


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

    def run_once(self, tenant: TenantId | None = None) -> bool:
        """One due run of the tenant (or of any) has moved on as far as it can; False when none was due."""
        if tenant is not None:
            return self._run_once(tenant)
        with self._parts.store.begin() as work:
            tenants = work.tenants.all()
        return any(self._run_once(each) for each in tenants)

    def _run_once(self, tenant: TenantId) -> bool:
        now = self._parts.clock.now()
        with self._parts.store.begin() as work:
            run = work.runs.lease_due(tenant, self._parts.worker_id, now=now, until=now + self._parts.pace.lease)
            if run is None:
                return False
            work.commit()
        self._parts.at("leased")
        if run.action.startswith(PREFIX):
            self._playbooks.advance(tenant, run)
        elif run.state in _UNSETTLED:
            self.deliver(tenant, run.run_id)
        elif run.state is RunState.SCHEDULED:
            self._press_again(tenant, run)
        elif run.state in (RunState.STALE, RunState.EXPIRED):
            self._plan_anew(tenant, run)
        else:
            self._dequeue(tenant, run)
        return True

    def deliver(self, tenant: TenantId, run_id: str) -> None:
        """The host is asked once for a run that is applying or unknown, and its answer written down. Only for whoever holds
        the run's lease, or began it with a head start.
        """
        delivery = self._delivery(tenant, run_id)
        if delivery is None:
            return
        checks_first = delivery.spec is not None and delivery.spec.connector.ref in self._parts.check_first
        is_repeat = delivery.count(_STARTED) > 0
        operation = delivery.operation
        is_tried_out = delivery.run.state is RunState.UNKNOWN and delivery.count(operation) >= self._parts.pace.deliveries
        if is_tried_out or (checks_first and is_repeat):
            operation = _STATUS
        elif checks_first:
            self._note_start(tenant, delivery)
        reply = self._asked(tenant, delivery, operation)
        if operation == _STATUS and isinstance(reply, HostNever) and self._may_deliver_again(delivery, checks_first):
            operation = delivery.operation
            reply = self._asked(tenant, delivery, operation)
        self._parts.at("called")
        after = again(lambda: self._settled(tenant, delivery, operation, reply))
        self._parts.at("settled")
        if after.state is RunState.STALE and after.kind is not RunKind.UNDO:
            self._plan_anew(tenant, after)
        if after.state is RunState.APPLIED and after.kind is RunKind.UNDO and delivery.spec is not None:
            self._look_after_autonomy(tenant, delivery.spec)

    def _look_after_autonomy(self, tenant: TenantId, spec: ActionSpec) -> None:
        """What runs unattended loses that as soon as too much of it is taken back; everything else waits for its review."""
        if level_of(self._parts, tenant, spec) is AutonomyLevel.UNATTENDED:
            self._autonomy.review(tenant, spec, may_promote=False)

    def _delivery(self, tenant: TenantId, run_id: str) -> _Delivery | None:
        with self._parts.store.begin() as work:
            run, plan = found(work, tenant, run_id), work.runs.plan(tenant, run_id)
            attempts = work.runs.attempts(tenant, run_id)
            receipt = work.runs.receipt(tenant, run.reverses) if run.kind is RunKind.UNDO else None
        if run.state not in _UNSETTLED or plan is None:
            return None
        try:
            spec = spec_of(self._parts, run)
        except NotFound:
            spec = None
        host = self._parts.hosts.get(spec.connector.ref) if spec else None
        changes, handle = (receipt.inverse, receipt.undo_handle) if receipt else (plan.changes, "")
        connector = spec.connector if spec else _NOWHERE
        call = host_call(tenant, connector, run, preconditions=plan.preconditions, changes=changes, undo_handle=handle)
        return _Delivery(run, plan, tuple(attempts), call, spec, host)

    def _may_deliver_again(self, delivery: _Delivery, checks_first: bool) -> bool:
        """Whether a call that the host has never seen is made again. A host that knows deliveries then answers for good, and a
        copy that was on its way all the time finds its place taken; with another host a late copy would be a second effect.
        """
        if checks_first:
            return delivery.run.state is RunState.APPLYING
        return self._parts.clock.now() < self._gives_up_at(delivery)

    def _gives_up_at(self, delivery: _Delivery) -> datetime:
        return (delivery.plan.consumed_at or delivery.plan.created_at) + self._parts.pace.settle_within

    def _note_start(self, tenant: TenantId, delivery: _Delivery) -> None:
        with self._parts.store.begin() as work:
            self._add_attempt(work, tenant, delivery, _STARTED, "started", 0)
            work.commit()
        self._parts.at("start-noted")

    def _asked(self, tenant: TenantId, delivery: _Delivery, operation: str) -> HostReply:
        if delivery.host is None:
            return HostUnknown(f"the action {delivery.run.action!r} or its host app is not set up here any more")
        self._parts.at("calling")
        host, is_undo = delivery.host, delivery.run.kind is RunKind.UNDO
        ask = host.status if operation == _STATUS else host.undo if is_undo else host.apply
        started = perf_counter()
        reply = ask(tenant, delivery.call)
        if self._parts.observer is not None:
            self._parts.observer.called(tenant, delivery.run, operation, outcome_of(reply), perf_counter() - started)
        return reply

    def _settled(self, tenant: TenantId, delivery: _Delivery, operation: str, reply: HostReply) -> Run:
        """The run after this answer. What another worker has settled meanwhile stays as it is."""
        now = self._parts.clock.now()
        with self._parts.store.begin() as work:
            run = found(work, tenant, delivery.run.run_id)
            if run.state not in _UNSETTLED:
                return run
            self._add_attempt(work, tenant, delivery, operation, outcome_of(reply), reply.status)
            match reply:
                case HostDone() if delivery.spec is not None:
                    receipt = receipt_of(run, delivery.plan, delivery.spec, reply, now)
                    after = applied(self._parts, work, tenant, run, receipt)
                case HostStale():
                    after = stale(self._parts, work, tenant, run)
                case HostNever():
                    after = failed(self._parts, work, tenant, run, outcome_of(reply))
                case HostRejected() if operation == _STATUS or not delivery.may_have_arrived:
                    after = failed(self._parts, work, tenant, run, outcome_of(reply))
                case _:
                    wait = self._pause(delivery, reply)
                    gives_up = now >= self._gives_up_at(delivery)
                    after = unknown(self._parts, work, tenant, run, due_at=now + wait, gives_up=gives_up)
            self._parts.at("settled:before-commit")
            work.commit()
        return told(self._parts, tenant, after) if after.state is not run.state else after

    def _add_attempt(
        self, work: UnitOfWork, tenant: TenantId, delivery: _Delivery, operation: str, outcome: str, status: int
    ) -> None:
        number = len(work.runs.attempts(tenant, delivery.run.run_id)) + 1
        now = self._parts.clock.now()
        sent = call_hash(delivery.call)
        work.runs.add_attempt(
            tenant, Attempt(delivery.run.run_id, number, delivery.call.delivery_id, operation, outcome, status, sent, now)
        )

    def _pause(self, delivery: _Delivery, reply: HostReply) -> timedelta:
        pace = self._parts.pace
        told = reply.retry_after_seconds if isinstance(reply, HostUnknown) else None
        doubled = pace.first_pause * (1 << min(len(delivery.attempts), 20))
        return min(max(doubled, timedelta(seconds=told or 0)), pace.longest_pause)

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
        draft = replace(draft, trace_id=run.trace_id, surface=run.surface)
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
