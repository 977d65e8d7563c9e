"""A circuit per model: after failures in a row it is not asked for a while, then one probe decides."""

import time
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock

from surefoot.core.deadline import Monotonic


class CircuitState(StrEnum):
    """Whether a model is asked: closed (yes), open (no), half open (one probe, whose outcome decides)."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class CircuitHealth:
    """A circuit as it stands. `retry_in_seconds` is when an open one lets a probe through, 0 otherwise."""

    state: CircuitState
    failures_in_a_row: int
    retry_in_seconds: float


@dataclass(frozen=True, slots=True)
class Permit:
    """The right to make one call; give it back with the call's outcome. `is_probe` for the one of a half-open circuit."""

    is_probe: bool


class Circuit:
    """The circuit breaker of one model, safe to use from several threads.

    It opens after `failures_to_open` failures in a row, stays open for `open_seconds`, then admits one probe at a time: a
    success closes it, a failure opens it again, and a probe that came to neither leaves the place to the next. Calls that
    began before it opened and end afterwards change nothing, so that a wave of late timeouts cannot keep it open.
    """

    def __init__(self, *, failures_to_open: int = 5, open_seconds: float = 30.0, monotonic: Monotonic = time.monotonic) -> None:
        self._failures_to_open = failures_to_open
        self._open_seconds = open_seconds
        self._monotonic = monotonic
        self._lock = Lock()
        self._failures = 0
        self._opened_at: float | None = None
        self._is_probing = False

    def allows(self) -> bool:
        """Whether `enter` would give a permit now; takes none."""
        with self._lock:
            return self._admits()

    def enter(self) -> Permit | None:
        """A permit for one call, None while the circuit is open or its probe is under way."""
        with self._lock:
            if not self._admits():
                return None
            self._is_probing = self._opened_at is not None
            return Permit(self._is_probing)

    def succeeded(self, permit: Permit) -> None:
        """The model answered: no failure counts any more; after a probe the circuit is closed."""
        with self._lock:
            if permit.is_probe:
                self._opened_at, self._is_probing = None, False
            if self._opened_at is None:
                self._failures = 0

    def failed(self, permit: Permit) -> None:
        """The model did not answer: one more failure counts; the last of the row, and every probe, opens the circuit."""
        with self._lock:
            if permit.is_probe:
                self._is_probing = False
            elif self._opened_at is not None:
                return
            self._failures += 1
            if permit.is_probe or self._failures >= self._failures_to_open:
                self._opened_at = self._monotonic()

    def abandoned(self, permit: Permit) -> None:
        """The call came to no outcome that says anything about the model; a probe's place is free again."""
        with self._lock:
            if permit.is_probe:
                self._is_probing = False

    def health(self) -> CircuitHealth:
        """The circuit as it stands, for people and probes."""
        with self._lock:
            if self._opened_at is None:
                return CircuitHealth(CircuitState.CLOSED, self._failures, 0.0)
            wait = self._wait_seconds(self._opened_at)
            return CircuitHealth(CircuitState.OPEN if wait else CircuitState.HALF_OPEN, self._failures, wait)

    def _admits(self) -> bool:
        if self._opened_at is None:
            return True
        return not self._is_probing and self._wait_seconds(self._opened_at) == 0.0

    def _wait_seconds(self, opened_at: float) -> float:
        return max(0.0, opened_at + self._open_seconds - self._monotonic())
