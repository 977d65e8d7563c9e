"""What the evals say of the caller's tenant."""

from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from surefoot.api.deps import AdminRoute, Face, NeedsServerKey, TheFace, TheServerKey, json_response
from surefoot.api.schemas.verdicts import TenantVerdict
from surefoot.domain.identity import TenantId

router = APIRouter(prefix="/v1/verdict", tags=["evals"], route_class=AdminRoute, dependencies=[NeedsServerKey])

_RECENT = 10


@router.get("", response_model=TenantVerdict, summary="Read the evals' verdict")
async def verdict(caller: TheServerKey, face: TheFace) -> Response:
    """The verdict that stands, gate by gate: why models are kept away or actions only suggested, and on which surfaces."""
    shown = await face.administration.run(partial(_read, face, caller.tenant))
    return json_response(shown.model_dump(mode="json"))


def _read(face: Face, tenant: TenantId) -> TenantVerdict:
    with face.surefoot.store.begin() as work:
        standing, recent = work.verdicts.current(tenant), work.verdicts.history(tenant, limit=_RECENT)
    return TenantVerdict.of(standing, recent, face.surefoot.clock.now())
