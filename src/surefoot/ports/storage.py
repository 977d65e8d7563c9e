"""Where everything but the index lives: repositories over one unit of work, the vector cache and the ledger of replies."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from surefoot.domain.budgets import Limits, MeterKey, MeterState, Reservation, Spend
from surefoot.domain.conversations import Conversation, ConversationId, Turn
from surefoot.domain.corpora import CorpusState
from surefoot.domain.documents import Chunk, ChunkId, Document, DocumentId
from surefoot.domain.events import DueEvent, OutgoingEvent
from surefoot.domain.identity import Principal, TenantId
from surefoot.domain.keys import Issuer, ServerKey
from surefoot.domain.replies import Reply
from surefoot.domain.verdicts import Verdict
from surefoot.ports.actions import AuditRepository, RunRepository
from surefoot.ports.quality import FeedbackRepository, SampleRepository
from surefoot.ports.retrieval import AccessSnapshot, Vectors


class DocumentRepository(Protocol):
    """Published documents, their rights and their chunks."""

    def get(self, tenant: TenantId, document: DocumentId) -> Document | None: ...

    def hashes(self, tenant: TenantId, *, source: str | None = None) -> Mapping[DocumentId, str]:
        """The content hash of every published document, or of those of one source."""
        ...

    def page(self, tenant: TenantId, *, after: DocumentId | None, limit: int) -> list[Document]:
        """Up to `limit` documents in id order, those after `after`; the text is included."""
        ...

    def replace(self, tenant: TenantId, document: Document, chunks: Sequence[Chunk]) -> None:
        """The document and exactly these chunks stand; an earlier version of both is gone. Rights are untouched."""
        ...

    def delete(self, tenant: TenantId, documents: Iterable[DocumentId]) -> None:
        """The documents, their chunks and their rights are gone; unknown ids are ignored."""
        ...

    def supersessions(self, tenant: TenantId) -> Mapping[DocumentId, tuple[str, ...]]:
        """For every document that supersedes others, the uris it supersedes."""
        ...

    def chunks(self, tenant: TenantId, ids: Sequence[ChunkId]) -> Mapping[ChunkId, Chunk]:
        """The chunks that exist, by id. `superseded` is filled in from all published documents."""
        ...

    def chunks_of(self, tenant: TenantId, documents: Sequence[DocumentId]) -> list[Chunk]:
        """All chunks of these documents, by document id and ordinal."""
        ...


class AccessRepository(Protocol):
    """Who may read what: the one table of rights."""

    def of(self, tenant: TenantId, documents: Sequence[DocumentId]) -> Mapping[DocumentId, frozenset[Principal]]:
        """The principals of each document; one without rows is missing, which means nobody."""
        ...

    def put(self, tenant: TenantId, document: DocumentId, principals: frozenset[Principal]) -> bool:
        """The document has exactly these principals. True when that is a change; the tenant's ACL epoch then moved too."""
        ...

    def readable(self, tenant: TenantId, principals: frozenset[Principal]) -> AccessSnapshot:
        """The documents that one of the principals may read, and the epoch, both of the same moment."""
        ...

    def in_use(self, tenant: TenantId) -> frozenset[Principal]:
        """Every principal that may read at least one document. Principals that are not among them change nobody's rights."""
        ...


class CorpusRepository(Protocol):
    """The published state of each tenant's corpus."""

    def state(self, tenant: TenantId) -> CorpusState:
        """What readers see now; EMPTY_CORPUS (with the true epoch) before the first publication."""
        ...

    def publish(self, tenant: TenantId, *, expected_generation: int, state: CorpusState) -> None:
        """`state` is what readers see once this unit of work commits; its `acl_epoch` is ignored. Raises Conflict when
        the generation is not `expected_generation` any more.
        """
        ...

    def lease(self, tenant: TenantId, owner: str, *, now: datetime, ttl_seconds: int) -> None:
        """`owner` may write this tenant's corpus until now + ttl; renews its own. Raises WriterBusy while another holds it."""
        ...

    def release(self, tenant: TenantId, owner: str) -> None:
        """The lease is free if `owner` held it; else nothing changes."""
        ...


class TenantRepository(Protocol):
    """Tenants and the keys that speak for them."""

    def create(self, tenant: TenantId, *, now: datetime) -> bool:
        """The tenant exists; True when it did not before."""
        ...

    def exists(self, tenant: TenantId) -> bool: ...

    def all(self) -> list[TenantId]:
        """Every tenant, in id order."""
        ...

    def add_key(self, tenant: TenantId, key: ServerKey) -> None: ...

    def keys(self, tenant: TenantId) -> list[ServerKey]:
        """All keys of the tenant, revoked ones included, oldest first."""
        ...

    def revoke_key(self, tenant: TenantId, key_id: str, *, now: datetime) -> bool:
        """The key is revoked; False when there is no such key or it was revoked before."""
        ...

    def put_issuer(self, tenant: TenantId, issuer: Issuer) -> None:
        """The issuer is accepted for this tenant, replacing an earlier entry of the same name."""
        ...

    def issuers(self, tenant: TenantId) -> list[Issuer]: ...


class MeterRepository(Protocol):
    """What is spent and reserved, by meter. A meter without a row counts nothing yet."""

    def reserve(self, tenant: TenantId, reservation: Reservation, limits: Limits) -> MeterKey | None:
        """The amount is held on every meter of the reservation: None. Else nothing is held on any, and the answer is the
        first meter, in their order, on which spent + reserved + amount would pass its limit. A meter that `limits` does
        not name has no limit. Raises Conflict when the reservation's id is taken by an open one.
        """
        ...

    def settle(self, tenant: TenantId, reservation_id: str, actual: Spend) -> Reservation | None:
        """The reservation is gone and `actual` counts as spent on its meters. None, with no change, when it was settled
        or written off before.
        """
        ...

    def write_off(self, tenant: TenantId, *, now: datetime) -> list[Reservation]:
        """Every reservation that expired by `now` is gone and counts as spent in full; returns them."""
        ...

    def states(self, tenant: TenantId, limits: Limits) -> list[MeterState]:
        """Each of these meters as it stands, in the order given."""
        ...

    def known(self, tenant: TenantId, *, since: datetime) -> list[MeterKey]:
        """Every meter with a row whose period began at or after `since`, by surface, viewer and period."""
        ...

    def open_reservations(self, tenant: TenantId) -> list[Reservation]:
        """Those neither settled nor written off, the one that expires first first."""
        ...

    def mark_crossed(self, tenant: TenantId, meter: MeterKey, level: str) -> bool:
        """That this meter crossed into this level in its period is noted; True the first time only."""
        ...

    def prune(self, tenant: TenantId, *, before: datetime, limit: int) -> int:
        """Up to `limit` meters of months that were over by then are gone, and up to `limit` notes of crossings of meters of such
        months that have no row (any more); returns how many rows went. A meter that an open reservation is held on stays.
        """
        ...


class EventRepository(Protocol):
    """Events that wait to be delivered, written in the transaction of the change that they report."""

    def add(self, tenant: TenantId, event: OutgoingEvent) -> None:
        """The event waits, due from its own time on. Raises Conflict when its id is taken."""
        ...

    def due(self, tenant: TenantId, *, now: datetime, limit: int) -> list[DueEvent]:
        """Up to `limit` events whose next attempt is at or before `now`, oldest first; delivered ones are never due."""
        ...

    def claim(self, tenant: TenantId, event_id: str, *, now: datetime, until: datetime) -> bool:
        """True for one caller alone: the event was due at `now`, and is not due again before `until`. No attempt is counted."""
        ...

    def delivered(self, tenant: TenantId, event_id: str, *, now: datetime) -> None:
        """The event is not due any more; nothing changes when it was delivered before or is unknown."""
        ...

    def postpone(self, tenant: TenantId, event_id: str, *, until: datetime, reason: str) -> None:
        """One more attempt failed for this reason; the next is due at `until`. A delivered event stays delivered."""
        ...

    def recent(self, tenant: TenantId, *, limit: int, type_prefix: str = "") -> list[OutgoingEvent]:
        """The newest events whose type begins so, delivered or not, newest first."""
        ...

    def about(self, tenant: TenantId, subjects: Sequence[str]) -> list[OutgoingEvent]:
        """The events about any of these subjects, delivered or not, oldest first."""
        ...

    def prune(self, tenant: TenantId, *, before: datetime, limit: int) -> int:
        """Up to `limit` events that were delivered before then are gone, those first that were delivered first; returns how
        many went. An undelivered event stays, however old it is.
        """
        ...


class ConversationRepository(Protocol):
    """Conversations and their turns; whoever asks names the viewer, and another viewer's conversation is not found."""

    def create(self, tenant: TenantId, conversation: Conversation) -> None: ...

    def get(self, tenant: TenantId, conversation: ConversationId, viewer_hash: str) -> Conversation | None: ...

    def of(self, tenant: TenantId, viewer_hash: str, *, limit: int) -> list[Conversation]:
        """The viewer's conversations, the one last spoken in first."""
        ...

    def add_turn(self, tenant: TenantId, conversation: ConversationId, turn: Turn) -> None:
        """The turn is the last one, and the conversation was last spoken in when it was asked. Raises Conflict when its
        position is taken or there is no such conversation.
        """
        ...

    def turns(self, tenant: TenantId, conversation: ConversationId, *, last: int) -> list[Turn]:
        """The last so many turns, in order."""
        ...

    def hand_over(self, tenant: TenantId, conversation: ConversationId, *, now: datetime) -> bool:
        """A person was asked to take over; False when one was before."""
        ...

    def delete(self, tenant: TenantId, conversation: ConversationId) -> None:
        """The conversation and its turns are gone."""
        ...


class VerdictRepository(Protocol):
    """What the evals said of each tenant: the one that stands, and those before it."""

    def put(self, tenant: TenantId, verdict: Verdict, *, now: datetime) -> Verdict | None:
        """The verdict stands, in place of the one returned. Raises Conflict when its id was put before."""
        ...

    def clear(self, tenant: TenantId, *, now: datetime) -> Verdict | None:
        """None stands any more; returns the one that did."""
        ...

    def current(self, tenant: TenantId) -> Verdict | None:
        """The verdict that stands, for all of its surfaces; stale ones stand too."""
        ...

    def history(self, tenant: TenantId, *, limit: int) -> list[Verdict]:
        """The last so many, newest first, cleared ones included."""
        ...

    def all(self) -> Mapping[TenantId, Verdict]:
        """The verdict that stands, of every tenant that has one."""
        ...

    def prune(self, tenant: TenantId, *, before: datetime, limit: int) -> int:
        """Up to `limit` verdicts that another had replaced before then are gone, the oldest first; returns how many went. The
        last one put stays, whether it stands or was cleared.
        """
        ...


class UnitOfWork(Protocol):
    """One transaction over every repository: all of it is committed, or none."""

    @property
    def documents(self) -> DocumentRepository: ...
    @property
    def access(self) -> AccessRepository: ...
    @property
    def corpora(self) -> CorpusRepository: ...
    @property
    def tenants(self) -> TenantRepository: ...
    @property
    def meters(self) -> MeterRepository: ...
    @property
    def events(self) -> EventRepository: ...
    @property
    def conversations(self) -> ConversationRepository: ...
    @property
    def runs(self) -> RunRepository: ...
    @property
    def audit(self) -> AuditRepository: ...
    @property
    def verdicts(self) -> VerdictRepository: ...
    @property
    def feedback(self) -> FeedbackRepository: ...
    @property
    def samples(self) -> SampleRepository: ...

    def commit(self) -> None:
        """What was written is durable. Leaving the block without this call rolls back."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class VectorCache(Protocol):
    """Chunk vectors by encoder and text: what makes re-ingest and resumption free. Losing it loses only time."""

    def get(self, tenant: TenantId, fingerprint: str, text_hashes: Sequence[str]) -> Mapping[str, Vectors]:
        """The vectors that are known, by text hash."""
        ...

    def put(self, tenant: TenantId, fingerprint: str, vectors: Mapping[str, Vectors]) -> None: ...

    def forget(self, tenant: TenantId, text_hashes: Iterable[str]) -> None:
        """The vectors of these texts are gone, whatever encoder made them: what was deleted must not live on here."""
        ...

    def keep_only(self, tenant: TenantId, fingerprint: str, text_hashes: frozenset[str]) -> int:
        """Every other vector of the tenant, those of other encoders included, is gone; returns how many went."""
        ...


class ReplyLedger(Protocol):
    """Every reply given, append-only, durable when `append` returns; appends of many threads share commits."""

    def append(self, tenant: TenantId, viewer_hash: str, reply: Reply) -> None: ...

    def get(self, tenant: TenantId, reply_id: str) -> Mapping[str, object] | None:
        """The reply as recorded: ids, outcome, confidence, citations, timings; the JSON form of a ledger row."""
        ...

    def by_trace(self, tenant: TenantId, trace_id: str, *, limit: int) -> list[Mapping[str, object]]:
        """Up to `limit` replies of this trace as recorded, oldest first; none for the empty id."""
        ...

    def count(self, tenant: TenantId) -> int: ...


class Store(Protocol):
    """Where everything but the index lives."""

    @property
    def vectors(self) -> VectorCache: ...
    @property
    def replies(self) -> ReplyLedger: ...

    def begin(self) -> AbstractContextManager[UnitOfWork]:
        """A fresh unit of work; use it in one thread."""
        ...

    def migrate(self) -> None:
        """The schema is the newest one; safe to call at every start, by several processes at once."""
        ...

    def check(self) -> None:
        """Returns when the database answers; else raises StoreUnavailable."""
        ...

    def close(self) -> None: ...
