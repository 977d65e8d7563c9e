"""Which chunks of an ingested tenant belong to which section and page of its evaluation files."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from surefoot.domain.answers import Passage
from surefoot.domain.documents import Chunk, ChunkId
from surefoot.domain.identity import TenantId
from surefoot.evals.datasets import Question
from surefoot.ports import Store


@dataclass(frozen=True, slots=True)
class ChunkMap:
    """The chunks of each section (by anchor) and of each page (by uri)."""

    sections: Mapping[str, frozenset[ChunkId]]
    pages: Mapping[str, frozenset[ChunkId]]

    def of_sections(self, sections: Iterable[str]) -> frozenset[ChunkId]:
        """Every chunk of these sections; an unknown one has none."""
        return frozenset().union(*(self.sections.get(section, frozenset()) for section in sections))

    def of_pages(self, pages: Iterable[str]) -> frozenset[ChunkId]:
        """Every chunk of these pages; an unknown one has none."""
        return frozenset().union(*(self.pages.get(page, frozenset()) for page in pages))

    def holds_gold_of(self, question: Question) -> bool:
        """Whether anything of the question's gold was indexed; a question without it cannot be scored."""
        return bool(self.gold_of(question))

    def gold_of(self, question: Question) -> frozenset[ChunkId]:
        """The chunks that answer the question: those of its gold sections, or of its gold pages when it names no section."""
        return self.of_sections(question.gold_sections) if question.gold_sections else self.of_pages(question.gold_pages)


def chunk_map(chunks: Iterable[Chunk]) -> ChunkMap:
    """The map over these chunks."""
    sections, pages = defaultdict(set), defaultdict(set)
    for chunk in chunks:
        sections[section_of(chunk)].add(chunk.chunk_id)
        pages[chunk.uri].add(chunk.chunk_id)
    return ChunkMap(
        {section: frozenset(ids) for section, ids in sections.items()}, {page: frozenset(ids) for page, ids in pages.items()}
    )


def chunk_map_of(store: Store, tenant: TenantId) -> ChunkMap:
    """The map over everything the tenant has published."""
    with store.begin() as work:
        return chunk_map(work.documents.chunks_of(tenant, sorted(work.documents.hashes(tenant))))


def section_of(chunk: Chunk) -> str:
    """The id of the chunk's section; text before any heading belongs to the page itself."""
    return chunk.anchor or chunk.uri


def sections_in_order(passages: Sequence[Passage]) -> list[str]:
    """The sections of the passages, each where its best chunk is."""
    return list(dict.fromkeys(section_of(passage.chunk) for passage in passages))


def pages_in_order(passages: Sequence[Passage]) -> list[str]:
    """The pages of the passages, each where its best chunk is."""
    return list(dict.fromkeys(passage.chunk.uri for passage in passages))
