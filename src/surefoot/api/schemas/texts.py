"""The field types that every schema is made of."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints, WithJsonSchema

from surefoot.core.clock import parse_moment
from surefoot.core.errors import InvalidInput
from surefoot.domain.identity import Principal, parse_principal


class Sent(BaseModel):
    """A body that callers send: unknown fields are refused, so that a misspelt one is never silently without effect."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Shown(BaseModel):
    """A body that callers get."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def without_nul(text: str) -> str:
    """The text, unless it holds U+0000, which databases and terminals take for an end."""
    if "\0" in text:
        raise ValueError("must not hold the character U+0000")
    return text


def _printable(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("must be printable characters without surrounding spaces")
    return text


def _moment(value: Any) -> datetime:
    if not isinstance(value, str) or len(value) > 40:
        raise ValueError("must be an ISO 8601 text such as 2026-01-31 or 2026-01-31T08:00:00Z")
    try:
        return parse_moment(value)
    except (ValueError, OverflowError):
        raise ValueError("must be an ISO 8601 text such as 2026-01-31 or 2026-01-31T08:00:00Z") from None


def _principal(text: str) -> Principal:
    try:
        return parse_principal(text)
    except InvalidInput as error:
        raise ValueError(str(error)) from None


Line = Annotated[str, StringConstraints(min_length=1, max_length=512), AfterValidator(_printable)]
Uri = Annotated[str, StringConstraints(min_length=1, max_length=2048), AfterValidator(_printable)]
Prose = Annotated[str, AfterValidator(without_nul)]
Locale = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$")]
Moment = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
PrincipalText = Annotated[str, StringConstraints(max_length=160), AfterValidator(_principal)]
