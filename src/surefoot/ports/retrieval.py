"""What finds passages: the encoder and the index."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from surefoot.domain.documents import Chunk, ChunkId, DocumentId
from surefoot.domain.filters import Filter, ReadAccess
from surefoot.domain.identity import Principal, TenantId

Vectors = NDArray[np.float32]


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
