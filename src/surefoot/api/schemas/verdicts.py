"""What the evals said: of all tenants together for anyone, of one tenant in full for its backend."""

from dataclasses import asdict
from datetime import datetime

from pydantic import ConfigDict, Field, JsonValue

from surefoot.api.schemas.texts import Shown
from surefoot.domain.verdicts import Colour, GateResult, GateState, Verdict
from surefoot.governance.verdicts import Overview, sentence

_MOST_GATES = 20
_GATE: dict[str, JsonValue] = {
    "gate": "leaks",
    "metric": "share.leaked",
    "surfaces": ["*"],
    "state": "failed",
    "is_blocking": True,
    "threshold": 0.0,
    "is_floor": False,
    "value": 0.005,
    "low": 0.001,
    "high": 0.028,
    "n": 200,
    "baseline": None,
    "p_value": None,
    "action": "",
    "because": "1 of 200 replies showed what its viewer may not read; none may.",
    "why": "nobody sees what they may not read",
}
_BRIEF: dict[str, JsonValue] = {
    "verdict_id": "vrd_0195a0c2f3a47d0e8f5b6c7d8e9f0a1b",
    "run_id": "evr_0195a0c2f3a47d0e8f5b6c7d8e9f0a1b",
    "colour": "red",
    "decided_at": "2026-03-01T03:10:00Z",
}
_VERDICT: dict[str, JsonValue] = {
    **_BRIEF,
    "suites": ["sample"],
    "baseline_run_id": "",
    "valid_until": "2026-03-02T05:00:00Z",
    "is_stale": False,
    "surfaces": {"*": "red"},
    "gates": [_GATE],
}


class FailedGates(Shown):
    """A gate that fails for so many tenants; none is named."""

    gate: str
    metric: str
    surfaces: list[str]
    is_blocking: bool
    tenants: int


class ShownOverview(Shown):
    """What the evals said of all tenants together. Red degrades answers and actions; it does not make the service unready."""

    colour: Colour = Field(description="The worst of them; green when none stands.")
    tenants: dict[Colour, int] = Field(description="How many tenants have a verdict of each colour.")
    stale: int = Field(description="How many of them should have been replaced by now; they go on meaning what they meant.")
    failed: list[FailedGates] = Field(description="The gates that fail, blocking ones first, 20 at most.")

    @classmethod
    def of(cls, overview: Overview) -> "ShownOverview":
        failed = [FailedGates.model_validate(asdict(gate)) for gate in overview.failed[:_MOST_GATES]]
        return cls(colour=overview.colour, tenants=dict(overview.colours), stale=overview.stale, failed=failed)


class ShownGate(Shown):
    """One gate's figure against its threshold."""

    gate: str
    metric: str
    surfaces: list[str]
    state: GateState
    is_blocking: bool
    threshold: float
    is_floor: bool = Field(description="Whether the figure must be at least the threshold, or at most.")
    value: float | None
    low: float | None
    high: float | None
    n: int
    baseline: float | None = Field(description="The figure of the run that it was compared with.")
    p_value: float | None
    action: str = Field(description="The action that it speaks of; empty for none.")
    because: str
    why: str = Field(description="What the gate is there for.")

    @classmethod
    def of(cls, result: GateResult) -> "ShownGate":
        return cls.model_validate(asdict(result) | {"because": sentence(result)})


class BriefVerdict(Shown):
    """A verdict of the past."""

    verdict_id: str
    run_id: str
    colour: Colour
    decided_at: datetime

    @classmethod
    def brief(cls, verdict: Verdict) -> "BriefVerdict":
        return BriefVerdict(
            verdict_id=verdict.verdict_id, run_id=verdict.run_id, colour=verdict.colour(), decided_at=verdict.decided_at
        )


class ShownVerdict(BriefVerdict):
    """The verdict that stands, gate by gate."""

    suites: list[str]
    baseline_run_id: str
    valid_until: datetime | None
    is_stale: bool
    surfaces: dict[str, Colour] = Field(description="The colour on each surface that a gate names; `*` is all together.")
    gates: list[ShownGate]

    @classmethod
    def of(cls, verdict: Verdict, now: datetime) -> "ShownVerdict":
        return cls(
            verdict_id=verdict.verdict_id,
            run_id=verdict.run_id,
            colour=verdict.colour(),
            decided_at=verdict.decided_at,
            suites=list(verdict.suites),
            baseline_run_id=verdict.baseline_run_id,
            valid_until=verdict.valid_until,
            is_stale=verdict.is_stale(now),
            surfaces={surface: verdict.colour(surface) for surface in sorted(verdict.surfaces())},
            gates=[ShownGate.of(result) for result in verdict.results],
        )


class TenantVerdict(Shown):
    """What the evals say of the caller's tenant, and what they said before."""

    colour: Colour = Field(description="Green also when no verdict stands: then nothing was shown to be wrong.")
    standing: ShownVerdict | None
    recent: list[BriefVerdict] = Field(description="The last ten, newest first; the one that stands and cleared ones included.")

    model_config = ConfigDict(json_schema_extra={"examples": [{"colour": "red", "standing": _VERDICT, "recent": [_BRIEF]}]})

    @classmethod
    def of(cls, standing: Verdict | None, recent: list[Verdict], now: datetime) -> "TenantVerdict":
        return cls(
            colour=Colour.GREEN if standing is None else standing.colour(),
            standing=None if standing is None else ShownVerdict.of(standing, now),
            recent=[BriefVerdict.brief(verdict) for verdict in recent],
        )
