"""Who may sign viewer tokens for the caller's tenant."""

from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from surefoot.api.deps import AdminRoute, Face, NeedsServerKey, TheFace, TheServerKey, json_response
from surefoot.api.schemas.service import SentIssuer, ShownIssuer, ShownIssuers
from surefoot.domain.identity import TenantId
from surefoot.governance.issuers import check_issuer

router = APIRouter(prefix="/v1/issuers", tags=["issuers"], route_class=AdminRoute, dependencies=[NeedsServerKey])


@router.put("", response_model=ShownIssuer, summary="Accept or replace a token issuer")
async def put_issuer(body: SentIssuer, caller: TheServerKey, face: TheFace) -> Response:
    """Tokens of this issuer are accepted from the next call on; keys that are not listed any more are not."""
    shown = await face.administration.run(partial(_put, face, caller.tenant, body))
    return json_response(shown.model_dump(mode="json"))


@router.get("", response_model=ShownIssuers, summary="List token issuers")
async def list_issuers(caller: TheServerKey, face: TheFace) -> Response:
    """All issuers of the tenant, with their public keys."""
    shown = await face.administration.run(partial(_list, face, caller.tenant))
    return json_response(shown.model_dump(mode="json"))


def _put(face: Face, tenant: TenantId, body: SentIssuer) -> ShownIssuer:
    issuer = body.of(tenant)
    check_issuer(issuer)
    with face.surefoot.store.begin() as work:
        work.tenants.put_issuer(tenant, issuer)
        work.commit()
    return ShownIssuer.of(issuer)


def _list(face: Face, tenant: TenantId) -> ShownIssuers:
    with face.surefoot.store.begin() as work:
        return ShownIssuers(issuers=[ShownIssuer.of(issuer) for issuer in work.tenants.issuers(tenant)])
