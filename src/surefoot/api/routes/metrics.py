"""What this process has counted, for Prometheus. Whoever reads it sees every tenant's numbers, so no tenant's key opens it."""

import hmac
from contextlib import suppress
from functools import partial

import anyio.to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from surefoot.api.deps import Face, TheFace
from surefoot.core.errors import NotFound, SurefootError, Unauthenticated
from surefoot.core.settings import Settings

# The version of the text format that the exposition is written in.
CONTENT_TYPE = "text/plain; version=1.0.0; charset=utf-8"

# It is the operator's, not part of the API that tenants call, and so not of its document.
router = APIRouter(include_in_schema=False)


@router.get("/metrics")
async def metrics(request: Request, face: TheFace) -> Response:
    """Every series of this worker process, in Prometheus's text format."""
    _check(face.surefoot.settings, request.headers.getlist("authorization"))
    await anyio.to_thread.run_sync(partial(_look_at_verdicts, face))
    return Response(face.surefoot.metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})


def _look_at_verdicts(face: Face) -> None:
    """The gauges of verdicts are of now; they stay as they were while the database does not answer."""
    with suppress(SurefootError):
        face.surefoot.metrics.judged(face.surefoot.verdicts.all(), face.surefoot.clock.now())


def _check(settings: Settings, headers: list[str]) -> None:
    """Returns for whoever may read. Without a token to compare with, there is no such page unless it is public."""
    if settings.metrics_public:
        return
    if not settings.metrics_token:
        raise NotFound
    scheme, _, token = headers[0].partition(" ") if len(headers) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not hmac.compare_digest(token.encode(), settings.metrics_token.encode()):
        raise Unauthenticated("The metrics need `Authorization: Bearer <metrics_token of the settings>`.")
