"""Every error leaves as application/problem+json (RFC 9457), in one shape, without anything secret."""

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from surefoot.core import errors as tree
from surefoot.core.errors import InvalidInput, MethodNotAllowed, NotFound, Overloaded, SurefootError, UndoConflict

_log = logging.getLogger("surefoot.api")
_MAX_FIELD_PROBLEMS = 20
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")


def error_classes() -> Mapping[str, type[SurefootError]]:
    """Every error of the tree by its public code."""
    classes = [getattr(tree, name) for name in tree.__all__]
    return {kind.code: kind for kind in sorted(classes, key=lambda kind: kind.code)}


def title_of(kind: type[SurefootError]) -> str:
    """The class name as words: `PayloadTooLarge` is `Payload too large`."""
    return _WORD.sub(" ", kind.__name__).capitalize()


def problem(
    error: SurefootError,
    *,
    request_id: str,
    public_url: str,
    fields: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The response that tells a caller of this error."""
    # What went wrong inside is explained in the log alone; a driver's words may hold addresses and passwords.
    detail = str(error) if error.status < 500 else " ".join((type(error).__doc__ or "").split())
    body: dict[str, Any] = {
        "type": f"{public_url.rstrip('/')}/errors/{error.code}",
        "title": title_of(type(error)),
        "status": error.status,
        "code": error.code,
        "detail": detail,
        "request_id": request_id,
        "retryable": error.retryable,
    }
    if fields:
        body["errors"] = list(fields)
    if isinstance(error, UndoConflict):
        body["differences"] = [dict(difference) for difference in error.differences]
    sent = dict(headers or {})
    if error.status == 401:
        sent["WWW-Authenticate"] = "Bearer"
    if error.retry_after_seconds is not None or error.status in (429, 503):
        sent["Retry-After"] = str(error.retry_after_seconds or 1)
    return Response(orjson.dumps(body), error.status, sent, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """The app answers its own errors, bad requests and unknown paths as problems."""
    app.add_exception_handler(SurefootError, _surefoot_error)
    app.add_exception_handler(RequestValidationError, _bad_request)
    app.add_exception_handler(HTTPException, _http_error)


def request_id_of(request: Request) -> str:
    """The id that the edge gave this call."""
    return str(request.scope["state"]["request_id"])


def trace_id_of(request: Request) -> str:
    """The id by which everything that was done for this call is found."""
    return str(request.scope["state"]["trace_id"])


def problem_body(request: Request, error: SurefootError) -> bytes:
    """The problem as JSON, for an answer whose status has gone out already."""
    _log_failure(request, error)
    return bytes(_respond(request, error).body)


def _respond(request: Request, error: SurefootError, **more: Any) -> Response:
    public_url: str = request.app.state.face.surefoot.settings.public_url
    return problem(error, request_id=request_id_of(request), public_url=public_url, **more)


async def _surefoot_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, SurefootError)
    _log_failure(request, error)
    return _respond(request, error)


def _log_failure(request: Request, error: SurefootError) -> None:
    if error.status >= 500 and not isinstance(error, Overloaded):
        _log.error("request %s failed: %s", request_id_of(request), error)


async def _bad_request(request: Request, error: Exception) -> Response:
    """The fields that are wrong, by place and rule. What was sent is not repeated: it may be secret, or large."""
    assert isinstance(error, RequestValidationError)
    fields = [
        {"field": ".".join(str(part)[:64] for part in one["loc"]), "message": _message(one)}
        for one in error.errors()[:_MAX_FIELD_PROBLEMS]
    ]
    summary = "; ".join(f"{one['field']}: {one['message']}" for one in fields[:3])
    return _respond(request, InvalidInput(f"The request is not valid. {summary}."), fields=fields)


def _message(one: Mapping[str, Any]) -> str:
    return str(one["msg"]).removeprefix("Value error, ").rstrip(".")[:300]


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allowed = {"Allow": (error.headers or {}).get("Allow", "")}
        return _respond(request, MethodNotAllowed(), headers=allowed)
    if error.status_code == 404:
        return _respond(request, NotFound())
    return _respond(request, InvalidInput("The request could not be understood."))
