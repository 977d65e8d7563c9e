"""From a question to the passages this viewer may read, best first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Literal

from surefoot.core.clock import Clock
from surefoot.core.errors import EncoderMismatch, StaleGeneration
from surefoot.domain.answers import Passage
from surefoot.domain.corpora import CorpusState
from surefoot.domain.documents import Chunk, ChunkId
from surefoot.domain.filters import Everything, Filter, ReadAccess
from surefoot.domain.identity import Viewer
from surefoot.ports import ChunkIndex, Encoder, Hit, PassageJudgement, Store, Vectors
from surefoot.retrieval.access import access_of
from surefoot.retrieval.freshness import FreshnessRule, aged, stale_reason
from surefoot.retrieval.fusion import Fused, fuse

# A reader whose generation was replaced while it read starts again; more than this in one question means a broken index.
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How both legs are asked and merged; see Settings for the meaning and defaults of each."""

    fusion: Literal["convex", "rrf"] = "convex"
    dense_weight: float = 0.65
    leg_depth: int = 100
    passages: int = 10
    freshness: FreshnessRule = FreshnessRule()


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What retrieval found. `passages` are fresh and best first; `stale` are those that would have ranked among them but
    may not be answered from. `dense_rank` and `lexical_rank` give each passage's place in its leg, from 1; a passage
    outside the leg's depth is missing there. `query_vector` is `(dimensions,)` float32, unit. `dense_scores` and
    `lexical_scores` are the whole legs' scores, best first. `judged` is what an evidence model said of the passages that it
    read; empty when none was asked.
    """

    passages: tuple[Passage, ...]
    stale: tuple[Passage, ...]
    query_vector: Vectors
    access: ReadAccess
    state: CorpusState
    dense_rank: Mapping[str, int] = field(default_factory=dict)
    lexical_rank: Mapping[str, int] = field(default_factory=dict)
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    dense_scores: tuple[float, ...] = ()
    lexical_scores: tuple[float, ...] = ()
    judged: Mapping[ChunkId, PassageJudgement] = field(default_factory=dict)


class Searcher:
    """Retrieval over one store and index, for any tenant; safe from many threads."""

    def __init__(self, store: Store, index: ChunkIndex, encoder: Encoder, clock: Clock, options: SearchOptions) -> None:
        self._store = store
        self._index = index
        self._encoder = encoder
        self._clock = clock
        self._options = options

    def search(
        self,
        viewer: Viewer,
        question: str,
        *,
        where: Filter = Everything(),
        limit: int | None = None,
        without: frozenset[ChunkId] = frozenset(),
    ) -> Retrieved:
        """The best `limit` fresh passages this viewer may read, all of one published generation.

        `without` names chunks that are treated as if they were not in the index (evals of absent evidence). Raises
        EncoderMismatch when the corpus was indexed with another encoder or analyser.
        """
        started = perf_counter()
        vector = self._encoder.encode_query(question)
        timings = {"encode": _ms_since(started)}
        for attempt in range(_ATTEMPTS):
            with self._store.begin() as work:
                state = work.corpora.state(viewer.tenant)
            access = access_of(viewer, epoch=state.acl_epoch)
            if state.generation == 0:
                return Retrieved((), (), vector, access, state, timings_ms=timings)
            self._check_fingerprints(state)
            try:
                return self._search_generation(viewer, question, vector, access, state, where, limit, without, timings)
            except StaleGeneration:
                if attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("The loop above returns or raises.")

    def _check_fingerprints(self, state: CorpusState) -> None:
        for what, stored, ours in (
            ("encoder", state.encoder_fingerprint, self._encoder.fingerprint),
            ("index layout", state.index_fingerprint, self._index.fingerprint),
        ):
            if stored != ours:
                raise EncoderMismatch(
                    f"The corpus was indexed with {what} {stored!r}, this process runs {ours!r}; "
                    "re-index with `surefoot ingest --reindex --tenant ...`, or start with the settings it was built with."
                )

    def _search_generation(
        self,
        viewer: Viewer,
        question: str,
        vector: Vectors,
        access: ReadAccess,
        state: CorpusState,
        where: Filter,
        limit: int | None,
        without: frozenset[ChunkId],
        timings: dict[str, float],
    ) -> Retrieved:
        tenant, generation = viewer.tenant, state.generation
        wanted = limit or self._options.passages
        depth = max(self._options.leg_depth, wanted) + len(without)
        started = perf_counter()
        lexical = self._index.lexical(tenant, generation, access, where, question, viewer.locale, depth)
        timings["lexical"] = _ms_since(started)
        started = perf_counter()
        dense = self._index.dense(tenant, generation, access, where, vector, depth)
        timings["dense"] = _ms_since(started)
        started = perf_counter()
        lexical, dense = (_leave_out(leg, without, depth - len(without)) for leg in (lexical, dense))
        fused = fuse(self._options.fusion, lexical, dense, dense_weight=self._options.dense_weight)
        fresh, stale = self._passages(viewer, fused, lexical, dense, wanted)
        timings["fuse"] = _ms_since(started)
        return Retrieved(
            passages=fresh,
            stale=stale,
            query_vector=vector,
            access=access,
            state=state,
            dense_rank={hit.chunk_id: rank for rank, hit in enumerate(dense, start=1)},
            lexical_rank={hit.chunk_id: rank for rank, hit in enumerate(lexical, start=1)},
            timings_ms=timings,
            dense_scores=tuple(hit.score for hit in dense),
            lexical_scores=tuple(hit.score for hit in lexical),
        )

    def _passages(
        self, viewer: Viewer, fused: Fused, lexical: Sequence[Hit], dense: Sequence[Hit], wanted: int
    ) -> tuple[tuple[Passage, ...], tuple[Passage, ...]]:
        """The fresh and the stale passages among the best of the fused ranking, each in order of the aged score."""
        now, rule = self._clock.now(), self._options.freshness
        lexical_scores = {hit.chunk_id: hit.score for hit in lexical}
        dense_scores = {hit.chunk_id: hit.score for hit in dense}
        fresh: list[Passage] = []
        stale: list[Passage] = []
        step = 2 * wanted
        for begin in range(0, len(fused), step):
            # Age only ever lowers a score, so nothing further down can rise above what is already held.
            if len(fresh) >= wanted and fused[begin][1] <= fresh[wanted - 1].score:
                break
            page = fused[begin : begin + step]
            chunks = self._chunks(viewer, [chunk for chunk, _ in page])
            for chunk_id, score in page:
                chunk = chunks[chunk_id]
                reason = stale_reason(chunk, rule, now=now)
                (stale if reason else fresh).append(
                    Passage(
                        chunk=chunk,
                        score=aged(score, chunk, rule, now=now),
                        lexical=lexical_scores.get(chunk_id),
                        dense=dense_scores.get(chunk_id),
                        stale=reason,
                    )
                )
            fresh.sort(key=lambda passage: (-passage.score, passage.chunk.chunk_id))
        floor = fresh[wanted - 1].score if len(fresh) >= wanted else 0.0
        kept_stale = sorted((p for p in stale if p.score >= floor), key=lambda p: (-p.score, p.chunk.chunk_id))
        return tuple(fresh[:wanted]), tuple(kept_stale[:wanted])

    def _chunks(self, viewer: Viewer, ids: Sequence[ChunkId]) -> Mapping[ChunkId, Chunk]:
        with self._store.begin() as work:
            chunks = work.documents.chunks(viewer.tenant, ids)
        if len(chunks) != len(ids):
            raise StaleGeneration
        return chunks


def _leave_out(hits: Sequence[Hit], without: frozenset[ChunkId], depth: int) -> list[Hit]:
    return [hit for hit in hits if hit.chunk_id not in without][:depth]


def _ms_since(started: float) -> float:
    return round((perf_counter() - started) * 1000, 3)
