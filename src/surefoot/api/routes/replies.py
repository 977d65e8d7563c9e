"""The ledger of replies."""

from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from surefoot.api.deps import AdminRoute, NeedsServerKey, TheFace, TheServerKey, json_response
from surefoot.core.errors import NotFound

router = APIRouter(prefix="/v1/replies", tags=["replies"], route_class=AdminRoute, dependencies=[NeedsServerKey])

_EXAMPLE = {
    "reply_id": "rep_0195a0c2f3a47d0e8f5b6c7d8e9f0a1b",
    "asked_at": "2026-03-01T12:00:00Z",
    "corpus_version": "9c1f0a2b3d4e5f60",
}


@router.get(
    "/{reply_id}",
    response_model=dict[str, object],
    responses={200: {"content": {"application/json": {"example": _EXAMPLE}}}},
    summary="Read a reply as it was recorded",
)
async def reply(reply_id: str, caller: TheServerKey, face: TheFace) -> Response:
    """The ledger row of one reply: ids, outcome, confidence, citations, timings. Who asked is kept as a hash alone."""
    row = await face.administration.run(partial(face.surefoot.store.replies.get, caller.tenant, reply_id))
    if row is None:
        raise NotFound
    return json_response(dict(row))
