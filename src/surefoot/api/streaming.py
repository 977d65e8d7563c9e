"""Answers as server-sent events, each claim once it is verified, then the whole reply; and callers who hang up."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import anyio.abc
import orjson
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from surefoot.api.limits import Admission
from surefoot.api.schemas.asking import ShownClaim, ShownReply
from surefoot.assistant.watching import Watcher
from surefoot.core.errors import SurefootError
from surefoot.domain.answers import Answer, Claim
from surefoot.domain.replies import Reply

Result = TypeVar("Result")
MEDIA_TYPE = "text/event-stream"
# A reader that is slower than the gate makes the question wait, never the memory grow.
_EVENTS_AHEAD = 16

Work = Callable[[Watcher], Awaitable[Reply]]


def wants_stream(request: Request) -> bool:
    """Whether the caller asked for server-sent events rather than JSON."""
    accepted = [part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "").split(",")]
    return MEDIA_TYPE in accepted


async def while_connected(request: Request, work: Callable[[], Awaitable[Result]]) -> Result | None:
    """What `work` returns; None when the caller hung up first, and then the work was cancelled and spends nothing more."""
    result: Result | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_cancel_when_gone, request.receive, tasks.cancel_scope)
        failed: SurefootError | None = None
        try:
            result = await work()
        except SurefootError as error:
            # Raised after the group, which would wrap it.
            failed = error
        tasks.cancel_scope.cancel()
    if failed is not None:
        raise failed
    return result


class AnswerStream(Response):
    """The events `claim`, `restart` and last `reply`; `error` in its place when answering failed after the first event.

    What fails before the first event is raised, so that it is answered with its own status like any other call.
    """

    media_type = MEDIA_TYPE

    def __init__(self, work: Work, admission: Admission, problem: Callable[[SurefootError], bytes]) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        self._work = work
        self._admission = admission
        self._problem = problem

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        failed: list[SurefootError] = []
        async with self._admission.admitted(), anyio.create_task_group() as tasks:
            events_in, events_out = anyio.create_memory_object_stream[bytes](_EVENTS_AHEAD)
            tasks.start_soon(self._answer, events_in, failed)
            tasks.start_soon(_cancel_when_gone, receive, tasks.cancel_scope)
            await self._send(events_out, failed, send)
            tasks.cancel_scope.cancel()
        if failed:
            raise failed[0]

    async def _answer(self, events: MemoryObjectSendStream[bytes], failed: list[SurefootError]) -> None:
        with events:
            watcher = _EventWatcher(events)
            try:
                reply = await self._work(watcher)
            except SurefootError as error:
                failed.append(error)
                return
            await watcher.catch_up(reply.outcome.claims if isinstance(reply.outcome, Answer) else ())
            await events.send(_event("reply", ShownReply.of(reply)))

    async def _send(self, events: MemoryObjectReceiveStream[bytes], failed: list[SurefootError], send: Send) -> None:
        has_begun = False
        with events:
            async for event in events:
                if not has_begun:
                    await send({"type": "http.response.start", "status": 200, "headers": self._without_length()})
                    has_begun = True
                await send({"type": "http.response.body", "body": event, "more_body": True})
        if not has_begun:
            return
        if failed:
            told = b"event: error\ndata: " + self._problem(failed.pop()) + b"\n\n"
            await send({"type": "http.response.body", "body": told, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _without_length(self) -> list[tuple[bytes, bytes]]:
        return [(name, value) for name, value in self.raw_headers if name != b"content-length"]


class _EventWatcher:
    """Turns claims into events, and knows which of them were sent."""

    def __init__(self, events: MemoryObjectSendStream[bytes]) -> None:
        self._events = events
        self._sent: list[Claim] = []

    async def claim(self, claim: Claim) -> None:
        """The claim is on its way to the caller."""
        self._sent.append(claim)
        await self._events.send(_event("claim", ShownClaim.of(claim)))

    async def restart(self) -> None:
        """The caller is told to forget the claims so far."""
        self._sent.clear()
        await self._events.send(b"event: restart\ndata: {}\n\n")

    async def catch_up(self, claims: tuple[Claim, ...]) -> None:
        """Exactly these claims were sent: those of a tier without streaming too, and none that was withdrawn."""
        if tuple(self._sent) != claims[: len(self._sent)]:
            await self.restart()
        for claim in claims[len(self._sent) :]:
            await self.claim(claim)


def _event(name: str, data: BaseModel) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(data.model_dump(mode="json")) + b"\n\n"


async def _disconnected(receive: Receive) -> None:
    """Returns when the caller has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cancel_when_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    await _disconnected(receive)
    scope.cancel()
