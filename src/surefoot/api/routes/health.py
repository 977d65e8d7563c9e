"""Whether the process lives, and whether it can answer."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import anyio.to_thread
from fastapi import APIRouter
from starlette.responses import Response

from surefoot.api.deps import Face, TheFace, json_response
from surefoot.api.schemas.service import Health, Readiness
from surefoot.api.schemas.verdicts import ShownOverview
from surefoot.core.errors import SurefootError

router = APIRouter(tags=["health"])


@router.get("/healthz", response_model=Health, summary="Is the process alive?")
async def healthz() -> Response:
    """Always ok when the process can say so."""
    return json_response(Health().model_dump(mode="json"))


@router.get(
    "/readyz",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "A part is not ready; `checks` says which and why."}},
    summary="Can questions be answered now?",
)
async def readyz(face: TheFace) -> Response:
    """Ready when the database answers and the encoder encodes. `verdicts` says whether gates of the evals keep models away."""
    readiness = await anyio.to_thread.run_sync(partial(_readiness, face))
    return json_response(readiness.model_dump(mode="json"), 200 if readiness.status == "ready" else 503)


def _readiness(face: Face) -> Readiness:
    checks = {
        "store": _outcome(face.surefoot.store.check),
        "encoder": _outcome(partial(face.surefoot.encoder.encode_query, "ready?")),
    }
    status: Literal["ready", "not ready"] = "ready" if set(checks.values()) == {"ok"} else "not ready"
    return Readiness(status=status, checks=checks, verdicts=_verdicts(face))


def _verdicts(face: Face) -> ShownOverview | None:
    """A red gate leaves the service useful, so it is said here and makes nobody take the service away."""
    try:
        return ShownOverview.of(face.surefoot.verdicts.overview())
    except SurefootError:
        # Why the store does not answer is among the checks.
        return None


def _outcome(check: Callable[[], object]) -> str:
    """`ok`, or the public message of the error; what a driver says beyond that belongs in the log."""
    try:
        check()
    except SurefootError as error:
        return f"{error.code}: {(type(error).__doc__ or '').strip()}"
    return "ok"
