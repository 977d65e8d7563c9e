"""Whether what is about to be shown, or told to a model, may be at this very moment."""

from collections.abc import Iterable, Mapping, Sequence

from surefoot.assistant.answer import cited_documents
from surefoot.assistant.gate import no_longer_true
from surefoot.core.clock import Clock
from surefoot.domain.answers import Answer, Citation, Claim, Passage, Refusal
from surefoot.domain.documents import Chunk, ChunkId
from surefoot.domain.identity import Viewer
from surefoot.ports import Store
from surefoot.retrieval.access import still_readable
from surefoot.retrieval.freshness import FreshnessRule, stale_reason

_NOT_READABLE = "The document is not one that this viewer may read now."


class Standing:
    """Asks the tables of rights and documents themselves, past every cache. Safe from many threads."""

    def __init__(self, store: Store, clock: Clock, freshness: FreshnessRule = FreshnessRule()) -> None:
        self._store = store
        self._clock = clock
        self._freshness = freshness

    def against(self, viewer: Viewer, claims: Iterable[Claim]) -> tuple[str, ...]:
        """Why the claims may not be shown to this viewer now, in sentences; none while they may."""
        shown = tuple(claims)
        citations = tuple(citation for claim in shown for citation in claim.citations)
        documents = frozenset(citation.document_id for citation in citations)
        if still_readable(self._store, viewer, documents) != documents:
            return (_NOT_READABLE,)
        return no_longer_true(shown, self._chunks(viewer, citations), self._freshness, now=self._clock.now())

    def holds(self, viewer: Viewer, outcome: Answer | Refusal) -> bool:
        """Whether the viewer may read every document that is shown, each reads as it is quoted, and what was fresh, or was
        out of date, still is.
        """
        if isinstance(outcome, Answer):
            return not self.against(viewer, outcome.claims)
        if not outcome.closest:
            return True
        documents = cited_documents(outcome)
        if still_readable(self._store, viewer, documents) != documents:
            return False
        chunks = self._chunks(viewer, outcome.closest)
        return all(self._is_as_cited(citation, chunks) for citation in outcome.closest)

    def may_be_told(self, viewer: Viewer, passages: Sequence[Passage]) -> bool:
        """Whether a prompt with these passages holds nothing that the viewer may not read, and nothing that no claim could
        stand on any more.
        """
        documents = frozenset(passage.chunk.document_id for passage in passages)
        if still_readable(self._store, viewer, documents) != documents:
            return False
        with self._store.begin() as work:
            chunks = work.documents.chunks(viewer.tenant, [passage.chunk.chunk_id for passage in passages])
        now = self._clock.now()
        found = (chunks.get(passage.chunk.chunk_id) for passage in passages)
        return all(chunk is not None and not stale_reason(chunk, self._freshness, now=now) for chunk in found)

    def _chunks(self, viewer: Viewer, citations: Iterable[Citation]) -> Mapping[ChunkId, Chunk]:
        cited = sorted({citation.chunk_id for citation in citations})
        with self._store.begin() as work:
            return work.documents.chunks(viewer.tenant, cited)

    def _is_as_cited(self, citation: Citation, chunks: Mapping[ChunkId, Chunk]) -> bool:
        chunk = chunks.get(citation.chunk_id)
        if chunk is None or chunk.text[citation.start - chunk.start : citation.end - chunk.start] != citation.quote:
            return False
        return bool(stale_reason(chunk, self._freshness, now=self._clock.now())) == bool(citation.stale)
