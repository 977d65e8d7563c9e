"""Waiting for a change, for as long as a caller wants to and no longer than is good for the others."""

from collections.abc import Callable
from typing import Annotated, TypeVar

import anyio
from fastapi import Query, Request
from starlette.responses import Response

from surefoot.api.deps import Face
from surefoot.core.deadline import Deadline

# A caller who waits holds room among the questions, so nobody waits long.
_LONGEST_WAIT_SECONDS = 10
_LOOK_AGAIN_SECONDS = 0.25
Wait = Annotated[float, Query(ge=0, le=_LONGEST_WAIT_SECONDS, description="Seconds to wait for a change.")]
View = TypeVar("View")


async def unless_unchanged(
    face: Face,
    request: Request,
    wait: float,
    look: Callable[[], View],
    etag: Callable[[View], str],
    answer: Callable[[View], Response],
) -> Response:
    """The answer to what `look` sees, as soon as its etag is another than the caller's `If-None-Match`; 304 when it is still the
    same after `wait` seconds.
    """
    known = request.headers.get("if-none-match")
    deadline = Deadline.after(wait)
    while True:
        view = await face.questions.run(look)
        if known != etag(view):
            return answer(view)
        if deadline.is_over:
            return Response(status_code=304, headers={"ETag": etag(view)})
        await anyio.sleep(min(_LOOK_AGAIN_SECONDS, deadline.left_seconds))
