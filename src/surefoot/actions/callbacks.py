"""What a host says later about a delivery that it took on: believed when it is signed, settled as a direct answer is, once."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from surefoot.actions.autonomy import Autonomy
from surefoot.actions.calling import delivery_id, outcome_of
from surefoot.actions.delivering import UNSETTLED
from surefoot.actions.moves import again, told
from surefoot.actions.parts import ActionParts
from surefoot.actions.settling import certain
from surefoot.actions.viewing import spec_of
from surefoot.core.errors import CallbackConflict, InvalidInput, NotFound, Unauthenticated
from surefoot.core.ids import is_tenant_id
from surefoot.domain.actions import ActionSpec
from surefoot.domain.audit import AuditEntry
from surefoot.domain.host_wire import Callback, callback_of
from surefoot.domain.runs import Attempt, HostDone, HostRejected, HostReply, HostStale, Receipt, Run, RunKind, RunState
from surefoot.domain.signatures import verify
from surefoot.ports import UnitOfWork

# Of what a host says about a run after it is settled so much is written down; it goes on being answered.
MOST_CALLBACKS = 20
_CALLBACK = "callback"
_SETTLED_BY_CALLBACK = UNSETTLED | {RunState.NEEDS_HUMAN}
_DONE = frozenset({RunState.APPLIED, RunState.UNDONE, RunState.FINAL})


class CallbackOutcome(StrEnum):
    """What a callback says became of a run."""

    APPLIED = "applied"
    STALE = "stale"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CallbackAnswer:
    """What the host is told: the same however often the same is sent. `replayed` when it was known already."""

    run_id: str
    outcome: CallbackOutcome
    replayed: bool


class Callbacks:
    """Takes hosts' callbacks. Safe from many threads and processes: a run is settled by compare-and-swap."""

    def __init__(self, parts: ActionParts, autonomy: Autonomy) -> None:
        self._parts = parts
        self._autonomy = autonomy

    def receive(self, host: str, headers: Mapping[str, str], body: bytes) -> CallbackAnswer:
        """The run of the delivery is what the host says, or was so before.

        Raises Unauthenticated for a signature that none of the host's secrets made within five minutes, and for a host that has
        none; InvalidInput for a body that is malformed or says nothing certain; NotFound for a delivery that was not to this
        host; CallbackConflict, audited, when the run has ended otherwise or was never sent.
        """
        callback = callback_of(body, delivery_id=self._verified(host, headers, body))
        body_hash = hashlib.sha256(body).hexdigest()
        answer = again(lambda: self._received(host, callback, body_hash))
        if isinstance(answer, CallbackConflict):
            raise answer
        return answer

    def _verified(self, host: str, headers: Mapping[str, str], body: bytes) -> str:
        secrets = self._parts.callback_secrets.get(host, str)()
        if not secrets:
            raise Unauthenticated(f"There is no host {host[:48]!r} here whose callbacks could be verified.")
        try:
            return verify(secrets, headers, body, self._parts.clock.now())
        except InvalidInput as error:
            # Our own secret is malformed; nobody outside can mend that, and nothing can be believed.
            raise Unauthenticated(f"The callbacks of the host {host!r} cannot be verified here at the moment.") from error

    def _received(self, host: str, callback: Callback, body_hash: str) -> CallbackAnswer | CallbackConflict:
        tenant, parts = callback.tenant, self._parts
        with parts.store.begin() as work:
            run, spec = self._run(work, host, callback)
            said = CallbackAnswer(run.run_id, _outcome(callback.reply), replayed=False)
            heard = [each for each in work.runs.attempts(tenant, run.run_id) if each.operation == _CALLBACK]
            known = next((each for each in heard if each.body_hash == body_hash), None)
            if known is not None:
                return (
                    _conflict(run) if known.outcome.startswith("contradicts") else CallbackAnswer(said.run_id, said.outcome, True)
                )
            if run.state not in _SETTLED_BY_CALLBACK:
                is_equal = _is_equal(run, work.runs.receipt(tenant, run.run_id), callback.reply)
                outcome = outcome_of(callback.reply) if is_equal else f"contradicts: {outcome_of(callback.reply)}"[:300]
                if len(heard) < MOST_CALLBACKS:
                    self._note(work, host, callback, run, body_hash, outcome, is_equal)
                    work.commit()
                return CallbackAnswer(said.run_id, said.outcome, True) if is_equal else _conflict(run)
            plan = work.runs.plan(tenant, run.run_id)
            assert plan is not None, "a run is applied with a plan"
            after = certain(parts, work, tenant, run, plan, spec, callback.reply, actor=_actor(host))
            assert after is not None, "a callback leaves nothing open"
            self._note(work, host, callback, run, body_hash, outcome_of(callback.reply), is_equal=True)
            parts.at("callback:before-commit")
            work.commit()
        told(parts, tenant, after)
        if after.state is RunState.APPLIED and after.kind is RunKind.UNDO:
            self._autonomy.look_after(tenant, spec)
        return said

    def _run(self, work: UnitOfWork, host: str, callback: Callback) -> tuple[Run, ActionSpec]:
        """The run of the delivery and its action. The tenant that the body states is only where to look: the delivery id is
        made of tenant, environment and run, so that another tenant's run has another one.
        """
        unknown = NotFound(f"There is no delivery {callback.delivery_id!r} to the host {host!r}, of this tenant and run.")
        if not is_tenant_id(callback.tenant):
            raise unknown
        run = work.runs.get(callback.tenant, callback.run_id)
        if run is None or delivery_id(callback.tenant, run) != callback.delivery_id or run.env is not callback.env:
            raise unknown
        try:
            spec = spec_of(self._parts, run)
        except NotFound:
            raise unknown from None
        if spec.connector.ref != host:
            raise unknown
        return run, spec

    def _note(
        self, work: UnitOfWork, host: str, callback: Callback, run: Run, body_hash: str, outcome: str, is_equal: bool
    ) -> None:
        """The callback is in the run's history, and in the audit when it contradicts that."""
        tenant, now = callback.tenant, self._parts.clock.now()
        number = max((each.number for each in work.runs.attempts(tenant, run.run_id)), default=0) + 1
        status = callback.reply.status
        work.runs.add_attempt(
            tenant, Attempt(run.run_id, number, callback.delivery_id, _CALLBACK, outcome, status, body_hash, now)
        )
        if not is_equal:
            details = {"state": run.state.value, "said": _outcome(callback.reply).value, "status": status, "body_hash": body_hash}
            entry = AuditEntry(now, _actor(host), "action.callback.contradiction", run.run_id, details)
            self._parts.trail.record(work, tenant, entry)


def _actor(host: str) -> str:
    return f"host:{host}"


def _outcome(reply: HostReply) -> CallbackOutcome:
    if isinstance(reply, HostDone):
        return CallbackOutcome.APPLIED
    return CallbackOutcome.STALE if isinstance(reply, HostStale) else CallbackOutcome.FAILED


def _is_equal(run: Run, receipt: Receipt | None, reply: HostReply) -> bool:
    """Whether a settled run is what the host says now. Where nobody saw the etags that it left, its being done is enough."""
    match reply:
        case HostDone():
            return run.state in _DONE and (receipt is None or not receipt.after_etags or receipt.after_etags == reply.after)
        case HostStale():
            return run.state is RunState.STALE
        case HostRejected():
            return run.state is RunState.FAILED
        case _:
            return False


def _conflict(run: Run) -> CallbackConflict:
    return CallbackConflict(
        f"The run {run.run_id!r} is {run.state}, which is not what this callback says; nothing was changed. Have somebody look."
    )
