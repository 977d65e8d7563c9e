"""The autonomy ladder: suggest, one click, unattended. The log earns each step up; what goes wrong takes one away by itself."""

from dataclasses import dataclass
from datetime import timedelta

from surefoot.actions.moves import SYSTEM
from surefoot.actions.parts import ActionParts
from surefoot.actions.policing import level_of
from surefoot.domain.actions import ActionSpec, AutonomyLevel, Env
from surefoot.domain.audit import AuditEntry
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import RunKind, RunState

# Below so many runs a rate says nothing: with 50 and none taken back, the true rate is under 6 % (rule of three).
MIN_RUNS = 50
# Without a limit of its own, an action of which every fifth run is taken back is only suggested.
ALARMING_RATE = 0.2
_REVIEWED = timedelta(weeks=6)
_DONE = frozenset({RunState.APPLIED, RunState.UNDONE, RunState.FINAL})
_PAGE = 200


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the log of production says about an action over the last weeks. `is_long_enough` when it reaches that far back."""

    runs: int
    reversed: int
    is_long_enough: bool
    has_parity: bool

    @property
    def reversal_rate(self) -> float:
        """The share of runs that were taken back; 0 without any."""
        return self.reversed / self.runs if self.runs else 0.0


class Autonomy:
    """Moves actions up and down the ladder, one step at a time and never beyond what their file allows."""

    def __init__(self, parts: ActionParts) -> None:
        self._parts = parts

    def evidence(self, tenant: TenantId, spec: ActionSpec) -> Evidence:
        """Production runs that had their effect within the weeks that the action's file asks about (else six)."""
        weeks = timedelta(weeks=spec.unattended_after.weeks) if spec.unattended_after else _REVIEWED
        since = self._parts.clock.now() - weeks
        runs = taken_back = 0
        after = ""
        with self._parts.store.begin() as work:
            while True:
                page = work.runs.page(tenant, env=Env.PRODUCTION, states=_DONE, maker="", after=after, limit=_PAGE)
                for run in page:
                    if run.action != spec.name or run.kind is RunKind.UNDO:
                        continue
                    if run.created_at <= since:
                        # Runs come newest first: all that follow are older still.
                        return Evidence(runs, taken_back, True, self._parts.has_parity(tenant, spec.name))
                    runs += 1
                    taken_back += run.state is RunState.UNDONE
                if len(page) < _PAGE:
                    return Evidence(runs, taken_back, False, self._parts.has_parity(tenant, spec.name))
                after = page[-1].run_id

    def review(self, tenant: TenantId, spec: ActionSpec, *, may_promote: bool = True) -> AutonomyLevel:
        """The action's level after a look at the log; a change is written down with its reason."""
        now, level = self._parts.clock.now(), level_of(self._parts, tenant, spec)
        evidence = self.evidence(tenant, spec)
        after = _after(level, spec, evidence)
        if after is level or (after.rank > level.rank and not may_promote):
            return level
        parity = "is shown" if evidence.has_parity else "is not shown"
        reason = f"{evidence.reversed} of {evidence.runs} runs were taken back; parity {parity}"
        with self._parts.store.begin() as work:
            work.runs.set_autonomy(tenant, spec.name, after, reason=reason, now=now)
            details = {"from": level.value, "to": after.value, "reason": reason}
            self._parts.trail.record(work, tenant, AuditEntry(now, SYSTEM, "action.autonomy", spec.name, details))
            work.commit()
        return after


def _after(level: AutonomyLevel, spec: ActionSpec, evidence: Evidence) -> AutonomyLevel:
    wanted = spec.unattended_after
    limit = wanted.max_reversal_rate if wanted else ALARMING_RATE
    lacks_parity = wanted is not None and wanted.fairness_parity and not evidence.has_parity
    if level is AutonomyLevel.UNATTENDED and (evidence.reversal_rate > limit or lacks_parity):
        return AutonomyLevel.ONE_CLICK
    if level is AutonomyLevel.ONE_CLICK and evidence.runs >= MIN_RUNS and evidence.reversal_rate > max(limit, ALARMING_RATE):
        return AutonomyLevel.SUGGEST
    is_proven = evidence.is_long_enough and evidence.runs >= MIN_RUNS and evidence.reversal_rate <= limit
    if level.rank >= spec.autonomy_max.rank or not is_proven:
        return level
    if level is AutonomyLevel.SUGGEST:
        return AutonomyLevel.ONE_CLICK
    return AutonomyLevel.UNATTENDED if wanted is not None and not lacks_parity else level
