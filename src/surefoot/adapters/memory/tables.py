"""What a MemoryStore holds: per tenant a set of maps, copied when a transaction first changes them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Lock
from typing import Any, Literal

from surefoot.core.errors import Conflict, StoreUnavailable
from surefoot.domain.actions import AutonomyLevel, Env
from surefoot.domain.audit import AuditRow
from surefoot.domain.budgets import NOTHING_SPENT, MeterKey, Reservation, Spend
from surefoot.domain.conversations import Conversation, ConversationId, Turn
from surefoot.domain.corpora import EMPTY_CORPUS, CorpusState
from surefoot.domain.documents import Chunk, ChunkId, Document, DocumentId
from surefoot.domain.events import OutgoingEvent
from surefoot.domain.feedback import Feedback, LiveSample
from surefoot.domain.identity import Principal, TenantId
from surefoot.domain.keys import Issuer, ServerKey
from surefoot.domain.runs import Approval, Attempt, DecisionRecord, Plan, Receipt, Run
from surefoot.domain.verdicts import Verdict

WAIT_SECONDS = 30

Table = Literal[
    "documents",
    "chunks",
    "rights",
    "keys",
    "issuers",
    "meters",
    "reservations",
    "crossings",
    "events",
    "conversations",
    "turns",
    "runs",
    "plans",
    "approvals",
    "decisions",
    "attempts",
    "receipts",
    "cap_holds",
    "run_queue",
    "switches",
    "autonomy",
    "audit",
    "verdicts",
    "feedback",
    "live_samples",
]


@dataclass(frozen=True, slots=True)
class Counts:
    """What one meter counts."""

    spent: Spend = NOTHING_SPENT
    reserved: Spend = NOTHING_SPENT


UNUSED = Counts()


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event with what became of it; delivered, it is never due again and `due_at` is None."""

    event: OutgoingEvent
    due_at: datetime | None
    attempts: int = 0
    delivered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CapRow:
    """What one run takes of one cap and key; a released one stays and counts no more."""

    env: Env
    held_at: datetime
    state: Literal["reserved", "committed", "released"] = "reserved"


@dataclass(frozen=True, slots=True)
class WaitingRun:
    """A run, or a tenant's review, that waits for a worker, and who has it until when."""

    due_at: datetime
    owner: str = ""
    leased_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """What the evals said, since when it stood, and when somebody said that it counts no more."""

    verdict: Verdict
    put_at: datetime
    cleared_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TenantTables:
    """One tenant's rows. Never changed in place: a transaction replaces the maps it writes to by copies."""

    created_at: datetime | None = None
    documents: dict[DocumentId, Document] = field(default_factory=dict)
    chunks: dict[ChunkId, Chunk] = field(default_factory=dict)
    rights: dict[DocumentId, frozenset[Principal]] = field(default_factory=dict)
    epoch: int = 0
    corpus: CorpusState = EMPTY_CORPUS
    lease: tuple[str, datetime] | None = None
    keys: dict[str, ServerKey] = field(default_factory=dict)
    issuers: dict[str, Issuer] = field(default_factory=dict)
    meters: dict[MeterKey, Counts] = field(default_factory=dict)
    reservations: dict[str, Reservation] = field(default_factory=dict)
    crossings: dict[tuple[MeterKey, str], bool] = field(default_factory=dict)
    events: dict[str, EventRow] = field(default_factory=dict)
    conversations: dict[ConversationId, Conversation] = field(default_factory=dict)
    turns: dict[ConversationId, dict[int, Turn]] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    approvals: dict[tuple[str, str, str], Approval] = field(default_factory=dict)
    decisions: dict[str, tuple[DecisionRecord, ...]] = field(default_factory=dict)
    attempts: dict[tuple[str, int], Attempt] = field(default_factory=dict)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    cap_holds: dict[tuple[str, str, str], CapRow] = field(default_factory=dict)
    run_queue: dict[str, WaitingRun] = field(default_factory=dict)
    switches: dict[tuple[Env, str], str] = field(default_factory=dict)
    autonomy: dict[str, AutonomyLevel] = field(default_factory=dict)
    review: WaitingRun | None = None
    audit: dict[int, AuditRow] = field(default_factory=dict)
    verdicts: dict[int, VerdictRow] = field(default_factory=dict)
    feedback: dict[str, Feedback] = field(default_factory=dict)
    live_samples: dict[str, LiveSample] = field(default_factory=dict)


NO_TABLES = TenantTables()
World = dict[TenantId, TenantTables]


class Disk:
    """The committed world, and the one writer it may have at a time."""

    def __init__(self) -> None:
        self.world: World = {}
        self.writer = Lock()
        self.closed = False


class Transaction:
    """Sees one moment until its first write; from then on it is the only writer and sees the newest state and its own rows."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._world: World | None = None
        self._writes = False
        self._failed = False
        self._copied: set[tuple[TenantId, str]] = set()

    def read(self, tenant: TenantId) -> TenantTables:
        """The tenant's rows as this transaction sees them."""
        return self.world().get(tenant, NO_TABLES)

    def world(self) -> World:
        """All tenants as this transaction sees them."""
        if self._disk.closed:
            raise StoreUnavailable("The memory store is closed; make a new one.")
        if self._world is None:
            self._world = self._disk.world
        return self._world

    @contextmanager
    def write(self) -> Iterator[None]:
        """This transaction is the writer. A write that fails half-way makes the whole transaction fail."""
        if self._disk.closed:
            raise StoreUnavailable("The memory store is closed; make a new one.")
        if not self._writes:
            if not self._disk.writer.acquire(timeout=WAIT_SECONDS):
                raise StoreUnavailable(f"The memory store was being written for {WAIT_SECONDS} s; try again.")
            self._writes = True
            self._world = dict(self._disk.world)
        try:
            yield
        except BaseException:
            self._failed = True
            raise

    def table(self, tenant: TenantId, name: Table) -> dict[Any, Any]:
        """The map to change, a copy of this transaction's own; only within `write`."""
        if (tenant, name) not in self._copied:
            self.change(tenant, **{name: dict(getattr(self.read(tenant), name))})
            self._copied.add((tenant, name))
        table: dict[Any, Any] = getattr(self.read(tenant), name)
        return table

    def change(self, tenant: TenantId, **fields: Any) -> None:
        """The tenant's other fields have these values; only within `write`."""
        self.world()[tenant] = replace(self.read(tenant), **fields)

    def commit(self) -> None:
        """Everyone sees what was written; the next call begins a new transaction. After a failed write it raises Conflict."""
        if self._failed:
            raise Conflict("A write of this unit of work failed; leave it and repeat all of it in a new one.")
        if self._writes:
            self._disk.world = self.world()
        self.close()

    def close(self) -> None:
        """Nothing is open; what was not committed is forgotten."""
        self._world = None
        self._copied.clear()
        if self._writes:
            self._writes = False
            self._disk.writer.release()
