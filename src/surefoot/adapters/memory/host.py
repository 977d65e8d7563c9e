"""A host in memory: real documents with etags, a delivery ledger, and faults on demand."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from threading import RLock

from surefoot.core.clock import Clock, SystemClock
from surefoot.core.errors import IdempotencyMismatch
from surefoot.domain.actions import Arguments, Env
from surefoot.domain.handling import ActionHandler, Handling, StoredReply
from surefoot.domain.host_wire import Operation, reply_of
from surefoot.domain.identity import TenantId
from surefoot.domain.json_patch import etag_of
from surefoot.domain.resource_actions import Decide, Document, Outcome, ResourceAction, Workspace
from surefoot.domain.runs import (
    HostAccepted,
    HostCall,
    HostNever,
    HostRejected,
    HostReply,
    HostStale,
    HostUnknown,
    Precondition,
)

Place = tuple[str, Env, str]
Documents = dict[Place, Document]


class HostFault(StrEnum):
    """What goes wrong with one call."""

    REPLY_LOST = "reply_lost"
    ERROR_BEFORE = "error_before"
    HANG = "hang"
    HANG_THEN_EFFECT = "hang_then_effect"
    STALE = "stale"
    REJECTED = "rejected"
    BUSY = "busy"
    ACCEPTED = "accepted"
    GARBAGE_AFTER = "garbage_after"
    DUPLICATE = "duplicate"


_UNDECIDED = {
    HostFault.ERROR_BEFORE: HostUnknown("The host answered with status 500.", 500),
    HostFault.HANG: HostUnknown("The host did not answer in time."),
    HostFault.HANG_THEN_EFFECT: HostUnknown("The host did not answer in time."),
    HostFault.BUSY: HostUnknown("The host answered with status 429.", 429, 1.0),
}


@dataclass
class _Ledger:
    """See DeliveryLedger. The transaction is a copy of all documents, which replaces them when it is committed."""

    documents: Documents = field(default_factory=dict)
    replies: dict[str, StoredReply] = field(default_factory=dict)

    @contextmanager
    def open(self, delivery_id: str, run_id: str) -> Iterator["_Opening"]:
        stored = self.replies.get(delivery_id) or self.of_run(run_id)
        opening = _Opening(dict(self.documents), stored, dict(self.documents))
        yield opening
        self.documents = opening.transaction
        if opening.kept is not None:
            self.replies[delivery_id] = opening.kept

    @contextmanager
    def preview(self) -> Iterator[Documents]:
        yield dict(self.documents)

    def of_run(self, run_id: str) -> StoredReply | None:
        return next((reply for reply in self.replies.values() if reply.run_id == run_id), None)


@dataclass
class _Opening:
    transaction: Documents
    stored: StoredReply | None
    untouched: Documents
    kept: StoredReply | None = None

    def discard(self) -> None:
        self.transaction = dict(self.untouched)

    def keep(self, reply: StoredReply) -> None:
        self.kept = reply


class _Resources:
    """See Resources."""

    def read(self, transaction: Documents, tenant: TenantId, env: Env, resource: str) -> Document | None:
        return transaction.get((tenant, env, resource))

    def write(self, transaction: Documents, tenant: TenantId, env: Env, resource: str, document: Document | None) -> None:
        if document is None:
            transaction.pop((tenant, env, resource), None)
        else:
            transaction[tenant, env, resource] = document


def counted_effect(arguments: Arguments, workspace: Workspace, call: HostCall, kind: str = "") -> Outcome:
    """The effect of an action that was not given one: the document of its user or account counts it and holds its arguments.

    A second effect of one run shows in the count. `kind` is the resource's; without it, what the document belongs to.
    """
    owner = next((owner for owner in ("user", "account") if f"{owner}_id" in arguments), "tenant")
    resource = f"{kind or owner}/{arguments.get(f'{owner}_id', 'all')}"
    document = workspace.read(resource) or {}
    already = document.get(call.action)
    count = already["count"] if isinstance(already, dict) else 0
    workspace.write(resource, {**document, call.action: {"count": count + 1, "arguments": dict(arguments)}})
    return Outcome(f"{call.action} for {resource}", minutes_saved=1.0)


class MemoryHost:
    """See ports.HostApp. Serves every action; `decisions` name those that do something else than be counted.

    The counted ones change one resource of the kind that `kinds` gives for the action, so that it is one that its file
    declares. Faults are queued by `fail_next` and each hits one call. Everything is locked, so that threads may share it;
    nothing outlives the process.
    """

    version = "memory-1"

    def __init__(
        self,
        decisions: Mapping[str, Decide] | None = None,
        *,
        kinds: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._ledger = _Ledger()
        self._resources = _Resources()
        counted = {action: partial(counted_effect, kind=kind) for action, kind in (kinds or {}).items()}
        self._handlers = _Handlers(self._resources, {**counted, **(decisions or {})})
        self._handling = Handling[Documents](self._handlers, self._ledger, clock or SystemClock())
        self._lock = RLock()
        self._faults: dict[Operation, deque[HostFault]] = {operation: deque() for operation in Operation}
        self._late: list[Callable[[], object]] = []
        self._calls: list[tuple[str, HostCall]] = []
        self._effects: Counter[str] = Counter()
        self._accepted: set[str] = set()

    def fail_next(self, fault: HostFault, *, operation: Operation = Operation.APPLY, times: int = 1) -> None:
        """The next so many calls of the operation have this fault, after those queued before."""
        with self._lock:
            self._faults[operation].extend([fault] * times)

    def let_late_effects_happen(self) -> None:
        """What hung arrives now, and what was accepted is done: every such delivery has its effect, unless the same delivery was
        answered meanwhile.
        """
        with self._lock:
            late, self._late = self._late, []
            for arrive in late:
                arrive()

    @property
    def calls(self) -> Sequence[tuple[str, HostCall]]:
        """Every call so far, as (operation, call); status calls are `status`."""
        with self._lock:
            return tuple(self._calls)

    def effects(self, run_id: str) -> int:
        """How often this run had an effect; anything above one is the bug that the whole plane exists to prevent."""
        with self._lock:
            return self._effects[run_id]

    def document(self, tenant: TenantId, resource: str, env: Env = Env.PRODUCTION) -> Document | None:
        """The resource as it is."""
        with self._lock:
            return self._ledger.documents.get((tenant, env, resource))

    def write_outside(self, tenant: TenantId, resource: str, document: Document | None, env: Env = Env.PRODUCTION) -> None:
        """Somebody else changes the resource, past every action."""
        with self._lock:
            self._resources.write(self._ledger.documents, tenant, env, resource, document)

    def state_hash(self, tenant: TenantId, env: Env = Env.PRODUCTION) -> str:
        """A fingerprint of all documents of one tenant and environment."""
        with self._lock:
            return etag_of(
                {place[2]: dict(document) for place, document in self._ledger.documents.items() if place[:2] == (tenant, env)}
            )

    def simulate(self, tenant: TenantId, call: HostCall) -> HostReply:
        """See ports.HostApp."""
        with self._lock:
            self._calls.append((Operation.SIMULATE.value, call))
            fault = self._next_fault(Operation.SIMULATE)
            return self._refused(fault, call) or self._simulated(tenant, call)

    def apply(self, tenant: TenantId, call: HostCall) -> HostReply:
        """See ports.HostApp."""
        return self._delivered(tenant, Operation.APPLY, call)

    def undo(self, tenant: TenantId, call: HostCall) -> HostReply:
        """See ports.HostApp."""
        return self._delivered(tenant, Operation.UNDO, call)

    def status(self, tenant: TenantId, call: HostCall) -> HostReply:
        """See ports.HostApp."""
        with self._lock:
            self._calls.append(("status", call))
            stored = self._handling.answered(call.run_id)
            if stored is None and call.run_id in self._accepted:
                return HostAccepted()
            if stored is None or stored.tenant != tenant:
                return HostNever()
            return reply_of(stored.status, stored.body, has_effect=True)

    def _simulated(self, tenant: TenantId, call: HostCall) -> HostReply:
        answer = self._handling.simulate(tenant, call)
        return reply_of(answer.status, answer.body, has_effect=False)

    def _delivered(self, tenant: TenantId, operation: Operation, call: HostCall) -> HostReply:
        with self._lock:
            self._calls.append((operation.value, call))
            fault = self._next_fault(operation)
            if fault in (HostFault.HANG_THEN_EFFECT, HostFault.ACCEPTED):
                self._late.append(lambda: self._do(tenant, operation, call))
            if fault is HostFault.ACCEPTED:
                self._accepted.add(call.run_id)
                return HostAccepted()
            refused = self._refused(fault, call)
            if refused is not None:
                return refused
            reply = self._do(tenant, operation, call)
            if fault is HostFault.DUPLICATE:
                # A host without idempotency: the same delivery under another name has its effect again.
                again = replace(call, delivery_id=f"{call.delivery_id}-again", run_id=f"{call.run_id}-again")
                self._do(tenant, operation, replace(again, preconditions=(), changes=()))
            if fault is HostFault.REPLY_LOST:
                return HostUnknown("The connection broke before the reply came.")
            if fault is HostFault.GARBAGE_AFTER:
                return HostUnknown("The host's answer is malformed.", 200)
            return reply

    def _do(self, tenant: TenantId, operation: Operation, call: HostCall) -> HostReply:
        before = self._ledger.documents
        answered_before = call.delivery_id in self._ledger.replies
        try:
            answer = self._handling.deliver(tenant, operation, call)
        except IdempotencyMismatch as error:
            return HostRejected(str(error), error.status)
        if not answered_before and self._ledger.documents != before:
            self._effects[call.run_id.removesuffix("-again")] += 1
        return reply_of(answer.status, answer.body, has_effect=True)

    def _next_fault(self, operation: Operation) -> HostFault | None:
        return self._faults[operation].popleft() if self._faults[operation] else None

    def _refused(self, fault: HostFault | None, call: HostCall) -> HostReply | None:
        if fault is HostFault.STALE:
            return HostStale(tuple(Precondition(one.resource, etag_of("moved on")) for one in call.preconditions))
        if fault is HostFault.REJECTED:
            return HostRejected("The host does not want to.", 422)
        return None if fault is None else _UNDECIDED.get(fault)


class _Handlers(dict[str, ActionHandler[Documents]]):
    """A handler for every action's name."""

    def __init__(self, resources: _Resources, decisions: Mapping[str, Decide]) -> None:
        super().__init__({name: ResourceAction(resources, decide) for name, decide in decisions.items()})
        self._counted = ResourceAction(resources, counted_effect)

    def get(self, name: str, default: object = None) -> ActionHandler[Documents]:
        return super().get(name) or self._counted
