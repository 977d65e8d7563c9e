"""The host protocol's JSON, both ways: what is asked, what is answered, and what is refused as malformed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from surefoot.core.errors import InvalidInput
from surefoot.core.strict_json import parse_json
from surefoot.domain.actions import Env, Json
from surefoot.domain.canonical import canonical
from surefoot.domain.identity import TenantId
from surefoot.domain.json_patch import check_patch
from surefoot.domain.runs import (
    Change,
    HostAccepted,
    HostCall,
    HostDone,
    HostNever,
    HostRejected,
    HostReply,
    HostStale,
    HostUnknown,
    Precondition,
)

PROTOCOL_VERSION = "1"
UNKNOWN_RUN = "unknown_run"
MAX_BODY_BYTES = 1_048_576
MAX_DEPTH = 24
MAX_VALUES = 20_000
MAX_ITEMS = 200
MAX_TEXT_CHARACTERS = 2_000

# Statuses that leave open whether there was an effect; every other 4xx is a refusal before it.
UNDECIDED_STATUSES = frozenset({408, 409, 425, 429})
_RESOURCE = re.compile(r"[A-Za-z0-9_]{1,64}/[^\s\x00-\x1f\x7f]{1,200}\Z")
_ETAG = re.compile(r"[\x21\x23-\x7e]{1,128}\Z")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_REQUEST_MEMBERS = frozenset(
    {
        *("protocol", "operation", "tenant", "env", "run_id", "action", "action_version", "maker", "arguments"),
        *("preconditions", "changes", "undo_handle"),
    }
)
_CALLBACK_MEMBERS = frozenset({"protocol", "operation", "tenant", "env", "run_id", "delivery_id", "status", "reply"})
_OUTCOME = "outcome"


class Operation(StrEnum):
    """What a host is asked to do."""

    SIMULATE = "simulate"
    APPLY = "apply"
    UNDO = "undo"


def request_body(tenant: TenantId, operation: Operation, call: HostCall) -> bytes:
    """The body of a call: the same bytes at every attempt, because nothing in it depends on when it is sent."""
    return canonical(
        {
            "protocol": PROTOCOL_VERSION,
            "operation": operation.value,
            "tenant": tenant,
            "env": call.env.value,
            "run_id": call.run_id,
            "action": call.action,
            "action_version": call.action_version,
            "maker": call.maker,
            "arguments": dict(call.arguments),
            "preconditions": _preconditions_json(call.preconditions),
            "changes": changes_json(call.changes),
            "undo_handle": call.undo_handle,
        }
    )


def request_of(body: bytes, *, delivery_id: str, path: str) -> tuple[TenantId, Operation, HostCall]:
    """What a body asks for. Raises InvalidInput, with the place, for anything malformed; nothing is guessed."""
    value = _object(parse_json(body, max_depth=MAX_DEPTH, max_values=MAX_VALUES), "the body")
    unknown = value.keys() - _REQUEST_MEMBERS
    if unknown:
        raise InvalidInput(f"The body has members that the protocol does not know: {', '.join(sorted(unknown))[:200]!r}.")
    if value.get("protocol") != PROTOCOL_VERSION:
        raise InvalidInput(f"The body's protocol is not {PROTOCOL_VERSION!r}, the only one understood here.")
    try:
        operation, env = Operation(_text(value, "operation")), Env(_text(value, "env"))
    except ValueError:
        raise InvalidInput("The body's operation or env is none of the protocol's.") from None
    call = HostCall(
        delivery_id=delivery_id,
        run_id=_text(value, "run_id"),
        env=env,
        action=_text(value, "action"),
        action_version=_text(value, "action_version"),
        path=path,
        arguments=_object(value.get("arguments"), "arguments"),
        preconditions=_preconditions(value.get("preconditions", []), "preconditions"),
        timeout_seconds=0.0,
        maker=_text(value, "maker"),
        changes=_changes(value.get("changes", [])),
        undo_handle=_optional_text(value, "undo_handle"),
    )
    return TenantId(_text(value, "tenant")), operation, call


def reply_body(reply: HostReply) -> bytes:
    """A reply's body: an answer for what was done, a problem (RFC 9457) for everything else."""
    if isinstance(reply, HostDone):
        return canonical(
            {
                "arguments": dict(reply.arguments),
                "changes": changes_json(reply.changes),
                "before": _preconditions_json(reply.before),
                "after": _preconditions_json(reply.after),
                "summary": reply.summary,
                "undo_handle": reply.undo_handle,
                "result": None if reply.result is None else dict(reply.result),
                "cost_usd": reply.cost_usd,
                "minutes_saved": reply.minutes_saved,
            }
        )
    if isinstance(reply, HostStale):
        documents = {} if reply.documents is None else {"documents": dict(reply.documents)}
        current = {"current": _preconditions_json(reply.current)}
        return problem_body(412, "stale", "A resource is not as the call expects it.", {**current, **documents})
    if isinstance(reply, HostNever):
        return problem_body(404, UNKNOWN_RUN, "This run was never seen here.")
    if isinstance(reply, HostAccepted):
        return canonical({"accepted": True})
    return problem_body(reply.status, "rejected" if isinstance(reply, HostRejected) else "undecided", reply.reason)


def if_match(preconditions: Sequence[Precondition]) -> dict[str, str]:
    """The etags as a header for gateways that read it, in the order of the body; hosts go by the signed body."""
    return {"If-Match": ", ".join(f'"{one.etag}"' for one in preconditions)} if preconditions else {}


def problem_body(status: int, code: str, detail: str, members: Mapping[str, Json] | None = None) -> bytes:
    """A problem document (RFC 9457) with a stable `code`."""
    return canonical({"type": "about:blank", "status": status, "code": code, "detail": detail, **(members or {})})


def reply_of(status: int, body: bytes, *, has_effect: bool, retry_after_seconds: float | None = None) -> HostReply:
    """What a host's answer to a call means. Never raises: what is not understood is unknown, and never taken for done.

    `has_effect` is false for a simulation, whose malformed answer is unknown all the same but harmless.
    """
    if 200 <= status < 300 and status != 202:
        try:
            return done_of(parse_json(body, max_depth=MAX_DEPTH, max_values=MAX_VALUES), status, needs_after=has_effect)
        except InvalidInput as error:
            return HostUnknown(f"The host's answer is malformed: {error}", status)
    if status == 202 and has_effect:
        return HostAccepted(retry_after_seconds=retry_after_seconds)
    if status == 412:
        return _stale_of(body)
    if 400 <= status < 500 and status not in UNDECIDED_STATUSES:
        return HostRejected(_detail(body) or f"The host refused with status {status}.", status)
    return HostUnknown(f"The host answered with status {status}.", status, retry_after_seconds)


@dataclass(frozen=True, slots=True)
class Callback:
    """What a host says later about a delivery that it had answered with 202. The tenant is only an address: whoever reads this
    checks it against the delivery id, which is of one tenant.
    """

    tenant: TenantId
    env: Env
    run_id: str
    delivery_id: str
    reply: HostDone | HostStale | HostRejected


def callback_body(tenant: TenantId, env: Env, run_id: str, delivery_id: str, reply: HostReply) -> bytes:
    """The body of a callback, the same bytes however often it is sent."""
    return canonical(
        {
            "protocol": PROTOCOL_VERSION,
            "operation": _OUTCOME,
            "tenant": tenant,
            "env": env.value,
            "run_id": run_id,
            "delivery_id": delivery_id,
            "status": reply.status,
            "reply": parse_json(reply_body(reply), max_depth=MAX_DEPTH, max_values=MAX_VALUES),
        }
    )


def callback_of(body: bytes, *, delivery_id: str) -> Callback:
    """What a callback says, which was signed under this delivery id. Raises InvalidInput for anything malformed, and for an
    outcome that leaves open what happened.
    """
    value = _object(parse_json(body, max_depth=MAX_DEPTH, max_values=MAX_VALUES), "the body")
    if value.keys() != _CALLBACK_MEMBERS:
        wrong = sorted(value.keys() ^ _CALLBACK_MEMBERS)
        raise InvalidInput(f"The body's members are not those of a callback; look at {', '.join(wrong)[:200]!r}.")
    if (value["protocol"], value["operation"]) != (PROTOCOL_VERSION, _OUTCOME):
        raise InvalidInput(f"The body is not a callback of protocol {PROTOCOL_VERSION!r} with the operation {_OUTCOME!r}.")
    if _text(value, "delivery_id") != delivery_id:
        raise InvalidInput("The body is about another delivery than the one it was signed for.")
    status, env = value["status"], value["env"]
    if not isinstance(status, int) or isinstance(status, bool):
        raise InvalidInput("The member 'status' is not a number.")
    if env not in list(Env):
        raise InvalidInput("The body's env is none of the protocol's.")
    reply = reply_of(status, canonical(value["reply"]), has_effect=True)
    if not isinstance(reply, HostDone | HostStale | HostRejected):
        why = f" {reply.reason}" if isinstance(reply, HostUnknown) else ""
        raise InvalidInput(f"A callback with status {status} says nothing certain about the delivery.{why}")
    return Callback(TenantId(_text(value, "tenant")), Env(env), _text(value, "run_id"), delivery_id, reply)


def done_of(value: object, status: int, *, needs_after: bool) -> HostDone:
    """The answer of a host that did it, or would. Raises InvalidInput unless every part is well formed.

    Each changed resource needs its etag before, and after an effect its etag after too.
    """
    answer = _object(value, "the answer")
    changes = _changes(answer.get("changes"))
    before, after = _preconditions(answer.get("before"), "before"), _preconditions(answer.get("after", []), "after")
    changed = [change.resource for change in changes]
    if len(set(changed)) != len(changed):
        raise InvalidInput("A resource is changed twice; write one change with all its operations.")
    if set(changed) - {seen.resource for seen in before}:
        raise InvalidInput("A changed resource has no etag in `before`.")
    if needs_after and set(changed) - {seen.resource for seen in after}:
        raise InvalidInput("A changed resource has no etag in `after`.")
    result = answer.get("result")
    return HostDone(
        arguments=_object(answer.get("arguments"), "arguments"),
        changes=changes,
        before=before,
        after=after,
        summary=_plain(_optional_text(answer, "summary")),
        undo_handle=_optional_text(answer, "undo_handle"),
        result=None if result is None else _object(result, "result"),
        cost_usd=_amount(answer, "cost_usd"),
        minutes_saved=_amount(answer, "minutes_saved"),
        status=status,
    )


def status_of(status: int, body: bytes, run_id: str, *, retry_after_seconds: float | None = None) -> HostReply:
    """What a host's answer to `GET /assistant/runs/{id}` means.

    A 404 counts as "never seen" only when its body says so of this very run: a wrong path or a proxy answers 404 as well,
    and to take that for certainty would lose an effect.
    """
    try:
        value = _object(parse_json(body, max_depth=MAX_DEPTH, max_values=MAX_VALUES), "the answer")
    except InvalidInput:
        return HostUnknown(f"The host answered with status {status} and no readable JSON.", status, retry_after_seconds)
    if status == 404 and value.get("code") == UNKNOWN_RUN and value.get("run_id") == run_id:
        return HostNever()
    if status != 200 or value.get("run_id") != run_id:
        return HostUnknown(f"The host answered with status {status}, not about this run.", status, retry_after_seconds)
    inner = value.get("status")
    if not isinstance(inner, int) or isinstance(inner, bool):
        return HostUnknown("The host's answer about the run has no status.", status)
    return reply_of(inner, canonical(value.get("reply")), has_effect=True)


def _stale_of(body: bytes) -> HostStale:
    """412 is certain whatever the body holds; its details are taken when they are well formed."""
    try:
        value = _object(parse_json(body, max_depth=MAX_DEPTH, max_values=MAX_VALUES), "the answer")
        current = _preconditions(value.get("current", []), "current")
        documents = value.get("documents")
        return HostStale(current, documents=None if documents is None else _object(documents, "documents"))
    except InvalidInput:
        return HostStale()


def _detail(body: bytes) -> str:
    try:
        return _plain(
            _optional_text(_object(parse_json(body, max_depth=MAX_DEPTH, max_values=MAX_VALUES), "the answer"), "detail")
        )
    except InvalidInput:
        return ""


def _plain(text: str) -> str:
    """The text without what could forge a line of a log or turn the direction of a page."""
    return " ".join(_CONTROLS.sub(" ", text).split())


def _preconditions_json(preconditions: Sequence[Precondition]) -> list[Json]:
    return [{"resource": one.resource, "etag": one.etag} for one in preconditions]


def changes_json(changes: Sequence[Change]) -> list[Json]:
    """The changes as the protocol writes them."""
    return [
        {
            "resource": one.resource,
            "forward": [dict(step) for step in one.forward],
            "backward": [dict(step) for step in one.backward],
        }
        for one in changes
    ]


def _preconditions(value: object, place: str) -> tuple[Precondition, ...]:
    found: dict[str, Precondition] = {}
    for item in _items(value, place):
        entry = _object(item, place)
        resource, etag = _resource(entry), _text(entry, "etag")
        if _ETAG.match(etag) is None:
            raise InvalidInput(f"An etag in `{place}` is not 1 to 128 printable ASCII characters without quotation marks.")
        if resource in found:
            raise InvalidInput(f"`{place}` names {resource!r} twice.")
        found[resource] = Precondition(resource, etag)
    return tuple(found.values())


def _changes(value: object) -> tuple[Change, ...]:
    changes = []
    for item in _items(value, "changes"):
        entry = _object(item, "changes")
        changes.append(Change(_resource(entry), _patch(entry.get("forward")), _patch(entry.get("backward"))))
    return tuple(changes)


def _patch(value: object) -> tuple[Mapping[str, Json], ...]:
    operations = tuple(_object(step, "a patch") for step in _items(value, "a patch"))
    check_patch(operations)
    return operations


def _resource(entry: Mapping[str, Json]) -> str:
    resource = _text(entry, "resource")
    if _RESOURCE.match(resource) is None:
        raise InvalidInput(f"{resource[:80]!r} names no resource; write it as kind/id, without white space.")
    return resource


def _object(value: object, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidInput(f"In {place} there is no JSON object where one has to be.")
    return value


def _items(value: object, place: str) -> list[Any]:
    if not isinstance(value, list) or len(value) > MAX_ITEMS:
        raise InvalidInput(f"In {place} there is no JSON array of at most {MAX_ITEMS} items where one has to be.")
    return value


def _text(value: Mapping[str, Json], member: str) -> str:
    text = _optional_text(value, member)
    if not text:
        raise InvalidInput(f"The member {member!r} is missing or empty.")
    return text


def _optional_text(value: Mapping[str, Json], member: str) -> str:
    text = value.get(member, "")
    # Databases take U+0000 for an end.
    if not isinstance(text, str) or len(text) > MAX_TEXT_CHARACTERS or "\0" in text:
        raise InvalidInput(f"The member {member!r} is not a text of at most {MAX_TEXT_CHARACTERS} characters without U+0000.")
    return text


def _amount(value: Mapping[str, Json], member: str) -> float:
    number = value.get(member, 0)
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= 1e9:
        raise InvalidInput(f"The member {member!r} is not a number from 0 to a billion.")
    return float(number)
