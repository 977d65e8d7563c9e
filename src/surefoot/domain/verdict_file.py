"""A verdict as JSON: `verdict.json` of a run's folder, and what the store keeps."""

import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC
from math import isfinite
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from surefoot.core.errors import InvalidInput
from surefoot.domain.verdicts import Verdict

_VERDICT = TypeAdapter(Verdict)
_SURFACE = re.compile(r"\*|[a-z][a-z0-9_-]{0,31}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}")


def verdict_record(verdict: Verdict) -> dict[str, Any]:
    """The verdict as plain data, its colour beside what it is made of; moments are still moments."""
    return {**asdict(verdict), "colour": verdict.colour()}


def verdict_to_json(verdict: Verdict) -> str:
    """The verdict as JSON, indented for people; its colour is there for readers and is not read back."""
    return to_json(verdict_record(verdict), indent=2, inf_nan_mode="constants").decode()


def verdict_from_json(text: str | bytes, *, source: str = "the verdict") -> Verdict:
    """The verdict that `verdict_to_json` wrote. Raises InvalidInput, naming the place in `source`."""
    try:
        verdict = _VERDICT.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise InvalidInput(f"{source} is no verdict: {place}: {first['msg']}.") from error
    wrong = next(_problems(verdict), None)
    if wrong is not None:
        raise InvalidInput(f"{source} is no verdict: {wrong}.")
    until = verdict.valid_until
    return replace(verdict, decided_at=verdict.decided_at.astimezone(UTC), valid_until=until and until.astimezone(UTC))


def _problems(verdict: Verdict) -> Iterator[str]:
    for name, moment in (("decided_at", verdict.decided_at), ("valid_until", verdict.valid_until)):
        if moment is not None and moment.tzinfo is None:
            yield f"{name} has no time zone"
    for name in (verdict.verdict_id, verdict.run_id, *(result.gate for result in verdict.results)):
        if not _NAME.fullmatch(name):
            yield f"{name!r} cannot name a verdict, a run or a gate"
    for result in verdict.results:
        numbers = (result.threshold, result.value, result.low, result.high, result.baseline, result.p_value)
        if not all(number is None or isfinite(number) for number in numbers) or result.n < 0:
            yield f"the gate {result.gate!r} has a number that is none"
        if not (result.surfaces or result.action) or not all(_SURFACE.fullmatch(surface) for surface in result.surfaces):
            yield f"the gate {result.gate!r} names a surface that cannot be one: {list(result.surfaces)!r}"
