"""Playbooks: several actions one after another, as a saga. What was done is taken back in reverse when a later step fails."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from surefoot.actions.applying import READY, Applier
from surefoot.actions.arguments import arguments_hash, validated
from surefoot.actions.moves import SYSTEM, again, announce, found, moved, summary
from surefoot.actions.parts import ActionParts, Request
from surefoot.actions.planning import Planner
from surefoot.actions.policing import Asker, asker_of
from surefoot.actions.undoing import Undoing
from surefoot.core.errors import IdempotencyMismatch, InvalidAction, InvalidInput, RunInProgress, RunNotAllowed
from surefoot.core.ids import new_id
from surefoot.domain.actions import Env, Json, UndoMode
from surefoot.domain.audit import AuditEntry
from surefoot.domain.canonical import canonical_hash
from surefoot.domain.identity import Principal, TenantId, Viewer
from surefoot.domain.runs import Run, RunKind, RunState

PREFIX = "playbook."
MAX_STEPS = 20
_TAKES_TIME = frozenset({RunState.PROPOSED, RunState.AWAITING_APPROVAL, RunState.SCHEDULED, RunState.APPLYING, RunState.UNKNOWN})
_DONE = frozenset({RunState.APPLIED, RunState.FINAL})
_HOLDS = frozenset({RunState.APPLIED, RunState.FINAL, RunState.NEEDS_HUMAN, RunState.UNKNOWN, RunState.APPLYING})


class Outcome(StrEnum):
    """What became of a playbook. It never merely "failed" while something of it stands: that is `partial`, and a person looks."""

    RUNNING = "running"
    APPLIED = "applied"
    COMPENSATED = "compensated"
    PARTIAL = "partial"


@dataclass(frozen=True, slots=True)
class PlaybookStep:
    """One action with its arguments."""

    action: str
    arguments: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Playbook:
    """A name and its steps, in order."""

    name: str
    steps: tuple[PlaybookStep, ...]


@dataclass(frozen=True, slots=True)
class PlaybookView:
    """The parent run, what became of it, and the runs of its steps so far, in order."""

    parent: Run
    outcome: Outcome
    steps: tuple[Run, ...]


def outcome_of(parent: Run) -> Outcome:
    """What the parent's state says about the whole."""
    if parent.state in (RunState.APPLIED, RunState.FINAL):
        return Outcome.APPLIED
    if parent.state is RunState.UNDONE:
        return Outcome.COMPENSATED
    return Outcome.PARTIAL if parent.state is RunState.NEEDS_HUMAN else Outcome.RUNNING


class Playbooks:
    """Runs sagas. The parent is a run of its own that waits in the same queue, so that any worker goes on where one died; its
    steps and their compensations are runs like others, under every rule.
    """

    def __init__(self, parts: ActionParts, planner: Planner, applier: Applier, undoing: Undoing) -> None:
        self._parts = parts
        self._planner = planner
        self._applier = applier
        self._undoing = undoing

    def start(self, maker: Viewer, playbook: Playbook, key: str, env: Env = Env.SANDBOX) -> Run:
        """The parent, applying; the same key answers with the one that was started. It cannot be cancelled any more.

        Raises InvalidAction when a step's arguments are not valid, or one before the last could not be taken back: nothing is
        stored then. IdempotencyMismatch when the key was used for another playbook.
        """
        if not 0 < len(playbook.steps) <= MAX_STEPS:
            raise InvalidInput(f"The playbook {playbook.name!r} has {len(playbook.steps)} steps; give it 1 to {MAX_STEPS}.")
        steps = [self._checked(step, is_last=number == len(playbook.steps)) for number, step in enumerate(playbook.steps, 1)]
        now, tenant = self._parts.clock.now(), maker.tenant
        asker = asker_of(maker)
        arguments: dict[str, Json] = {"steps": steps, "roles": sorted(asker.roles)}
        parent = Run(
            run_id=new_id("run", now),
            env=env,
            kind=RunKind.APPLY,
            action=f"{PREFIX}{playbook.name}",
            action_version="1.0.0",
            schema_hash=canonical_hash(steps),
            maker=maker.user,
            arguments=arguments,
            arguments_hash=arguments_hash(arguments),
            idem_scope=f"playbook:{maker.user}",
            idem_key=key,
            idem_fingerprint=canonical_hash({"name": playbook.name, "steps": steps}),
            natural_key="",
            # A saga is simulated step by step, each on what the step before has left.
            state=RunState.APPLYING,
            created_at=now,
            deadline=now,
        )
        with self._parts.store.begin() as work:
            standing = work.runs.create(tenant, parent)
            if standing is not None:
                if standing.idem_fingerprint != parent.idem_fingerprint:
                    raise IdempotencyMismatch
                return standing
            told = {**summary(parent), "steps": len(steps)}
            self._parts.trail.record(work, tenant, AuditEntry(now, maker.user, "action.playbook.started", parent.run_id, told))
            announce(work, tenant, parent, now, told)
            work.runs.enqueue(tenant, parent.run_id, due_at=now)
            work.commit()
        return parent

    def _checked(self, step: PlaybookStep, *, is_last: bool) -> dict[str, Json]:
        spec = self._parts.registry.get(step.action)
        if spec.undo.mode is UndoMode.NONE and not is_last:
            raise InvalidAction(f"{step.action!r} cannot be taken back, so it can only be the last step of a playbook.")
        return {"action": step.action, "major": spec.major, "arguments": dict(validated(spec, step.arguments))}

    def show(self, tenant: TenantId, parent_id: str) -> PlaybookView:
        """The playbook as it stands. Raises NotFound."""
        with self._parts.store.begin() as work:
            parent = found(work, tenant, parent_id)
        return PlaybookView(parent, outcome_of(parent), tuple(self._step_runs(tenant, parent)))

    def advance(self, tenant: TenantId, parent: Run) -> None:
        """The playbook has gone as far as it can without waiting; for whoever holds the parent's lease."""
        if parent.state is not RunState.APPLYING:
            self._dequeue(tenant, parent)
            return
        for number, step in enumerate(_steps(parent)):
            run = self._step(tenant, parent, number, step)
            self._parts.at("playbook:step")
            if run is None or run.state in _TAKES_TIME:
                self._look_again(tenant, parent)
                return
            if run.state not in _DONE:
                self._compensate(tenant, parent, stopped_at=run)
                return
        self._end(tenant, parent, [RunState.APPLIED], "every step is applied")

    def _step(self, tenant: TenantId, parent: Run, number: int, step: Mapping[str, Json]) -> Run | None:
        """The step's run, begun if nothing stands against it; None while somebody else is at it."""
        asker = Asker(parent.maker, frozenset(_roles(parent)))
        arguments, major = step["arguments"], step["major"]
        assert isinstance(arguments, Mapping) and isinstance(major, int)
        request = Request(str(step["action"]), arguments, str(number), parent.env, major=major, trace_id=parent.trace_id)
        wanted, spec = self._planner.wanted(tenant, asker, request)
        wanted = replace(wanted, idem_scope=_scope(parent), reason=f"step {number + 1} of {parent.action}")
        try:
            claim = self._planner.claim(tenant, wanted)
        except RunInProgress:
            return None
        if claim.run.idem_scope != _scope(parent):
            # The same is under way for another reason; it is not ours to build on, nor to take back.
            return replace(wanted, state=RunState.CANCELLED)
        run = self._planner.plan(tenant, claim.run, spec, asker) if claim.is_open else claim.run
        run = self._successor(tenant, run)
        if run.state not in READY or run.state is RunState.SCHEDULED:
            return run
        self._record_compensation(tenant, parent, run)
        try:
            return self._applier.press(tenant, run.run_id, asker).run
        except RunNotAllowed:
            return replace(run, state=RunState.CANCELLED)

    def _successor(self, tenant: TenantId, run: Run) -> Run:
        """A step that went stale is the run that was planned anew for it."""
        if run.state not in (RunState.STALE, RunState.EXPIRED):
            return run
        with self._parts.store.begin() as work:
            return work.runs.by_key(tenant, run.env, "replan", run.run_id) or run

    def _record_compensation(self, tenant: TenantId, parent: Run, run: Run) -> None:
        """How the step will be taken back is written down before it begins, so that nothing is done that nobody knows to undo."""
        with self._parts.store.begin() as work:
            details = {"step": run.run_id, "action": run.action, "how": "undo"}
            entry = AuditEntry(self._parts.clock.now(), SYSTEM, "action.playbook.compensation", parent.run_id, details)
            self._parts.trail.record(work, tenant, entry)
            work.commit()
        self._parts.at("playbook:compensation-recorded")

    def _compensate(self, tenant: TenantId, parent: Run, *, stopped_at: Run) -> None:
        """Every step that was done is undone, the last first; what cannot be leaves the playbook partial, for a person."""
        why = f"the step {stopped_at.run_id} is {stopped_at.state}"
        viewer = Viewer(tenant, parent.maker, frozenset(Principal(f"role:{role}") for role in _roles(parent)))
        for run in reversed(self._step_runs(tenant, parent)):
            if run.state not in _HOLDS:
                continue
            if run.state is not RunState.APPLIED:
                # Whether it happened is not known, or it is final: it is never taken back without asking.
                self._end(tenant, parent, [RunState.UNKNOWN, RunState.NEEDS_HUMAN], f"{why}; {run.run_id} is {run.state}")
                return
            try:
                undo = self._undone(viewer, run, key=f"{parent.run_id}:{run.run_id}")
            except RunInProgress:
                self._look_again(tenant, parent)
                return
            except RunNotAllowed as error:
                self._end(tenant, parent, [RunState.UNKNOWN, RunState.NEEDS_HUMAN], f"{why}; {error}")
                return
            self._parts.at("playbook:undoing")
            if undo.state in _TAKES_TIME:
                self._look_again(tenant, parent)
                return
            if undo.state not in _DONE:
                self._end(tenant, parent, [RunState.UNKNOWN, RunState.NEEDS_HUMAN], f"{why}; undo {undo.run_id} is {undo.state}")
                return
        self._end(tenant, parent, [RunState.APPLIED, RunState.UNDONE], f"{why}; every step before it was taken back")

    def _undone(self, viewer: Viewer, run: Run, *, key: str) -> Run:
        # One key for all looks: an undo that the host refused is not tried for ever, a person has to see it.
        undo = self._undoing.preview(viewer, run.run_id, key=key).run
        if undo.state is not RunState.PLANNED:
            return undo
        return self._applier.press(viewer.tenant, undo.run_id, asker_of(viewer)).run

    def _step_runs(self, tenant: TenantId, parent: Run) -> list[Run]:
        found_ones = []
        with self._parts.store.begin() as work:
            for number in range(len(_steps(parent))):
                run = work.runs.by_key(tenant, parent.env, _scope(parent), str(number))
                if run is not None:
                    found_ones.append(run)
        return [self._successor(tenant, run) for run in found_ones]

    def _end(self, tenant: TenantId, parent: Run, states: Sequence[RunState], why: str) -> None:
        def once() -> None:
            with self._parts.store.begin() as work:
                run = found(work, tenant, parent.run_id)
                if run.state is not RunState.APPLYING:
                    return
                for state in states:
                    run = moved(self._parts, work, tenant, replace(run, state=state), SYSTEM, details={"why": why})
                work.runs.dequeue(tenant, parent.run_id)
                work.commit()

        again(once)

    def _look_again(self, tenant: TenantId, parent: Run) -> None:
        due_at: datetime = self._parts.clock.now() + self._parts.pace.first_pause
        with self._parts.store.begin() as work:
            work.runs.dequeue(tenant, parent.run_id)
            work.runs.enqueue(tenant, parent.run_id, due_at=due_at)
            work.commit()

    def _dequeue(self, tenant: TenantId, parent: Run) -> None:
        with self._parts.store.begin() as work:
            work.runs.dequeue(tenant, parent.run_id)
            work.commit()


def _scope(parent: Run) -> str:
    return f"playbook-steps:{parent.run_id}"


def _steps(parent: Run) -> list[Mapping[str, Json]]:
    steps = parent.arguments["steps"]
    assert isinstance(steps, list | tuple)
    return [step for step in steps if isinstance(step, Mapping)]


def _roles(parent: Run) -> list[str]:
    roles = parent.arguments["roles"]
    assert isinstance(roles, list | tuple)
    return [str(role) for role in roles]
