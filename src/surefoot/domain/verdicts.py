"""What the evals said: each gate's figure against its threshold, and the verdict that the serving process obeys."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

EVERY_SURFACE = "*"
# Runs are of no surface that questions are asked on; gates speak for all of them by this name.
ACTIONS_SURFACE = "actions"


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
    against a baseline also has the `baseline` figure, and `p_value`, the chance of such a change if nothing had changed, Holm's
    over all such gates; its interval is that of the change, laid around the baseline. `action` is the one that it speaks of
    (empty: none), `why` what it is there for.
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
    why: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one eval run means for one tenant. It stands until a later one replaces it or somebody clears it. After
    `valid_until` it is stale: somebody should look why nothing newer was measured, but nothing was shown, so it means what it
    meant.
    """

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

    def red_gates(self, surface: str = EVERY_SURFACE) -> tuple[GateResult, ...]:
        """The blocking gates that failed for this surface; for EVERY_SURFACE all that failed. None of them: it is not red."""
        results = self.results if surface == EVERY_SURFACE else self.on(surface)
        return tuple(r for r in results if r.is_blocking and r.state is GateState.FAILED)

    def red_gates_of_run(self, action: str, surface: str) -> tuple[GateResult, ...]:
        """The blocking gates that failed for actions, for this one, or for the surface that a run of it was offered on."""
        named = {EVERY_SURFACE, ACTIONS_SURFACE, surface}
        return tuple(r for r in self.red_gates() if r.action == action or not named.isdisjoint(r.surfaces))

    def surfaces(self) -> frozenset[str]:
        """Every surface that a gate names, EVERY_SURFACE included."""
        return frozenset(surface for result in self.results for surface in result.surfaces) | {EVERY_SURFACE}

    def is_stale(self, now: datetime) -> bool:
        """Whether a newer verdict should have replaced it by now."""
        return self.valid_until is not None and now >= self.valid_until

    def colour(self, surface: str = EVERY_SURFACE) -> Colour:
        """The colour for one surface; for EVERY_SURFACE that of all gates together."""
        results = self.results if surface == EVERY_SURFACE else self.on(surface)
        if self.red_gates(surface):
            return Colour.RED
        return Colour.AMBER if any(r.state is GateState.FAILED for r in results) else Colour.GREEN
