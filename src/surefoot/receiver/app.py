"""The receiving end in a host's own server: signed calls come in, handlers do them, each delivery once."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Generic

from surefoot.core.clock import Clock, SystemClock
from surefoot.core.errors import IdempotencyMismatch, InvalidInput, StoreUnavailable, Unauthenticated
from surefoot.core.strict_json import parse_json
from surefoot.domain.canonical import canonical
from surefoot.domain.handling import (
    ActionHandler,
    Answer,
    DeliveryInProgress,
    DeliveryLedger,
    Finished,
    Handling,
    ReplyStatus,
    StoredReply,
    Transaction,
)
from surefoot.domain.host_wire import MAX_BODY_BYTES, UNKNOWN_RUN, Operation, problem_body, request_of
from surefoot.domain.runs import HostCall
from surefoot.domain.signatures import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, verify

if TYPE_CHECKING:
    from fastapi import APIRouter

BASE_PATH = "/assistant"
REPLAYED_HEADER = "idempotent-replayed"
ETAGS_HEADER = "if-match"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_SINGLE = frozenset({ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER, ETAGS_HEADER})
_CALL_PATH = re.compile(r"(?P<path>/[^:]*/(?P<action>[a-z0-9_]{1,64})):(?P<operation>simulate|apply|undo)\Z")
_RUN_PATH = re.compile(r"/runs/(?P<run_id>[A-Za-z0-9_-]{1,128})\Z")
_ETAG = re.compile(r'"([\x21\x23-\x7e]{1,128})"\Z')


@dataclass(frozen=True, slots=True)
class Response:
    """What goes back: status, JSON body and headers beside its type."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Receiver(Generic[Transaction]):
    """A plain ASGI app that serves `POST {base}/actions/{action}:simulate|:apply|:undo` and `GET {base}/runs/{id}`.

    `secrets` are the space-separated signing secrets (two of them while one is being replaced), or a function that reads them
    at each call. Every call must be signed, over its raw body, at most five minutes ago; the signed body names action and
    operation, and a path that says otherwise is refused, so a signature cannot be used elsewhere. An exception of a handler
    rolls its transaction back and is raised to the server, which answers 500.
    """

    def __init__(
        self,
        secrets: str | Callable[[], str],
        handlers: Mapping[str, ActionHandler[Transaction]],
        ledger: DeliveryLedger[Transaction],
        clock: Clock | None = None,
        *,
        base_path: str = BASE_PATH,
    ) -> None:
        self._secrets = secrets
        self._clock = clock or SystemClock()
        self._handling = Handling(handlers, ledger, self._clock)
        self.base_path = base_path.rstrip("/")

    def answer(self, method: str, path: str, headers: Iterable[tuple[str, str]], body: bytes) -> Response:
        """The response to one request. `path` is decoded; it blocks while a handler works, so call it in a thread."""
        try:
            return self._answered(method, path, headers, body)
        except Unauthenticated as error:
            return _problem(401, error.code, str(error))
        except IdempotencyMismatch as error:
            return _problem(422, error.code, str(error))
        except InvalidInput as error:
            return _problem(400, error.code, str(error))
        except (DeliveryInProgress, StoreUnavailable) as error:
            return _problem(error.status, error.code, str(error), {"retry-after": str(error.retry_after_seconds or 1)})

    def finish(self, delivery_id: str, run_id: str, do: Callable[[Transaction], Finished]) -> StoredReply:
        """What a handler had accepted is done by `do`, once, with its reply in the same transaction; then tell it with a
        CallbackSender. Raises NotFound and DeliveryInProgress as Handling.finish does.
        """
        return self._handling.finish(delivery_id, run_id, do)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI 3.0. Answers `http` scopes; a `lifespan` scope needs nothing and is accepted."""
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["type"] != "http":
            return
        body = await _body(receive)
        if body is None:
            response = _problem(413, "payload_too_large", f"The body is larger than {MAX_BODY_BYTES} bytes.")
        else:
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
            response = await asyncio.to_thread(self.answer, scope["method"], path, headers, body)
        fields = {"content-type": _content_type(response.status), "cache-control": "no-store", **response.headers}
        lines = [(name.encode(), value.encode("latin-1")) for name, value in fields.items()]
        lines.append((b"content-length", str(len(response.body)).encode()))
        await send({"type": "http.response.start", "status": response.status, "headers": lines})
        await send({"type": "http.response.body", "body": response.body})

    def _answered(self, method: str, path: str, headers: Iterable[tuple[str, str]], body: bytes) -> Response:
        if not path.startswith(f"{self.base_path}/"):
            return _problem(404, "not_found", "There is no such path here.")
        below = path[len(self.base_path) :]
        call, run = _CALL_PATH.match(below), _RUN_PATH.match(below)
        if call is None and run is None:
            return _problem(404, "not_found", "There is no such path here.")
        if method != ("GET" if call is None else "POST"):
            return _problem(405, "method_not_allowed", f"This path is for {'GET' if call is None else 'POST'}.")
        given = _unique(headers)
        secrets = self._secrets if isinstance(self._secrets, str) else self._secrets()
        delivery_id = verify(secrets, given, body, self._clock.now())
        if call is not None:
            return self._called(call, delivery_id, given.get(ETAGS_HEADER), body)
        assert run is not None
        if delivery_id != run["run_id"] or body:
            raise Unauthenticated(f"A question about a run is signed with its id as {ID_HEADER} and an empty body.")
        return self._status(run["run_id"])

    def _called(self, route: re.Match[str], delivery_id: str, etags: str | None, body: bytes) -> Response:
        tenant, operation, call = request_of(body, delivery_id=delivery_id, path=f"{self.base_path}{route['path']}")
        if (call.action, operation.value) != (route["action"], route["operation"]):
            raise InvalidInput("The path names another action or operation than the signed body.")
        _check_etags(etags, call)
        if operation is Operation.SIMULATE:
            return _response(self._handling.simulate(tenant, call))
        return _response(self._handling.deliver(tenant, operation, call))

    def _status(self, run_id: str) -> Response:
        stored = self._handling.answered(run_id)
        if stored is None:
            return Response(404, problem_body(404, UNKNOWN_RUN, "This run was never seen here.", {"run_id": run_id}))
        told = {"run_id": run_id, "delivery_id": stored.delivery_id, "operation": stored.operation, "status": stored.status}
        return Response(200, canonical({**told, "reply": parse_json(stored.body)}))


def fastapi_router(receiver: Receiver[Any]) -> "APIRouter":
    """The receiver's routes for a FastAPI app: `app.include_router(fastapi_router(receiver))`. Needs fastapi, imported here."""
    from fastapi import APIRouter, Request
    from fastapi import Response as HttpResponse
    from fastapi.concurrency import run_in_threadpool

    router = APIRouter()

    async def serve(request: Request) -> HttpResponse:
        body = await _body(request.receive)
        if body is None:
            response = _problem(413, "payload_too_large", f"The body is larger than {MAX_BODY_BYTES} bytes.")
        else:
            path = f"{receiver.base_path}/{'actions' if request.method == 'POST' else 'runs'}/{request.path_params['rest']}"
            response = await run_in_threadpool(receiver.answer, request.method, path, request.headers.items(), body)
        headers = {"cache-control": "no-store", **response.headers}
        return HttpResponse(response.body, response.status, headers, media_type=_content_type(response.status))

    # FastAPI reads the annotation by name, and these names exist only in here.
    serve.__annotations__ = {"request": Request}
    for kind, method in (("actions", "POST"), ("runs", "GET")):
        router.add_api_route(f"{receiver.base_path}/{kind}/{{rest:path}}", serve, methods=[method], include_in_schema=False)
    return router


async def _body(receive: Receive) -> bytes | None:
    """The whole body, or None when it is too large."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY_BYTES:
            return None
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _unique(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The headers by lower-case name. Raises Unauthenticated when one that decides comes twice."""
    found: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        if lower in found and lower in _SINGLE:
            raise Unauthenticated(f"The header {lower} comes twice.")
        found[lower] = value
    return found


def _check_etags(header: str | None, call: HostCall) -> None:
    """The signed body decides; a header that says otherwise was changed on the way, or made by mistake."""
    if header is None:
        return
    etags = [_ETAG.match(text.strip()) for text in header.split(",")]
    if [found and found[1] for found in etags] != [precondition.etag for precondition in call.preconditions]:
        raise InvalidInput("The If-Match header is not the list of the preconditions' etags, each in quotation marks.")


def _response(answer: Answer) -> Response:
    return Response(answer.status, answer.body, {REPLAYED_HEADER: "true"} if answer.reply_status is ReplyStatus.REPLAYED else {})


def _problem(status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, problem_body(status, code, detail), headers or {})


def _content_type(status: int) -> str:
    return "application/json" if status < HTTPStatus.BAD_REQUEST else "application/problem+json"
