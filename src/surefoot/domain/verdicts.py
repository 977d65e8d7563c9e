"""What the evals said: each gate's figure against its threshold, and the verdict that the serving process obeys."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

EVERY_SURFACE = "*"


class GateState(StrEnum):
    """How one gate came out. Too few cases is no pass and no failure: it is said, and blocks nothing."""

    PASSED = "passed"
    FAILED = "failed"
    TOO_FEW = "too_few"


class Colour(StrEnum):
    """A verdict in one word: red when a blocking gate failed, amber when only a warning did, else green."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate of one run. `value` is the figure over `n` cases with its interval `low`..`high` (None when there is none);
    `is_floor` says whether the figure must be at least or at most `threshold`. `because` is a sentence for a person. A gate
    against a baseline also has the `baseline` figure, and `p_value`, the chance of such a change if nothing had changed.
    `action` is the one that it speaks of; empty for none.
    """

    gate: str
    metric: str
    state: GateState
    is_blocking: bool
    threshold: float
    is_floor: bool
    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    surfaces: tuple[str, ...] = (EVERY_SURFACE,)
    because: str = ""
    baseline: float | None = None
    p_value: float | None = None
    action: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one eval run means for one tenant. It stands until a later one, or until `valid_until` when that is set."""

    verdict_id: str
    run_id: str
    suites: tuple[str, ...]
    decided_at: datetime
    results: tuple[GateResult, ...]
    baseline_run_id: str = ""
    valid_until: datetime | None = None

    def on(self, surface: str) -> tuple[GateResult, ...]:
        """The gates that speak for this surface."""
        return tuple(r for r in self.results if surface in r.surfaces or EVERY_SURFACE in r.surfaces)

    def red_actions(self) -> frozenset[str]:
        """The actions of which a blocking gate failed; what they do unattended must stop."""
        return frozenset(r.action for r in self.results if r.action and r.is_blocking and r.state is GateState.FAILED)

    def colour(self, surface: str = EVERY_SURFACE) -> Colour:
        """The colour for one surface; for EVERY_SURFACE that of all gates together."""
        results = self.results if surface == EVERY_SURFACE else self.on(surface)
        failed = [r for r in results if r.state is GateState.FAILED]
        if any(r.is_blocking for r in failed):
            return Colour.RED
        return Colour.AMBER if failed else Colour.GREEN
