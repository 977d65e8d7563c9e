"""A small real world for tests: shipped doubles or real adapters, one clock that stands still, documents in one line."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from surefoot.adapters.embedded_index.index import EmbeddedIndex
from surefoot.adapters.memory.encoder import HashingEncoder
from surefoot.adapters.memory.index import MemoryIndex
from surefoot.adapters.memory.store import MemoryStore
from surefoot.adapters.sql.store import SqlStore
from surefoot.core.clock import FixedClock
from surefoot.domain.identity import EVERYONE, Principal, TenantId, Viewer
from surefoot.ports import AccessSnapshot, ChunkIndex, Encoder, ReadableDocuments, Store
from surefoot.retrieval.ingest import Ingest, IngestOptions
from surefoot.retrieval.readers import RawFile, ReadLimits
from surefoot.retrieval.search import Searcher, SearchOptions

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
TENANT = TenantId("acme")
LIMITS = ReadLimits(max_bytes=2_000_000, max_pages=100, memory_mb=512, cpu_seconds=30)
OPTIONS = IngestOptions(chunk_tokens=60, chunk_overlap_tokens=0, limits=LIMITS)


@dataclass(frozen=True, slots=True)
class World:
    """Everything between a file and a passage."""

    store: Store
    index: ChunkIndex
    encoder: Encoder
    clock: FixedClock
    ingest: Ingest
    searcher: Searcher

    def put(self, *files: RawFile, access: Sequence[Principal] | None = (EVERYONE,), prune: bool = False):  # type: ignore[no-untyped-def]
        """The report of ingesting the files as the source `test`."""
        principals = None if access is None else frozenset(access)
        return self.ingest.put(TENANT, files, source="test", default_principals=principals, prune=prune)

    def found(self, question: str, viewer: Viewer | None = None) -> list[str]:
        """The texts of the passages this viewer gets, best first."""
        return [passage.chunk.text for passage in self.searcher.search(viewer or reader(), question).passages]


def reader(user: str = "ann", *principals: str, tenant: TenantId = TENANT) -> Viewer:
    """A viewer with these principals besides their own."""
    return Viewer(tenant, user, frozenset(map(Principal, principals)))


def markdown(uri: str, text: str) -> RawFile:
    """A Markdown file as a folder walk would give it."""
    return RawFile(uri, text.encode(), None, None, None)


def readable_from(store: Store) -> ReadableDocuments:
    """The table of rights of this store, as an index asks for it."""

    def readable(tenant: TenantId, principals: frozenset[Principal]) -> AccessSnapshot:
        with store.begin() as work:
            return work.access.readable(tenant, principals)

    return readable


def build_world(
    store: Store, index: ChunkIndex, encoder: Encoder, *, search: SearchOptions | None = None, options: IngestOptions = OPTIONS
) -> World:
    """A world on these adapters, with its tenant created."""
    store.migrate()
    with store.begin() as work:
        work.tenants.create(TENANT, now=NOW)
        work.commit()
    clock = FixedClock(NOW)
    return World(
        store=store,
        index=index,
        encoder=encoder,
        clock=clock,
        ingest=Ingest(store, index, encoder, clock, options),
        searcher=Searcher(store, index, encoder, clock, search or SearchOptions()),
    )


def memory_world(encoder: Encoder | None = None, **choices: SearchOptions) -> World:
    """A world in memory alone."""
    encoder = encoder or HashingEncoder()
    store = MemoryStore()
    return build_world(store, MemoryIndex(readable_from(store), dimensions=encoder.dimensions), encoder, **choices)


def disk_world(folder: Path, encoder: Encoder | None = None, **choices: SearchOptions) -> World:
    """A world on SQLite, Tantivy and FAISS files in the folder; building it again opens what is there."""
    encoder = encoder or HashingEncoder()
    folder.mkdir(parents=True, exist_ok=True)
    store = SqlStore(f"sqlite:///{folder / 'surefoot.db'}")
    index = EmbeddedIndex(folder / "index", readable_from(store), dimensions=encoder.dimensions)
    return build_world(store, index, encoder, **choices)
