"""An index that lives in memory and looks at every row: small, exact, and plain enough to compare the others with."""

import math
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from surefoot.core.errors import StaleGeneration
from surefoot.domain import lexicon
from surefoot.domain.documents import Chunk, ChunkId
from surefoot.domain.filters import Everything, Filter, ReadAccess, matches
from surefoot.domain.identity import TenantId
from surefoot.ports import Hit, IndexCapabilities, IndexChange, ReadableDocuments, Vectors

# BM25's two constants as Lucene and Tantivy have them (Robertson & Zaragoza, 2009).
TERM_SATURATION_K1 = 1.2
LENGTH_WEIGHT_B = 0.75

# Similarities are rounded to this many decimals, so that equal vectors tie whatever order they were summed in.
_SIMILARITY_DECIMALS = 6


@dataclass(frozen=True)
class _Generation:
    """Rows in the order they were added; `vectors` is `(rows, dimensions)`, `terms` the analysed text of each row."""

    chunks: tuple[Chunk, ...]
    vectors: Vectors
    terms: tuple[Counter[str], ...]

    @cached_property
    def languages(self) -> frozenset[str]:
        return frozenset(lexicon.primary_language(chunk.locale) for chunk in self.chunks)

    @cached_property
    def postings(self) -> Mapping[str, tuple[int, ...]]:
        """The rows of each term."""
        rows: dict[str, list[int]] = {}
        for row, counts in enumerate(self.terms):
            for term in counts:
                rows.setdefault(term, []).append(row)
        return {term: tuple(found) for term, found in rows.items()}

    @cached_property
    def mean_length(self) -> float:
        return sum(counts.total() for counts in self.terms) / max(1, len(self.terms))

    def bm25(self, words: Sequence[str], row: int) -> float:
        """The row's BM25 score: the sum over words of idf x saturated term frequency; 0 when it shares none of them."""
        score, counts, rows = 0.0, self.terms[row], len(self.terms)
        length = 1 - LENGTH_WEIGHT_B + LENGTH_WEIGHT_B * counts.total() / (self.mean_length or 1.0)
        for word in words:
            if frequency := counts.get(word, 0):
                holders = len(self.postings[word])
                rarity = math.log(1 + (rows - holders + 0.5) / (holders + 0.5))
                score += rarity * frequency * (TERM_SATURATION_K1 + 1) / (frequency + TERM_SATURATION_K1 * length)
        return score


class MemoryIndex:
    """A ChunkIndex for tests and for corpora of a few hundred chunks. Nothing is cached: rights are asked for every time."""

    def __init__(self, readable: ReadableDocuments, *, dimensions: int) -> None:
        self._readable = readable
        self._dimensions = dimensions
        self._writing = threading.Lock()
        self._generations: dict[TenantId, dict[int, _Generation]] = {}

    @property
    def capabilities(self) -> IndexCapabilities:
        return IndexCapabilities("memory", exact_dense=True, atomic_generations=True, lexical_backends=("memory",))

    @property
    def fingerprint(self) -> str:
        return f"memory/{lexicon.fingerprint()}/{self._dimensions}"

    def build(self, tenant: TenantId, base: int, target: int, change: IndexChange) -> None:
        if change.vectors.shape != (len(change.add), self._dimensions):
            raise ValueError(f"Vectors are {change.vectors.shape}; {len(change.add)} chunks need {self._dimensions} columns.")
        with self._writing:
            old = self._generation(tenant, base)
            keep = [row for row, chunk in enumerate(old.chunks) if chunk.document_id not in change.remove]
            chunks = [*(old.chunks[row] for row in keep), *change.add]
            if len({chunk.chunk_id for chunk in chunks}) < len(chunks):
                raise ValueError(f"A chunk id of tenant {tenant!r} comes twice; remove its document in the same change.")
            built = _Generation(
                tuple(replace(chunk, superseded=chunk.document_id in change.superseded) for chunk in chunks),
                np.concatenate([old.vectors[keep], change.vectors.astype(np.float32)]),
                (*(old.terms[row] for row in keep), *(_counted(chunk) for chunk in change.add)),
            )
            self._generations.setdefault(tenant, {})[target] = built

    def lexical(
        self, tenant: TenantId, generation: int, access: ReadAccess, where: Filter, query: str, locale: str, depth: int
    ) -> list[Hit]:
        rows = self._generation(tenant, generation)
        words = lexicon.query_terms(query, locale, rows.languages)
        sharing = set().union(*(rows.postings.get(word, ()) for word in words))
        visible = [row for row in self._visible(tenant, rows, access, where) if row in sharing]
        return _best((Hit(rows.chunks[row].chunk_id, rows.bm25(words, row)) for row in visible), depth)

    def dense(
        self, tenant: TenantId, generation: int, access: ReadAccess, where: Filter, query: Vectors, depth: int
    ) -> list[Hit]:
        rows = self._generation(tenant, generation)
        visible = self._visible(tenant, rows, access, where)
        scores = _similarities(rows.vectors[visible], query)
        return _best((Hit(rows.chunks[row].chunk_id, score) for row, score in zip(visible, scores, strict=True)), depth)

    def similarities(
        self, tenant: TenantId, generation: int, access: ReadAccess, query: Vectors, chunks: Sequence[ChunkId]
    ) -> Mapping[ChunkId, float]:
        rows, wanted = self._generation(tenant, generation), frozenset(chunks)
        visible = [row for row in self._visible(tenant, rows, access, Everything()) if rows.chunks[row].chunk_id in wanted]
        scores = _similarities(rows.vectors[visible], query)
        return {rows.chunks[row].chunk_id: score for row, score in zip(visible, scores, strict=True)}

    def keep_only(self, tenant: TenantId, generations: frozenset[int]) -> None:
        with self._writing:
            held = self._generations.get(tenant, {})
            self._generations[tenant] = {number: rows for number, rows in held.items() if number in generations}

    def drop(self, tenant: TenantId) -> None:
        with self._writing:
            self._generations.pop(tenant, None)

    def close(self) -> None:
        """Everything is forgotten: an index in memory ends with its process."""
        self._generations = {}

    def _generation(self, tenant: TenantId, generation: int) -> _Generation:
        if generation == 0:
            return _Generation((), np.zeros((0, self._dimensions), np.float32), ())
        rows = self._generations.get(tenant, {}).get(generation)
        if rows is None:
            raise StaleGeneration(f"Generation {generation!r} of tenant {tenant!r} is gone; ask again on the current one.")
        return rows

    def _visible(self, tenant: TenantId, rows: _Generation, access: ReadAccess, where: Filter) -> list[int]:
        """The rows that may be read and pass the filter, ascending."""
        if not access.principals:
            return []
        documents = self._readable(tenant, access.principals).documents
        return [row for row, chunk in enumerate(rows.chunks) if chunk.document_id in documents and matches(chunk, where)]


def _counted(chunk: Chunk) -> Counter[str]:
    return Counter(lexicon.terms(chunk.encoder_text(), chunk.locale))


def _similarities(vectors: Vectors, query: Vectors) -> list[float]:
    products: list[float] = np.round(vectors.astype(np.float64) @ query.astype(np.float64), _SIMILARITY_DECIMALS).tolist()
    return products


def _best(hits: Iterable[Hit], depth: int) -> list[Hit]:
    return sorted(hits, key=lambda hit: (-hit.score, hit.chunk_id))[: max(0, depth)]
