"""The policy is asked on fresh facts, and whatever goes wrong with the question is a no."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from surefoot.actions.gating import red_gates, why_red
from surefoot.actions.parts import AGENT_ROLE, ActionParts
from surefoot.core.errors import SurefootError
from surefoot.domain.actions import ActionSpec, AutonomyLevel
from surefoot.domain.identity import TenantId, Viewer
from surefoot.domain.runs import (
    DecisionRecord,
    PolicyDecision,
    PolicyEffect,
    PolicyQuestion,
    PolicyReason,
    Run,
    RunKind,
    Stage,
)
from surefoot.domain.verdicts import GateResult
from surefoot.ports import UnitOfWork

_ROLE = "role:"
# Facts under this name are ours, kept to go on with a run in its presser's name; the policy never sees them.
_ASKER = "asker"
_OWN = "own"
_ID = "_id"
_ACCOUNT = "account:"


@dataclass(frozen=True, slots=True)
class Asker:
    """In whose name the policy is asked."""

    user: str
    roles: frozenset[str] = frozenset()
    is_agent: bool = False
    # What their token states to be theirs, as resources name it: user:usr_nora01, account:acc_fernhill1.
    own: frozenset[str] = frozenset()


def roles_of(viewer: Viewer) -> frozenset[str]:
    """The viewer's roles, without their prefix."""
    return frozenset(each.removeprefix(_ROLE) for each in viewer.principals if each.startswith(_ROLE))


def asker_of(viewer: Viewer, *, by_agent: bool = False) -> Asker:
    """The viewer, pressing themselves or through an agent."""
    roles = roles_of(viewer)
    return Asker(viewer.user, roles, by_agent or AGENT_ROLE in roles, own_of(viewer))


def own_of(viewer: Viewer) -> frozenset[str]:
    """The resources that the viewer's token states to be theirs: `user_id` is the user, `account_id` the account."""
    return frozenset(f"{name.removesuffix(_ID)}:{value}" for name, value in viewer.stated().items() if name.endswith(_ID))


def account_of(asker: Asker) -> str:
    """The account that the asker's token states to be theirs, for caps that count by account; empty when it states none."""
    return next((each.removeprefix(_ACCOUNT) for each in sorted(asker.own) if each.startswith(_ACCOUNT)), "")


def asker_before(records: list[DecisionRecord], run: Run) -> Asker:
    """Whoever was asked about last in this run: the scheduler goes on in their name, with their roles and no others."""
    for record in reversed(records):
        kept = record.facts.get(_ASKER)
        if record.stage in (Stage.SIMULATE, Stage.APPLY, Stage.UNDO) and isinstance(kept, Mapping):
            is_agent = kept.get("is_agent") is not False
            return Asker(run.maker, _names(kept.get("roles")), is_agent, _names(kept.get(_OWN)))
    return Asker(run.maker, is_agent=bool(run.agent))


def stage_of(run: Run) -> Stage:
    """At which stage the policy is asked before this run has its effect."""
    return Stage.UNDO if run.kind is RunKind.UNDO else Stage.APPLY


def decided(parts: ActionParts, tenant: TenantId, spec: ActionSpec, run: Run, stage: Stage, asker: Asker) -> DecisionRecord:
    """The policy's word on this run now. Any error is a no; a switched-off action is a no, but for its undo, and while a gate
    of the evals is red the agent only suggests.
    """
    now = parts.clock.now()
    switched_off, red = _stops(parts, tenant, run, stage)
    try:
        facts = {**parts.facts.compute(tenant, spec, run, stage, now), _OWN: sorted(asker.own)}
    except SurefootError as error:
        # Facts that cannot be computed must not open anything; what went wrong is kept with the decision.
        decision = PolicyDecision(PolicyEffect.DENY, parts.policy.fingerprint, errors=(f"facts: {error}",))
        return _record(run, stage, decision, {}, asker, now)
    question = PolicyQuestion(stage, run.env, run.action, asker.user, asker.roles, asker.is_agent, facts)
    decision = parts.policy.decide(tenant, question)
    if decision.errors:
        decision = replace(decision, effect=PolicyEffect.DENY)
    if red and asker.is_agent and decision.effect.rank < PolicyEffect.SUGGEST_ONLY.rank:
        decision = replace(decision, effect=PolicyEffect.SUGGEST_ONLY, reasons=(why_red(red), *decision.reasons))
    if switched_off is not None:
        off = PolicyReason("kill-switch", f"The action is switched off: {switched_off}", "Ask an administrator to switch it on.")
        decision = replace(decision, effect=PolicyEffect.DENY, reasons=(off, *decision.reasons))
    return _record(run, stage, decision, facts, asker, now)


def _stops(parts: ActionParts, tenant: TenantId, run: Run, stage: Stage) -> tuple[str | None, tuple[GateResult, ...]]:
    """What holds whatever the rules say: why the action is switched off, and which gates are red. Nothing stops an undo."""
    if stage is Stage.UNDO:
        return None, ()
    with parts.store.begin() as work:
        return work.runs.switched_off(tenant, run.env, run.action), red_gates(work, tenant, run)


def level_of(parts: ActionParts, tenant: TenantId, spec: ActionSpec) -> AutonomyLevel:
    """How far the agent may go: what the log has earned the action, never beyond its file; one click before any evidence."""
    with parts.store.begin() as work:
        return level_in(work, tenant, spec)


def level_in(work: UnitOfWork, tenant: TenantId, spec: ActionSpec) -> AutonomyLevel:
    """The same, as this transaction sees it."""
    earned = work.runs.autonomy(tenant, spec.name) or AutonomyLevel.ONE_CLICK
    return min(earned, spec.autonomy_max, key=lambda level: level.rank)


def said(record: DecisionRecord) -> str:
    """The decision in words for whoever asked."""
    reasons = [f"{each.reason} {each.remedy}".strip() for each in record.decision.reasons]
    return " ".join(reasons or record.decision.errors or ["No rule allows it."])


def _names(kept: object) -> frozenset[str]:
    return frozenset(map(str, kept)) if isinstance(kept, list | tuple) else frozenset()


def _record(
    run: Run, stage: Stage, decision: PolicyDecision, facts: Mapping[str, object], asker: Asker, now: datetime
) -> DecisionRecord:
    kept = {**facts, _ASKER: {"roles": sorted(asker.roles), "is_agent": asker.is_agent, _OWN: sorted(asker.own)}}
    return DecisionRecord(run.run_id, stage, decision, kept, now)
