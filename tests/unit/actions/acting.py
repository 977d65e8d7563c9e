"""A small real world for actions: the shipped memory store, host and audit trail; a policy whose word each test sets."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from surefoot.actions.arguments import cap_keys
from surefoot.actions.parts import ActionParts, Pace, Request, RunView
from surefoot.actions.service import Actions
from surefoot.adapters.memory.host import MemoryHost
from surefoot.adapters.memory.store import MemoryStore
from surefoot.core.clock import FixedClock
from surefoot.core.errors import NotFound
from surefoot.domain.actions import ActionSpec, Env, Json
from surefoot.domain.identity import Principal, TenantId, Viewer
from surefoot.domain.runs import PolicyDecision, PolicyEffect, PolicyQuestion, PolicyReason, Run, RunState, Stage
from surefoot.governance.audit import AuditTrail
from surefoot.ports import Store
from tests.unit.actions.declared import ARGUMENTS, spec_of

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TENANT = TenantId("acme")
RESOURCE = "note/usr_abc123"
_EARNED = {"weeks": 6, "max_reversal_rate": 0.02, "fairness_parity": True}
UNATTENDED = ("x-action/autonomy", {"max": "unattended", "unattended_after": _EARNED})
_TWO_PEOPLE = {"mode": "required", "maker_checker": True, "roles": ["revops"], "quorum": 1, "ttl": "PT24H"}
STRICT = ("x-action/approval", _TWO_PEOPLE)
QUORUM = ("x-action/approval", {**_TWO_PEOPLE, "quorum": 2})


def person(user: str, *roles: str, tenant: TenantId = TENANT) -> Viewer:
    """A signed-in person with these roles."""
    return Viewer(tenant, user, frozenset(Principal(f"role:{role}") for role in roles))


ANN, BOB, EVE = person("ann"), person("bob", "revops"), person("eve")
ADMIN = person("ada", "admin")


@dataclass
class Word:
    """A policy that says what the test says, and remembers what it was asked."""

    effects: dict[Stage, PolicyEffect] = field(default_factory=dict)
    needs_approval: bool = False
    errors: tuple[str, ...] = ()
    fingerprint: str = "rules-1"
    asked: list[PolicyQuestion] = field(default_factory=list)
    suggests_to_agents: bool = False

    def decide(self, tenant: TenantId, question: PolicyQuestion) -> PolicyDecision:
        self.asked.append(question)
        effect = self.effects.get(question.stage, PolicyEffect.ALLOW)
        if self.suggests_to_agents and question.is_agent:
            effect = PolicyEffect.SUGGEST_ONLY
        reasons = (PolicyReason("said", "The test says so."),)
        return PolicyDecision(effect, self.fingerprint, reasons, self.errors, self.needs_approval)


@dataclass
class Known:
    """Facts that the test sets, computed afresh each time."""

    facts: dict[str, Json] = field(default_factory=dict)

    def compute(self, tenant: TenantId, spec: ActionSpec, run: Run, stage: Stage, now: datetime) -> Mapping[str, Json]:
        return dict(self.facts)


@dataclass
class Files:
    """The actions of the test, by name."""

    specs: dict[str, ActionSpec]

    def get(self, name: str, major: int | None = None) -> ActionSpec:
        if name not in self.specs:
            raise NotFound(f"There is no action {name!r}.")
        return self.specs[name]

    def newest(self) -> tuple[ActionSpec, ...]:
        return tuple(self.specs.values())


@dataclass
class Hourly:
    """Deferred runs go on an hour later."""

    def zone(self, tenant: TenantId) -> tzinfo:
        return UTC

    def opens_at(self, tenant: TenantId, spec: ActionSpec, run: Run, now: datetime) -> datetime:
        return now + timedelta(hours=1)


class Killed(BaseException):
    """The process dies here."""


@dataclass
class Deadly:
    """Dies at the named point, once."""

    point: str = ""

    def __call__(self, point: str) -> None:
        if point == self.point:
            self.point = ""
            raise Killed(point)


@dataclass
class Acting:
    """The parts of one world, and the shortest ways to press its buttons."""

    parts: ActionParts
    actions: Actions
    store: Store
    host: MemoryHost
    clock: FixedClock
    policy: Word
    files: Files
    deadly: Deadly
    trail: AuditTrail
    count: int = 0

    def propose(self, maker: Viewer = ANN, key: str = "", **changes: Any) -> RunView:
        """A proposed run with a fresh key."""
        return self.actions.propose(maker, self.request(key, **changes))

    def request(self, key: str = "", **changes: Any) -> Request:
        self.count += 1
        return replace(Request("send_note", dict(ARGUMENTS), key or f"key-{self.count}", Env.PRODUCTION), **changes)

    def applied(self, maker: Viewer = ANN, **changes: Any) -> RunView:
        """A run that has had its effect."""
        done = self.actions.apply(maker, self.propose(maker, **changes).run.run_id, wait=True)
        assert done.run.state is RunState.APPLIED
        return done

    def work(self, tenant: TenantId = TENANT) -> int:
        """Every run that is due has moved on; returns how many steps that took."""
        steps = 0
        while self.actions.worker.run_once(tenant):
            steps += 1
            assert steps < 100
        return steps

    def later(self, **amount: float) -> None:
        """The clock moves on."""
        self.clock.advance(timedelta(**amount))

    def state(self, run_id: str) -> RunState:
        with self.store.begin() as work:
            run = work.runs.get(TENANT, run_id)
            assert run is not None
            return run.state

    def calls(self, operation: str) -> int:
        """How often the host was called so."""
        return sum(name == operation for name, _ in self.host.calls)

    def cap_used(self) -> int:
        with self.store.begin() as work:
            return work.runs.cap_used(
                TENANT, Env.PRODUCTION, "notes_user_week", self._cap_key(), since=self.clock.now() - timedelta(days=7)
            )

    def _cap_key(self) -> str:
        return cap_keys(self.files.specs["send_note"], ARGUMENTS, tenant=TENANT, account=TENANT, user="ann")[0].key

    def events(self) -> list[str]:
        """The types of all events, oldest first, in no order within a moment."""
        with self.store.begin() as work:
            recent = work.events.recent(TENANT, limit=1000, type_prefix="surefoot.action.")
        return [event.type for event in reversed(recent)]

    @contextmanager
    def dying_at(self, point: str) -> Iterator[None]:
        """The block dies at this point; it is an error when it does not."""
        self.deadly.point = point
        try:
            yield
        except Killed:
            return
        raise AssertionError(f"Nothing came to {point!r}.")


def acting(*changes: tuple[str, Any], store: Store | None = None, **parts: Any) -> Acting:
    """A fresh world with the declared action, changed so."""
    files = Files({"send_note": spec_of(*changes)})
    store, clock, deadly = store or MemoryStore(), FixedClock(NOW), Deadly()
    host = parts.pop("host", None) or MemoryHost(kinds={"send_note": "note"}, clock=clock)
    policy, trail = Word(), AuditTrail(store, b"k" * 32)
    with store.begin() as work:
        work.tenants.create(TENANT, now=NOW)
        work.commit()
    made = ActionParts(
        store=store,
        registry=files,
        policy=policy,
        facts=Known(),
        hosts={"host_app": host},
        trail=trail,
        clock=clock,
        calendar=Hourly(),
        worker_id="worker-1",
        pace=parts.pop("pace", Pace()),
        at=parts.pop("at", deadly),
        **parts,
    )
    return Acting(made, Actions(made), store, host, clock, policy, files, deadly, trail)
