"""What hosts say later about calls that they took on. A host's signature is its only credential."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Security
from fastapi.security import APIKeyHeader
from starlette.responses import Response

from surefoot.api.deps import Face, GuardedRoute, TheFace, json_response
from surefoot.api.limits import Admission, read_bytes
from surefoot.api.schemas.callbacks import BODY, ShownCallback
from surefoot.core.errors import Unauthenticated
from surefoot.domain.host_wire import MAX_BODY_BYTES
from surefoot.domain.signatures import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER

_SIGNED = (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)


class HostRoute(GuardedRoute):
    """Called by a host's backend, with a signature over the body; what cannot be one is turned away before the body is read."""

    def admission(self, face: Face) -> Admission:
        return face.callbacks

    def authenticate(self, request: Request, face: Face) -> None:
        for name in _SIGNED:
            if len(request.headers.getlist(name)) != 1:
                raise Unauthenticated(f"Send exactly one {name} header; callbacks are signed as Standard Webhooks says.")
        if not face.surefoot.actions.takes_callbacks(request.path_params["host"]):
            raise Unauthenticated("There is no such host here whose callbacks could be verified.")


signature = APIKeyHeader(
    scheme_name="hostSignature", name=SIGNATURE_HEADER, description="Standard Webhooks signature.", auto_error=False
)
router = APIRouter(prefix="/v1", tags=["actions"], route_class=HostRoute, dependencies=[Security(signature)])

HostName = Annotated[str, Path(description="The host as actions.toml names it.", max_length=48)]
_EXTRA: dict[str, Any] = {"requestBody": BODY}


@router.post(
    "/hosts/{host}/callbacks", response_model=ShownCallback, summary="Say what became of a delivery", openapi_extra=_EXTRA
)
async def callback(host: HostName, request: Request, face: TheFace) -> Response:
    """The outcome of a delivery that the host had answered with 202. `webhook-id` is the delivery id, and the body says status
    and reply as the host would have answered the call itself. The same again has the same answer, marked
    `Idempotent-Replayed: true`; what contradicts a settled run is `callback_conflict` and changes nothing.
    """
    limit = min(face.surefoot.settings.max_body_bytes, MAX_BODY_BYTES)
    body = await read_bytes(request, max_bytes=limit)
    headers = {name: request.headers[name] for name in _SIGNED}
    answer = await face.callbacks.run(partial(face.surefoot.actions.receive_callback, host, headers, body))
    response = json_response(ShownCallback(run_id=answer.run_id, outcome=answer.outcome).model_dump(mode="json"))
    if answer.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response
