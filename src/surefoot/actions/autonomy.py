"""The autonomy ladder: suggest, one click, unattended. The log earns each step up and a named person takes it; what goes wrong
takes one away by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from surefoot.actions.gating import names, red_gates_of
from surefoot.actions.moves import SYSTEM, again
from surefoot.actions.parity import Parity, parity_of
from surefoot.actions.parts import ActionParts
from surefoot.actions.policing import level_in, level_of
from surefoot.core.errors import Conflict
from surefoot.domain.actions import ActionSpec, AutonomyLevel, Env, Json
from surefoot.domain.audit import AuditEntry
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import Run, RunKind, RunState
from surefoot.ports import UnitOfWork

# Below so many runs a rate says nothing: with 50 and none taken back, the true rate is under 6 % (rule of three).
MIN_RUNS = 50
# Without a limit of its own, an action of which every fifth run is taken back is only suggested.
ALARMING_RATE = 0.2
_REVIEWED = timedelta(weeks=6)
_REVIEW_LEASE = timedelta(minutes=10)
_REVIEW_EVERY = timedelta(days=1)
_DONE = frozenset({RunState.APPLIED, RunState.UNDONE, RunState.FINAL})
_PAGE = 200
_CHANGED, _EARNED = "action.autonomy", "action.autonomy.earned"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the log of production says about an action over the last weeks. `is_long_enough` when it reaches that far back;
    `people` are those whose word the proposals had.
    """

    runs: int
    reversed: int
    is_long_enough: bool
    parity: Parity
    people: int = 0

    @property
    def reversal_rate(self) -> float:
        """The share of runs that were taken back; 0 without any."""
        return self.reversed / self.runs if self.runs else 0.0


@dataclass(frozen=True, slots=True)
class Review:
    """A look at the log: the level that holds after it, the one that the log has earned, and the figures."""

    action: str
    level: AutonomyLevel
    earned: AutonomyLevel
    evidence: Evidence

    @property
    def reason(self) -> str:
        """The figures in a sentence."""
        seen, parity = self.evidence, self.evidence.parity
        people = f"{seen.people} person" if seen.people == 1 else f"{seen.people} people"
        return (
            f"{seen.reversed} of {seen.runs} runs were taken back; people did {parity.as_proposed} of {parity.pairs} proposals "
            f"of {people} as proposed, {parity.edited} otherwise and {parity.rejected} not (parity at least {parity.low:.3f})"
        )


class Autonomy:
    """Moves actions up and down the ladder, one step at a time and never beyond what their file allows."""

    def __init__(self, parts: ActionParts) -> None:
        self._parts = parts

    def evidence(self, tenant: TenantId, spec: ActionSpec) -> Evidence:
        """Production runs within the weeks that the action's file asks about (else six)."""
        weeks = timedelta(weeks=spec.unattended_after.weeks) if spec.unattended_after else _REVIEWED
        since = self._parts.clock.now() - weeks
        with self._parts.store.begin() as work:
            runs, is_long_enough = _runs_since(work, tenant, spec, since)
            pressed = [run for run in runs if run.agent and run.state in _DONE]
            parity = parity_of(runs, {run.run_id: work.runs.decisions(tenant, run.run_id) for run in pressed})
        done = [run for run in runs if run.state in _DONE]
        people = {run.maker for run in runs if run.agent}
        return Evidence(len(done), sum(run.state is RunState.UNDONE for run in done), is_long_enough, parity, len(people))

    def review(self, tenant: TenantId, spec: ActionSpec, *, confirmed_by: str = "") -> Review:
        """The action's level after a look at the log. It falls by itself; it climbs only when the log has earned it and somebody
        confirms it by name. While a gate of the evals is red for it nothing climbs, and what is unattended is not any more.
        Every change, and every step that waits for somebody, is in the audit with its figures.
        """
        return again(lambda: self._reviewed(tenant, spec, confirmed_by))

    def _reviewed(self, tenant: TenantId, spec: ActionSpec, confirmed_by: str) -> Review:
        level, evidence = level_of(self._parts, tenant, spec), self.evidence(tenant, spec)
        with self._parts.store.begin() as work:
            red = red_gates_of(work, tenant, spec.name)
        lower = _fallen(level, spec, evidence, bool(red))
        earned = lower if lower is not level or red else _climbed(level, spec, evidence)
        after = earned if earned.rank <= level.rank or confirmed_by else level
        review = Review(spec.name, after, earned, evidence)
        self._parts.at("review:judged")
        if after is not level:
            self._keep(
                tenant, spec, review, level, confirmed_by or SYSTEM, f"the evals do not pass ({names(red)}); " if red else ""
            )
        elif earned is not level:
            self._keep_earned(tenant, review)
        return review

    def look_after(self, tenant: TenantId, spec: ActionSpec) -> None:
        """What runs unattended loses that as soon as too much of it is taken back; everything else waits for its review."""
        if level_of(self._parts, tenant, spec) is AutonomyLevel.UNATTENDED:
            self.review(tenant, spec)

    def review_due(self, tenant: TenantId) -> tuple[Review, ...]:
        """Every action of the tenant is reviewed, by one worker alone; none when it is not time, or another is at it."""
        now, owner = self._parts.clock.now(), self._parts.worker_id
        with self._parts.store.begin() as work:
            if not work.runs.lease_review(tenant, owner, now=now, until=now + _REVIEW_LEASE):
                return ()
            work.commit()
        self._parts.at("review:leased")
        reviews = tuple(self.review(tenant, spec) for spec in self._parts.registry.newest())
        levels: dict[str, Json] = {each.action: {"level": each.level.value, "why": each.reason} for each in reviews}
        with self._parts.store.begin() as work:
            entry = AuditEntry(self._parts.clock.now(), SYSTEM, "action.autonomy.reviewed", owner, levels)
            self._parts.trail.record(work, tenant, entry)
            work.runs.end_review(tenant, owner, due_at=now + _REVIEW_EVERY)
            work.commit()
        return reviews

    def _keep(self, tenant: TenantId, spec: ActionSpec, review: Review, before: AutonomyLevel, actor: str, why: str) -> None:
        """The level is the review's. Raises Conflict when somebody else has moved it since the review began."""
        now, reason = self._parts.clock.now(), f"{why}{review.reason}"
        with self._parts.store.begin() as work:
            details: dict[str, Json] = {"from": before.value, "to": review.level.value, "reason": reason}
            # One at a time writes the tenant's audit, so that the level read after it stays as it is until the end.
            self._parts.trail.record(work, tenant, AuditEntry(now, actor, _CHANGED, review.action, details))
            if level_in(work, tenant, spec) is not before:
                raise Conflict
            work.runs.set_autonomy(tenant, review.action, review.level, reason=reason, now=now)
            work.commit()

    def _keep_earned(self, tenant: TenantId, review: Review) -> None:
        """That a step waits for somebody is said once, and again only after the level has changed."""
        with self._parts.store.begin() as work:
            told = [row for row in work.audit.about(tenant, [review.action]) if row.what in (_CHANGED, _EARNED)]
            if told and told[-1].what == _EARNED and (told[-1].details or {}).get("to") == review.earned.value:
                return
            details: dict[str, Json] = {"from": review.level.value, "to": review.earned.value, "reason": review.reason}
            now = self._parts.clock.now()
            self._parts.trail.record(work, tenant, AuditEntry(now, SYSTEM, _EARNED, review.action, details))
            work.commit()


def _runs_since(work: UnitOfWork, tenant: TenantId, spec: ActionSpec, since: datetime) -> tuple[Sequence[Run], bool]:
    """The action's production runs since then but for undos, newest first, and whether one had its effect before."""
    runs: list[Run] = []
    after = ""
    while True:
        page = work.runs.page(tenant, env=Env.PRODUCTION, states=frozenset(), maker="", after=after, limit=_PAGE)
        for run in page:
            if run.action != spec.name or run.kind is RunKind.UNDO:
                continue
            if run.created_at > since:
                runs.append(run)
            elif run.state in _DONE:
                # Runs come newest first: all that follow are older still.
                return runs, True
        if len(page) < _PAGE:
            return runs, False
        after = page[-1].run_id


def _fallen(level: AutonomyLevel, spec: ActionSpec, evidence: Evidence, gate_is_red: bool) -> AutonomyLevel:
    """The level, or the one below when the log or the gate takes it away."""
    wanted = spec.unattended_after
    limit = wanted.max_reversal_rate if wanted else ALARMING_RATE
    if level is AutonomyLevel.UNATTENDED:
        has_lost_parity = wanted is not None and wanted.fairness_parity and evidence.parity.is_lost(wanted.min_parity)
        if gate_is_red or has_lost_parity or evidence.reversal_rate > limit:
            return AutonomyLevel.ONE_CLICK
    is_alarming = evidence.runs >= MIN_RUNS and evidence.reversal_rate > max(limit, ALARMING_RATE)
    return AutonomyLevel.SUGGEST if level is AutonomyLevel.ONE_CLICK and is_alarming else level


def _climbed(level: AutonomyLevel, spec: ActionSpec, evidence: Evidence) -> AutonomyLevel:
    """The level, or the one above when the log has earned it."""
    wanted = spec.unattended_after
    limit = wanted.max_reversal_rate if wanted else ALARMING_RATE
    is_proven = evidence.is_long_enough and evidence.runs >= MIN_RUNS and evidence.reversal_rate <= limit
    if level.rank >= spec.autonomy_max.rank or not is_proven:
        return level
    if level is AutonomyLevel.SUGGEST:
        return AutonomyLevel.ONE_CLICK
    has_parity = wanted is not None and (not wanted.fairness_parity or evidence.parity.is_shown(wanted.min_parity))
    return AutonomyLevel.UNATTENDED if has_parity else level
