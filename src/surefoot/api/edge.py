"""The outermost layer: request ids, strict headers, exact origins, and the last place where an error is caught."""

import logging
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from surefoot.api.errors import problem
from surefoot.core.clock import Clock
from surefoot.core.errors import Forbidden, InvalidSettings, SurefootError
from surefoot.core.ids import new_id
from surefoot.core.tracing import TRACE_ID, note_caller

_log = logging.getLogger("surefoot.api")
_CORS_METHODS = "GET, POST, DELETE"
_CORS_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-None-Match, Traceparent, X-Request-Id"
_CORS_SECONDS = "600"

STRICT_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def check_origins(origins: Sequence[str]) -> frozenset[str]:
    """The origins that browsers may call from. Raises InvalidSettings for anything but scheme://host[:port], so for `*` too."""
    for origin in origins:
        parts = urlsplit(origin)
        exact = f"{parts.scheme}://{parts.netloc}"
        if parts.scheme not in ("http", "https") or not parts.hostname or exact.lower() != origin or "*" in origin:
            raise InvalidSettings(f"cors_origins: {origin!r} is not an exact origin; write https://host or https://host:port.")
    return frozenset(origins)


class Edge:
    """Wraps the whole app."""

    def __init__(self, app: ASGIApp, *, clock: Clock, origins: frozenset[str], public_url: str) -> None:
        self._app = app
        self._clock = clock
        self._origins = origins
        self._public_url = public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = self._request_id(headers)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        state["trace_id"] = note_caller(headers.get("traceparent", ""), request_id)
        origin = headers.get("origin")
        is_listed = origin in self._origins
        has_started = False

        async def send_strictly(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                sent = MutableHeaders(scope=message)
                sent["X-Request-Id"] = request_id
                for name, value in STRICT_HEADERS.items():
                    sent.setdefault(name, value)
                if self._origins:
                    sent.add_vary_header("Origin")
                if origin is not None and is_listed:
                    sent["Access-Control-Allow-Origin"] = origin
                    sent["Access-Control-Expose-Headers"] = "ETag, Idempotent-Replayed, Retry-After, X-Request-Id"
            await send(message)

        if origin is not None and not is_listed and not _is_own(origin, headers):
            await self._refuse(Forbidden("This origin is not in cors_origins."), scope, receive, send_strictly)
            return
        if origin is not None and scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await _preflight(is_listed)(scope, receive, send_strictly)
            return
        try:
            await self._app(scope, receive, send_strictly)
        except Exception:
            _log.exception("request %s failed: %s %s", request_id, scope["method"], scope["path"])
            if has_started:
                raise
            await self._refuse(SurefootError(), scope, receive, send_strictly)

    def _request_id(self, headers: Headers) -> str:
        """The caller's id when it is harmless in a log, else a fresh one."""
        given = headers.get("x-request-id", "")
        return given if TRACE_ID.match(given) else new_id("req", self._clock.now())

    async def _refuse(self, error: SurefootError, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = scope["state"]["request_id"]
        await problem(error, request_id=request_id, public_url=self._public_url)(scope, receive, send)


def _is_own(origin: str, headers: Headers) -> bool:
    """Whether the page that calls was served under the very host it calls."""
    host = headers.get("host", "")
    return bool(host) and origin in (f"http://{host}", f"https://{host}")


def _preflight(is_listed: bool) -> Response:
    if not is_listed:
        return Response(status_code=204)
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Methods": _CORS_METHODS,
            "Access-Control-Allow-Headers": _CORS_HEADERS,
            "Access-Control-Max-Age": _CORS_SECONDS,
        },
    )
