"""The seams of the house. A port exists where two real adapters exist; every method that touches data takes `tenant` first."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from surefoot.domain.answers import Reply
from surefoot.domain.corpora import CorpusState
from surefoot.domain.documents import Chunk, ChunkId, Document, DocumentId
from surefoot.domain.filters import Filter, ReadAccess
from surefoot.domain.identity import Principal, TenantId
from surefoot.domain.keys import Issuer, ServerKey

Vectors = NDArray[np.float32]


# The encoder


class Encoder(Protocol):
    """Turns texts into unit vectors."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the same text could get another vector; stored with every index."""
        ...

    @property
    def dimensions(self) -> int: ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """`(len(texts), dimensions)` float32, unit rows, in the order given. Long texts are cut at the model's limit."""
        ...

    def encode_query(self, text: str) -> Vectors:
        """`(dimensions,)` float32, a unit vector; repeated questions come from a bounded cache. Safe from many threads."""
        ...


# The index


@dataclass(frozen=True, slots=True)
class IndexCapabilities:
    """What an index can do, so that callers need not guess. `max_chunks` is per tenant; None means no stated limit."""

    name: str
    exact_dense: bool
    atomic_generations: bool
    lexical_backends: tuple[str, ...]
    max_chunks: int | None = None


@dataclass(frozen=True, slots=True)
class IndexChange:
    """What the next generation has that the base has not: rows of `remove` documents go, then `add` comes.

    `vectors` is `(len(add), dimensions)` float32 with unit rows, in the order of `add`. `superseded` are the documents of
    the whole next generation that another one replaces; rows of all others are not superseded.
    """

    remove: frozenset[DocumentId]
    add: Sequence[Chunk]
    vectors: Vectors
    superseded: frozenset[DocumentId] = frozenset()


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk and its score in one leg: BM25 (>= 0, higher is better) or cosine similarity (-1..1)."""

    chunk_id: ChunkId
    score: float


@dataclass(frozen=True, slots=True)
class AccessSnapshot:
    """Which documents the asked-for principals may read, and the ACL epoch that this was read at."""

    epoch: int
    documents: frozenset[DocumentId]


ReadableDocuments = Callable[[TenantId, frozenset[Principal]], AccessSnapshot]


class ChunkIndex(Protocol):
    """Both legs of retrieval over one tenant's chunks, by generation.

    A generation is immutable once built. Which one is current is not the index's business: the store's CorpusState says
    so, and its commit is the one moment of change. Rights and filters are applied BEFORE ranking in both legs: depth k
    gives the k best of what is visible. A generation that is gone raises StaleGeneration; damaged files CorruptIndex.
    """

    @property
    def capabilities(self) -> IndexCapabilities: ...

    @property
    def fingerprint(self) -> str:
        """Changes whenever stored rows would be analysed or laid out differently."""
        ...

    def build(self, tenant: TenantId, base: int, target: int, change: IndexChange) -> None:
        """Generation `target` exists durably: `base` with the change applied (base 0 is empty). A half-built target of
        an interrupted call is replaced. Other generations are untouched and go on being read.
        """
        ...

    def lexical(
        self, tenant: TenantId, generation: int, access: ReadAccess, where: Filter, query: str, locale: str, depth: int
    ) -> list[Hit]:
        """The best `depth` visible chunks by BM25, best first, ties by chunk id; chunks that share no term are left out."""
        ...

    def dense(
        self, tenant: TenantId, generation: int, access: ReadAccess, where: Filter, query: Vectors, depth: int
    ) -> list[Hit]:
        """The best `depth` visible chunks by cosine similarity, best first, ties by chunk id."""
        ...

    def similarities(
        self, tenant: TenantId, generation: int, access: ReadAccess, query: Vectors, chunks: Sequence[ChunkId]
    ) -> Mapping[ChunkId, float]:
        """The cosine similarity of each of these chunks that is visible; others are missing from the answer."""
        ...

    def keep_only(self, tenant: TenantId, generations: frozenset[int]) -> None:
        """All other generations of the tenant are gone (or go when their last reader closes them)."""
        ...

    def drop(self, tenant: TenantId) -> None:
        """Nothing of the tenant is left in the index."""
        ...

    def close(self) -> None: ...


# The store


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


# The outside world


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document fetched from the web: its bytes, media type without parameters, and Last-Modified when the host said so."""

    url: str
    body: bytes
    media_type: str
    last_modified: datetime | None


class Fetcher(Protocol):
    """The one door to other hosts."""

    def fetch(self, tenant: TenantId, url: str, *, max_bytes: int, timeout_seconds: float) -> Fetched:
        """The document at an http(s) URL. Redirects are not followed. Raises OutboundRefused before any byte is sent when
        the address is not public (however it is spelled or resolved) or the product is offline; UnreadableDocument for
        any other failure, with the reason; PayloadTooLarge beyond `max_bytes`.
        """
        ...
