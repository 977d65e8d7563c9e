"""One probe's calls to a host: signed as the product signs them, or on purpose not so."""

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from surefoot.core.clock import Clock
from surefoot.core.ids import new_id
from surefoot.domain.actions import Arguments, Env
from surefoot.domain.host_wire import Operation, if_match, reply_of, request_body
from surefoot.domain.identity import TenantId
from surefoot.domain.json_patch import inverted
from surefoot.domain.runs import HostCall, HostDone, HostRejected, HostReply, HostUnknown, Precondition
from surefoot.domain.signatures import SECRET_PREFIX, signature_headers

_SHOWN_CHARACTERS = 160
_TIMEOUT_SECONDS = 10.0


class ProbeAnswer(Protocol):
    """What a host sent back; status 0 when nothing came, and the body then says why."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers by lower-case name."""
        ...

    @property
    def body(self) -> bytes:
        """The body as it came."""
        ...


class ProbeClient(Protocol):
    """Sends requests byte for byte as given."""

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> ProbeAnswer:
        """The answer; raises OutboundRefused when the host may not be called at all."""
        ...


@dataclass(frozen=True, slots=True)
class ProbeSubject:
    """What is tried on the host, always in its sandbox: an action that can be undone, and two argument sets that it takes."""

    tenant: TenantId
    action: str
    action_version: str
    path: str
    arguments: Arguments
    other_arguments: Arguments
    secrets: str


class Missed(Exception):
    """The host did something else than the protocol says; the message is what was seen."""


@dataclass
class ProbeSession:
    """Calls of one probe. What it applied is undone by `clean_up`, as far as the host lets it."""

    client: ProbeClient
    subject: ProbeSubject
    clock: Clock
    effects: list[HostDone] = field(default_factory=list)

    def new_call(self, arguments: Arguments | None = None) -> HostCall:
        """A call of a run that the host cannot know yet."""
        run_id = new_id("run", self.clock.now())
        subject = self.subject
        return HostCall(
            delivery_id=f"probe_{run_id}",
            run_id=run_id,
            env=Env.SANDBOX,
            action=subject.action,
            action_version=subject.action_version,
            path=subject.path,
            arguments=subject.arguments if arguments is None else arguments,
            preconditions=(),
            timeout_seconds=_TIMEOUT_SECONDS,
            maker="surefoot-probe",
        )

    def planned(self) -> tuple[HostCall, HostDone]:
        """A call and what the host says that it would do. Raises Missed when it does not want to."""
        call = self.new_call()
        plan = self.done(Operation.SIMULATE, self.send(Operation.SIMULATE, call))
        if not plan.changes:
            raise Missed("simulate answered 200 with no changes, so there is nothing to probe with these arguments.")
        return replace(call, preconditions=plan.before, changes=plan.changes), plan

    def send(
        self, operation: Operation, call: HostCall, *, secrets: str | None = None, sent_at: datetime | None = None
    ) -> ProbeAnswer:
        """The host's answer to a call, signed with its secrets now unless other ones or another moment are given."""
        body = request_body(self.subject.tenant, operation, call)
        signed = signature_headers(secrets or self.subject.secrets, call.delivery_id, sent_at or self.clock.now(), body)
        headers = {"Content-Type": "application/json", **if_match(call.preconditions), **signed}
        answer = self.client.send("POST", f"{call.path}:{operation.value}", headers, body)
        if operation is Operation.APPLY:
            reply = reply_of(answer.status, answer.body, has_effect=True)
            if isinstance(reply, HostDone):
                self.effects.append(reply)
        return answer

    def ask_status(self, run_id: str) -> ProbeAnswer:
        """The host's answer to the question what became of a run."""
        signed = signature_headers(self.subject.secrets, run_id, self.clock.now(), b"")
        base = self.subject.path.rpartition("/actions/")[0]
        return self.client.send("GET", f"{base}/runs/{run_id}", signed, b"")

    def done(self, operation: Operation, answer: ProbeAnswer) -> HostDone:
        """The answer as one that says it was done. Raises Missed with what else it is."""
        reply = reply_of(answer.status, answer.body, has_effect=operation is not Operation.SIMULATE)
        if isinstance(reply, HostDone):
            return reply
        raise Missed(f"{operation.value} answered {shown(answer, reply)}.")

    def look(self) -> tuple[str, tuple[Precondition, ...]]:
        """How the resources of the action are now, as far as a simulation shows it."""
        answer = self.send(Operation.SIMULATE, self.new_call())
        reply = reply_of(answer.status, answer.body, has_effect=False)
        return (type(reply).__name__, reply.before if isinstance(reply, HostDone) else ())

    def undo_call(self, receipt: HostDone) -> HostCall:
        """The call that takes a receipt's effect back."""
        changes = () if receipt.undo_handle else inverted(receipt.changes)
        return replace(self.new_call(), preconditions=receipt.after, changes=changes, undo_handle=receipt.undo_handle)

    def clean_up(self) -> None:
        """Every effect of the probe was taken back, last first, where the host does it."""
        while self.effects:
            self.send(Operation.UNDO, self.undo_call(self.effects.pop()))


def strange_secret() -> str:
    """A secret that the host does not have."""
    return SECRET_PREFIX + base64.b64encode(os.urandom(32)).decode()


def shown(answer: ProbeAnswer, reply: HostReply | None = None) -> str:
    """An answer in a few words: its status, and why where it says so."""
    if answer.status == 0:
        return f"nothing ({answer.body.decode('utf-8', 'replace')[:_SHOWN_CHARACTERS]})"
    if isinstance(reply, HostRejected | HostUnknown):
        return f"{answer.status}: {reply.reason[:_SHOWN_CHARACTERS].rstrip('.')}"
    return str(answer.status)
