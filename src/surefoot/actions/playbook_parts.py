"""What a playbook's run and its steps' runs have in common: their names, how they are found, and how they are shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from surefoot.actions.gating import names_of_red
from surefoot.actions.moves import STOPPABLE, SYSTEM, again, found, moved, told
from surefoot.actions.parts import AGENT_ROLE, ActionParts, RunView
from surefoot.actions.policing import Asker
from surefoot.actions.viewing import REPLANNED
from surefoot.domain.actions import Json
from surefoot.domain.canonical import canonical_hash
from surefoot.domain.identity import Principal, TenantId, Viewer
from surefoot.domain.runs import Plan, Run, RunKind, RunState
from surefoot.ports import UnitOfWork

PREFIX = "playbook."
STEP_SCOPE = "playbook-steps:"
_UNDO_SCOPE = "playbook-undos:"
MAX_STEPS = 20
DONE = frozenset({RunState.APPLIED, RunState.FINAL})
# May still have its effect, or has it: what is listed when somebody has to look.
HOLDS = frozenset({RunState.APPLIED, RunState.FINAL, RunState.NEEDS_HUMAN, RunState.UNKNOWN, RunState.APPLYING})
_GIVEN_UP = frozenset({RunState.DENIED, RunState.FAILED, RunState.REJECTED, RunState.EXPIRED, RunState.CANCELLED})


class Outcome(StrEnum):
    """What became of a playbook. It never merely "failed" while something of it stands: that is `partial`, and a person looks."""

    PREVIEWED = "previewed"
    REFUSED = "refused"
    RUNNING = "running"
    APPLIED = "applied"
    UNDONE = "undone"
    COMPENSATED = "compensated"
    PARTIAL = "partial"


@dataclass(frozen=True, slots=True)
class PlaybookView:
    """The parent run with its joint plan, what became of it and why, and its steps' runs so far, in order. `stands` are those
    steps whose effect is there or may be; `open_steps` what the viewer may press. Of the undo of a playbook the steps
    are undos, the last first.
    """

    parent: Run
    outcome: Outcome
    plan: Plan | None
    steps: tuple[RunView, ...]
    stands: tuple[str, ...] = ()
    open_steps: frozenset[str] = frozenset()
    why: str = ""
    replayed: bool = False


def outcome_of(parent: Run) -> Outcome:
    """What the parent's state says about the whole."""
    match parent.state:
        case RunState.APPLIED | RunState.FINAL:
            return Outcome.APPLIED
        case RunState.UNDONE:
            return Outcome.UNDONE if parent.undone_by else Outcome.COMPENSATED
        case RunState.NEEDS_HUMAN | RunState.UNKNOWN:
            return Outcome.PARTIAL
        case RunState.APPLYING:
            return Outcome.RUNNING
        case state if state in _GIVEN_UP:
            return Outcome.REFUSED
        case _:
            return Outcome.PREVIEWED


def is_playbook(run: Run) -> bool:
    """Whether the run is a playbook's own, and not one of its steps."""
    return run.action.startswith(PREFIX)


def is_step(run: Run) -> bool:
    """Whether the run is a step of a playbook, which applies it in its turn."""
    return run.idem_scope.startswith(STEP_SCOPE)


def parent_of(run: Run) -> str:
    """The id of the playbook's run that this is a step of; empty for a run that stands by itself."""
    return run.idem_scope.removeprefix(STEP_SCOPE) if is_step(run) else ""


def scope_of(parent: Run) -> str:
    """Under which the steps of this parent are found, by their number."""
    return f"{STEP_SCOPE}{parent.run_id}"


def steps_of(parent: Run) -> list[Mapping[str, Json]]:
    """What the parent is made of: action, major version and arguments of each step."""
    steps = parent.arguments["steps"]
    assert isinstance(steps, list | tuple)
    return [step for step in steps if isinstance(step, Mapping)]


def asker_of_parent(parent: Run) -> Asker:
    """Who started the playbook, with the rights that they had then; every step is asked about in their name. What an agent
    previews is its own proposal until a person presses, and then theirs.
    """
    roles = _names(parent, "roles")
    is_agent = AGENT_ROLE in roles and parent.state is RunState.PROPOSED
    return Asker(parent.maker, roles if is_agent else roles - {AGENT_ROLE}, is_agent, _names(parent, "own"))


def viewer_of_parent(tenant: TenantId, parent: Run) -> Viewer:
    """The same person, as who takes steps back."""
    roles = _names(parent, "roles") - {AGENT_ROLE}
    return Viewer(tenant, parent.maker, frozenset(Principal(f"role:{role}") for role in roles))


def step_runs(work: UnitOfWork, tenant: TenantId, parent: Run) -> list[Run]:
    """The steps' runs so far, in order; one that was planned anew is the newer."""
    found_ones = []
    for number in range(len(steps_of(parent))):
        run = work.runs.by_key(tenant, parent.env, scope_of(parent), str(number))
        if run is not None:
            found_ones.append(successor(work, tenant, run))
    return found_ones


def successor(work: UnitOfWork, tenant: TenantId, run: Run) -> Run:
    """A step that went stale, or whose plan expired, is the run that was planned anew for it."""
    if run.state not in (RunState.STALE, RunState.EXPIRED):
        return run
    return work.runs.by_key(tenant, run.env, REPLANNED, run.run_id) or run


def undo_runs(work: UnitOfWork, tenant: TenantId, undo: Run) -> list[Run]:
    """The undos that belong to the undo of a playbook, the last step's first."""
    original = found(work, tenant, undo.reverses)
    keyed = [
        work.runs.by_key(tenant, undo.env, undo_scope_of(undo), run.run_id) for run in reversed(step_runs(work, tenant, original))
    ]
    return [run for run in keyed if run is not None]


def undo_scope_of(parent: Run) -> str:
    """Under which the undos that this parent makes are found, by their step's run: the same at every look, so that a refused one
    is not tried for ever, and no scope of a caller's own keys.
    """
    return f"{_UNDO_SCOPE}{parent.run_id}"


def runs_of(work: UnitOfWork, tenant: TenantId, parent: Run) -> list[Run]:
    """What the parent consists of: steps, or the undos of steps."""
    return undo_runs(work, tenant, parent) if parent.kind is RunKind.UNDO else step_runs(work, tenant, parent)


def cancelled_rest(parts: ActionParts, tenant: TenantId, parent: Run, why: str) -> None:
    """Every run of the parent that has not begun is cancelled, so that it stands in nobody's way."""

    def once() -> None:
        with parts.store.begin() as work:
            for run in runs_of(work, tenant, parent):
                if run.state in STOPPABLE:
                    cancelled = replace(run, state=RunState.CANCELLED)
                    moved(parts, work, tenant, cancelled, SYSTEM, details={"why": why})
                    work.runs.dequeue(tenant, run.run_id)
            work.commit()

    again(once)


def through(parts: ActionParts, tenant: TenantId, parent: Run, states: Sequence[RunState], why: str) -> Run:
    """The parent has gone through these states; as it stands when somebody else was faster."""

    def once() -> Run:
        with parts.store.begin() as work:
            run = found(work, tenant, parent.run_id)
            if run.version != parent.version:
                return run
            for state in states:
                run = moved(parts, work, tenant, replace(run, state=state), SYSTEM, details={"why": why})
            work.runs.dequeue(tenant, parent.run_id)
            work.commit()
            return run

    return told(parts, tenant, again(once))


def joint_plan(parent: Run, plans: Sequence[Plan], *, now: datetime, expires_at: datetime) -> Plan:
    """One plan of many, in their order. Its digest is of theirs, so that whoever agrees to it agrees to each."""
    first = {each.resource: each for plan in reversed(plans) for each in reversed(plan.preconditions)}
    return Plan(
        run_id=parent.run_id,
        changes=tuple(change for plan in plans for change in plan.changes),
        preconditions=tuple(first.values()),
        summary="\n".join(plan.summary for plan in plans if plan.summary),
        cost_usd=sum(plan.cost_usd for plan in plans),
        minutes_saved=sum(plan.minutes_saved for plan in plans),
        digest=canonical_hash({"playbook": parent.action, "env": parent.env.value, "plans": [plan.digest for plan in plans]}),
        policy_version=plans[0].policy_version if plans else "",
        connector_version=plans[0].connector_version if plans else "",
        created_at=now,
        expires_at=expires_at,
    )


def history_of(work: UnitOfWork, tenant: TenantId, run: Run) -> RunView:
    """A step with its history, for whoever may see the playbook: they agree to all of it."""
    return RunView(
        run=run,
        plan=work.runs.plan(tenant, run.run_id),
        decisions=tuple(work.runs.decisions(tenant, run.run_id)),
        approvals=tuple(work.runs.approvals(tenant, run.run_id)),
        attempts=tuple(work.runs.attempts(tenant, run.run_id)),
        receipt=work.runs.receipt(tenant, run.run_id),
        red_gates=names_of_red(work, tenant, run),
    )


def _names(parent: Run, name: str) -> frozenset[str]:
    names = parent.arguments.get(name, ())
    assert isinstance(names, list | tuple)
    return frozenset(map(str, names))
