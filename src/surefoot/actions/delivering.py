"""A run goes to its host: every call is written down before it is made, and what comes back is settled or waited out."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import perf_counter

from surefoot.actions.calling import ACCEPTED, call_hash, host_call, outcome_of
from surefoot.actions.moves import again, found, told
from surefoot.actions.parts import ActionParts
from surefoot.actions.settling import certain, unknown, waiting
from surefoot.actions.viewing import spec_of
from surefoot.core.errors import Conflict, NotFound
from surefoot.domain.actions import ActionSpec, Connector
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import (
    SENT,
    Attempt,
    HostAccepted,
    HostCall,
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

UNSETTLED = frozenset({RunState.APPLYING, RunState.UNKNOWN})
_STATUS = "status"
# Where a run of an action whose file is gone would be sent; it is not.
_NOWHERE = Connector("none", "", "")
_REFUSALS = ("rejected", "stale")


@dataclass(frozen=True, slots=True)
class Lease:
    """Whose a run is, and until when. Somebody else's, or the same worker's for another time, is another lease."""

    owner: str
    until: datetime


def press_lease(parts: ActionParts, pressed_at: datetime) -> Lease:
    """The lease of a press that began a run at this moment and calls the host itself."""
    return Lease(f"{parts.worker_id}/press", pressed_at + parts.pace.lease)


@dataclass(frozen=True, slots=True)
class Delivered:
    """A run after a call, with its action unless that is gone."""

    run: Run
    spec: ActionSpec | None


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
    def tries(self) -> tuple[Attempt, ...]:
        """The calls that could have had an effect."""
        return tuple(attempt for attempt in self.attempts if attempt.operation == self.operation)

    @property
    def may_have_arrived(self) -> bool:
        """Whether an earlier call was begun and may have had its effect: a refusal of this one, by a gateway or for a changed
        secret, then says nothing about that one.
        """
        return any(_is_open(attempt) for attempt in self.tries)

    @property
    def accepted_at(self) -> datetime | None:
        """When the host first took it on, to tell later what became of it."""
        return next((attempt.at for attempt in self.attempts if attempt.outcome == ACCEPTED), None)

    @property
    def is_contradicted(self) -> bool:
        """Whether the last call was refused although an earlier one may have arrived; only the host knows which is true."""
        return self.may_have_arrived and self.tries[-1].outcome.startswith(_REFUSALS)


class Deliverer:
    """Calls hosts. For whoever holds a run's lease."""

    def __init__(self, parts: ActionParts) -> None:
        self._parts = parts

    def deliver(self, tenant: TenantId, run_id: str, lease: Lease | None = None) -> Delivered | None:
        """The host was asked about a run that is applying or unknown, and its answer is written down; None, and the host was
        not asked, when the run is settled or the lease is not held any more. Without one, it is the press's own.
        """
        delivery = self._delivery(tenant, run_id)
        if delivery is None or delivery.plan.consumed_at is None:
            return None
        lease = lease or press_lease(self._parts, delivery.plan.consumed_at)
        attempt = self._begun(tenant, delivery, self._operation(delivery), lease)
        if attempt is None:
            return None
        reply = self._asked(tenant, delivery, attempt.operation)
        if attempt.operation == _STATUS and isinstance(reply, HostNever) and self._may_deliver_again(delivery):
            delivery = self._with_end(tenant, delivery, attempt, reply)
            attempt = self._begun(tenant, delivery, delivery.operation, lease)
            if attempt is None:
                return None
            reply = self._asked(tenant, delivery, attempt.operation)
        self._parts.at("called")
        settled = (delivery, attempt, reply)
        after = again(lambda: self._settled(tenant, *settled))
        self._parts.at("settled")
        return Delivered(after, delivery.spec)

    def _delivery(self, tenant: TenantId, run_id: str) -> _Delivery | None:
        with self._parts.store.begin() as work:
            run, plan = found(work, tenant, run_id), work.runs.plan(tenant, run_id)
            attempts = work.runs.attempts(tenant, run_id)
            receipt = work.runs.receipt(tenant, run.reverses) if run.kind is RunKind.UNDO else None
        if run.state not in UNSETTLED or plan is None:
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

    def _operation(self, delivery: _Delivery) -> str:
        """Whether the host is called, or asked what became of a call."""
        tries = len(delivery.tries)
        is_tried_out = delivery.run.state is RunState.UNKNOWN and tries >= self._parts.pace.deliveries
        is_asked_first = self._checks_first(delivery) and tries > 0
        is_asked = is_tried_out or is_asked_first or delivery.is_contradicted or delivery.accepted_at is not None
        return _STATUS if is_asked else delivery.operation

    def _checks_first(self, delivery: _Delivery) -> bool:
        return delivery.spec is not None and delivery.spec.connector.ref in self._parts.check_first

    def _may_deliver_again(self, delivery: _Delivery) -> bool:
        """Whether a call that the host has never seen is made again. A host that knows deliveries then answers for good, and a
        copy that was on its way all the time finds its place taken; with another host a late copy would be a second effect.
        """
        now = self._parts.clock.now()
        if delivery.accepted_at is not None and now < delivery.accepted_at + self._parts.pace.callback_within:
            return False
        if self._checks_first(delivery):
            return delivery.run.state is RunState.APPLYING
        return now < self._gives_up_at(delivery)

    def _gives_up_at(self, delivery: _Delivery) -> datetime:
        begun_at = delivery.plan.consumed_at or delivery.plan.created_at
        if delivery.accepted_at is not None:
            begun_at = delivery.accepted_at + self._parts.pace.callback_within
        return begun_at + self._parts.pace.settle_within

    def _begun(self, tenant: TenantId, delivery: _Delivery, operation: str, lease: Lease) -> Attempt | None:
        """The attempt as it is written down before the call; None when the run is not ours, or somebody wrote meanwhile."""
        call, now = delivery.call, self._parts.clock.now()
        number = max((each.number for each in delivery.attempts), default=0) + 1
        attempt = Attempt(call.run_id, number, call.delivery_id, operation, SENT, 0, call_hash(call), now)
        try:
            with self._parts.store.begin() as work:
                if not work.runs.begin_attempt(tenant, attempt, lease.owner, until=lease.until):
                    return None
                work.commit()
        except Conflict:
            return None
        self._parts.at("calling")
        return attempt

    def _asked(self, tenant: TenantId, delivery: _Delivery, operation: str) -> HostReply:
        if delivery.host is None:
            return HostUnknown(f"the action {delivery.run.action!r} or its host app is not set up here any more")
        host, is_undo = delivery.host, delivery.run.kind is RunKind.UNDO
        ask = host.status if operation == _STATUS else host.undo if is_undo else host.apply
        started = perf_counter()
        reply = ask(tenant, delivery.call)
        if self._parts.observer is not None:
            self._parts.observer.called(tenant, delivery.run, operation, outcome_of(reply), perf_counter() - started)
        return reply

    def _with_end(self, tenant: TenantId, delivery: _Delivery, attempt: Attempt, reply: HostReply) -> _Delivery:
        ended = replace(attempt, outcome=outcome_of(reply), status=reply.status)
        with self._parts.store.begin() as work:
            work.runs.end_attempt(tenant, ended)
            work.commit()
        return replace(delivery, attempts=(*delivery.attempts, ended))

    def _settled(self, tenant: TenantId, delivery: _Delivery, attempt: Attempt, reply: HostReply) -> Run:
        """The run after this answer. What another worker or a callback has settled meanwhile stays as it is."""
        with self._parts.store.begin() as work:
            run = found(work, tenant, delivery.run.run_id)
            work.runs.end_attempt(tenant, replace(attempt, outcome=outcome_of(reply), status=reply.status))
            after = self._after(work, tenant, run, delivery, attempt, reply) if run.state in UNSETTLED else run
            self._parts.at("settled:before-commit")
            work.commit()
        return told(self._parts, tenant, after) if after.state is not run.state else after

    def _after(
        self, work: UnitOfWork, tenant: TenantId, run: Run, delivery: _Delivery, attempt: Attempt, reply: HostReply
    ) -> Run:
        now = self._parts.clock.now()
        accepted_at = attempt.at if isinstance(reply, HostAccepted) else None
        since = delivery.accepted_at or accepted_at
        waits_until = None if since is None else since + self._parts.pace.callback_within
        is_open = isinstance(reply, HostAccepted | HostUnknown | HostNever)
        if waits_until is not None and now < waits_until and is_open:
            due_at = min(now + self._pause(delivery, reply), waits_until)
            return waiting(self._parts, work, tenant, run, due_at=due_at, is_new=delivery.accepted_at is None)
        is_refusal = isinstance(reply, HostRejected | HostStale)
        if not (is_refusal and attempt.operation != _STATUS and delivery.may_have_arrived):
            after = certain(self._parts, work, tenant, run, delivery.plan, delivery.spec, reply)
            if after is not None:
                return after
        gives_up = now >= self._gives_up_at(delivery)
        due_at = now + self._pause(delivery, reply)
        return unknown(self._parts, work, tenant, run, due_at=due_at, gives_up=gives_up)

    def _pause(self, delivery: _Delivery, reply: HostReply) -> timedelta:
        pace = self._parts.pace
        told = reply.retry_after_seconds if isinstance(reply, HostUnknown | HostAccepted) else None
        doubled = pace.first_pause * (1 << min(len(delivery.attempts), 20))
        return min(max(doubled, timedelta(seconds=told or 0)), pace.longest_pause)


def _is_open(attempt: Attempt) -> bool:
    return attempt.outcome in (SENT, ACCEPTED) or attempt.outcome.startswith("unknown")
