"""The OpenAPI document: what FastAPI derives, with errors described as they are really sent."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from surefoot.api.schemas.texts import Sent, Shown

_PROBLEM_TYPE = "application/problem+json"
_FRAMEWORK_SCHEMAS = {"HTTPValidationError", "ValidationError"}


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document, made once. Every operation has a default response: a problem."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, openapi_version="3.1.0"
        )
        for path in document["paths"].values():
            for operation in path.values():
                _describe_errors(operation["responses"])
        schemas = document["components"]["schemas"]
        for name in _FRAMEWORK_SCHEMAS:
            schemas.pop(name, None)
        for model in (*Sent.__subclasses__(), *Shown.__subclasses__()):
            extra = model.model_config.get("json_schema_extra")
            if model.__name__ in schemas and isinstance(extra, dict):
                # The framework drops every null on its way, and an example without its nulls does not hold.
                schemas[model.__name__] |= extra
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
