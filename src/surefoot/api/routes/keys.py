"""Server keys of the caller's tenant."""

from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from surefoot.api.deps import AdminRoute, Face, Id, NeedsServerKey, TheFace, TheServerKey, json_response
from surefoot.api.schemas.service import CreatedKey, NewKey, ShownKey, ShownKeys
from surefoot.core.errors import NotFound
from surefoot.domain.identity import TenantId
from surefoot.governance import server_keys

router = APIRouter(prefix="/v1/keys", tags=["keys"], route_class=AdminRoute, dependencies=[NeedsServerKey])


@router.post("", response_model=CreatedKey, status_code=201, summary="Create a server key")
async def create_key(body: NewKey, caller: TheServerKey, face: TheFace) -> Response:
    """The new key with its secret, which is shown this once."""
    created = await face.administration.run(partial(_create, face, caller.tenant, body))
    return json_response(created.model_dump(mode="json"), 201)


@router.get("", response_model=ShownKeys, summary="List server keys")
async def list_keys(caller: TheServerKey, face: TheFace) -> Response:
    """All keys of the tenant, revoked ones included, oldest first."""
    shown = await face.administration.run(partial(_list, face, caller.tenant))
    return json_response(shown.model_dump(mode="json"))


@router.delete("/{key_id}", status_code=204, summary="Revoke a server key")
async def revoke_key(key_id: Id, caller: TheServerKey, face: TheFace) -> Response:
    """The key stops working at once, the caller's own included."""
    await face.administration.run(partial(_revoke, face, caller.tenant, key_id))
    return Response(status_code=204)


def _create(face: Face, tenant: TenantId, body: NewKey) -> CreatedKey:
    key, secret = server_keys.create(tenant, body.scopes, label=body.label, now=face.surefoot.clock.now())
    with face.surefoot.store.begin() as work:
        work.tenants.add_key(tenant, key)
        work.commit()
    return CreatedKey(key=ShownKey.of(key), secret=secret)


def _list(face: Face, tenant: TenantId) -> ShownKeys:
    with face.surefoot.store.begin() as work:
        return ShownKeys(keys=[ShownKey.of(key) for key in work.tenants.keys(tenant)])


def _revoke(face: Face, tenant: TenantId, key_id: str) -> None:
    with face.surefoot.store.begin() as work:
        if not work.tenants.revoke_key(tenant, key_id, now=face.surefoot.clock.now()):
            raise NotFound
        work.commit()
