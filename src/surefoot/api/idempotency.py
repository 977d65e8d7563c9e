"""The name that a caller gives to a request, so that it has its effect once however often it is sent."""

from typing import Annotated

from fastapi import Header

from surefoot.core.errors import InvalidInput

LONGEST_KEY = 200
Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="A name of your own for this request; the same name has its effect once."),
]


def usable_key(given: str | None) -> str:
    """The key. Raises InvalidInput for none, and for one that is too long or holds what cannot be seen."""
    if not given or len(given) > LONGEST_KEY or not given.isprintable():
        raise InvalidInput(f"Send an Idempotency-Key of 1 to {LONGEST_KEY} printable characters, one for each button press.")
    return given
