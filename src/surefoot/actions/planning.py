"""From a wish to a plan: claimed once, asked of the policy, simulated by the host, bound by one digest."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from time import perf_counter

from surefoot.actions.arguments import arguments_hash, natural_key, validated
from surefoot.actions.calling import beyond_declared, call_hash, host_call, outcome_of, plan_digest, simulated
from surefoot.actions.moves import STOPPABLE, SYSTEM, again, announce, found, moved, reasons_of, summary, told
from surefoot.actions.parts import ActionParts, Request
from surefoot.actions.policing import Asker, account_of, decided, level_of
from surefoot.core.errors import IdempotencyMismatch, InvalidInput, RunInProgress
from surefoot.core.ids import new_id
from surefoot.domain.actions import ActionSpec, ApprovalMode, Arguments, AutonomyLevel, Env
from surefoot.domain.audit import AuditEntry
from surefoot.domain.canonical import canonical_hash
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import (
    Attempt,
    DecisionRecord,
    HostCall,
    HostDone,
    Plan,
    PolicyEffect,
    Precondition,
    Run,
    RunKind,
    RunState,
    Stage,
)

_MAX_KEY = 200
_MAX_REASON = 500


@dataclass(frozen=True, slots=True)
class Claim:
    """Where a wish stands: `run` is new, or is the one that was there; `is_open` when it is still to be planned, by us."""

    run: Run
    is_open: bool
    is_replay: bool = False


class Planner:
    """Makes runs and their plans. A crash leaves a run proposed; the next request with its key goes on from there."""

    def __init__(self, parts: ActionParts) -> None:
        self._parts = parts

    def wanted(self, tenant: TenantId, asker: Asker, request: Request) -> tuple[Run, ActionSpec]:
        """The run that the request stands for, not stored yet. Raises InvalidAction, InvalidInput and NotFound."""
        spec = self._parts.registry.get(request.action, request.major)
        arguments = validated(spec, request.arguments)
        if not 0 < len(request.key) <= _MAX_KEY:
            raise InvalidInput(f"The idempotency key has {len(request.key)} characters; send 1 to {_MAX_KEY}.")
        run = self.draft(spec, arguments, asker.user, request.env, key=request.key, agent=request.agent)
        run = replace(run, account=account_of(asker), trace_id=request.trace_id, surface=request.surface)
        return replace(run, reason=request.reason[:_MAX_REASON], citations=request.citations), spec

    def draft(
        self,
        spec: ActionSpec,
        arguments: Arguments,
        maker: str,
        env: Env,
        *,
        key: str = "",
        scope: str = "",
        kind: RunKind = RunKind.APPLY,
        reverses: str = "",
        agent: str = "",
    ) -> Run:
        """A proposed run, not stored yet; without a key it has one of its own."""
        now = self._parts.clock.now()
        run_id = new_id("run", now)
        fingerprint = {"kind": kind.value, "action": spec.name, "major": spec.major, "arguments": arguments, "reverses": reverses}
        return Run(
            run_id=run_id,
            env=env,
            kind=kind,
            action=spec.name,
            action_version=spec.version,
            schema_hash=spec.schema_hash,
            maker=maker,
            arguments=arguments,
            arguments_hash=arguments_hash(arguments),
            idem_scope=scope or f"user:{maker}",
            idem_key=key or run_id,
            idem_fingerprint=canonical_hash(fingerprint),
            # An undo doubles nothing: what it takes back was done once.
            natural_key="" if kind is RunKind.UNDO else natural_key(spec, arguments),
            state=RunState.PROPOSED,
            created_at=now,
            deadline=now + spec.approval.ttl,
            agent=agent,
            reverses=reverses,
        )

    def claim(self, tenant: TenantId, run: Run) -> Claim:
        """The run is stored, or the one that stands in its way is given. Raises IdempotencyMismatch and RunInProgress."""
        return again(lambda: self._claim(tenant, run))

    def _claim(self, tenant: TenantId, run: Run) -> Claim:
        now = self._parts.clock.now()
        with self._parts.store.begin() as work:
            while (standing := work.runs.create(tenant, run)) is not None:
                if (standing.env, standing.idem_scope, standing.idem_key) == (run.env, run.idem_scope, run.idem_key):
                    return self._same_key(standing, run, now)
                if standing.state not in STOPPABLE or now < standing.deadline:
                    is_ours = (standing.maker, standing.idem_fingerprint) == (run.maker, run.idem_fingerprint)
                    return Claim(standing, is_open=is_ours and self._is_abandoned(standing, now))
                # Its time is over and nobody has said so yet; it must not stand in anybody's way.
                moved(self._parts, work, tenant, replace(standing, state=RunState.EXPIRED), SYSTEM)
            said = summary(run)
            self._parts.trail.record(
                work, tenant, AuditEntry(now, run.agent or run.maker, "action.run.proposed", run.run_id, said)
            )
            announce(work, tenant, run, now, said)
            self._parts.at("proposed:before-commit")
            work.commit()
        self._parts.at("proposed")
        return Claim(run, is_open=True)

    def _same_key(self, standing: Run, run: Run, now: datetime) -> Claim:
        if standing.idem_fingerprint != run.idem_fingerprint:
            raise IdempotencyMismatch(f"The Idempotency-Key {run.idem_key[:60]!r} was used for another request; take a new key.")
        return Claim(standing, is_open=self._is_abandoned(standing, now), is_replay=True)

    def _is_abandoned(self, standing: Run, now: datetime) -> bool:
        """Whether whoever proposed the run died before it was planned. Raises RunInProgress while they may be at it."""
        if standing.state is not RunState.PROPOSED:
            return False
        wait = (standing.created_at + self._parts.pace.proposing - now).total_seconds()
        if wait > 0:
            raise RunInProgress(retry_after_seconds=int(wait) + 1)
        return True

    def plan(self, tenant: TenantId, run: Run, spec: ActionSpec, asker: Asker) -> Run:
        """The run, no longer proposed (or suggested): denied, suggested, failed, planned or awaiting approval."""
        record = decided(self._parts, tenant, spec, run, Stage.SIMULATE, asker)
        self._parts.at("policy-asked")
        effect = record.decision.effect
        if effect is PolicyEffect.DENY:
            return self.keep(tenant, run, [RunState.DENIED], record)
        level = level_of(self._parts, tenant, spec)
        is_bound = effect is PolicyEffect.SUGGEST_ONLY or level is AutonomyLevel.SUGGEST
        if asker.is_agent and is_bound and run.state is RunState.PROPOSED:
            return self.keep(tenant, run, [RunState.SUGGESTED], record)
        call = host_call(tenant, spec.connector, run)
        started = perf_counter()
        reply = simulated(self._parts, tenant, spec, call)
        if self._parts.observer is not None:
            self._parts.observer.called(tenant, run, "simulate", outcome_of(reply), perf_counter() - started)
        self._parts.at("simulated")
        if not isinstance(reply, HostDone):
            return self.refuse(tenant, run, record, call, outcome_of(reply), reply.status)
        understood = self._understood(run, spec, reply)
        if isinstance(understood, str):
            return self.refuse(tenant, run, record, call, understood, reply.status)
        by_person = record
        if asker.is_agent and level is not AutonomyLevel.UNATTENDED:
            # Below unattended a person presses the button, and whether they need a second one is asked about them.
            by_person = decided(self._parts, tenant, spec, run, Stage.SIMULATE, replace(asker, is_agent=False))
        needs_approval = spec.approval.mode is ApprovalMode.REQUIRED or by_person.decision.needs_approval
        # An approver needs longer than a click; that the plan is still true is what its etags say.
        ttl = spec.approval.ttl if needs_approval else spec.simulate_ttl
        plan = self.made(understood, spec, reply, reply.before, expires_at=record.at + ttl)
        states = [RunState.PLANNED, RunState.AWAITING_APPROVAL] if needs_approval else [RunState.PLANNED]
        return self.keep(tenant, replace(understood, deadline=plan.expires_at), states, record, plan)

    def made(
        self, run: Run, spec: ActionSpec, reply: HostDone, preconditions: Sequence[Precondition], *, expires_at: datetime
    ) -> Plan:
        """The plan of what the host has just simulated."""
        policy_version, connector_version = self._parts.policy.fingerprint, self._parts.hosts[spec.connector.ref].version
        return Plan(
            run_id=run.run_id,
            changes=reply.changes,
            preconditions=tuple(preconditions),
            summary=reply.summary,
            cost_usd=reply.cost_usd,
            minutes_saved=reply.minutes_saved,
            digest=plan_digest(
                run.arguments,
                reply.changes,
                preconditions,
                schema_hash=run.schema_hash,
                policy_version=policy_version,
                connector_version=connector_version,
                env=run.env,
            ),
            policy_version=policy_version,
            connector_version=connector_version,
            created_at=self._parts.clock.now(),
            expires_at=expires_at,
        )

    def keep(
        self, tenant: TenantId, run: Run, states: Sequence[RunState], record: DecisionRecord, plan: Plan | None = None
    ) -> Run:
        """The run has gone through these states with the policy's decision and its plan; as it stands when somebody else was
        faster.
        """

        def once() -> Run:
            with self._parts.store.begin() as work:
                standing = found(work, tenant, run.run_id)
                if standing.version != run.version:
                    return standing
                work.runs.add_decision(tenant, record)
                if plan is not None:
                    work.runs.put_plan(tenant, plan)
                after = run
                for state in states:
                    details = reasons_of(record) | ({"plan_digest": plan.digest} if plan else {})
                    after = moved(self._parts, work, tenant, replace(after, state=state), SYSTEM, details=details)
                self._parts.at("planned:before-commit")
                work.commit()
            self._parts.at("planned")
            return told(self._parts, tenant, after)

        return again(once)

    def refuse(self, tenant: TenantId, run: Run, record: DecisionRecord, call: HostCall, why: str, status: int) -> Run:
        """The run has failed before it began, with the host's answer kept. A suggested one stays, to be taken up later."""

        def once() -> Run:
            with self._parts.store.begin() as work:
                standing = found(work, tenant, run.run_id)
                if standing.version != run.version:
                    return standing
                number = len(work.runs.attempts(tenant, run.run_id)) + 1
                outcome = why[:_MAX_REASON]
                attempt = Attempt(
                    run.run_id, number, call.delivery_id, "simulate", outcome, status, call_hash(call), self._parts.clock.now()
                )
                work.runs.add_decision(tenant, record)
                work.runs.add_attempt(tenant, attempt)
                after = standing
                if run.state is RunState.PROPOSED:
                    failed = replace(run, state=RunState.FAILED)
                    after = moved(self._parts, work, tenant, failed, SYSTEM, details={"why": outcome})
                work.commit()
            return told(self._parts, tenant, after) if after.state is not standing.state else after

        return again(once)

    def _understood(self, run: Run, spec: ActionSpec, reply: HostDone) -> Run | str:
        """The run with the arguments as the host understood them; or why there can be no plan."""
        try:
            arguments = validated(spec, dict(reply.arguments)) if reply.arguments else run.arguments
        except InvalidInput as error:
            return f"the host understood the arguments as others, which are not valid: {error}"
        beyond = beyond_declared(spec, reply.changes)
        if beyond:
            return f"the host would change more of {beyond!r} than the action declares"
        return replace(run, arguments=arguments, arguments_hash=arguments_hash(arguments))
