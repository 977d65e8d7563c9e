"""Whether the process lives, and whether it can answer."""

from collections.abc import Callable
from functools import partial

import anyio.to_thread
from fastapi import APIRouter
from starlette.responses import Response

from surefoot.api.deps import Face, TheFace, json_response
from surefoot.api.schemas.service import Health, Readiness
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
    """Ready when the database answers and the encoder encodes."""
    readiness = await anyio.to_thread.run_sync(partial(_readiness, face))
    return json_response(readiness.model_dump(mode="json"), 200 if readiness.status == "ready" else 503)


def _readiness(face: Face) -> Readiness:
    checks = {
        "store": _outcome(face.surefoot.store.check),
        "encoder": _outcome(partial(face.surefoot.encoder.encode_query, "ready?")),
    }
    return Readiness(status="ready" if set(checks.values()) == {"ok"} else "not ready", checks=checks)


def _outcome(check: Callable[[], object]) -> str:
    """`ok`, or the public message of the error; what a driver says beyond that belongs in the log."""
    try:
        check()
    except SurefootError as error:
        return f"{error.code}: {(type(error).__doc__ or '').strip()}"
    return "ok"
