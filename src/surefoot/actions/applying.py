"""The press of the button: every guard on fresh facts, and one transaction in which the run begins to have its effect."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from surefoot.actions.delivering import press_lease
from surefoot.actions.gating import red_gates, refusal, why_red
from surefoot.actions.moves import SYSTEM, again, found, moved, reasons_of, told
from surefoot.actions.parts import ActionParts
from surefoot.actions.policing import Asker, decided, level_of, stage_of
from surefoot.actions.viewing import cap_holds, spec_of
from surefoot.core.errors import Conflict, PlanStale, RunNotAllowed
from surefoot.domain.actions import ActionSpec, ApprovalMode, AutonomyLevel
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import (
    Approval,
    CapHold,
    DecisionRecord,
    Plan,
    PolicyDecision,
    PolicyEffect,
    PolicyReason,
    Run,
    RunKind,
    RunState,
    Verdict,
)
from surefoot.ports import UnitOfWork

READY = frozenset({RunState.PLANNED, RunState.APPROVED, RunState.SCHEDULED})
_REFUSED = {
    RunState.PROPOSED: "it is still being simulated; wait for it",
    RunState.SUGGESTED: "it is only a suggestion; take it up first, which simulates it",
    RunState.AWAITING_APPROVAL: "somebody else has to approve it first",
    RunState.REJECTED: "it was rejected",
    RunState.CANCELLED: "it was cancelled",
}


@dataclass(frozen=True, slots=True)
class Pressed:
    """A run after a press; `is_begun` when it was this press that began it."""

    run: Run
    is_begun: bool = False


class Applier:
    """Lets a run begin, once. What comes after is the worker's."""

    def __init__(self, parts: ActionParts) -> None:
        self._parts = parts

    def press(
        self, tenant: TenantId, run_id: str, asker: Asker, *, plan_digest: str = "", head_start: timedelta = timedelta()
    ) -> Pressed:
        """The run as it stands after the press: applying when this press began it; scheduled, suggested, denied or awaiting
        approval when the policy says so now; as it was when it had begun before. With a `head_start` it is leased to the presser.

        Raises PlanStale when it has to be simulated again, RunNotAllowed when it is not ready, GateIsRed while a gate of the
        evals fails; one that is scheduled then goes on waiting.
        """
        return again(lambda: self._press(tenant, run_id, asker, plan_digest, head_start))

    def _press(self, tenant: TenantId, run_id: str, asker: Asker, plan_digest: str, head_start: timedelta) -> Pressed:
        now = self._parts.clock.now()
        with self._parts.store.begin() as work:
            run = found(work, tenant, run_id)
            plan, approvals = work.runs.plan(tenant, run_id), work.runs.approvals(tenant, run_id)
            red = red_gates(work, tenant, run)
        if run.state in _REFUSED:
            raise RunNotAllowed(f"The run {run_id!r} cannot be applied: {_REFUSED[run.state]}.")
        if run.state is RunState.EXPIRED:
            raise PlanStale(f"The plan of run {run_id!r} has expired; simulate again.")
        if run.state not in READY or plan is None:
            return Pressed(run)
        spec = spec_of(self._parts, run)
        self._check_plan(run, plan, spec, plan_digest, now)
        if red and run.state is not RunState.SCHEDULED:
            raise refusal(run, red)
        self._check_autonomy(tenant, spec, asker)
        record = decided(self._parts, tenant, spec, run, stage_of(run), asker)
        self._parts.at("apply:policy-asked")
        if red and record.decision.effect is not PolicyEffect.DENY:
            # Whoever scheduled it has done their part; it goes on waiting for the evals to pass.
            reasons = (why_red(red), *record.decision.reasons)
            record = replace(record, decision=replace(record.decision, effect=PolicyEffect.DEFER, reasons=reasons))
            return Pressed(self._kept(tenant, run, RunState.SCHEDULED, record, spec))
        state = self._state_after(run, plan, spec, record, approvals, asker, now)
        if state is RunState.DENIED and record.decision.effect is not PolicyEffect.DENY:
            record = _denied(record, "approval", "The approvals that it needs are missing or too old.", "Simulate it again.")
        if state is not RunState.APPLYING:
            return Pressed(self._kept(tenant, run, state, record, spec))
        full = self._begun(tenant, run, plan, spec, record, head_start)
        if isinstance(full, CapHold):
            why = f"The cap {full.cap_id!r} lets through {full.most} in its window, and all are used."
            record = _denied(record, f"cap:{full.cap_id}", why, "Wait until the window has moved on.")
            return Pressed(self._kept(tenant, run, RunState.DENIED, record, spec))
        self._parts.at("applying")
        return Pressed(full, is_begun=True)

    def _check_plan(self, run: Run, plan: Plan, spec: ActionSpec, plan_digest: str, now: datetime) -> None:
        if plan_digest and plan_digest != plan.digest:
            raise PlanStale(f"The run {run.run_id!r} has another plan than the one that was shown; look at it again.")
        if plan.expires_at <= now:
            raise PlanStale(f"The plan of run {run.run_id!r} expired at {plan.expires_at.isoformat()}; simulate again.")
        # An undo has to work after the action's file or the host has moved on; the etags still guard it.
        if run.kind is not RunKind.UNDO and (
            spec.schema_hash != run.schema_hash or self._host_version(spec) != plan.connector_version
        ):
            raise PlanStale(
                f"The action {run.action!r} or its host has changed since run {run.run_id!r} was simulated; do so again."
            )

    def _host_version(self, spec: ActionSpec) -> str:
        host = self._parts.hosts.get(spec.connector.ref)
        return "" if host is None else host.version

    def _check_autonomy(self, tenant: TenantId, spec: ActionSpec, asker: Asker) -> None:
        if asker.is_agent and level_of(self._parts, tenant, spec) is not AutonomyLevel.UNATTENDED:
            raise RunNotAllowed(f"The agent may not apply {spec.name!r} by itself; a person has to press the button.")

    def _state_after(
        self,
        run: Run,
        plan: Plan,
        spec: ActionSpec,
        record: DecisionRecord,
        approvals: Sequence[Approval],
        asker: Asker,
        now: datetime,
    ) -> RunState:
        effect, is_undo = record.decision.effect, run.kind is RunKind.UNDO
        if effect is PolicyEffect.DENY:
            return RunState.DENIED
        # Budgets, change windows and quiet hours never keep anybody from taking something back.
        if is_undo:
            return RunState.APPLYING
        if effect is PolicyEffect.SUGGEST_ONLY and asker.is_agent:
            return RunState.SUGGESTED
        needs_approval = spec.approval.mode is ApprovalMode.REQUIRED or record.decision.needs_approval
        if needs_approval and not has_quorum(spec, plan, run, approvals, now):
            return RunState.AWAITING_APPROVAL if run.state is RunState.PLANNED else RunState.DENIED
        return RunState.SCHEDULED if effect is PolicyEffect.DEFER else RunState.APPLYING

    def _begun(
        self, tenant: TenantId, run: Run, plan: Plan, spec: ActionSpec, record: DecisionRecord, head_start: timedelta
    ) -> Run | CapHold:
        """The one transaction: plan consumed, caps held, decision, outbox, state and audit; or the cap that has no room."""
        now = self._parts.clock.now()
        holds = () if run.kind is RunKind.UNDO else cap_holds(self._parts, tenant, spec, run)
        with self._parts.store.begin() as work:
            if red_gates(work, tenant, run):
                # It has turned red since; the next look says so.
                raise Conflict
            if not work.runs.consume_plan(tenant, run.run_id, now=now):
                # Either another press consumed it, which the next look shows, or it has just expired.
                self._raise_unless_changed(work, tenant, run)
            full = work.runs.hold_caps(tenant, run.env, run.run_id, holds, now=now)
            if full is not None:
                return full
            if run.kind is RunKind.UNDO:
                self._hold_original(work, tenant, run)
            elif (why := work.runs.switched_off(tenant, run.env, run.action)) is not None:
                raise RunNotAllowed(f"The action {run.action!r} was switched off: {why}. Ask an administrator to switch it on.")
            work.runs.add_decision(tenant, record)
            details = reasons_of(record) | {"plan_digest": plan.digest, "delivery": "outbox"}
            applying = replace(run, state=RunState.APPLYING, not_before=None)
            after = moved(self._parts, work, tenant, applying, run.maker, details=details)
            work.runs.dequeue(tenant, run.run_id)
            work.runs.enqueue(tenant, run.run_id, due_at=now)
            if head_start:
                lease = press_lease(self._parts, now)
                work.runs.lease(tenant, run.run_id, lease.owner, now=now, until=lease.until)
            self._parts.at("applying:before-commit")
            work.commit()
        return told(self._parts, tenant, after)

    def _raise_unless_changed(self, work: UnitOfWork, tenant: TenantId, run: Run) -> None:
        if found(work, tenant, run.run_id).version != run.version:
            raise Conflict
        raise PlanStale(f"The plan of run {run.run_id!r} is consumed or has expired; simulate again.")

    def _hold_original(self, work: UnitOfWork, tenant: TenantId, run: Run) -> None:
        """What is being undone is still applied, and cannot become final meanwhile, because its row changes with ours."""
        original = found(work, tenant, run.reverses)
        if original.state is not RunState.APPLIED:
            raise RunNotAllowed(f"The run {original.run_id!r} is {original.state} and cannot be undone any more.")
        if not work.runs.swap(tenant, original):
            raise Conflict

    def _kept(self, tenant: TenantId, run: Run, state: RunState, record: DecisionRecord, spec: ActionSpec) -> Run:
        now = self._parts.clock.now()
        after = replace(run, state=state)
        if state is RunState.SCHEDULED:
            opens_at = max(self._parts.calendar.opens_at(tenant, spec, run, now), now + timedelta(seconds=1))
            after = replace(after, not_before=opens_at, deadline=max(run.deadline, opens_at + spec.approval.ttl))
        with self._parts.store.begin() as work:
            work.runs.add_decision(tenant, record)
            if state is not run.state:
                after = moved(self._parts, work, tenant, after, SYSTEM, details=reasons_of(record))
            elif not work.runs.swap(tenant, after):
                raise Conflict
            work.runs.dequeue(tenant, run.run_id)
            if after.not_before is not None and state is RunState.SCHEDULED:
                work.runs.enqueue(tenant, run.run_id, due_at=after.not_before)
            work.commit()
        return told(self._parts, tenant, after) if state is not run.state else after


def has_quorum(spec: ActionSpec, plan: Plan, run: Run, approvals: Sequence[Approval], now: datetime) -> bool:
    """Whether enough other people approve exactly this plan, none of them too long ago."""
    approvers = {
        each.approver
        for each in approvals
        if each.verdict is Verdict.APPROVE and each.plan_digest == plan.digest and now < each.at + spec.approval.ttl
    }
    return len(approvers - {run.maker, run.agent}) >= max(1, spec.approval.quorum)


def _denied(record: DecisionRecord, rule: str, why: str, remedy: str) -> DecisionRecord:
    reasons = (PolicyReason(rule, why, remedy), *record.decision.reasons)
    return replace(record, decision=PolicyDecision(PolicyEffect.DENY, record.decision.policy_hash, reasons))
