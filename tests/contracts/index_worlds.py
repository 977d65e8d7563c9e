"""What every index test stands on: a table of rights, chunks made from a few words, and vectors made from their text."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from surefoot.adapters.embedded_index.index import EmbeddedIndex
from surefoot.adapters.memory.index import MemoryIndex
from surefoot.domain.documents import Chunk, ChunkId, DocumentId, TrustTier
from surefoot.domain.filters import Everything, Filter, ReadAccess, readable
from surefoot.domain.identity import EVERYONE, Principal, TenantId
from surefoot.ports import AccessSnapshot, ChunkIndex, IndexChange, ReadableDocuments, Vectors

DIMENSIONS = 32
ACME, GLOBEX = TenantId("acme"), TenantId("globex")
ALL = Everything()


@dataclass
class Rights:
    """The store's table of rights, in memory: who may read which document, and an epoch that moves with every change."""

    rows: dict[TenantId, dict[DocumentId, frozenset[Principal]]] = field(default_factory=dict)
    epochs: dict[TenantId, int] = field(default_factory=dict)
    reads: int = 0

    def put(self, tenant: TenantId, document: str, principals: Iterable[str]) -> None:
        table = self.rows.setdefault(tenant, {})
        table[DocumentId(document)] = frozenset(Principal(principal) for principal in principals)
        self.epochs[tenant] = self.epoch(tenant) + 1

    def epoch(self, tenant: TenantId) -> int:
        return self.epochs.get(tenant, 0)

    def readable(self, tenant: TenantId, principals: frozenset[Principal]) -> AccessSnapshot:
        self.reads += 1
        access = ReadAccess(principals, self.epoch(tenant))
        table = self.rows.get(tenant, {})
        return AccessSnapshot(access.epoch, frozenset(document for document, acl in table.items() if readable(acl, access)))

    def access(self, tenant: TenantId, *principals: str) -> ReadAccess:
        return ReadAccess(frozenset(Principal(principal) for principal in principals), self.epoch(tenant))


def chunk(
    document: str,
    ordinal: int = 0,
    text: str = "retention policy",
    *,
    name: str | None = None,
    title: str = "",
    locale: str = "en",
    trust: TrustTier = TrustTier.OFFICIAL,
    updated_at: datetime | None = None,
    valid_until: datetime | None = None,
) -> Chunk:
    """A chunk of the document; its id is `document#ordinal` unless named."""
    return Chunk(
        chunk_id=ChunkId(name or f"{document}#{ordinal}"),
        document_id=DocumentId(document),
        uri=f"{document}.md",
        ordinal=ordinal,
        start=0,
        end=len(text),
        text=text,
        title=title,
        heading="",
        path=(),
        anchor="",
        page_number=None,
        token_count=max(1, len(text.split())),
        locale=locale,
        trust=trust,
        updated_at=updated_at,
        valid_until=valid_until,
    )


def vector(text: str, dimensions: int = DIMENSIONS) -> Vectors:
    """A unit vector that is a pure function of the text, and nearer to that of a text with the same words."""
    total = np.zeros(dimensions)
    for word in text.lower().split() or [""]:
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
        total += np.random.default_rng(seed).standard_normal(dimensions)
    return (total / np.linalg.norm(total)).astype(np.float32)


def vectors(chunks: Sequence[Chunk], dimensions: int = DIMENSIONS) -> Vectors:
    return np.array([vector(one.text, dimensions) for one in chunks], np.float32).reshape(len(chunks), dimensions)


def change(*add: Chunk, remove: Iterable[str] = (), superseded: Iterable[str] = ()) -> IndexChange:
    """A change that adds these chunks with the vectors of their texts."""
    return IndexChange(
        frozenset(DocumentId(document) for document in remove),
        add,
        vectors(add),
        frozenset(DocumentId(document) for document in superseded),
    )


@dataclass
class World:
    """An index over a table of rights, and short words for asking it."""

    index: ChunkIndex
    rights: Rights

    def publish(self, tenant: TenantId, *chunks: Chunk, acl: Iterable[str] = (EVERYONE,), generation: int = 1) -> None:
        """The chunks are the whole generation, and their documents have this ACL."""
        self.index.build(tenant, 0, generation, change(*chunks))
        for document in sorted({one.document_id for one in chunks}):
            self.rights.put(tenant, document, acl)

    def lexical(
        self,
        query: str,
        *principals: str,
        tenant: TenantId = ACME,
        generation: int = 1,
        where: Filter = ALL,
        depth: int = 100,
        locale: str = "en",
    ) -> list[tuple[str, float]]:
        access = self.rights.access(tenant, *(principals or (EVERYONE,)))
        hits = self.index.lexical(tenant, generation, access, where, query, locale, depth)
        return [(hit.chunk_id, hit.score) for hit in hits]

    def dense(
        self,
        query: str,
        *principals: str,
        tenant: TenantId = ACME,
        generation: int = 1,
        where: Filter = ALL,
        depth: int = 100,
    ) -> list[tuple[str, float]]:
        access = self.rights.access(tenant, *(principals or (EVERYONE,)))
        hits = self.index.dense(tenant, generation, access, where, vector(query), depth)
        return [(hit.chunk_id, hit.score) for hit in hits]


def names(hits: Iterable[tuple[str, float]]) -> list[str]:
    return [name for name, _ in hits]


Maker = Callable[[Path, ReadableDocuments], ChunkIndex]
MAKERS: dict[str, Maker] = {
    "memory": lambda folder, rights: MemoryIndex(rights, dimensions=DIMENSIONS),
    "embedded-tantivy": lambda folder, rights: EmbeddedIndex(folder, rights, dimensions=DIMENSIONS),
    "embedded-rank-bm25": lambda folder, rights: EmbeddedIndex(
        folder, rights, dimensions=DIMENSIONS, lexical_backend="rank-bm25"
    ),
}


@pytest.fixture(params=sorted(MAKERS))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """An empty world on each index in turn."""
    rights = Rights()
    index = MAKERS[request.param](tmp_path / "index", rights.readable)
    yield World(index, rights)
    index.close()


def moment(day: int, hour: int = 0) -> datetime:
    """A time in January 2026."""
    return datetime(2026, 1, day, hour, tzinfo=UTC)
