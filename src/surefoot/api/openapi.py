"""The OpenAPI document: what FastAPI derives, with errors described as they are really sent."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

_PROBLEM_TYPE = "application/problem+json"
_OURS = {"HTTPValidationError", "ValidationError"}


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document, made once. Every operation has a default response: a problem."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, openapi_version="3.1.0"
        )
        for path in document["paths"].values():
            for operation in path.values():
                _describe_errors(operation["responses"])
        for name in _OURS:
            document["components"]["schemas"].pop(name, None)
        app.openapi_schema = document
    return app.openapi_schema


def _describe_errors(responses: dict[str, Any]) -> None:
    """The framework's own 422 goes; the default response is of the type that problems are sent with."""
    if "HTTPValidationError" in str(responses.get("422", "")):
        del responses["422"]
    default = responses["default"]
    default["content"] = {_PROBLEM_TYPE: next(iter(default["content"].values()))}
    default["headers"] = {
        "X-Request-Id": {"description": "Names this call in the log.", "schema": {"type": "string"}},
        "Retry-After": {"description": "With 503: seconds to wait.", "schema": {"type": "integer"}},
    }
