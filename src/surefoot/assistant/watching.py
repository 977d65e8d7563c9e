"""Who watches an answer while it is written, and where the work of a question is done."""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

import anyio.to_thread

from surefoot.domain.answers import Claim

Result = TypeVar("Result")


class Watcher(Protocol):
    """Sees claims as they come, each after its gate and in reading order; never a word that was not verified."""

    async def claim(self, claim: Claim) -> None:
        """The claim may be shown."""
        ...

    async def restart(self) -> None:
        """The claims so far are not part of the answer: another attempt begins. Nothing was wrong with any of them."""
        ...


class Runner(Protocol):
    """Runs plain functions where waiting is allowed."""

    def __call__(self, work: Callable[[], Result]) -> Coroutine[Any, Any, Result]:
        """What `work` returns."""
        ...


async def in_thread(work: Callable[[], Result]) -> Result:
    """What `work` returns, run in a worker thread."""
    return await anyio.to_thread.run_sync(work)
