"""The action plane's seams: the ledger of runs, the audit chain, the policy and the host."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from surefoot.domain.actions import AutonomyLevel, Env
from surefoot.domain.audit import AuditRow
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import (
    Approval,
    Attempt,
    CapHold,
    DecisionRecord,
    HostCall,
    HostReply,
    Plan,
    PolicyDecision,
    PolicyQuestion,
    Receipt,
    Run,
    RunState,
)


class RunRepository(Protocol):
    """Runs and what belongs to them. Every change of a run's row is a compare-and-swap on its version."""

    def create(self, tenant: TenantId, run: Run) -> Run | None:
        """None when the run is there now. Else the run that stands in its way, with nothing changed: the one of the same
        (env, idem_scope, idem_key), or a live one of the same natural key (when not empty), or one that already reverses the
        same run and has not failed, been denied, rejected, expired, cancelled or gone stale.
        """
        ...

    def get(self, tenant: TenantId, run_id: str) -> Run | None: ...

    def by_key(self, tenant: TenantId, env: Env, scope: str, key: str) -> Run | None:
        """The run of this idempotency key."""
        ...

    def page(
        self, tenant: TenantId, *, env: Env | None, states: frozenset[RunState], maker: str, after: str, limit: int
    ) -> list[Run]:
        """Up to `limit` runs, newest first, those before the run id `after` (empty: the newest). No states, no maker: all."""
        ...

    def by_trace(self, tenant: TenantId, trace_id: str) -> list[Run]:
        """The runs of this trace, oldest first; none for the empty id."""
        ...

    def swap(self, tenant: TenantId, run: Run) -> bool:
        """The row is as given, its version one higher, if its version was `run.version`; else False and nothing changed."""
        ...

    def put_plan(self, tenant: TenantId, plan: Plan) -> None:
        """The plan of its run, in place of an earlier one; raises Conflict when that was consumed."""
        ...

    def plan(self, tenant: TenantId, run_id: str) -> Plan | None: ...

    def consume_plan(self, tenant: TenantId, run_id: str, *, now: datetime) -> bool:
        """The plan is consumed; False when it was, or has expired, or there is none."""
        ...

    def add_approval(self, tenant: TenantId, approval: Approval) -> bool:
        """False, with nothing changed, when this approver has spoken on this plan already."""
        ...

    def approvals(self, tenant: TenantId, run_id: str) -> list[Approval]: ...

    def add_decision(self, tenant: TenantId, record: DecisionRecord) -> None: ...

    def decisions(self, tenant: TenantId, run_id: str) -> list[DecisionRecord]: ...

    def begin_attempt(self, tenant: TenantId, attempt: Attempt, owner: str, *, until: datetime) -> bool:
        """The attempt is written down, for whoever has leased the run until exactly then; False, with nothing changed, when that
        lease was lost or is over at the attempt's moment. Raises Conflict when an attempt has this number.
        """
        ...

    def end_attempt(self, tenant: TenantId, attempt: Attempt) -> None:
        """The attempt of this number has this outcome and status; without one nothing changes."""
        ...

    def add_attempt(self, tenant: TenantId, attempt: Attempt) -> None:
        """Raises Conflict when an attempt has this number."""
        ...

    def attempts(self, tenant: TenantId, run_id: str) -> list[Attempt]: ...

    def prune_attempts(self, tenant: TenantId, *, before: datetime, limit: int) -> int:
        """Up to `limit` attempts that were made before then are gone, the oldest first, callbacks among them; returns how many
        went. Those of a run whose state can still change stay: its delivery could be repeated, or spoken of by its host.
        """
        ...

    def put_receipt(self, tenant: TenantId, receipt: Receipt) -> None:
        """The receipt of its run, in place of an earlier one."""
        ...

    def receipt(self, tenant: TenantId, run_id: str) -> Receipt | None: ...

    def hold_caps(self, tenant: TenantId, env: Env, run_id: str, holds: Sequence[CapHold], *, now: datetime) -> CapHold | None:
        """Every hold is reserved for the run: None. Else the first that has no room, counting reserved and committed ones of
        its cap and key since its `since`; the caller then leaves without commit. Serialised per cap and key.
        """
        ...

    def settle_caps(self, tenant: TenantId, run_id: str, *, committed: bool) -> None:
        """The run's reserved holds count for good, or are released."""
        ...

    def refund_caps(self, tenant: TenantId, run_id: str) -> None:
        """The run's committed holds count no more."""
        ...

    def cap_used(self, tenant: TenantId, env: Env, cap_id: str, key: str, *, since: datetime) -> int:
        """Reserved and committed holds of this cap and key since then."""
        ...

    def enqueue(self, tenant: TenantId, run_id: str, *, due_at: datetime) -> None:
        """The run waits for a worker from `due_at` on; a run waits at most once."""
        ...

    def lease_due(self, tenant: TenantId, owner: str, *, now: datetime, until: datetime) -> Run | None:
        """The run that has waited longest among those due and not leased by somebody whose lease still holds; it is
        `owner`'s until then.
        """
        ...

    def lease(self, tenant: TenantId, run_id: str, owner: str, *, now: datetime, until: datetime) -> bool:
        """The waiting run is `owner`'s until then; False when it does not wait, or is somebody's whose lease still holds."""
        ...

    def postpone(self, tenant: TenantId, run_id: str, owner: str, *, due_at: datetime) -> bool:
        """The owner gives the run back for later; False when the lease is not the owner's any more."""
        ...

    def dequeue(self, tenant: TenantId, run_id: str) -> None:
        """The run waits no more."""
        ...

    def set_switch(self, tenant: TenantId, env: Env, action: str, *, off: bool, by: str, reason: str, now: datetime) -> None:
        """The kill switch of one action, or of all (`*`)."""
        ...

    def switched_off(self, tenant: TenantId, env: Env, action: str) -> str | None:
        """Why the action, or all, is switched off; None when it is not."""
        ...

    def set_autonomy(self, tenant: TenantId, action: str, level: AutonomyLevel, *, reason: str, now: datetime) -> None: ...

    def autonomy(self, tenant: TenantId, action: str) -> AutonomyLevel | None:
        """The level the log has earned the action; None before any was set."""
        ...

    def lease_review(self, tenant: TenantId, owner: str, *, now: datetime, until: datetime) -> bool:
        """True for one caller alone: a review of the tenant's actions is due, and is `owner`'s until then."""
        ...

    def end_review(self, tenant: TenantId, owner: str, *, due_at: datetime) -> None:
        """The owner's review is over and the next is due then; without the lease nothing changes."""
        ...


class AuditRepository(Protocol):
    """The chain's rows. A place and a predecessor are taken once, so that two writers cannot fork it."""

    def head(self, tenant: TenantId) -> AuditRow | None:
        """The last row, read so that nobody else appends before this unit of work ends."""
        ...

    def append(self, tenant: TenantId, row: AuditRow) -> None:
        """Raises Conflict when the place or the predecessor is taken."""
        ...

    def page(self, tenant: TenantId, *, after: int, limit: int) -> list[AuditRow]:
        """Rows by place, those after `after`."""
        ...

    def about(self, tenant: TenantId, subjects: Sequence[str]) -> list[AuditRow]:
        """The rows about any of these subjects, by place."""
        ...

    def erase_details(self, tenant: TenantId, seq: int) -> bool:
        """The details of one row are gone, its hashes stay; False when there was nothing to erase."""
        ...


class PolicyEngine(Protocol):
    """Decides by rules that are data. It computes no fact of its own."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever a rule does; part of every plan's digest."""
        ...

    def decide(self, tenant: TenantId, question: PolicyQuestion) -> PolicyDecision:
        """The decision; deny when no rule allows, when a fact a rule reads is missing, and on any evaluation error."""
        ...


class HostApp(Protocol):
    """The product in which actions have their effect. Every call ends in one of the replies; none raises for what a host does."""

    @property
    def version(self) -> str:
        """Changes when calls would be understood differently; part of every plan's digest."""
        ...

    def simulate(self, tenant: TenantId, call: HostCall) -> HostReply:
        """What applying would change; nothing is changed."""
        ...

    def apply(self, tenant: TenantId, call: HostCall) -> HostReply:
        """The change, once per delivery id, if every precondition holds."""
        ...

    def undo(self, tenant: TenantId, call: HostCall) -> HostReply:
        """What the run changed is put back, once per delivery id, if every precondition holds."""
        ...

    def status(self, tenant: TenantId, call: HostCall) -> HostReply:
        """What became of the call's delivery: as it was answered, or that it was never seen."""
        ...
