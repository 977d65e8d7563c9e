"""The one shape of every error (RFC 9457)."""

from pydantic import ConfigDict, Field, JsonValue

from surefoot.api.schemas.texts import Shown


class FieldProblem(Shown):
    """One field of the request that is not as documented."""

    field: str = Field(description="Where it is, such as body.where.locales.0.")
    message: str


class Problem(Shown):
    """An error as application/problem+json."""

    type: str = Field(description="Address of the page that explains this code.")
    title: str
    status: int
    code: str = Field(description="Stable name of the error, for programs.")
    detail: str = Field(description="What happened and what to do, for people.")
    request_id: str = Field(description="The X-Request-Id of this call; the log has it too.")
    retryable: bool = Field(description="Whether the same call may succeed later.")
    differences: list[dict[str, JsonValue]] | None = Field(
        None, description="What somebody changed since, three ways, when the code is undo_conflict."
    )
    errors: list[FieldProblem] | None = Field(None, description="The fields that are wrong, when the code is invalid_input.")

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "/errors/unauthenticated",
                    "title": "Unauthenticated",
                    "status": 401,
                    "code": "unauthenticated",
                    "detail": "The viewer token is not valid: it has expired; ask the host for a new one.",
                    "request_id": "req_0195a0c2f3a47d0e8f5b6c7d8e9f0a1b",
                    "retryable": False,
                }
            ]
        }
    )
