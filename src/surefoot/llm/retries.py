"""Retries that cannot pile up: one budget for all of them, and pauses that fit in the deadline."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

_ONE_RETRY = 100


class RetryBudget:
    """Retries are at most `percent` % of first attempts and `reserve` more, however many fail at once.

    A token bucket: a first attempt pays in, a retry takes one out. Counted in whole hundredths, so that ten payments of a
    tenth are exactly one retry. Safe to use from several threads.
    """

    def __init__(self, *, percent: int = 10, reserve: int = 3) -> None:
        self._percent = percent
        self._left = reserve * _ONE_RETRY
        # What quiet hours save up is bounded: a bucket without a brim would allow a storm after them.
        self._brim = max(reserve, 10) * _ONE_RETRY
        self._lock = Lock()

    def paid_in(self) -> None:
        """A first attempt was made."""
        with self._lock:
            self._left = min(self._brim, self._left + self._percent)

    def take(self) -> bool:
        """Whether one retry is allowed; it is then taken."""
        with self._lock:
            if self._left < _ONE_RETRY:
                return False
            self._left -= _ONE_RETRY
            return True


@dataclass(frozen=True, slots=True)
class Pause:
    """How long to wait before a retry: doubling from `first_seconds` to at most `longest_seconds`, with full jitter (Brooker,
    AWS Architecture Blog 2015), and never less than the provider's Retry-After.
    """

    first_seconds: float = 0.2
    longest_seconds: float = 2.0

    def seconds(
        self, retry: int, *, retry_after_seconds: float | None, left_seconds: float, chance: Callable[[], float] = random.random
    ) -> float | None:
        """The wait before this retry (the first is 1); None when not all of it fits in what is left of the deadline."""
        most = min(self.longest_seconds, self.first_seconds * 2 ** (retry - 1))
        wait = max(most * chance(), retry_after_seconds or 0.0)
        return wait if wait < left_seconds else None
