"""Equal work is done once: who comes while it is under way waits for its result."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

import anyio

from surefoot.core.deadline import Deadline

Result = TypeVar("Result")


class _Abandoned(Exception):
    """The leader was cancelled or failed; someone else has to lead."""


class SingleFlight(Generic[Result]):
    """Work under way by key, over all threads and event loops of the process."""

    def __init__(self) -> None:
        self._flying: dict[str, Future[Result]] = {}
        self._lock = Lock()

    async def run(self, key: str, work: Callable[[], Awaitable[Result]], deadline: Deadline) -> tuple[Result, bool]:
        """The result of `work`, and whether somebody else's run of it gave it.

        The first to come does the work; a failure or cancellation is its own, and one of those who wait does it again.
        Waiting ends with the deadline, in TimeoutError.
        """
        while True:
            with self._lock:
                flight = self._flying.get(key)
                is_leader = flight is None
                if flight is None:
                    flight = self._flying[key] = Future()
                    # Running, a flight cannot be cancelled: a follower who leaves does not end it for the others.
                    flight.set_running_or_notify_cancel()
            if is_leader:
                return await self._lead(key, flight, work), False
            try:
                with anyio.fail_after(deadline.left_seconds):
                    return await asyncio.wrap_future(flight), True
            except _Abandoned:
                continue

    async def _lead(self, key: str, flight: Future[Result], work: Callable[[], Awaitable[Result]]) -> Result:
        try:
            result = await work()
        except BaseException:
            self._land(key)
            flight.set_exception(_Abandoned())
            raise
        self._land(key)
        flight.set_result(result)
        return result

    def _land(self, key: str) -> None:
        with self._lock:
            self._flying.pop(key, None)
