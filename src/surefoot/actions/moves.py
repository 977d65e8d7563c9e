"""How a run moves: its row, its audit row and its event change together, in the caller's unit of work."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from surefoot.actions.parts import ActionParts
from surefoot.core.errors import Conflict, NotFound, RunNotAllowed
from surefoot.core.ids import derived_id
from surefoot.domain.actions import Json
from surefoot.domain.audit import AuditEntry
from surefoot.domain.events import OutgoingEvent
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import TRANSITIONS, DecisionRecord, Run, RunState
from surefoot.ports import UnitOfWork

EVENT_PREFIX = "surefoot.action.run."
SYSTEM = "system"
# From here on no clock and no person can stop a run any more.
STOPPABLE = frozenset(state for state, after in TRANSITIONS.items() if RunState.CANCELLED in after)
_TRIES = 8
T = TypeVar("T")


def again(step: Callable[[], T]) -> T:
    """What the step returns; it is repeated from its first read when somebody else changed the run meanwhile.

    Raises Conflict when that keeps happening.
    """
    for _ in range(_TRIES - 1):
        try:
            return step()
        except Conflict as error:
            # Only the bare conflict of a lost race goes away by itself; its kinds tell the caller something.
            if type(error) is not Conflict:
                raise
    return step()


def found(work: UnitOfWork, tenant: TenantId, run_id: str) -> Run:
    """The run. Raises NotFound."""
    run = work.runs.get(tenant, run_id)
    if run is None:
        raise NotFound
    return run


def moved(
    parts: ActionParts,
    work: UnitOfWork,
    tenant: TenantId,
    run: Run,
    actor: str,
    *,
    details: Mapping[str, Json] | None = None,
) -> Run:
    """The run's row is as given, with an audit row and an event that say so; `run` has the new state and the version that was
    read. Raises RunNotAllowed for a step that no run may take, Conflict when somebody else changed the row meanwhile.
    """
    before = found(work, tenant, run.run_id)
    if before.version != run.version:
        raise Conflict
    if run.state not in TRANSITIONS[before.state]:
        raise RunNotAllowed(f"The run {run.run_id!r} is {before.state}; from there it cannot become {run.state}.")
    if not work.runs.swap(tenant, run):
        raise Conflict
    now = parts.clock.now()
    told = {"from": before.state.value, **summary(run), **(details or {})}
    parts.trail.record(work, tenant, AuditEntry(now, actor, f"action.run.{run.state}", run.run_id, told))
    announce(work, tenant, run, now, told)
    return replace(run, version=run.version + 1)


def told(parts: ActionParts, tenant: TenantId, run: Run) -> Run:
    """The run, after whoever observes has seen the state that it is durably in."""
    if parts.observer is not None:
        parts.observer.ran(tenant, run)
    return run


def announce(work: UnitOfWork, tenant: TenantId, run: Run, now: datetime, data: Mapping[str, Json]) -> None:
    """The event `surefoot.action.run.<state>` waits to be delivered; the same step never tells it twice."""
    event_id = derived_id("evt", tenant, run.run_id, run.state, str(run.version))
    work.events.add(tenant, OutgoingEvent(event_id, f"{EVENT_PREFIX}{run.state}", run.run_id, now, {"tenant": tenant, **data}))


def summary(run: Run) -> dict[str, Json]:
    """What the audit and events say about a run: no argument values, which may be somebody's data, but their hash."""
    return {
        "run_id": run.run_id,
        "state": run.state.value,
        "kind": run.kind.value,
        "action": run.action,
        "action_version": run.action_version,
        "env": run.env.value,
        "maker": run.maker,
        "agent": run.agent,
        "reverses": run.reverses,
        "arguments_hash": run.arguments_hash,
        "trace_id": run.trace_id,
    }


def reasons_of(record: DecisionRecord) -> dict[str, Json]:
    """A policy decision as the audit and events tell it."""
    return {
        "effect": record.decision.effect.value,
        "policy": record.decision.policy_hash,
        "reasons": [{"rule": each.rule, "reason": each.reason, "remedy": each.remedy} for each in record.decision.reasons],
        "errors": list(record.decision.errors),
    }
