"""The faults that the loopback provider shows, written after a model's name: `honest+slow=0.5`, `obey+429=2+flaky=1`."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from surefoot.core.errors import InvalidInput

_FIRST_ERROR_STATUS, _LAST_ERROR_STATUS = 400, 599
_FLAKY_STATUS = 503


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong with a call. Nothing does by default.

    `delay_seconds` pass before the first byte and `piece_delay_seconds` before each piece of a stream. `hangs`: no byte ever
    comes; `stalls_after`: none after so many pieces. `status` is answered instead of a completion, with Retry-After when
    `retry_after_seconds` is given. `is_truncated`: the body ends too early, as if it were whole; `is_cut`: the connection is
    dropped in its middle. With `first_calls`, only so many calls are at fault, and answer 503 unless another fault is named.
    """

    delay_seconds: float = 0.0
    piece_delay_seconds: float = 0.0
    hangs: bool = False
    stalls_after: int | None = None
    status: int | None = None
    retry_after_seconds: float | None = None
    is_truncated: bool = False
    is_cut: bool = False
    is_garbage: bool = False
    is_filtered: bool = False
    without_usage: bool = False
    first_calls: int | None = None

    def for_call(self, number: int) -> "Faults":
        """The faults of the call with this number, from 1."""
        if self.first_calls is None:
            return self
        if number > self.first_calls:
            return NO_FAULTS
        return replace(self, status=_FLAKY_STATUS) if replace(self, first_calls=None) == NO_FAULTS else self


NO_FAULTS = Faults()
_SWITCHES = {
    "hung": "hangs",
    "truncated": "is_truncated",
    "cut": "is_cut",
    "garbage": "is_garbage",
    "filtered": "is_filtered",
    "nousage": "without_usage",
}
_NUMBERS: dict[str, tuple[str, Callable[[str], float]]] = {
    "slow": ("delay_seconds", float),
    "drip": ("piece_delay_seconds", float),
    "stall": ("stalls_after", int),
    "flaky": ("first_calls", int),
}


def named_faults(model: str, faults: Faults = NO_FAULTS) -> tuple[str, Faults]:
    """The model's own name, and the faults given with those that its suffixes name added.

    Suffixes: slow=SECONDS, drip=SECONDS, hung, stall=PIECES, STATUS or STATUS=RETRY_AFTER_SECONDS, truncated, cut, garbage,
    filtered, nousage, flaky=CALLS. Raises InvalidInput for any other.
    """
    name, *suffixes = model.split("+")
    for suffix in suffixes:
        faults = _with(faults, suffix)
    return name, faults


def _with(faults: Faults, suffix: str) -> Faults:
    word, _, value = suffix.partition("=")
    try:
        if word in _SWITCHES and not value:
            return replace(faults, **{_SWITCHES[word]: True})
        if word in _NUMBERS:
            field, number = _NUMBERS[word]
            change: dict[str, Any] = {field: _not_negative(number(value))}
            return replace(faults, **change)
        if _FIRST_ERROR_STATUS <= int(word) <= _LAST_ERROR_STATUS:
            return replace(faults, status=int(word), retry_after_seconds=_not_negative(float(value)) if value else None)
    except ValueError:
        pass
    known = ", ".join([*(f"{number}=N" for number in _NUMBERS), *_SWITCHES, "400 to 599", "429=SECONDS"])
    raise InvalidInput(f"The loopback provider knows no fault {suffix!r}; it has {known}.")


def _not_negative(number: float) -> float:
    if not 0 <= number < float("inf"):
        raise ValueError(number)
    return number
