"""Eight probes that a host runs against itself: whether actions there can be repeated, refused and taken back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from surefoot.actions.probe_session import Missed, ProbeAnswer, ProbeClient, ProbeSession, ProbeSubject, shown, strange_secret
from surefoot.core.clock import Clock
from surefoot.core.errors import InvalidInput, SurefootError
from surefoot.core.ids import new_id
from surefoot.core.strict_json import parse_json
from surefoot.domain.host_wire import MAX_DEPTH, Operation, reply_of, status_of
from surefoot.domain.json_patch import etag_of
from surefoot.domain.runs import HostDone, HostNever, HostStale, Precondition
from surefoot.domain.signatures import TOLERANCE_SECONDS

_REPLAYED = "idempotent-replayed"


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """How one probe ended. `seen` is what the host did, `mend` what to change when that was wrong."""

    name: str
    has_passed: bool
    expected: str
    seen: str
    mend: str


@dataclass(frozen=True, slots=True)
class _Probe:
    name: str
    expected: str
    mend: str
    run: Callable[[ProbeSession], str]


def run_probes(client: ProbeClient, subject: ProbeSubject, clock: Clock) -> list[ProbeResult]:
    """The result of every probe, in their order. They work in the sandbox and take back what they did.

    Raises InvalidInput when the secrets are malformed or the argument sets do not differ, OutboundRefused when the host may
    not be called.
    """
    if etag_of(dict(subject.arguments)) == etag_of(dict(subject.other_arguments)):
        raise InvalidInput("The probes need two argument sets that differ; give another with --other-arguments.")
    return [_result(probe, ProbeSession(client, subject, clock)) for probe in PROBES]


def _result(probe: _Probe, session: ProbeSession) -> ProbeResult:
    try:
        seen, has_passed = probe.run(session), True
    except Missed as missed:
        seen, has_passed = str(missed), False
    finally:
        session.clean_up()
    return ProbeResult(probe.name, has_passed, probe.expected, seen, "" if has_passed else probe.mend)


def _replay(session: ProbeSession) -> str:
    call, _ = session.planned()
    first = session.send(Operation.APPLY, call)
    receipt = session.done(Operation.APPLY, first)
    second = session.send(Operation.APPLY, call)
    # Both answers are of one effect, and that is taken back here, where a doubled one shows as a conflict.
    session.effects.clear()
    if (second.status, _json(second.body)) != (first.status, _json(first.body)):
        session.effects.append(receipt)
        raise Missed(f"the second delivery of the same id answered {shown(second)} and not as the first, {first.status}.")
    back = session.send(Operation.UNDO, session.undo_call(receipt))
    if not isinstance(reply_of(back.status, back.body, has_effect=True), HostDone):
        raise Missed(f"the same answer twice, but the effect is not as the answer says: undo answered {shown(back)}.")
    if second.headers.get(_REPLAYED, "").lower() != "true":
        raise Missed("the same answer twice, but without the header Idempotent-Replayed: true.")
    return "the same answer twice, one effect, and Idempotent-Replayed: true."


def _mismatch(session: ProbeSession) -> str:
    call, _ = session.planned()
    session.done(Operation.APPLY, session.send(Operation.APPLY, call))
    other = replace(call, arguments=session.subject.other_arguments, changes=(), preconditions=())
    answer = session.send(Operation.APPLY, other)
    if answer.status != 422:
        raise Missed(f"the same delivery id with other arguments answered {shown(answer)}.")
    return "422 for the same delivery id with other arguments."


def _wrong_signature(session: ProbeSession) -> str:
    call, _ = session.planned()
    return _refused_unsigned(session, "a wrong signature", lambda: session.send(Operation.APPLY, call, secrets=strange_secret()))


def _old_timestamp(session: ProbeSession) -> str:
    call, _ = session.planned()
    old = session.clock.now() - timedelta(seconds=2 * TOLERANCE_SECONDS)
    return _refused_unsigned(session, "a ten minutes old timestamp", lambda: session.send(Operation.APPLY, call, sent_at=old))


def _refused_unsigned(session: ProbeSession, what: str, send: Callable[[], ProbeAnswer]) -> str:
    before = session.look()
    status = send().status
    if status not in (401, 403):
        raise Missed(f"an apply with {what} answered {status}.")
    if session.look() != before:
        raise Missed(f"an apply with {what} answered {status}, but had its effect.")
    return f"{status}, and no effect."


def _stale_etag(session: ProbeSession) -> str:
    call, _ = session.planned()
    wrong = tuple(Precondition(one.resource, etag_of(f"not {one.etag}")) for one in call.preconditions)
    before = session.look()
    answer = session.send(Operation.APPLY, replace(call, preconditions=wrong))
    reply = reply_of(answer.status, answer.body, has_effect=True)
    if not isinstance(reply, HostStale):
        raise Missed(f"an apply on etags that are not the current ones answered {shown(answer, reply)}.")
    if session.look() != before:
        raise Missed("412, but the apply had its effect.")
    if set(call.preconditions) - set(reply.current):
        raise Missed("412, but its `current` does not tell the etags as they are.")
    return "412 with the current etags, and no effect."


def _simulate_changes_nothing(session: ProbeSession) -> str:
    call, plan = session.planned()
    again = session.done(Operation.SIMULATE, session.send(Operation.SIMULATE, session.new_call()))
    if again.before != plan.before:
        raise Missed("the etags differ between two simulations, so the first one changed something.")
    answer = session.ask_status(call.run_id)
    if not isinstance(status_of(answer.status, answer.body, call.run_id), HostNever):
        raise Missed(f"after a mere simulation the run's status answered {shown(answer)}.")
    return "two simulations, the same etags, and no run."


def _undo_restores(session: ProbeSession) -> str:
    call, plan = session.planned()
    receipt = session.done(Operation.APPLY, session.send(Operation.APPLY, call))
    session.done(Operation.UNDO, session.send(Operation.UNDO, session.undo_call(receipt)))
    session.effects.clear()
    after = session.look()
    if after != (HostDone.__name__, plan.before):
        # Whatever is left of the effect is tried to be taken back once more.
        session.effects.append(receipt)
        raise Missed("undo answered 200, but the etags are not those from before the apply.")
    return "the etags from before the apply."


def _unknown_run(session: ProbeSession) -> str:
    run_id = new_id("run", session.clock.now())
    answer = session.ask_status(run_id)
    if not isinstance(status_of(answer.status, answer.body, run_id), HostNever):
        raise Missed(f"the status of a run that never was answered {shown(answer)}, not a 404 that names the run.")
    call, _ = session.planned()
    receipt = session.done(Operation.APPLY, session.send(Operation.APPLY, call))
    known = session.ask_status(call.run_id)
    if status_of(known.status, known.body, call.run_id) != receipt:
        raise Missed(f"the status of a run that was applied answered {shown(known)} and not its receipt.")
    return "404 with `unknown_run` for a run that never was, and the receipt of one that was applied."


def _json(body: bytes) -> object:
    try:
        return parse_json(body, max_depth=MAX_DEPTH)
    except SurefootError:
        return body


PROBES: Sequence[_Probe] = (
    _Probe(
        "replay",
        "The second delivery of the same id answers as the first, says Idempotent-Replayed: true, and has no effect.",
        "Store the response under webhook-id in the transaction of the effect, and answer with it when the id comes again.",
        _replay,
    ),
    _Probe(
        "mismatch",
        "The same delivery id with another body answers 422.",
        "Keep a fingerprint of the body beside the stored response, and compare it before answering.",
        _mismatch,
    ),
    _Probe(
        "wrong_signature",
        "A call signed with another secret answers 401 and has no effect.",
        "Verify webhook-signature over the raw body before anything is parsed.",
        _wrong_signature,
    ),
    _Probe(
        "old_timestamp",
        "A call signed ten minutes ago answers 401 and has no effect.",
        "Refuse a webhook-timestamp that is more than five minutes from now.",
        _old_timestamp,
    ),
    _Probe(
        "stale_etag",
        "An apply on other etags than the current ones answers 412 with the current ones, and has no effect.",
        "Compare every etag in `preconditions` with the resource inside the transaction, and list them all in `current`.",
        _stale_etag,
    ),
    _Probe(
        "simulate_changes_nothing",
        "Two simulations tell the same etags, and no run is known after them.",
        "Run the action's code in a transaction that is rolled back, and store nothing for a simulation.",
        _simulate_changes_nothing,
    ),
    _Probe(
        "undo_restores",
        "After an undo every etag is as it was before the apply.",
        "Apply the patches of `changes` to the stored resources, and make etags of their content.",
        _undo_restores,
    ),
    _Probe(
        "unknown_run",
        "The status of a run that never was is a 404 with code `unknown_run` and the run's id; of an applied one its receipt.",
        "Look the run up in the stored responses, and answer for it as docs/reference/host-protocol.md says.",
        _unknown_run,
    ),
)
