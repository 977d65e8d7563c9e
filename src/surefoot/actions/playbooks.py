"""Playbooks: several actions previewed together, agreed to as one, applied one after another, and taken back as one."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from surefoot.actions.applying import READY
from surefoot.actions.approvals import Approvals
from surefoot.actions.arguments import arguments_hash, validated
from surefoot.actions.gating import red_gates, refusal
from surefoot.actions.moves import STOPPABLE, again, found, moved
from surefoot.actions.parts import ActionParts
from surefoot.actions.planning import Claim, Planner
from surefoot.actions.playbook_parts import (
    HOLDS,
    MAX_STEPS,
    PREFIX,
    Outcome,
    PlaybookView,
    asker_of_parent,
    cancelled_rest,
    history_of,
    is_playbook,
    joint_plan,
    outcome_of,
    runs_of,
    step_runs,
    steps_of,
    through,
    undo_scope_of,
)
from surefoot.actions.policing import asker_of, own_of, roles_of, said
from surefoot.actions.sagas import Deliver, Sagas
from surefoot.actions.undoing import Undoing
from surefoot.actions.viewing import is_admin, is_approver, seen, spec_of
from surefoot.core.errors import InvalidAction, InvalidInput, NotFound, PlanStale, RunNotAllowed, SurefootError
from surefoot.core.ids import new_id
from surefoot.core.tracing import traced
from surefoot.domain.actions import Env, Json, UndoMode
from surefoot.domain.audit import AuditEntry
from surefoot.domain.canonical import canonical_hash
from surefoot.domain.identity import TenantId, Viewer
from surefoot.domain.playbooks import Playbook, PlaybookStep
from surefoot.domain.runs import Run, RunKind, RunState, Verdict
from surefoot.ports import UnitOfWork

_MAX_KEY = 200
_MAX_REASON = 500
_TO_AGREE = timedelta(hours=24)
_PLANNED = frozenset({RunState.PLANNED, RunState.AWAITING_APPROVAL, RunState.APPROVED})


class Playbooks:
    """One method for each button. The parent is a run of its own, and so is every step, under every rule: what a playbook adds
    is that they are agreed to and taken back together. Every method answers with the whole as it then stands.
    """

    def __init__(self, parts: ActionParts, planner: Planner, approvals: Approvals, undoing: Undoing, sagas: Sagas) -> None:
        self._parts = parts
        self._planner = planner
        self._approvals = approvals
        self._undoing = undoing
        self._sagas = sagas
        self.advance = sagas.advance

    def preview(
        self,
        maker: Viewer,
        playbook: Playbook,
        key: str,
        env: Env = Env.SANDBOX,
        *,
        reason: str = "",
        citations: Sequence[str] = (),
    ) -> PlaybookView:
        """Every step simulated on what is there now, and one joint plan of them; nothing has changed. Refused as a whole when
        any step is denied, fails or is under way already. A known key answers with what was stored, `replayed`.

        Raises InvalidAction when a step's arguments are not valid, or one before the last could not be taken back: nothing is
        stored then. IdempotencyMismatch when the key was used for another playbook, RunInProgress.
        """
        if not 0 < len(playbook.steps) <= MAX_STEPS:
            raise InvalidInput(f"The playbook {playbook.name!r} has {len(playbook.steps)} steps; give it 1 to {MAX_STEPS}.")
        if not 0 < len(key) <= _MAX_KEY:
            raise InvalidInput(f"The idempotency key has {len(key)} characters; send 1 to {_MAX_KEY}.")
        last = len(playbook.steps)
        steps: list[Json] = [self._checked(step, is_last=number == last) for number, step in enumerate(playbook.steps, 1)]
        parent = self._drafted(maker, f"{PREFIX}{playbook.name}", steps, env, key)
        parent = replace(
            parent,
            action_version=playbook.version,
            schema_hash=playbook.schema_hash or canonical_hash(steps),
            reason=reason[:_MAX_REASON],
            citations=tuple(citations),
        )
        claim = self._planner.claim(maker.tenant, parent)
        if claim.is_open:
            self._plan(maker.tenant, claim.run)
        return replace(self.show(maker, claim.run.run_id), replayed=claim.is_replay)

    def approve(self, approver: Viewer, parent_id: str, plan_digest: str, note: str = "") -> PlaybookView:
        """The approver's word counts for every step that waits for somebody like them; approved once no step waits any more.

        Raises RunNotAllowed for the maker and for those whom no step asks, PlanStale, NotFound.
        """
        return self._speak(approver, parent_id, plan_digest, Verdict.APPROVE, note)

    def reject(self, approver: Viewer, parent_id: str, plan_digest: str, note: str = "") -> PlaybookView:
        """The playbook is rejected, and none of its steps is done. Raises as approve does."""
        return self._speak(approver, parent_id, plan_digest, Verdict.REJECT, note)

    def apply(self, viewer: Viewer, parent_id: str, *, plan_digest: str = "", deliver: Deliver | None = None) -> PlaybookView:
        """The playbook has begun, and cannot be cancelled any more; with `deliver` it went on here as far as it could. A second
        press does nothing new.

        Raises RunNotAllowed, PlanStale (preview it again), GateIsRed while a gate fails for one of its steps, NotFound.
        """
        begun = again(lambda: self._begun(viewer, parent_id, plan_digest, waits=deliver is not None))
        self._parts.at("playbook:applying")
        if begun is not None and deliver is not None:
            self._sagas.advance(viewer.tenant, begun, deliver)
        return self.show(viewer, parent_id)

    def preview_undo(self, viewer: Viewer, parent_id: str, *, key: str = "") -> PlaybookView:
        """A run of kind undo, planned, whose joint plan shows what every step would put back, the last first.

        Raises UndoConflict with the differences of the step that somebody changed since; nothing is taken back then.
        RunNotAllowed, NotFound.
        """
        tenant = viewer.tenant
        with self._parts.store.begin() as work:
            original, receipt = self._seen(work, viewer, parent_id), work.runs.receipt(tenant, parent_id)
        if original.state is RunState.UNDONE and original.undone_by:
            return replace(self.show(viewer, original.undone_by), replayed=True)
        if viewer.user != original.maker and not is_admin(viewer):
            raise RunNotAllowed(f"Only {original.maker!r}, who made {parent_id!r}, or an administrator can undo it.")
        if original.kind is RunKind.UNDO or original.state is not RunState.APPLIED or receipt is None:
            raise RunNotAllowed(f"The playbook {parent_id!r} is {original.state}; only an applied one can be undone as a whole.")
        if receipt.undo_until is None or self._parts.clock.now() >= receipt.undo_until:
            raise RunNotAllowed(f"Not every step of {parent_id!r} can be undone any more; undo those that can one by one.")
        draft = self._drafted(viewer, original.action, [dict(step) for step in steps_of(original)], original.env, key)
        draft = replace(draft, kind=RunKind.UNDO, reverses=parent_id, trace_id=original.trace_id)
        version, schema_hash = original.action_version, original.schema_hash
        claim = self._planner.claim(tenant, replace(draft, action_version=version, schema_hash=schema_hash))
        if claim.is_open:
            self._plan_undo(viewer, claim.run, original)
        return replace(self.show(viewer, claim.run.run_id), replayed=claim.is_replay)

    def undo(self, viewer: Viewer, parent_id: str, *, key: str = "", deliver: Deliver | None = None) -> PlaybookView:
        """The undo of the whole playbook, begun; what somebody else wrote since is never overwritten. Raises as preview_undo."""
        undo = self.preview_undo(viewer, parent_id, key=key).parent
        if undo.state is not RunState.PLANNED or undo.maker != viewer.user:
            return self.show(viewer, undo.run_id)
        return self.apply(viewer, undo.run_id, deliver=deliver)

    def cancel(self, viewer: Viewer, parent_id: str, note: str = "") -> PlaybookView:
        """The playbook and all its steps are cancelled; impossible once it has begun (RunNotAllowed)."""

        def once() -> Run:
            with self._parts.store.begin() as work:
                run = self._seen(work, viewer, parent_id)
                if viewer.user != run.maker and not is_admin(viewer):
                    raise RunNotAllowed(f"Only {run.maker!r}, who made {parent_id!r}, or an administrator can cancel it.")
                if run.state is not RunState.CANCELLED:
                    if run.state not in STOPPABLE:
                        raise RunNotAllowed(f"The playbook {parent_id!r} is {run.state} and cannot be cancelled any more.")
                    cancelled = replace(run, state=RunState.CANCELLED)
                    run = moved(self._parts, work, viewer.tenant, cancelled, viewer.user, details={"note": note})
                    work.commit()
                return run

        cancelled_rest(self._parts, viewer.tenant, again(once), f"its playbook was cancelled by {viewer.user}")
        return self.show(viewer, parent_id)

    def show(self, viewer: Viewer, parent_id: str) -> PlaybookView:
        """The playbook as it stands. Raises NotFound also for what is not the viewer's to see, and for a run that is none."""
        tenant = viewer.tenant
        with self._parts.store.begin() as work:
            parent = self._seen(work, viewer, parent_id)
            plan = work.runs.plan(tenant, parent_id)
            runs = runs_of(work, tenant, parent)
            views = tuple(history_of(work, tenant, run) for run in runs)
            receipt = work.runs.receipt(tenant, parent_id)
            about = work.audit.about(tenant, [parent_id])
        until = receipt.undo_until if receipt else None
        can_undo = parent.state is RunState.APPLIED and until is not None and self._parts.clock.now() < until
        is_maker, looks_after = viewer.user == parent.maker, viewer.user == parent.maker or is_admin(viewer)
        asked = {run.run_id for run in runs if self._asks(viewer, run)}
        is_ready = parent.state in _PLANNED and all(run.state in READY for run in runs)
        steps = {
            "approve": parent.state is RunState.AWAITING_APPROVAL and bool(asked),
            "reject": parent.state is RunState.AWAITING_APPROVAL and bool(asked),
            "apply": is_maker and is_ready,
            "cancel": looks_after and parent.state in STOPPABLE,
            "undo": looks_after and can_undo and parent.kind is not RunKind.UNDO,
        }
        whys = [str(row.details["why"]) for row in about if row.details and row.details.get("why")]
        return PlaybookView(
            parent=parent,
            outcome=outcome_of(parent),
            plan=plan,
            steps=views,
            stands=tuple(run.run_id for run in runs if run.state in HOLDS) if parent.kind is not RunKind.UNDO else (),
            open_steps=frozenset(step for step, is_open in steps.items() if is_open),
            why=whys[-1] if whys else "",
        )

    def _checked(self, step: PlaybookStep, *, is_last: bool) -> dict[str, Json]:
        spec = self._parts.registry.get(step.action)
        if spec.undo.mode is UndoMode.NONE and not is_last:
            raise InvalidAction(f"{step.action!r} cannot be taken back, so it can only be the last step of a playbook.")
        return {"action": step.action, "major": spec.major, "arguments": dict(validated(spec, step.arguments))}

    def _drafted(self, maker: Viewer, action: str, steps: list[Json], env: Env, key: str) -> Run:
        now = self._parts.clock.now()
        run_id = new_id("run", now)
        asker = asker_of(maker)
        arguments: dict[str, Json] = {"steps": steps, "roles": sorted(asker.roles), "own": sorted(own_of(maker))}
        return Run(
            run_id=run_id,
            env=env,
            kind=RunKind.APPLY,
            action=action,
            action_version="1.0.0",
            schema_hash="",
            maker=maker.user,
            arguments=arguments,
            arguments_hash=arguments_hash(arguments),
            idem_scope=f"playbook:{maker.user}",
            idem_key=key or run_id,
            idem_fingerprint=canonical_hash({"name": action, "steps": steps}),
            natural_key="",
            state=RunState.PROPOSED,
            created_at=now,
            deadline=now + _TO_AGREE,
            trace_id=traced().trace_id,
        )

    def _plan(self, tenant: TenantId, parent: Run) -> None:
        """The parent is planned or awaits approval; or refused with all its steps, because one of them is."""
        runs: list[Run] = []
        for number in range(len(steps_of(parent))):
            run, _, is_ours = self._sagas.claimed(tenant, parent, number)
            self._parts.at("playbook:previewed-step")
            if not is_ours or run.state not in _PLANNED:
                why = f"step {number + 1} is {run.state}" if is_ours else f"step {number + 1} is under way already"
                cancelled_rest(self._parts, tenant, parent, why)
                is_denied = is_ours and run.state in (RunState.DENIED, RunState.SUGGESTED)
                through(self._parts, tenant, parent, [RunState.DENIED if is_denied else RunState.FAILED], why)
                return
            runs.append(run)
        self._keep(tenant, parent, runs)

    def _plan_undo(self, viewer: Viewer, undo: Run, original: Run) -> None:
        tenant = viewer.tenant
        with self._parts.store.begin() as work:
            applied = [run for run in step_runs(work, tenant, original) if run.state in HOLDS]
        runs: list[Run] = []
        try:
            for step in reversed(applied):
                claim: Claim = self._undoing.preview(viewer, step.run_id, key=step.run_id, scope=undo_scope_of(undo))
                if claim.run.state is not RunState.PLANNED:
                    with self._parts.store.begin() as work:
                        records = work.runs.decisions(tenant, claim.run.run_id)
                    why = said(records[-1]) if records and claim.run.state is RunState.DENIED else ""
                    raise RunNotAllowed(f"The undo of {step.run_id!r} is {claim.run.state}, so nothing was undone. {why}".strip())
                runs.append(claim.run)
        except SurefootError as error:
            # As long as any step cannot be taken back none is; those that could be are free again.
            cancelled_rest(self._parts, tenant, undo, str(error))
            through(self._parts, tenant, undo, [RunState.FAILED], str(error))
            raise
        self._keep(tenant, undo, runs)

    def _keep(self, tenant: TenantId, parent: Run, runs: Sequence[Run]) -> None:
        """The parent has one plan of all of its runs' plans, which it hashes; its digest binds theirs."""

        def once() -> Run:
            now = self._parts.clock.now()
            with self._parts.store.begin() as work:
                standing = found(work, tenant, parent.run_id)
                if standing.version != parent.version:
                    return standing
                plans = [plan for run in runs if (plan := work.runs.plan(tenant, run.run_id)) is not None]
                waiting = [plan for run, plan in zip(runs, plans, strict=True) if run.state is RunState.AWAITING_APPROVAL]
                # What nobody has to agree to is planned anew when its turn comes late; what somebody agreed to never is.
                expires_at = min((plan.expires_at for plan in waiting or plans), default=now + _TO_AGREE)
                plan = joint_plan(parent, plans, now=now, expires_at=expires_at)
                work.runs.put_plan(tenant, plan)
                after = replace(standing, deadline=expires_at)
                for state in [RunState.PLANNED, RunState.AWAITING_APPROVAL] if waiting else [RunState.PLANNED]:
                    details: dict[str, Json] = {"plan_digest": plan.digest, "steps": [run.run_id for run in runs]}
                    after = moved(self._parts, work, tenant, replace(after, state=state), parent.maker, details=details)
                self._parts.at("playbook:planned:before-commit")
                work.commit()
                return after

        if outcome_of(again(once)) is Outcome.REFUSED:
            cancelled_rest(self._parts, tenant, parent, "its playbook ended while it was being previewed")
        self._parts.at("playbook:planned")

    def _speak(self, approver: Viewer, parent_id: str, plan_digest: str, verdict: Verdict, note: str) -> PlaybookView:
        tenant = approver.tenant
        with self._parts.store.begin() as work:
            parent, plan = self._seen(work, approver, parent_id), work.runs.plan(tenant, parent_id)
            runs = runs_of(work, tenant, parent)
            plans = {run.run_id: work.runs.plan(tenant, run.run_id) for run in runs}
            spoken = {run.run_id for run in runs for a in work.runs.approvals(tenant, run.run_id) if a.approver == approver.user}
        if approver.user == parent.maker:
            raise RunNotAllowed(f"You asked for playbook {parent_id!r} yourself; somebody else has to approve it.")
        if plan is None or plan.digest != plan_digest:
            raise PlanStale(f"The plan of playbook {parent_id!r} is not the one that you saw; look at it again.")
        mine = [run for run in runs if run.run_id in spoken or self._asks(approver, run)]
        if not mine or (parent.state is not RunState.AWAITING_APPROVAL and not spoken):
            raise RunNotAllowed(f"The playbook {parent_id!r} is {parent.state}, and no step of it waits for your word.")
        for run in mine:
            known = plans[run.run_id]
            if known is not None and (run.state is RunState.AWAITING_APPROVAL or run.run_id in spoken):
                self._approvals.speak(approver, run.run_id, known.digest, verdict, note)
                self._parts.at("playbook:spoken")
        self._agreed(tenant, parent_id, approver.user)
        return self.show(approver, parent_id)

    def _agreed(self, tenant: TenantId, parent_id: str, actor: str) -> None:
        """The parent says what its steps say: approved when none waits any more, rejected when one is."""

        def once() -> Run | None:
            with self._parts.store.begin() as work:
                parent = found(work, tenant, parent_id)
                states = {run.state for run in runs_of(work, tenant, parent)}
                is_rejected = RunState.REJECTED in states
                if parent.state is not RunState.AWAITING_APPROVAL or (RunState.AWAITING_APPROVAL in states and not is_rejected):
                    return None
                state = RunState.REJECTED if is_rejected else RunState.APPROVED
                parent = moved(self._parts, work, tenant, replace(parent, state=state), actor)
                work.commit()
                return parent

        parent = again(once)
        if parent is not None and parent.state is RunState.REJECTED:
            cancelled_rest(self._parts, tenant, parent, "another step of its playbook was rejected")

    def _begun(self, viewer: Viewer, parent_id: str, plan_digest: str, *, waits: bool) -> Run | None:
        """The parent, applying, when this press began it."""
        tenant, now = viewer.tenant, self._parts.clock.now()
        with self._parts.store.begin() as work:
            parent = self._seen(work, viewer, parent_id)
        if viewer.user != parent.maker:
            raise RunNotAllowed(f"Only {parent.maker!r}, who made {parent_id!r}, can apply it.")
        if asker_of(viewer).is_agent:
            raise RunNotAllowed("A playbook is applied by a person; an agent may only preview it.")
        held, pressing = asker_of_parent(parent), asker_of(viewer)
        if not (held.roles <= pressing.roles and held.own <= pressing.own):
            raise PlanStale(f"Playbook {parent_id!r} was previewed with rights that you have no more; preview it again.")
        # The last word may have been given to a step by itself.
        self._agreed(tenant, parent_id, parent.maker)
        with self._parts.store.begin() as work:
            parent, plan = found(work, tenant, parent_id), work.runs.plan(tenant, parent_id)
            if parent.state is RunState.AWAITING_APPROVAL:
                raise RunNotAllowed(f"The playbook {parent_id!r} cannot be applied: somebody else has to approve it first.")
            if parent.state is RunState.EXPIRED or (parent.state in READY and plan is not None and plan.expires_at <= now):
                raise PlanStale(f"The plan of playbook {parent_id!r} has expired; preview it again.")
            if plan is None or parent.state not in READY:
                return None
            if plan_digest and plan_digest != plan.digest:
                raise PlanStale(f"The playbook {parent_id!r} has another plan than the one that was shown; look at it again.")
            for number, run in enumerate(runs_of(work, tenant, parent), 1):
                if run.state not in READY and run.state is not RunState.EXPIRED:
                    raise PlanStale(f"Step {number} of playbook {parent_id!r} is {run.state} by now; preview it again.")
                if red := red_gates(work, tenant, run):
                    raise refusal(parent, red)
            if not work.runs.consume_plan(tenant, parent_id, now=now):
                raise PlanStale(f"The plan of playbook {parent_id!r} is consumed or has expired; preview it again.")
            told: dict[str, Json] = {"plan_digest": plan.digest, "steps": len(steps_of(parent))}
            begun = moved(self._parts, work, tenant, replace(parent, state=RunState.APPLYING), viewer.user, details=told)
            entry = AuditEntry(now, viewer.user, "action.playbook.started", parent_id, told)
            self._parts.trail.record(work, tenant, entry)
            work.runs.enqueue(tenant, parent_id, due_at=now + (self._parts.pace.lease if waits else timedelta()))
            work.commit()
        return begun

    def _seen(self, work: UnitOfWork, viewer: Viewer, parent_id: str) -> Run:
        parent = found(work, viewer.tenant, parent_id)
        if not is_playbook(parent):
            raise NotFound
        if parent.maker == viewer.user or is_admin(viewer):
            return parent
        for run in runs_of(work, viewer.tenant, parent):
            try:
                seen(self._parts, work, viewer, run.run_id)
            except NotFound:
                continue
            return parent
        raise NotFound

    def _asks(self, viewer: Viewer, run: Run) -> bool:
        """Whether the run waits for the word of somebody like the viewer."""
        if run.state is not RunState.AWAITING_APPROVAL or not roles_of(viewer):
            return False
        return is_approver(viewer, spec_of(self._parts, run), run)
