"""Nobody finds what they may not read: random worlds of tenants, documents, rights and questions against brute force.

SUREFOOT_WORLDS sets the number of worlds (default 5,000; nightly runs take 20,000). The mutants at the end show that the
worlds would notice: each sabotages one thing, and each must be found out.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from pathlib import Path
from random import Random

import numpy as np
import pytest

from surefoot.adapters.embedded_index.index import EmbeddedIndex
from surefoot.adapters.memory.index import MemoryIndex
from surefoot.core.errors import StaleGeneration
from surefoot.domain.documents import Chunk, ChunkId, DocumentId, TrustTier
from surefoot.domain.filters import (
    AllOf,
    AnyOf,
    Everything,
    Filter,
    InDocuments,
    LocaleIn,
    Not,
    ReadAccess,
    TrustAtLeast,
    UpdatedSince,
    ValidAt,
    matches,
)
from surefoot.domain.identity import EVERYONE, Principal, TenantId
from surefoot.ports import AccessSnapshot, ChunkIndex, Hit, IndexChange, ReadableDocuments, Vectors
from tests.contracts.index_worlds import Rights, chunk, moment, vector

WORLDS = int(os.environ.get("SUREFOOT_WORLDS", "5000"))
EMBEDDED_WORLDS = max(40, WORLDS // 100)
MUTANT_WORLDS = 400
DIMENSIONS = 8

TENANTS = (TenantId("acme"), TenantId("globex"))
DOCUMENTS = tuple(DocumentId(f"doc{n}") for n in range(6))
PRINCIPALS = (EVERYONE, *(Principal(name) for name in ("group:staff", "group:board", "role:admin", "plan:pro", "user:ann")))
WORDS = ("alpha", "bravo", "delta", "gamma", "kilo")
Sabotage = Callable[[ChunkIndex], ChunkIndex]


@cache
def _vector(text: str) -> Vectors:
    return vector(text, DIMENSIONS)


@dataclass
class Truth:
    """One tenant as it is: every chunk of the current generation, and its rights as plain sets."""

    chunks: dict[ChunkId, Chunk]
    generation: int = 0

    def documents(self) -> list[DocumentId]:
        return sorted({one.document_id for one in self.chunks.values()})


def _some(random: Random, choices: Sequence[str]) -> frozenset:  # type: ignore[type-arg]
    return frozenset(random.sample(choices, random.randint(0, len(choices))))


def _filter(random: Random, depth: int = 0) -> Filter:
    kind = random.randint(0, 9 if depth < 2 else 5)
    parts = tuple(_filter(random, depth + 1) for _ in range(random.randint(0, 2))) if kind > 5 else ()
    match kind:
        case 0:
            return Everything()
        case 1:
            return InDocuments(_some(random, DOCUMENTS))
        case 2:
            return LocaleIn(_some(random, ("en", "de", "xx")))
        case 3:
            return TrustAtLeast(random.choice(list(TrustTier)))
        case 4:
            return UpdatedSince(moment(random.randint(1, 5)))
        case 5:
            return ValidAt(moment(random.randint(1, 5)))
        case 6:
            return AllOf(parts)
        case 7:
            return AnyOf(parts)
        case _:
            return Not(_filter(random, depth + 1))


class RandomWorld:
    """A world that takes random steps; after each one a random viewer asks, and the answer is compared with the truth."""

    def __init__(self, seed: int, rights: Rights, index: ChunkIndex) -> None:
        self.random = Random(seed)
        self.rights = rights
        self.index = index
        self.serial = count()
        self.truth = {tenant: Truth({}) for tenant in TENANTS}

    def mismatches(self) -> Iterator[str]:
        """What went wrong, a line each; nothing when all is well."""
        for tenant in TENANTS:
            self._ingest(tenant)
        for _ in range(8):
            tenant = self.random.choice(TENANTS)
            self.random.choice((self._ingest, self._grant, self._grant, self._revoke))(tenant)
            for _ in range(2):
                yield from self._asked(self.random.choice(TENANTS))

    def _ingest(self, tenant: TenantId) -> None:
        truth, random = self.truth[tenant], self.random
        removed = _some(random, truth.documents())
        new = [name for name in DOCUMENTS if random.random() < 0.5 and (name in removed or name not in truth.documents())]
        added = [one for name in new for one in self._chunks_of(name)]
        superseded = _some(random, DOCUMENTS) if random.random() < 0.5 else frozenset()
        vectors = np.array([_vector(one.text) for one in added], np.float32).reshape(len(added), DIMENSIONS)
        self.index.build(tenant, truth.generation, truth.generation + 1, IndexChange(removed, added, vectors, superseded))
        truth.generation += 1
        truth.chunks = {
            one.chunk_id: replace(one, superseded=one.document_id in superseded)
            for one in [*(one for one in truth.chunks.values() if one.document_id not in removed), *added]
        }
        for name in new:
            if random.random() < 0.8:
                self._put(tenant, name, _some(random, PRINCIPALS))

    def _chunks_of(self, document: DocumentId) -> Iterator[Chunk]:
        random = self.random
        locale, trust = random.choice(("en", "de", "xx")), random.choice(list(TrustTier))
        updated_at, valid_until = (random.choice([None, *(moment(day) for day in range(1, 6))]) for _ in range(2))
        for ordinal in range(random.randint(1, 3)):
            text = " ".join(random.choices(WORDS, k=random.randint(1, 4)))
            yield chunk(
                document,
                ordinal,
                text,
                name=f"{document}-{next(self.serial)}",
                locale=locale,
                trust=trust,
                updated_at=updated_at,
                valid_until=valid_until,
            )

    def _put(self, tenant: TenantId, document: DocumentId, principals: frozenset[Principal]) -> None:
        if self.rights.rows.get(tenant, {}).get(document) != principals:
            self.rights.put(tenant, document, principals)

    def _grant(self, tenant: TenantId) -> None:
        self._put(tenant, self.random.choice(DOCUMENTS), _some(self.random, PRINCIPALS))

    def _revoke(self, tenant: TenantId) -> None:
        for document, held in list(self.rights.rows.get(tenant, {}).items()):
            if held and self.random.random() < 0.7:
                self._put(tenant, document, held - {self.random.choice(sorted(held))})

    def _asked(self, tenant: TenantId) -> Iterator[str]:
        truth, random = self.truth[tenant], self.random
        principals = _some(random, PRINCIPALS)
        access = ReadAccess(principals, self.rights.epoch(tenant))
        where = Everything() if random.random() < 0.3 else _filter(random)
        words = random.sample(WORDS, random.randint(1, 2))
        query, depth = _vector(" ".join(words)), random.choice((1, 2, 5, 50))
        acl = self.rights.rows.get(tenant, {})
        readable = {name: one for name, one in truth.chunks.items() if principals & acl.get(one.document_id, frozenset())}
        visible = {name: one for name, one in readable.items() if matches(one, where)}

        exact = {name: round(float(_vector(one.text).astype(float) @ query.astype(float)), 6) for name, one in readable.items()}
        best = sorted((name for name in visible), key=lambda name: (-exact[name], name))[:depth]
        dense = self.index.dense(tenant, truth.generation, access, where, query, depth)
        if [hit.chunk_id for hit in dense] != best:
            yield f"dense {tenant} {access} {where}: {dense} but the truth is {best}"

        sharing = {name for name, one in visible.items() if set(words) & set(one.text.split())}
        lexical = self.index.lexical(tenant, truth.generation, access, where, " ".join(words), "en", depth)
        if not _plausible(lexical, sharing, depth):
            yield f"lexical {tenant} {access} {where}: {lexical} but the truth is among {sorted(sharing)}"

        wanted = [ChunkId("unknown"), *truth.chunks, *self.truth[TENANTS[0]].chunks]
        if dict(self.index.similarities(tenant, truth.generation, access, query, wanted)) != exact:
            yield f"similarities {tenant} {access}: not those of {sorted(exact)}"


def _plausible(hits: Sequence[Hit], sharing: set[ChunkId], depth: int) -> bool:
    """As many as there should be, each one visible and sharing a word, none twice, best first, ties by id."""
    found = [hit.chunk_id for hit in hits]
    ordered = sorted(hits, key=lambda hit: (-hit.score, hit.chunk_id)) == list(hits)
    return len(found) == min(depth, len(sharing)) == len(set(found)) and set(found) <= sharing and ordered


def _memory(rights: ReadableDocuments, folder: Path) -> ChunkIndex:
    return MemoryIndex(rights, dimensions=DIMENSIONS)


def _embedded(rights: ReadableDocuments, folder: Path) -> ChunkIndex:
    return EmbeddedIndex(folder, rights, dimensions=DIMENSIONS)


def _first_mismatch(worlds: int, folder: Path, make: Callable[[ReadableDocuments, Path], ChunkIndex]) -> str | None:
    for seed in range(worlds):
        rights = Rights()
        index = make(rights.readable, folder / str(seed))
        for line in RandomWorld(seed, rights, index).mismatches():
            return f"world {seed}: {line}"
        index.close()
        for tenant in TENANTS:
            index.drop(tenant)
    return None


def test_no_world_shows_anyone_what_they_may_not_read_in_memory(tmp_path: Path) -> None:
    assert _first_mismatch(WORLDS, tmp_path, _memory) is None


def test_no_world_shows_anyone_what_they_may_not_read_on_files(tmp_path: Path) -> None:
    assert _first_mismatch(EMBEDDED_WORLDS, tmp_path, _embedded) is None


# Mutants


class Passing:
    """An index that passes every call on to another; mutants change one of them."""

    def __init__(self, index: ChunkIndex) -> None:
        self.index = index
        self.build, self.drop, self.close = index.build, index.drop, index.close

    def where(self, where: Filter) -> Filter:
        return where

    def access(self, access: ReadAccess) -> ReadAccess:
        return access

    def generation(self, generation: int) -> int:
        return generation

    def lexical(
        self, tenant: TenantId, generation: int, access: ReadAccess, where: Filter, query: str, locale: str, depth: int
    ) -> list[Hit]:
        return self.index.lexical(
            tenant, self.generation(generation), self.access(access), self.where(where), query, locale, depth
        )

    def dense(
        self, tenant: TenantId, generation: int, access: ReadAccess, where: Filter, query: Vectors, depth: int
    ) -> list[Hit]:
        return self.index.dense(tenant, self.generation(generation), self.access(access), self.where(where), query, depth)

    def similarities(
        self, tenant: TenantId, generation: int, access: ReadAccess, query: Vectors, chunks: Sequence[ChunkId]
    ) -> Mapping[ChunkId, float]:
        return self.index.similarities(tenant, self.generation(generation), self.access(access), query, chunks)


class DroppedFilter(Passing):
    def where(self, where: Filter) -> Filter:
        return Everything()


class EmptyFilterIsEverything(Passing):
    def where(self, where: Filter) -> Filter:
        return Everything() if where in (AnyOf(()), InDocuments(frozenset()), LocaleIn(frozenset())) else where


class NobodyIsEverybody(Passing):
    def access(self, access: ReadAccess) -> ReadAccess:
        return access if access.principals else replace(access, principals=frozenset(PRINCIPALS))


class EveryoneIsImplied(Passing):
    def access(self, access: ReadAccess) -> ReadAccess:
        return replace(access, principals=access.principals | {EVERYONE})


class FrozenEpoch(Passing):
    def access(self, access: ReadAccess) -> ReadAccess:
        return replace(access, epoch=0)


class GenerationBefore(Passing):
    def generation(self, generation: int) -> int:
        return max(1, generation - 1)


class FilteredAfterRanking(Passing):
    def dense(
        self, tenant: TenantId, generation: int, access: ReadAccess, where: Filter, query: Vectors, depth: int
    ) -> list[Hit]:
        best = self.index.dense(tenant, generation, access, Everything(), query, depth)
        passing = {hit.chunk_id for hit in self.index.dense(tenant, generation, access, where, query, 1000)}
        return [hit for hit in best if hit.chunk_id in passing]


class OneTenantOnly(Passing):
    def dense(
        self, tenant: TenantId, generation: int, access: ReadAccess, where: Filter, query: Vectors, depth: int
    ) -> list[Hit]:
        try:
            return self.index.dense(TENANTS[0], generation, access, where, query, depth)
        except StaleGeneration:
            return self.index.dense(tenant, generation, access, where, query, depth)


class UncheckedSimilarities(Passing):
    def similarities(
        self, tenant: TenantId, generation: int, access: ReadAccess, query: Vectors, chunks: Sequence[ChunkId]
    ) -> Mapping[ChunkId, float]:
        everybody = replace(access, principals=frozenset(PRINCIPALS))
        return self.index.similarities(tenant, generation, everybody, query, chunks)


def _all_documents(readable: ReadableDocuments) -> ReadableDocuments:
    """Rights are dropped: every document is anybody's."""
    return lambda tenant, principals: replace(readable(tenant, principals), documents=frozenset(DOCUMENTS))


def _remembered(readable: ReadableDocuments) -> ReadableDocuments:
    """Rights are read once and never again, whatever the epoch."""
    known: dict[tuple[TenantId, frozenset[Principal]], AccessSnapshot] = {}

    def remembered(tenant: TenantId, principals: frozenset[Principal]) -> AccessSnapshot:
        return known.setdefault((tenant, principals), readable(tenant, principals))

    return remembered


def _without_epoch(readable: ReadableDocuments) -> ReadableDocuments:
    """The store's epoch never moves."""
    return lambda tenant, principals: replace(readable(tenant, principals), epoch=0)


def _without_tenant(readable: ReadableDocuments) -> ReadableDocuments:
    """Rights of one tenant count in another."""

    def mixed(tenant: TenantId, principals: frozenset[Principal]) -> AccessSnapshot:
        every = [readable(other, principals).documents for other in TENANTS]
        return replace(readable(tenant, principals), documents=frozenset().union(*every))

    return mixed


def _itself(readable: ReadableDocuments) -> ReadableDocuments:
    return readable


MUTANTS: dict[str, tuple[Callable[[ReadableDocuments], ReadableDocuments], Sabotage]] = {
    "dropped filter": (_itself, DroppedFilter),
    "dropped rights": (_all_documents, Passing),
    "rights remembered past the epoch": (_remembered, Passing),
    "cache that ignores the epoch": (_without_epoch, FrozenEpoch),
    "empty filter is everything": (_itself, EmptyFilterIsEverything),
    "nobody is everybody": (_itself, NobodyIsEverybody),
    "everyone is implied": (_itself, EveryoneIsImplied),
    "rights of another tenant": (_without_tenant, Passing),
    "documents of another tenant": (_itself, OneTenantOnly),
    "generation before": (_itself, GenerationBefore),
    "filtered after ranking": (_itself, FilteredAfterRanking),
    "unchecked similarities": (_itself, UncheckedSimilarities),
}
# The index in memory caches no rights, so that an epoch that stands still does it no harm.
_HARMLESS_IN_MEMORY = {"cache that ignores the epoch"}


def test_the_mutants_differ_from_the_index_by_their_sabotage_alone(tmp_path: Path) -> None:
    assert _first_mismatch(MUTANT_WORLDS, tmp_path, lambda readable, folder: Passing(_memory(readable, folder))) is None


@pytest.mark.parametrize("mutant", sorted(set(MUTANTS) - _HARMLESS_IN_MEMORY))
def test_a_mutant_in_memory_is_found_out(mutant: str, tmp_path: Path) -> None:
    rights, sabotage = MUTANTS[mutant]
    found = _first_mismatch(MUTANT_WORLDS, tmp_path, lambda readable, folder: sabotage(_memory(rights(readable), folder)))
    assert found is not None, f"The worlds do not notice: {mutant}."


@pytest.mark.parametrize("mutant", sorted(MUTANTS))
def test_a_mutant_on_files_is_found_out(mutant: str, tmp_path: Path) -> None:
    rights, sabotage = MUTANTS[mutant]
    found = _first_mismatch(EMBEDDED_WORLDS, tmp_path, lambda readable, folder: sabotage(_embedded(rights(readable), folder)))
    assert found is not None, f"The worlds do not notice: {mutant}."
