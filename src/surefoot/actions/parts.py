"""What the use cases of actions are made of, what they take, and what they give back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Protocol

from surefoot.core.clock import Clock
from surefoot.domain.actions import ActionSpec, Env, Json
from surefoot.domain.audit import AuditEntry
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import Approval, Attempt, DecisionRecord, Plan, Receipt, Run, Stage
from surefoot.ports import HostApp, Observer, PolicyEngine, Store, UnitOfWork

ADMIN_ROLE = "admin"
AGENT_ROLE = "agent"


class Facts(Protocol):
    """Computes what the policy's rules read."""

    def compute(self, tenant: TenantId, spec: ActionSpec, run: Run, stage: Stage, now: datetime) -> Mapping[str, Json]:
        """Every fact that is known now; one that cannot be computed is absent, and absence denies."""
        ...


class AuditTrail(Protocol):
    """Writes the audit chain."""

    def record(self, work: UnitOfWork, tenant: TenantId, entry: AuditEntry) -> object:
        """The entry is the chain's last row once this unit of work commits."""
        ...


class Catalog(Protocol):
    """The actions that the host has declared."""

    def get(self, name: str, major: int | None = None) -> ActionSpec:
        """The action of this name and major version, by default its newest. Raises NotFound."""
        ...

    def newest(self) -> tuple[ActionSpec, ...]:
        """The newest version of every action, by name."""
        ...


class Calendar(Protocol):
    """When a run that the policy defers may go on, and in which zone a tenant counts its days."""

    def zone(self, tenant: TenantId) -> tzinfo: ...

    def opens_at(self, tenant: TenantId, spec: ActionSpec, run: Run, now: datetime) -> datetime:
        """The next moment, after `now`, at which the policy may be asked again."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the steps of a run may take."""

    # A request that is younger than this is still being worked on by whoever sent it.
    proposing: timedelta = timedelta(seconds=30)
    lease: timedelta = timedelta(seconds=60)
    # A call whose outcome nobody knows is repeated this often, each pause twice the last, and then only asked about.
    deliveries: int = 5
    first_pause: timedelta = timedelta(seconds=2)
    longest_pause: timedelta = timedelta(minutes=5)
    # A host that has taken a call on may say so long what became of it; then it is an outcome that nobody knows.
    callback_within: timedelta = timedelta(minutes=30)
    # After this long a person has to find out.
    settle_within: timedelta = timedelta(hours=1)
    defer: timedelta = timedelta(minutes=15)


def _nothing(point: str) -> None:
    """The run goes on; tests stop it here."""


def _always_exposed(tenant: TenantId, run: Run) -> bool:
    """A cap counts unless somebody can prove that nobody saw the effect."""
    return True


@dataclass(frozen=True, slots=True)
class ActionParts:
    """What the use cases of actions are made of. `hosts` are by the `ref` of an action's connector; those in `check_first`
    do not know a delivery again, so they are asked what became of a call before it is repeated. `callback_secrets` read the
    signing secrets of those that may call back, at each call.
    """

    store: Store
    registry: Catalog
    policy: PolicyEngine
    facts: Facts
    hosts: Mapping[str, HostApp]
    trail: AuditTrail
    clock: Clock
    calendar: Calendar
    worker_id: str
    pace: Pace = Pace()
    check_first: frozenset[str] = frozenset()
    callback_secrets: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    exposed: Callable[[TenantId, Run], bool] = _always_exposed
    at: Callable[[str], None] = _nothing
    observer: Observer | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants done. `key` is the caller's idempotency key; `agent` names the program that proposes it for the
    viewer, and is empty when they ask themselves; `reason` and `citations` say why it is offered. `trace_id` and `surface` are
    those of the question it was offered beside.
    """

    action: str
    arguments: bytes | Mapping[str, Json]
    key: str
    env: Env = Env.SANDBOX
    agent: str = ""
    reason: str = ""
    citations: tuple[str, ...] = ()
    major: int | None = None
    trace_id: str = ""
    surface: str = ""


@dataclass(frozen=True, slots=True)
class CapCount:
    """How much of a cap is used, without this run: `1 of 2 left`."""

    cap_id: str
    key: str
    used: int
    most: int

    @property
    def left(self) -> int:
        """How many more runs the cap lets through; never below 0."""
        return max(0, self.most - self.used)


@dataclass(frozen=True, slots=True)
class RunView:
    """A run with its whole history. `steps` are those open to the viewer who looks: approve, reject, take_up, apply, undo,
    redo, cancel. `replayed` when the request was known and this is its stored answer; `successor` is the run that was planned
    anew because this one had gone stale or its plan had expired while it was scheduled. `red_gates` are the gates of the evals
    that keep it from being applied now.
    """

    run: Run
    plan: Plan | None = None
    decisions: tuple[DecisionRecord, ...] = ()
    approvals: tuple[Approval, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    receipt: Receipt | None = None
    caps: tuple[CapCount, ...] = ()
    steps: frozenset[str] = field(default=frozenset())
    replayed: bool = False
    successor: str = ""
    red_gates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunPage:
    """Runs, newest first; `after` is where the next page begins, empty at the end."""

    runs: tuple[Run, ...]
    after: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One place that this run had changed and somebody changed since: what stood there before, what the run wrote, what
    stands there now. `now_known` is false when the host says only that it is another version.
    """

    resource: str
    path: str
    before: Json
    applied: Json
    now: Json
    now_known: bool
