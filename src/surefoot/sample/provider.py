"""A language model's provider on loopback: the OpenAI chat-completions wire format, scripted brains, and faults on demand."""

import json
import socket
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from threading import Condition
from typing import Any

import anyio
import uvicorn
from anyio.from_thread import start_blocking_portal
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from surefoot.core.clock import Clock, SystemClock
from surefoot.core.errors import InvalidInput
from surefoot.core.ids import derived_id
from surefoot.core.strict_json import parse_json
from surefoot.domain.identity import TenantId
from surefoot.domain.models import FinishReason, Message, Piece
from surefoot.llm.scripted import SCRIPTED_KINDS, scripted_model
from surefoot.sample.provider_faults import NO_FAULTS, Faults, named_faults
from surefoot.sample.provider_wire import FINISH_WORDS, Wire, error_response, model_request

_NOBODY = TenantId("loopback")
_KEPT_BODIES = 100
_CACHED_STEP_TOKENS = 128
_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Counts:
    """How many calls came, were answered whole, were refused or broken on purpose, and were left by their caller."""

    requests: int = 0
    completed: int = 0
    failed: int = 0
    disconnected: int = 0
    pieces: int = 0


class Provider:
    """The provider's app and what it saw. Safe to read from any thread while it serves."""

    def __init__(self, faults: Faults, api_key: str | None, clock: Clock) -> None:
        self._faults = faults
        self._api_key = api_key
        self._clock = clock
        self._changed = Condition()
        self._counts = dict.fromkeys(Counts.__slots__, 0)
        self._calls: dict[str, int] = {}
        self._prompts: dict[str, tuple[Message, ...]] = {}
        self._bodies: deque[dict[str, Any]] = deque(maxlen=_KEPT_BODIES)
        self._closing: anyio.Event | None = None
        routes = [
            Route("/v1/chat/completions", self._complete, methods=["POST"]),
            Route("/v1/models", self._models, methods=["GET"]),
        ]
        self.app = Starlette(routes=routes, lifespan=self._lifespan)

    @property
    def counts(self) -> Counts:
        """The counts as they stand."""
        with self._changed:
            return Counts(**self._counts)

    @property
    def bodies(self) -> Sequence[Mapping[str, Any]]:
        """The JSON bodies of the last hundred calls, in order."""
        with self._changed:
            return tuple(self._bodies)

    def wait_for(self, *, timeout_seconds: float, **at_least: int) -> bool:
        """Whether every count named reached its number before the time was over."""
        with self._changed:
            return self._changed.wait_for(
                lambda: all(self._counts[name] >= number for name, number in at_least.items()), timeout_seconds
            )

    def let_go(self) -> None:
        """Every call that hangs ends now. To be called in the server's own event loop."""
        if self._closing is not None:
            self._closing.set()

    def add(self, count: str) -> None:
        """One more is counted."""
        with self._changed:
            self._counts[count] += 1
            self._changed.notify_all()

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self._closing = anyio.Event()
        yield

    async def _models(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": kind, "object": "model"} for kind in SCRIPTED_KINDS]})

    async def _complete(self, request: Request) -> Response:
        self.add("requests")
        if self._api_key is not None and request.headers.get("authorization") != f"Bearer {self._api_key}":
            return self._error(401, "The API key is not valid.", "invalid_api_key")
        try:
            body = parse_json(await request.body())
            asked = model_request(body)
        except InvalidInput as error:
            return self._error(400, str(error), None)
        name = str(body["model"])
        try:
            kind, faults = named_faults(name, self._faults)
            model = scripted_model(kind.removeprefix("scripted/"))
        except InvalidInput as error:
            return self._error(404, str(error), "model_not_found")
        with self._changed:
            self._bodies.append(body)
            self._calls[name] = self._calls.get(name, 0) + 1
            faults = faults.for_call(self._calls[name])
            cached = _cached_tokens(self._prompts.get(name, ()), asked.messages)
            self._prompts[name] = asked.messages
        wire = Wire(
            derived_id("chatcmpl", str(self.counts.requests)),
            int(self._clock.now().timestamp()),
            name,
            with_usage=bool((body.get("stream_options") or {}).get("include_usage")) and not faults.without_usage,
            cached_tokens=cached,
        )
        return _Completion(
            self, self._closing or anyio.Event(), model.stream(_NOBODY, asked), wire, faults, is_stream=body.get("stream") is True
        )

    def _error(self, status: int, message: str, code: str | None) -> Response:
        self.add("failed")
        return error_response(status, message, code)


def create_provider(*, faults: Faults = NO_FAULTS, api_key: str | None = None, clock: Clock | None = None) -> Provider:
    """A provider with every scripted model by its name. `faults` hold for every call, besides those that a model's name
    adds; with an `api_key`, calls without it are refused.
    """
    return Provider(faults, api_key, clock or SystemClock())


@contextmanager
def serve_provider(provider: Provider) -> Iterator[str]:
    """The provider's base URL, such as http://127.0.0.1:43121/v1, while it serves there in a thread of its own.

    After the block the port is closed, calls that hang are let go and the thread is gone.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    # Configured without logging: this server stands beside others whose log settings it must not touch.
    config = uvicorn.Config(
        provider.app, log_config=None, access_log=False, ws="none", lifespan="on", timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)
    with start_blocking_portal() as portal:
        serving = portal.start_task_soon(server.serve, [listener])
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            server.should_exit = True
            portal.call(provider.let_go)
            serving.result()


class _Completion(Response):
    """Answers one call with a brain's pieces and its faults; ends at once when the caller leaves or the server closes."""

    def __init__(
        self,
        provider: Provider,
        closing: anyio.Event,
        pieces: AsyncGenerator[Piece, None],
        wire: Wire,
        faults: Faults,
        *,
        is_stream: bool,
    ) -> None:
        super().__init__()
        self._provider = provider
        self._closing = closing
        self._pieces = pieces
        self._wire = wire
        self._faults = faults
        self._is_stream = is_stream
        self._has_begun = False
        self._is_over = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch, receive, group.cancel_scope)
            group.start_soon(self._end_with_server, scope, receive, send, group.cancel_scope)
            await self._answer(scope, receive, send)
            group.cancel_scope.cancel()

    async def _watch(self, receive: Receive, scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if not self._is_over:
            self._is_over = True
            self._provider.add("disconnected")
            scope.cancel()

    async def _end_with_server(self, scope: Scope, receive: Receive, send: Send, cancel: anyio.CancelScope) -> None:
        await self._closing.wait()
        if not self._is_over:
            self._is_over = True
            if self._has_begun:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                await error_response(503, "The server is closing.", None)(scope, receive, send)
        cancel.cancel()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        faults = self._faults
        await anyio.sleep(faults.delay_seconds)
        if faults.hangs:
            await anyio.sleep_forever()
        if faults.status is not None:
            self._is_over = True
            self._provider.add("failed")
            response = error_response(faults.status, "This fault was asked for.", "loopback_fault", faults.retry_after_seconds)
            await response(scope, receive, send)
            return
        async with aclosing(self._pieces) as pieces:
            if self._is_stream:
                await self._stream(pieces, send)
            else:
                await self._whole(pieces, send)

    async def _whole(self, pieces: AsyncGenerator[Piece, None], send: Send) -> None:
        said = [piece async for piece in pieces]
        if self._faults.stalls_after is not None:
            await anyio.sleep_forever()
        usage = None if self._faults.without_usage else said[-1].usage
        body = json.dumps(self._wire.whole("".join(piece.text for piece in said), self._finish(said[-1]), usage)).encode()
        if self._faults.is_garbage:
            body = b"<html><body>Bad gateway</body></html>"
        is_broken = self._faults.is_truncated or self._faults.is_cut
        await self._begin(send, "text/html" if self._faults.is_garbage else "application/json")
        await self._end(send, body[: len(body) // 2] if is_broken else body)

    async def _stream(self, pieces: AsyncGenerator[Piece, None], send: Send) -> None:
        await self._begin(send, "text/event-stream")
        if self._faults.is_garbage:
            await self._end(send, b'data: {"choices": [{"del\n\n\x00\xff\xfe not an event\n\ndata: [1, 2\n\n')
            return
        await self._send(send, self._wire.chunk({"role": "assistant", "content": ""}))
        sent = 0
        async for piece in pieces:
            if piece.text:
                await anyio.sleep(self._faults.piece_delay_seconds)
                await self._send(send, self._wire.chunk({"content": piece.text}))
                self._provider.add("pieces")
                sent += 1
            if sent == self._faults.stalls_after:
                await anyio.sleep_forever()
            if sent and (self._faults.is_truncated or self._faults.is_cut):
                await self._end(send, b"")
                return
            if piece.finish is not None:
                await self._send(send, self._wire.chunk({}, self._finish(piece)))
                if self._wire.with_usage and piece.usage is not None:
                    await self._send(send, self._wire.last(piece.usage))
        await self._end(send, b"data: [DONE]\n\n")

    def _finish(self, piece: Piece) -> str:
        return "content_filter" if self._faults.is_filtered else FINISH_WORDS[piece.finish or FinishReason.STOP]

    async def _begin(self, send: Send, media_type: str) -> None:
        headers = [(b"content-type", media_type.encode()), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        self._has_begun = True

    async def _send(self, send: Send, body: bytes) -> None:
        await send({"type": "http.response.body", "body": body, "more_body": True})

    async def _end(self, send: Send, body: bytes) -> None:
        """The last bytes are sent; left open when the connection is to be dropped, which the server then does."""
        self._is_over = True
        is_broken = self._faults.is_truncated or self._faults.is_cut or self._faults.is_garbage
        self._provider.add("failed" if is_broken else "completed")
        await send({"type": "http.response.body", "body": body, "more_body": self._faults.is_cut})


def _cached_tokens(before: Sequence[Message], now: Sequence[Message]) -> int:
    """The tokens of the messages that both prompts begin with, in whole steps, as providers cache prefixes."""
    same = 0
    for earlier, later in zip(before, now, strict=False):
        if earlier != later:
            break
        same += len(later.content.encode())
    return same // _CHARACTERS_PER_TOKEN // _CACHED_STEP_TOKENS * _CACHED_STEP_TOKENS
