"""Time comes in as an argument: use cases take a Clock, tests bring a FixedClock."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class ShiftedClock:
    """A clock that was set to `start` when it was made and has gone as fast as the machine's own since."""

    def __init__(self, start: datetime) -> None:
        self._ahead = start - datetime.now(UTC)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead


@dataclass(slots=True)
class FixedClock:
    """A clock that stands still until it is told to move."""

    moment: datetime

    def now(self) -> datetime:
        return self.moment

    def advance(self, step: timedelta) -> None:
        """`now()` is `step` later from here on."""
        self.moment += step


def parse_moment(text: str) -> datetime:
    """An aware UTC moment from ISO 8601; a date alone means its midnight, a time without zone means UTC.

    Raises ValueError for anything else.
    """
    moment = datetime.fromisoformat(text.strip())
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
