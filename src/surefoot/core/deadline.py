"""A deadline that is passed down: every wait below takes what is left of it, never a timeout of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

Monotonic = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment, in seconds of a monotonic clock, after which nobody waits any more."""

    at: float
    clock: Monotonic = monotonic

    @classmethod
    def after(cls, seconds: float, clock: Monotonic = monotonic) -> "Deadline":
        """The deadline so many seconds from now."""
        return cls(clock() + seconds, clock)

    def sooner(self, seconds: float) -> "Deadline":
        """The deadline so many seconds before this one, for work that others have to follow."""
        return Deadline(self.at - seconds, self.clock)

    @property
    def left_seconds(self) -> float:
        """What is left, never below 0."""
        return max(0.0, self.at - self.clock())

    @property
    def is_over(self) -> bool:
        """Whether nothing is left."""
        return self.left_seconds <= 0
