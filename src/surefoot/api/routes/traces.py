"""Everything that one id finds."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from surefoot.api.deps import AdminRoute, NeedsServerKey, TheFace, TheServerKey, json_response
from surefoot.api.schemas.quality import ShownTrace
from surefoot.core.errors import NotFound
from surefoot.governance.traces import Traces, trace_record

router = APIRouter(prefix="/v1/traces", tags=["traces"], route_class=AdminRoute, dependencies=[NeedsServerKey])

TraceId = Annotated[str, Path(description="The `trace_id` of a reply or a run.")]


@router.get("/{trace_id}", response_model=ShownTrace, summary="Read what one request led to")
async def trace(trace_id: TraceId, caller: TheServerKey, face: TheFace) -> Response:
    """Question, passages, attempts, runs and outcome that carry this id, with the audit rows, events and feedback about them."""
    found = await face.administration.run(partial(Traces(face.surefoot.store).find, caller.tenant, trace_id))
    if found is None:
        raise NotFound
    return json_response(ShownTrace.model_validate(trace_record(found)).model_dump(mode="json"))
