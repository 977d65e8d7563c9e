"""What a caller does to its mappings later must not reach a row, and what is not JSON must fail before it is one."""

import json
from collections.abc import Iterable, Mapping
from typing import Any


def json_copy(value: Mapping[str, object]) -> dict[str, Any]:
    """The same JSON object, shared with nobody; what is not JSON, NaN included, raises ValueError or TypeError."""
    copied: dict[str, Any] = json.loads(json.dumps(dict(value), allow_nan=False))
    return copied


def json_copies(values: Iterable[Mapping[str, object]]) -> tuple[dict[str, Any], ...]:
    """The same JSON objects, shared with nobody."""
    return tuple(json_copy(value) for value in values)
