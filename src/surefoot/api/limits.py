"""What a request may cost before anything is done for it: bytes, time to arrive, and a place among those being served."""

from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from starlette.requests import ClientDisconnect, Request

from surefoot.core.deadline import Deadline
from surefoot.core.errors import BodyTimeout, InvalidInput, Overloaded, PayloadTooLarge, UnsupportedMediaType
from surefoot.core.strict_json import parse_json

Result = TypeVar("Result")

BODY_SECONDS = 30
MAX_JSON_DEPTH = 16
_PARSED_IN_PLACE_BYTES = 65_536
_WAITING_SHARE = 0.25


class Admission:
    """At most `concurrent` pieces of work at once in this process, and at most `waiting` more that wait for a place.

    Beyond that, and after `wait_seconds` of waiting, callers are told to come back instead of being queued without end.
    Work in several pieces takes a `turn`, whose later pieces go before everybody's first.
    """

    def __init__(self, *, concurrent: int, waiting: int, wait_seconds: float = 10.0) -> None:
        self._places = _Places(concurrent)
        self._threads = anyio.CapacityLimiter(concurrent)
        self._room = concurrent + waiting
        self._inside = 0
        self._wait_seconds = wait_seconds

    @asynccontextmanager
    async def admitted(self) -> AsyncIterator[None]:
        """The caller is inside for the length of the block. Raises Overloaded at once when there is no room to wait in."""
        if self._inside >= self._room:
            raise Overloaded(retry_after_seconds=1)
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    async def run(self, work: Callable[[], Result]) -> Result:
        """What `work` returns, run in a thread once there is a place; Overloaded when none comes free in time."""
        return await self.begin(work, wait_seconds=self._wait_seconds)

    async def begin(self, work: Callable[[], Result], *, wait_seconds: float) -> Result:
        """As `run`, with a wait of its own."""
        try:
            with anyio.fail_after(wait_seconds):
                await self._places.take()
        except TimeoutError:
            raise Overloaded(retry_after_seconds=1) from None
        return await self._run(work)

    async def go_on(self, work: Callable[[], Result]) -> Result:
        """What `work` returns, the next piece of something that has begun: it is never sent away."""
        await self._places.take(has_begun=True)
        return await self._run(work)

    def turn(self, deadline: Deadline) -> "Turn":
        """A place for each piece of one work."""
        return Turn(self, deadline)

    async def _run(self, work: Callable[[], Result]) -> Result:
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._threads)
        finally:
            self._places.give_back()


class _Places:
    """So many places, for one event loop. Of those who wait, who has begun comes before who has not, else the first to come."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._begun: deque[anyio.Event] = deque()
        self._fresh: deque[anyio.Event] = deque()

    async def take(self, *, has_begun: bool = False) -> None:
        """A place is the caller's, to be given back. A free one is taken without waiting, a moment after the deadline too."""
        if self._free:
            self._free -= 1
            return
        queue, called = self._begun if has_begun else self._fresh, anyio.Event()
        queue.append(called)
        try:
            await called.wait()
        except BaseException:
            # Cancelled: the place may have been given at the same moment.
            if called.is_set():
                self.give_back()
            else:
                queue.remove(called)
            raise

    def give_back(self) -> None:
        """The place is the next one's."""
        queue = self._begun or self._fresh
        if queue:
            queue.popleft().set()
        else:
            self._free += 1


class Turn:
    """One work of several pieces. The first waits for a place for a share of the time until the deadline, so that what is
    let in can be answered by then. What has begun is finished before others begin: a caller who is sent away after a model was
    paid would pay for it again, and a question that begins while others cannot end makes all of them late.
    """

    def __init__(self, admission: Admission, deadline: Deadline) -> None:
        self._admission = admission
        self._deadline = deadline
        self._has_begun = False

    async def run(self, work: Callable[[], Result]) -> Result:
        """What `work` returns, run in a thread; Overloaded when the first place did not come in good time."""
        if self._has_begun:
            return await self._admission.go_on(work)
        result = await self._admission.begin(work, wait_seconds=self._deadline.left_seconds * _WAITING_SHARE)
        self._has_begun = True
        return result


class ReadRequest(Request):
    """A request whose body has been read and understood by `read_json`; the framework finds it here."""

    def __init__(self, request: Request, raw: bytes, value: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._raw = raw
        self._value = value

    async def body(self) -> bytes:
        return self._raw

    async def json(self) -> Any:
        return self._value


async def read_json(request: Request, *, max_bytes: int, seconds: float = BODY_SECONDS) -> ReadRequest:
    """The request with its JSON body read strictly. Raises as read_bytes does, and InvalidInput for anything but strict JSON."""
    raw = await read_bytes(request, max_bytes=max_bytes, seconds=seconds)
    if len(raw) <= _PARSED_IN_PLACE_BYTES:
        return ReadRequest(request, raw, parse_json(raw, max_depth=MAX_JSON_DEPTH))
    value = await anyio.to_thread.run_sync(lambda: parse_json(raw, max_depth=MAX_JSON_DEPTH))
    return ReadRequest(request, raw, value)


async def read_bytes(request: Request, *, max_bytes: int, seconds: float = BODY_SECONDS) -> bytes:
    """The request's body, which says that it is JSON, as it came.

    Raises UnsupportedMediaType, PayloadTooLarge (by the declared length before the first byte, by the count of what came
    otherwise; nothing beyond the limit is kept), BodyTimeout, and InvalidInput for a connection that was closed early.
    """
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if media_type.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise UnsupportedMediaType
    declared = request.headers.get("content-length", "0")
    # A number with more digits than any limit has is too large without being converted.
    if not declared.isascii() or not declared.isdigit() or len(declared) > 15 or int(declared) > max_bytes:
        raise PayloadTooLarge(f"The body is larger than the {max_bytes} bytes that this call takes.")
    try:
        with anyio.fail_after(seconds):
            return await _read(request, max_bytes)
    except TimeoutError:
        raise BodyTimeout from None
    except ClientDisconnect:
        raise InvalidInput("The connection was closed before the body had arrived.") from None


async def _read(request: Request, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    count = 0
    async for part in request.stream():
        count += len(part)
        if count > max_bytes:
            raise PayloadTooLarge(f"The body is larger than the {max_bytes} bytes that this call takes.")
        parts.append(part)
    return b"".join(parts)
