"""How a host does what it is asked: each delivery once, its effect and its stored reply in one transaction."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from surefoot.core.clock import Clock
from surefoot.core.errors import Conflict, IdempotencyMismatch, InvalidInput, NotFound, SurefootError
from surefoot.core.strict_json import parse_json
from surefoot.domain.actions import Arguments
from surefoot.domain.host_wire import MAX_DEPTH, MAX_VALUES, Operation, done_of, reply_body, request_body
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import Change, HostAccepted, HostCall, HostDone, HostRejected, HostStale

Transaction = TypeVar("Transaction")
Transaction_co = TypeVar("Transaction_co", covariant=True)
Transaction_contra = TypeVar("Transaction_contra", contravariant=True)

Finished = HostDone | HostStale | HostRejected
HandlerReply = Finished | HostAccepted


class DeliveryInProgress(Conflict):
    """This delivery is being worked on; ask again after the seconds in Retry-After."""

    code = "delivery_in_progress"


@dataclass(frozen=True, slots=True)
class HandlerContext(Generic[Transaction]):
    """What a handler knows besides the arguments. Whatever it writes through `transaction` is committed together with the
    stored reply, and rolled back when `is_preview`: then nothing else may be touched either.
    """

    tenant: TenantId
    call: HostCall
    now: datetime
    transaction: Transaction
    is_preview: bool


class ActionHandler(Protocol[Transaction]):
    """One action of the host. Each method answers with what was, or would be, done; or stale; or rejected. One that takes longer
    than a call answers with HostAccepted, keeps what it writes, and is finished later.
    """

    def simulate(self, arguments: Arguments, context: HandlerContext[Transaction]) -> HandlerReply:
        """What apply would do."""
        ...

    def apply(self, arguments: Arguments, context: HandlerContext[Transaction]) -> HandlerReply:
        """The effect, if every precondition of the call holds."""
        ...

    def undo(self, changes: Sequence[Change], handle: str, context: HandlerContext[Transaction]) -> HandlerReply:
        """What an earlier run did is put back, if every precondition of the call holds."""
        ...


class ReplyStatus(StrEnum):
    """Whether a reply is new or was given before."""

    FRESH = "fresh"
    REPLAYED = "replayed"


@dataclass(frozen=True, slots=True)
class StoredReply:
    """How a delivery was answered. `fingerprint` is of the request, so that another one under the same id is found."""

    delivery_id: str
    run_id: str
    tenant: str
    operation: str
    fingerprint: str
    status: int
    body: bytes


class Opening(Protocol[Transaction_co]):
    """A delivery being worked on. `stored` is its reply when it was answered before."""

    @property
    def transaction(self) -> Transaction_co:
        """What the handler reads and writes through."""
        ...

    @property
    def stored(self) -> StoredReply | None:
        """The earlier reply."""
        ...

    def discard(self) -> None:
        """Whatever the handler wrote is taken back; the reply can still be kept."""
        ...

    def keep(self, reply: StoredReply) -> None:
        """The reply is committed with the effect when the block ends, in place of an earlier one of the delivery."""
        ...


class DeliveryLedger(Protocol[Transaction_co]):
    """Remembers which deliveries were answered, in the very transactions that hold their effects.

    An implementation must commit the handler's writes and the stored reply together or not at all, and let one process at a
    time work on a delivery.
    """

    def open(self, delivery_id: str, run_id: str) -> AbstractContextManager[Opening[Transaction_co]]:
        """A transaction for one delivery, committed when the block ends and rolled back when it raises. A run has one
        delivery: `stored` is the reply to either.

        Raises DeliveryInProgress while somebody else has it open.
        """
        ...

    def preview(self) -> AbstractContextManager[Transaction_co]:
        """A transaction that is rolled back however the block ends."""
        ...

    def of_run(self, run_id: str) -> StoredReply | None:
        """How the run's delivery was answered. Raises DeliveryInProgress while it is being worked on."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply as it goes over the wire."""

    status: int
    body: bytes
    reply_status: ReplyStatus = ReplyStatus.FRESH
    delivery_id: str = ""
    operation: str = ""


@dataclass(frozen=True)
class Handling(Generic[Transaction]):
    """Does calls by their handlers: simulations never leave a trace, deliveries have their effect once.

    A reply that says there was no effect (stale, rejected) is stored too, so that a late copy of the same delivery cannot
    have an effect after all.
    """

    handlers: Mapping[str, ActionHandler[Transaction]]
    ledger: DeliveryLedger[Transaction]
    clock: Clock

    def simulate(self, tenant: TenantId, call: HostCall) -> Answer:
        """What the call would do, or with changes or a handle, what that undo would put back."""
        handler = self.handlers.get(call.action)
        if handler is None:
            return _answer(_no_such_action(call))
        with self.ledger.preview() as transaction:
            context = HandlerContext(tenant, call, self.clock.now(), transaction, is_preview=True)
            if call.changes or call.undo_handle:
                return _answer(_checked(call, handler.undo(call.changes, call.undo_handle, context), has_effect=False))
            return _answer(_checked(call, handler.simulate(call.arguments, context), has_effect=False))

    def deliver(self, tenant: TenantId, operation: Operation, call: HostCall) -> Answer:
        """The call's effect, or the reply it had before.

        Raises IdempotencyMismatch when the delivery id was used for another call and DeliveryInProgress while the same
        delivery is being worked on.
        """
        handler = self.handlers.get(call.action)
        if handler is None:
            return _answer(_no_such_action(call))
        fingerprint = hashlib.sha256(request_body(tenant, operation, call)).hexdigest()
        with self.ledger.open(call.delivery_id, call.run_id) as opening:
            if opening.stored is not None:
                return _replayed(opening.stored, call, fingerprint)
            context = HandlerContext(tenant, call, self.clock.now(), opening.transaction, is_preview=False)
            if operation is Operation.UNDO:
                reply = _checked(call, handler.undo(call.changes, call.undo_handle, context), has_effect=True)
            else:
                reply = _checked(call, handler.apply(call.arguments, context), has_effect=True)
            if not isinstance(reply, HostDone | HostAccepted):
                opening.discard()
            answer = replace(_answer(reply), delivery_id=call.delivery_id, operation=operation.value)
            opening.keep(
                StoredReply(call.delivery_id, call.run_id, tenant, operation.value, fingerprint, answer.status, answer.body)
            )
        return answer

    def finish(self, delivery_id: str, run_id: str, do: Callable[[Transaction], Finished]) -> StoredReply:
        """What was accepted is done, and its reply in place of the 202 in the same transaction, so that the status and the same
        delivery again answer so. A delivery that was finished before stays as it is, and `do` is not called.

        Raises NotFound for a delivery that was never accepted, DeliveryInProgress while somebody else works on it.
        """
        with self.ledger.open(delivery_id, run_id) as opening:
            stored = opening.stored
            if stored is None or stored.delivery_id != delivery_id:
                raise NotFound(f"There is no delivery {delivery_id!r} of the run {run_id!r} that was accepted here.")
            if stored.status != HostAccepted().status:
                return stored
            reply = do(opening.transaction)
            if isinstance(reply, HostDone):
                _check_readable(reply, f"The finish of the delivery {delivery_id!r}", has_effect=True)
            else:
                opening.discard()
            finished = replace(stored, status=reply.status, body=reply_body(reply))
            opening.keep(finished)
        return finished

    def answered(self, run_id: str) -> StoredReply | None:
        """How the run's delivery was answered; None when it was never seen. Raises DeliveryInProgress meanwhile."""
        return self.ledger.of_run(run_id)


def _replayed(stored: StoredReply, call: HostCall, fingerprint: str) -> Answer:
    if stored.delivery_id != call.delivery_id:
        raise IdempotencyMismatch("This run was delivered under another id; a run has one delivery.")
    if stored.fingerprint != fingerprint:
        raise IdempotencyMismatch("This delivery id was used for another request; every delivery has an id of its own.")
    return Answer(stored.status, stored.body, ReplyStatus.REPLAYED, stored.delivery_id, stored.operation)


def _answer(reply: HandlerReply) -> Answer:
    return Answer(reply.status, reply_body(reply))


def _checked(call: HostCall, reply: HandlerReply, *, has_effect: bool) -> HandlerReply:
    """The reply, or stale when the handler touched a resource at another version than the call was made on.

    Raises SurefootError for an answer that nobody could read: the transaction is rolled back then, so that no effect is left
    whose receipt is worth nothing.
    """
    if not isinstance(reply, HostDone):
        return reply
    _check_readable(reply, f"The handler of {call.action!r}", has_effect=has_effect)
    wanted = {precondition.resource: precondition.etag for precondition in call.preconditions}
    moved = tuple(seen for seen in reply.before if wanted.get(seen.resource, seen.etag) != seen.etag)
    return HostStale(current=moved) if moved else reply


def _check_readable(reply: HostDone, who: str, *, has_effect: bool) -> None:
    try:
        done_of(parse_json(reply_body(reply), max_depth=MAX_DEPTH, max_values=MAX_VALUES), reply.status, needs_after=has_effect)
    except InvalidInput as error:
        raise SurefootError(f"{who} answered with something malformed: {error}") from error


def _no_such_action(call: HostCall) -> HostRejected:
    return HostRejected(f"This host has no action {call.action!r}.", 404)
