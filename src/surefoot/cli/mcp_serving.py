"""The MCP server on its two transports: the standard streams of one operator, and HTTP for everybody with a viewer token."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio.to_thread
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.context import ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from surefoot.bootstrap import Surefoot
from surefoot.cli.mcp_blocks import error_block
from surefoot.cli.mcp_server import Choices, build_server
from surefoot.core.errors import SurefootError, Unauthenticated
from surefoot.domain.identity import Viewer
from surefoot.governance import tokens

PATH = "/mcp"
MAX_BODY_BYTES = 262_144
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


async def serve_streams(surefoot: Surefoot, viewer: Viewer, choices: Choices) -> None:
    """Serves one client over stdin and stdout, as this viewer, until it closes them."""
    server = build_server(surefoot, lambda _: viewer, choices)
    try:
        async with stdio_server() as (reads, writes):
            await server.run(reads, writes, server.create_initialization_options())
    finally:
        await surefoot.router.aclose()


def http_app(surefoot: Surefoot, choices: Choices, *, host: str) -> Starlette:
    """The ASGI app that serves MCP at /mcp to viewers with a token. Every request brings its own and is checked by itself.

    On loopback only pages and clients that name a loopback host are answered, so that no foreign page reaches it by a name
    that it has pointed there.
    """

    def who_asks(context: ServerRequestContext[Any, Any]) -> Viewer:
        if context.request is None:
            raise Unauthenticated("The request came without its headers.")
        return _viewer_of(surefoot, context.request.headers.getlist("authorization"))

    guard = host in _LOOPBACK
    manager = StreamableHTTPSessionManager(
        app=build_server(surefoot, who_asks, choices),
        max_request_body_size=MAX_BODY_BYTES,
        security_settings=TransportSecuritySettings(
            enable_dns_rebinding_protection=guard,
            allowed_hosts=[f"{name}:*" for name in _LOOPBACK_NAMES],
            allowed_origins=[f"http://{name}:*" for name in _LOOPBACK_NAMES],
        ),
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with manager.run():
            try:
                yield
            finally:
                await surefoot.router.aclose()

    door = Door(AuthContextMiddleware(StreamableHTTPASGIApp(manager)), surefoot)
    return Starlette(routes=[Route(PATH, endpoint=door)], lifespan=lifespan)


class Door:
    """Lets in whoever has a valid viewer token. A session belongs to the viewer who began it: to others it does not exist."""

    def __init__(self, app: ASGIApp, surefoot: Surefoot) -> None:
        self._app = app
        self._surefoot = surefoot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = Headers(scope=scope).getlist("authorization")
        try:
            viewer = await anyio.to_thread.run_sync(partial(_viewer_of, self._surefoot, given))
        except SurefootError as error:
            headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthenticated) else {}
            await JSONResponse(error_block(error), error.status, headers)(scope, receive, send)
            return
        # The package compares these to tell whose session it is; the token itself goes no further.
        scope["user"] = AuthenticatedUser(AccessToken(token="", client_id=viewer.tenant, scopes=[], subject=viewer.user))
        await self._app(scope, receive, send)


def _viewer_of(surefoot: Surefoot, headers: Sequence[str]) -> Viewer:
    if len(headers) > 1:
        raise Unauthenticated("There are several Authorization headers; send exactly one.")
    return tokens.authenticate(surefoot.store, headers[0] if headers else "", surefoot.clock.now())
