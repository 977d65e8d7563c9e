"""Actions on documents with etags: a host says what the documents become, and preview, refusal and undo follow from that."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Generic, Protocol

from surefoot.core.errors import InvalidInput
from surefoot.domain.actions import Arguments, Env, Json
from surefoot.domain.canonical import canonical
from surefoot.domain.handling import HandlerContext, HandlerReply, Transaction, Transaction_contra
from surefoot.domain.host_wire import changes_json
from surefoot.domain.identity import TenantId
from surefoot.domain.json_patch import change_between, etag_of, patched
from surefoot.domain.runs import Change, HostCall, HostDone, HostRejected, HostStale, Precondition

Document = Mapping[str, Json]


class Resources(Protocol[Transaction_contra]):
    """Where the host keeps its documents. A resource that does not exist reads as None, and is deleted by writing None."""

    def read(self, transaction: Transaction_contra, tenant: TenantId, env: Env, resource: str) -> Document | None:
        """The document as the transaction sees it."""
        ...

    def write(
        self, transaction: Transaction_contra, tenant: TenantId, env: Env, resource: str, document: Document | None
    ) -> None:
        """The document is this from here on."""
        ...


class Refused(InvalidInput):
    """The host does not do what was asked; the message says why and what would change that."""

    code = "refused"


class Workspace:
    """A working copy of the documents: what is read and written here reaches the store only when the action is applied."""

    def __init__(self, read: Callable[[str], Document | None]) -> None:
        self._read = read
        self._before: dict[str, Document | None] = {}
        self._now: dict[str, Document | None] = {}

    def read(self, resource: str) -> Document | None:
        """The document as it is in the working copy. Whatever was read becomes a precondition of the plan."""
        if resource not in self._before:
            self._before[resource] = self._now[resource] = self._read(resource)
        return deepcopy(self._now[resource])

    def write(self, resource: str, document: Document | None) -> None:
        """The document is this in the working copy; None deletes it."""
        self.read(resource)
        self._now[resource] = deepcopy(document)

    @property
    def changes(self) -> tuple[Change, ...]:
        """What is different now, by resource in the order of first reading."""
        return tuple(change_between(name, self._before[name], self._now[name]) for name in self._touched())

    @property
    def before(self) -> tuple[Precondition, ...]:
        """The etags of everything that was read, as it was."""
        return tuple(Precondition(name, etag_of(document)) for name, document in self._before.items())

    @property
    def after(self) -> tuple[Precondition, ...]:
        """The etags of everything that is different now."""
        return tuple(Precondition(name, etag_of(self._now[name])) for name in self._touched())

    @property
    def written(self) -> dict[str, Document | None]:
        """The documents that are different now."""
        return {name: self._now[name] for name in self._touched()}

    def _touched(self) -> list[str]:
        return [name for name in self._now if etag_of(self._now[name]) != etag_of(self._before[name])]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a decision says beside the documents it wrote. `arguments` are as the host understood them, None for as given."""

    summary: str
    minutes_saved: float = 0.0
    cost_usd: float = 0.0
    result: Mapping[str, Json] | None = None
    undo_handle: str = ""
    arguments: Arguments | None = None


# Writes what the documents become into the workspace. It may depend on nothing but its arguments and what it reads there, or
# apply would do something else than was previewed. Raises Refused where the host does not want to.
Decide = Callable[[Arguments, Workspace, HostCall], Outcome]
# Writes the opposite step for an undo handle.
Compensate = Callable[[str, Workspace, HostCall], Outcome]


@dataclass(frozen=True, slots=True)
class ResourceAction(Generic[Transaction]):
    """An ActionHandler made of one decision. Simulate and apply are the same code up to the writing, and an undo puts back
    exactly what was there, or takes the opposite step where `compensate` is given.
    """

    resources: Resources[Transaction]
    decide: Decide
    compensate: Compensate | None = None

    def simulate(self, arguments: Arguments, context: HandlerContext[Transaction]) -> HandlerReply:
        """See ActionHandler. The preconditions of a plan are what this reply says of `before`."""
        return self._decided(arguments, context)

    def apply(self, arguments: Arguments, context: HandlerContext[Transaction]) -> HandlerReply:
        """See ActionHandler. Stale, too, when the call carries the plan's changes and this would be any other."""
        return self._decided(arguments, context)

    def undo(self, changes: Sequence[Change], handle: str, context: HandlerContext[Transaction]) -> HandlerReply:
        """See ActionHandler. Refused without the etag of every resource that it would change."""
        workspace = self._workspace(context)
        stale = _stale(workspace, context.call)
        if stale is not None:
            return stale
        try:
            outcome = self._put_back(changes, handle, workspace, context.call)
        except Refused as refused:
            return HostRejected(str(refused), 422)
        known = {precondition.resource for precondition in context.call.preconditions}
        if set(workspace.written) - known:
            return HostRejected("An undo needs the etag of every resource that it changes.", 428)
        return self._finished(workspace, outcome, context)

    def _put_back(self, changes: Sequence[Change], handle: str, workspace: Workspace, call: HostCall) -> Outcome:
        if self.compensate is not None:
            if not handle:
                raise Refused("This action is taken back by its handle; send the undo_handle of its receipt.")
            return self.compensate(handle, workspace, call)
        if not changes:
            raise Refused("This action is taken back by its inverse; send the changes of its receipt.")
        for change in changes:
            try:
                document = patched(workspace.read(change.resource), change.forward)
            except InvalidInput as error:
                raise Refused(f"The inverse does not fit {change.resource!r}: {error}") from error
            if document is not None and not isinstance(document, dict):
                raise Refused(f"The inverse would leave no document at {change.resource!r}.")
            workspace.write(change.resource, document)
        names = ", ".join(change.resource for change in changes)
        return Outcome(f"Puts {names} back as it was.")

    def _decided(self, arguments: Arguments, context: HandlerContext[Transaction]) -> HandlerReply:
        workspace = self._workspace(context)
        stale = _stale(workspace, context.call)
        if stale is not None:
            return stale
        try:
            outcome = self.decide(arguments, workspace, context.call)
        except Refused as refused:
            return HostRejected(str(refused), 422)
        planned = context.call.changes
        if not context.is_preview and planned and canonical(changes_json(workspace.changes)) != canonical(changes_json(planned)):
            return HostStale(workspace.before)
        return self._finished(workspace, outcome, context)

    def _finished(self, workspace: Workspace, outcome: Outcome, context: HandlerContext[Transaction]) -> HandlerReply:
        if not context.is_preview:
            for resource, document in workspace.written.items():
                self.resources.write(context.transaction, context.tenant, context.call.env, resource, document)
        arguments = context.call.arguments if outcome.arguments is None else outcome.arguments
        return HostDone(
            arguments=arguments,
            changes=workspace.changes,
            before=workspace.before,
            after=workspace.after,
            summary=outcome.summary,
            undo_handle=outcome.undo_handle,
            result=outcome.result,
            cost_usd=outcome.cost_usd,
            minutes_saved=outcome.minutes_saved,
        )

    def _workspace(self, context: HandlerContext[Transaction]) -> Workspace:
        return Workspace(lambda resource: self.resources.read(context.transaction, context.tenant, context.call.env, resource))


def _stale(workspace: Workspace, call: HostCall) -> HostStale | None:
    """Not None when a precondition does not hold; it then tells every resource named, as it is now."""
    current = tuple(Precondition(one.resource, etag_of(workspace.read(one.resource))) for one in call.preconditions)
    if current == call.preconditions:
        return None
    return HostStale(current, documents={one.resource: workspace.read(one.resource) for one in call.preconditions})
