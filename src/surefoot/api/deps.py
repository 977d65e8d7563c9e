"""What routes are given, and in which order a request earns it: a place, then a name, then its body is read."""

import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, TypeVar

import anyio
import anyio.to_thread
import orjson
from fastapi import Depends, Request, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from pydantic import AfterValidator
from starlette.responses import Response

from surefoot.api.auth import server_key_of, viewer_of
from surefoot.api.limits import Admission, read_json
from surefoot.bootstrap import Surefoot
from surefoot.core.errors import NotFound
from surefoot.core.tracing import note_trace
from surefoot.domain.identity import Viewer
from surefoot.domain.keys import Scope, ServerKey

Result = TypeVar("Result")

_ID = re.compile(r"[a-z]{2,8}_[0-9a-f]{8,64}\Z")

# Questions, keys and issuers are short; only documents may be as large as the settings allow.
SMALL_BODY_BYTES = 65_536
_HAS_BODY = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class Face:
    """The product, and the places in which its work is done. Questions never wait behind uploads, and nobody with a credential
    waits behind callbacks, whose senders are known only once all of the body is there.
    """

    surefoot: Surefoot
    questions: Admission
    administration: Admission
    callbacks: Admission = field(default_factory=partial(Admission, concurrent=4, waiting=28))


def _tenant_of(request: Request) -> str:
    """The tenant that the caller's credential has named; empty for a host's, which names none."""
    who: Viewer | ServerKey | None = getattr(request.state, "viewer", None) or getattr(request.state, "server_key", None)
    return who.tenant if who else ""


def face_of(request: Request) -> Face:
    """What this process serves with; `create_app` puts it into the app's state."""
    face: Face = request.app.state.face
    return face


class GuardedRoute(APIRoute):
    """A route that reads no body before its caller has a place and a name. Each kind below says who may call."""

    body_limit: int | None = SMALL_BODY_BYTES

    def admission(self, face: Face) -> Admission:
        """Where the call's work is done; questions have places of their own."""
        return face.administration

    def authenticate(self, request: Request, face: Face) -> None:
        """The caller is known and may call this; request.state holds who it is."""
        raise NotImplementedError

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            face = face_of(request)
            async with self.admission(face).admitted():
                await anyio.to_thread.run_sync(partial(self.authenticate, request, face))
                note_trace(tenant=_tenant_of(request))
                if self.body_field is not None and request.method in _HAS_BODY:
                    limit = face.surefoot.settings.max_body_bytes
                    request = await read_json(request, max_bytes=min(limit, self.body_limit or limit))
                return await handle(request)

        return guarded


class ViewerRoute(GuardedRoute):
    """Called by a signed-in person's browser, with a viewer token."""

    def admission(self, face: Face) -> Admission:
        return face.questions

    def authenticate(self, request: Request, face: Face) -> None:
        request.state.viewer = viewer_of(face.surefoot, request.headers.getlist("authorization"))


class AdminRoute(GuardedRoute):
    """Called by the tenant's backend, with a server key of the scope admin."""

    scope = Scope.ADMIN

    def authenticate(self, request: Request, face: Face) -> None:
        request.state.server_key = server_key_of(face.surefoot, request.headers.getlist("authorization"), self.scope)


class IngestRoute(AdminRoute):
    """Called by the tenant's backend, with a server key of the scope ingest; bodies may be whole documents."""

    scope = Scope.INGEST
    body_limit = None


viewer_token = HTTPBearer(scheme_name="viewerToken", bearerFormat="JWT", description="Viewer token.", auto_error=False)
server_key = HTTPBearer(scheme_name="serverKey", bearerFormat="sk_...", description="Server key.", auto_error=False)
NeedsViewer = Security(viewer_token)
NeedsServerKey = Security(server_key)


def _in_known_form(text: str) -> str:
    """The id as it is. One in no form that we make names nothing, and never reaches a database."""
    if _ID.match(text) is None:
        raise NotFound
    return text


async def _viewer(request: Request) -> Viewer:
    viewer: Viewer = request.state.viewer
    return viewer


async def _server_key(request: Request) -> ServerKey:
    key: ServerKey = request.state.server_key
    return key


async def _face(request: Request) -> Face:
    return face_of(request)


TheViewer = Annotated[Viewer, Depends(_viewer)]
TheServerKey = Annotated[ServerKey, Depends(_server_key)]
TheFace = Annotated[Face, Depends(_face)]
Id = Annotated[str, AfterValidator(_in_known_form)]


def json_response(value: Any, status: int = 200) -> Response:
    """The value as JSON; a schema goes in as `model_dump(mode="json")`."""
    return Response(orjson.dumps(value), status, media_type="application/json")
