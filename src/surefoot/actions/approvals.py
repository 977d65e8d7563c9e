"""Maker and checker: another person than the one who wants it says yes or no to exactly one plan."""

from dataclasses import replace
from datetime import datetime

from surefoot.actions.applying import has_quorum
from surefoot.actions.moves import again, found, moved, told
from surefoot.actions.parts import AGENT_ROLE, ActionParts
from surefoot.actions.policing import asker_of, decided, roles_of, said
from surefoot.actions.viewing import seen, spec_of
from surefoot.core.errors import Conflict, PlanStale, RunNotAllowed
from surefoot.domain.actions import ActionSpec
from surefoot.domain.audit import AuditEntry
from surefoot.domain.identity import Viewer
from surefoot.domain.runs import Approval, DecisionRecord, Plan, PolicyEffect, Run, RunState, Stage, Verdict

_MAX_NOTE = 500


class Approvals:
    """Collects words on plans until there are enough of them."""

    def __init__(self, parts: ActionParts) -> None:
        self._parts = parts

    def speak(self, approver: Viewer, run_id: str, plan_digest: str, verdict: Verdict, note: str = "") -> None:
        """The approver's word counts: one rejection rejects, a quorum of approvals approves. The same word again changes nothing.

        Raises NotFound; RunNotAllowed for the maker, for an agent, without one of the action's roles, when the policy says no,
        and after another word of theirs; PlanStale when they did not see this plan or its time is over.
        """
        again(lambda: self._speak(approver, run_id, plan_digest, verdict, note))

    def _speak(self, approver: Viewer, run_id: str, plan_digest: str, verdict: Verdict, note: str) -> None:
        tenant, now = approver.tenant, self._parts.clock.now()
        with self._parts.store.begin() as work:
            run = seen(self._parts, work, approver, run_id)
            plan = work.runs.plan(tenant, run_id)
            spoken = [each for each in work.runs.approvals(tenant, run_id) if each.approver == approver.user]
        spec = spec_of(self._parts, run)
        self._check_person(approver, run, spec)
        if any((each.plan_digest, each.verdict) == (plan_digest, verdict) for each in spoken):
            return
        if spoken:
            raise RunNotAllowed(f"You have said {spoken[0].verdict!s} to run {run_id!r} already; a word stands.")
        if plan is None or run.state is not RunState.AWAITING_APPROVAL:
            raise RunNotAllowed(f"The run {run_id!r} is {run.state}; nobody is asked to approve it.")
        if plan.digest != plan_digest:
            raise PlanStale(f"The plan of run {run_id!r} is not the one that you saw; look at it again.")
        if plan.expires_at <= now:
            raise PlanStale(f"The plan of run {run_id!r} expired at {plan.expires_at.isoformat()}; it has to be simulated again.")
        record = decided(self._parts, tenant, spec, run, Stage.APPROVE, asker_of(approver))
        self._parts.at("approve:policy-asked")
        if record.decision.effect is PolicyEffect.DENY:
            self._keep_refusal(approver, record)
            raise RunNotAllowed(f"You may not approve run {run_id!r}: {said(record)}")
        approval = Approval(run_id, plan_digest, approver.user, verdict, now, note[:_MAX_NOTE])
        self._keep(approver, run, plan, spec, record, approval, now)
        self._parts.at("spoken")

    def _check_person(self, approver: Viewer, run: Run, spec: ActionSpec) -> None:
        roles = roles_of(approver)
        if approver.user == run.maker:
            raise RunNotAllowed(f"You asked for run {run.run_id!r} yourself; somebody else has to approve it.")
        if approver.user == run.agent or AGENT_ROLE in roles:
            raise RunNotAllowed(f"An agent never approves; a person has to look at run {run.run_id!r}.")
        if spec.approval.roles and not roles & frozenset(spec.approval.roles):
            raise RunNotAllowed(f"To approve {spec.name!r} takes one of the roles {', '.join(sorted(spec.approval.roles))}.")

    def _keep_refusal(self, approver: Viewer, record: DecisionRecord) -> None:
        with self._parts.store.begin() as work:
            work.runs.add_decision(approver.tenant, record)
            work.commit()

    def _keep(
        self, approver: Viewer, run: Run, plan: Plan, spec: ActionSpec, record: DecisionRecord, approval: Approval, now: datetime
    ) -> None:
        tenant = approver.tenant
        details = {"plan_digest": plan.digest, "verdict": approval.verdict.value}
        with self._parts.store.begin() as work:
            if found(work, tenant, run.run_id).version != run.version or not work.runs.add_approval(tenant, approval):
                raise Conflict
            work.runs.add_decision(tenant, record)
            if approval.verdict is Verdict.REJECT:
                run = moved(self._parts, work, tenant, replace(run, state=RunState.REJECTED), approver.user, details=details)
            elif has_quorum(spec, plan, run, work.runs.approvals(tenant, run.run_id), now):
                run = moved(self._parts, work, tenant, replace(run, state=RunState.APPROVED), approver.user, details=details)
            else:
                # The row's version moves with every word, so that two that come together cannot both miss the quorum.
                if not work.runs.swap(tenant, run):
                    raise Conflict
                entry = AuditEntry(now, approver.user, "action.run.approval", run.run_id, details)
                self._parts.trail.record(work, tenant, entry)
            self._parts.at("spoken:before-commit")
            work.commit()
        if run.state is not RunState.AWAITING_APPROVAL:
            told(self._parts, tenant, run)
