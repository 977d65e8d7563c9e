"""The ledger of replies."""

from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from surefoot.api.deps import AdminRoute, Id, NeedsServerKey, TheFace, TheServerKey, json_response
from surefoot.api.schemas.service import RecordedReply
from surefoot.core.errors import NotFound

router = APIRouter(prefix="/v1/replies", tags=["replies"], route_class=AdminRoute, dependencies=[NeedsServerKey])


@router.get("/{reply_id}", response_model=RecordedReply, summary="Read a reply as it was recorded")
async def reply(reply_id: Id, caller: TheServerKey, face: TheFace) -> Response:
    """The ledger row of one reply: ids, outcome, confidence, citations, timings. Who asked is kept as a hash alone."""
    row = await face.administration.run(partial(face.surefoot.store.replies.get, caller.tenant, reply_id))
    if row is None:
        raise NotFound
    return json_response(RecordedReply.model_validate(row).model_dump(mode="json"))
