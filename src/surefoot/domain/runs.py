"""Runs: one row per intended effect, and everything that is decided, agreed and done about it. Rows are only ever added to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from surefoot.domain.actions import Arguments, Env, Json


class RunKind(StrEnum):
    """What a run intends; undo and redo are runs of their own that point back."""

    APPLY = "apply"
    UNDO = "undo"
    REDO = "redo"


class RunState(StrEnum):
    """Where a run stands."""

    PROPOSED = "proposed"
    DENIED = "denied"
    SUGGESTED = "suggested"
    PLANNED = "planned"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    REJECTED = "rejected"
    SCHEDULED = "scheduled"
    APPLYING = "applying"
    APPLIED = "applied"
    STALE = "stale"
    FAILED = "failed"
    UNKNOWN = "unknown"
    NEEDS_HUMAN = "needs_human"
    UNDONE = "undone"
    FINAL = "final"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


_S = RunState
_STOPPABLE = frozenset({_S.EXPIRED, _S.CANCELLED})
TRANSITIONS: Mapping[RunState, frozenset[RunState]] = {
    _S.PROPOSED: frozenset({_S.DENIED, _S.SUGGESTED, _S.PLANNED, _S.FAILED, *_STOPPABLE}),
    _S.SUGGESTED: frozenset({_S.PLANNED, _S.DENIED, *_STOPPABLE}),
    _S.PLANNED: frozenset({_S.AWAITING_APPROVAL, _S.APPROVED, _S.SCHEDULED, _S.APPLYING, _S.DENIED, _S.SUGGESTED, *_STOPPABLE}),
    _S.AWAITING_APPROVAL: frozenset({_S.APPROVED, _S.REJECTED, *_STOPPABLE}),
    _S.APPROVED: frozenset({_S.SCHEDULED, _S.APPLYING, _S.DENIED, _S.SUGGESTED, *_STOPPABLE}),
    _S.SCHEDULED: frozenset({_S.APPLYING, _S.DENIED, _S.SUGGESTED, *_STOPPABLE}),
    _S.APPLYING: frozenset({_S.APPLIED, _S.STALE, _S.FAILED, _S.UNKNOWN}),
    _S.UNKNOWN: frozenset({_S.APPLIED, _S.STALE, _S.FAILED, _S.NEEDS_HUMAN}),
    _S.NEEDS_HUMAN: frozenset({_S.APPLIED, _S.FAILED}),
    _S.APPLIED: frozenset({_S.UNDONE, _S.FINAL}),
    _S.DENIED: frozenset(),
    _S.REJECTED: frozenset(),
    _S.STALE: frozenset(),
    _S.FAILED: frozenset(),
    _S.UNDONE: frozenset(),
    _S.FINAL: frozenset(),
    _S.EXPIRED: frozenset(),
    _S.CANCELLED: frozenset(),
}
# A run in one of these stays as it is.
ENDED = frozenset(state for state, following in TRANSITIONS.items() if not following)
# A run in one of these may still have its effect, so another with the same natural key would double it.
LIVE = frozenset(
    {
        _S.PROPOSED,
        _S.SUGGESTED,
        _S.PLANNED,
        _S.AWAITING_APPROVAL,
        _S.APPROVED,
        _S.SCHEDULED,
        _S.APPLYING,
        _S.UNKNOWN,
        _S.NEEDS_HUMAN,
        _S.APPLIED,
    }
)
# A run in one of these has not had its effect and never will, so what it was to reverse may be reversed by another.
GAVE_UP = frozenset({_S.DENIED, _S.REJECTED, _S.STALE, _S.FAILED, _S.EXPIRED, _S.CANCELLED})


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one resource, as RFC 6902 patches both ways. `resource` is `<kind>/<id>`, such as `nudge/ndg_7`.

    A resource that does not exist is the document null: it is created by an `add` at the root path "" and deleted by a
    `remove` there; every other operation updates it.
    """

    resource: str
    forward: tuple[Mapping[str, Json], ...]
    backward: tuple[Mapping[str, Json], ...]


@dataclass(frozen=True, slots=True)
class Precondition:
    """The version of a resource that a plan was made against; a host refuses with 412 when it is another."""

    resource: str
    etag: str


@dataclass(frozen=True, slots=True)
class Plan:
    """One simulation, never changed. `digest` binds everything an approver agrees to; a plan is consumed once, by applying."""

    run_id: str
    changes: tuple[Change, ...]
    preconditions: tuple[Precondition, ...]
    summary: str
    cost_usd: float
    minutes_saved: float
    digest: str
    policy_version: str
    connector_version: str
    created_at: datetime
    expires_at: datetime
    consumed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One intended effect. `maker` is who wants it (a viewer's user id), `account` what their token states to be their
    account (empty when it states none); `agent` is set when the run was proposed for them.
    `reason` says why it was offered and `citations` are the chunk ids it rests on. `trace_id` joins it to the question it was
    offered beside, asked on `surface`; both are empty when nobody asked. `version` counts changes of the row.
    """

    run_id: str
    env: Env
    kind: RunKind
    action: str
    action_version: str
    schema_hash: str
    maker: str
    arguments: Arguments
    arguments_hash: str
    idem_scope: str
    idem_key: str
    idem_fingerprint: str
    natural_key: str
    state: RunState
    created_at: datetime
    deadline: datetime
    agent: str = ""
    reverses: str = ""
    reason: str = ""
    citations: tuple[str, ...] = ()
    not_before: datetime | None = None
    undone_by: str = ""
    account: str = ""
    trace_id: str = ""
    surface: str = ""
    version: int = 1


class Verdict(StrEnum):
    """What an approver says."""

    APPROVE = "approve"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's word on one plan, by its digest."""

    run_id: str
    plan_digest: str
    approver: str
    verdict: Verdict
    at: datetime
    note: str = ""


class Stage(StrEnum):
    """When the policy is asked."""

    SIMULATE = "simulate"
    APPROVE = "approve"
    APPLY = "apply"
    UNDO = "undo"


class PolicyEffect(StrEnum):
    """What the policy says, mildest first."""

    ALLOW = "allow"
    DEFER = "defer"
    SUGGEST_ONLY = "suggest_only"
    DENY = "deny"

    @property
    def rank(self) -> int:
        """Higher is stronger; deny is 3."""
        return list(PolicyEffect).index(self)


@dataclass(frozen=True, slots=True)
class PolicyReason:
    """A rule that decided: its id, why, and what would change it."""

    rule: str
    reason: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class PolicyQuestion:
    """Who wants what, with every fact that a rule may read. Facts that were not computed are absent, and absence denies."""

    stage: Stage
    env: Env
    action: str
    principal: str
    roles: frozenset[str]
    is_agent: bool
    facts: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class PolicyDecision:
    """The strongest effect of the rules that fired; any evaluation error denies. `needs_approval` when a rule asks for it."""

    effect: PolicyEffect
    policy_hash: str
    reasons: tuple[PolicyReason, ...] = ()
    errors: tuple[str, ...] = ()
    needs_approval: bool = False


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """A policy decision as it is kept, with the facts it was made on."""

    run_id: str
    stage: Stage
    decision: PolicyDecision
    facts: Mapping[str, Json]
    at: datetime


# The outcome of an attempt that was begun and of which nothing more is known: it may have reached the host.
SENT = "sent"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call to the host, written down before it is made: its outcome is `SENT` until the answer is there. All attempts of
    one run carry the same delivery id, by which the host knows them as one.
    """

    run_id: str
    number: int
    delivery_id: str
    operation: str
    outcome: str
    status: int
    body_hash: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the host said it did. `inverse` or `undo_handle` is what an undo sends back; both stay with us."""

    run_id: str
    after_etags: tuple[Precondition, ...]
    inverse: tuple[Change, ...]
    undo_handle: str
    undo_until: datetime | None
    result: Mapping[str, Json]
    at: datetime


@dataclass(frozen=True, slots=True)
class CapHold:
    """What one run takes of one cap. `since` is when the window that counts it begins; `most` is the cap's limit."""

    cap_id: str
    key: str
    since: datetime
    most: int


# The host


@dataclass(frozen=True, slots=True)
class HostCall:
    """What a host is asked. `delivery_id` is the idempotency key: the host does the same delivery once and replays its reply.

    An undo carries the receipt's inverse as `changes`, whose `forward` puts things back (json_patch.inverted), or the
    `undo_handle`; and the receipt's after-etags as preconditions. To simulate with either of them previews that undo. An
    apply that carries the plan's `changes` is refused as stale when it would do anything else.
    """

    delivery_id: str
    run_id: str
    env: Env
    action: str
    action_version: str
    path: str
    arguments: Arguments
    preconditions: tuple[Precondition, ...]
    timeout_seconds: float
    maker: str
    changes: tuple[Change, ...] = ()
    undo_handle: str = ""


@dataclass(frozen=True, slots=True)
class HostDone:
    """The host did it, or says what it would do. `arguments` are as the host understood them; `before` and `after` are the
    etags of every resource touched.
    """

    arguments: Arguments
    changes: tuple[Change, ...]
    before: tuple[Precondition, ...]
    after: tuple[Precondition, ...] = ()
    summary: str = ""
    undo_handle: str = ""
    result: Mapping[str, Json] | None = None
    cost_usd: float = 0.0
    minutes_saved: float = 0.0
    status: int = 200


@dataclass(frozen=True, slots=True)
class HostStale:
    """A resource is not as the plan saw it (412): certainly no effect. `current` are the etags now and `documents` the
    resources as they are now, where the host says them.
    """

    current: tuple[Precondition, ...] = ()
    status: int = 412
    documents: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class HostRejected:
    """The host refused (4xx): certainly no effect."""

    reason: str
    status: int


@dataclass(frozen=True, slots=True)
class HostUnknown:
    """Nobody can say whether it happened: a timeout, a reset, 5xx, 408, 409, 425 or 429. `retry_after_seconds` when told."""

    reason: str
    status: int = 0
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class HostAccepted:
    """The host has taken the delivery on and will say later what became of it, by a signed callback or when asked (202)."""

    status: int = 202
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class HostNever:
    """The host has never seen the run: certainly no effect."""

    status: int = 404


HostReply = HostDone | HostStale | HostRejected | HostAccepted | HostUnknown | HostNever
