"""What the embedded index does beyond the port: exact under every plan it may choose, cached, durable, and lazily open."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.adapters.embedded_index import vectors_faiss
from surefoot.adapters.embedded_index.columns import Columns, microseconds, no_columns
from surefoot.adapters.embedded_index.index import EmbeddedIndex
from surefoot.adapters.embedded_index.lexical import level
from surefoot.adapters.embedded_index.vectors_faiss import ExactScan, code_error, write_vectors
from surefoot.adapters.embedded_index.visibility import Visible, VisibleCache, visible_rows
from surefoot.adapters.memory.index import MemoryIndex
from surefoot.core.errors import CorruptIndex, InvalidInput, StaleGeneration, WriterBusy
from surefoot.domain.documents import Chunk, DocumentId, TrustTier
from surefoot.domain.filters import (
    AllOf,
    AnyOf,
    Everything,
    Filter,
    InDocuments,
    LocaleIn,
    Not,
    TrustAtLeast,
    UpdatedSince,
    ValidAt,
    matches,
)
from surefoot.domain.identity import EVERYONE, Principal, TenantId
from tests.contracts.index_worlds import ACME, ALL, DIMENSIONS, GLOBEX, Rights, World, change, chunk, moment, names, vector

PUBLIC = frozenset({EVERYONE})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
def world(folder: Path) -> Iterator[World]:
    rights = Rights()
    index = EmbeddedIndex(folder, rights.readable, dimensions=DIMENSIONS)
    yield World(index, rights)
    index.close()


def random_chunks(seed: int, documents: int, rows: int) -> list[Chunk]:
    """Rows of a Zipf-like vocabulary with many equal texts among them."""
    random = Random(seed)
    vocabulary = [f"word{n}" for n in range(200)]
    weights = [1 / (n + 1) for n in range(200)]
    return [
        chunk(f"d{random.randrange(documents)}", n, " ".join(random.choices(vocabulary, weights, k=random.randint(1, 30))))
        for n in range(rows)
    ]


# Filters by column

MOMENTS = [moment(day) for day in range(1, 5)]
DATES: st.SearchStrategy[datetime | None] = st.sampled_from([None, *MOMENTS])
FILTERS: st.SearchStrategy[Filter] = st.recursive(
    st.one_of(
        st.just(Everything()),
        st.builds(InDocuments, st.frozensets(st.sampled_from([DocumentId(f"d{n}") for n in range(4)]))),
        st.builds(LocaleIn, st.frozensets(st.sampled_from(["en", "de", "xx"]))),
        st.builds(TrustAtLeast, st.sampled_from(TrustTier)),
        st.builds(UpdatedSince, st.sampled_from(MOMENTS)),
        st.builds(ValidAt, st.sampled_from(MOMENTS)),
    ),
    lambda parts: st.one_of(
        st.builds(AllOf, st.lists(parts, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(parts, max_size=3).map(tuple)),
        st.builds(Not, parts),
    ),
    max_leaves=6,
)
CHUNKS = st.lists(
    st.builds(
        lambda document, locale, trust, updated_at, valid_until: chunk(
            f"d{document}", locale=locale, trust=trust, updated_at=updated_at, valid_until=valid_until
        ),
        st.integers(0, 3),
        st.sampled_from(["en", "de"]),
        st.sampled_from(TrustTier),
        DATES,
        DATES,
    ),
    max_size=12,
)
SUPERSEDED = st.frozensets(st.sampled_from([DocumentId(f"d{n}") for n in range(4)]))


def _columns(chunks: list[Chunk], superseded: frozenset[DocumentId]) -> tuple[Columns, list[Chunk]]:
    columns = no_columns().extended(chunks).with_superseded(superseded)
    return columns, [replace(one, superseded=one.document_id in superseded) for one in chunks]


@settings(max_examples=300, deadline=None)
@given(CHUNKS, SUPERSEDED, FILTERS)
def test_columns_pass_the_rows_that_match(chunks: list[Chunk], superseded: frozenset[DocumentId], where: Filter) -> None:
    columns, rows = _columns(chunks, superseded)
    assert columns.mask(where).tolist() == [matches(row, where) for row in rows]


@settings(max_examples=300, deadline=None)
@given(CHUNKS, SUPERSEDED, FILTERS, FILTERS)
def test_filters_with_one_cache_key_pass_the_same_rows(
    chunks: list[Chunk], superseded: frozenset[DocumentId], one: Filter, other: Filter
) -> None:
    columns, _ = _columns(chunks, superseded)
    if columns.cache_key(one) == columns.cache_key(other):
        assert columns.mask(one).tolist() == columns.mask(other).tolist()


@settings(max_examples=200, deadline=None)
@given(CHUNKS, CHUNKS, SUPERSEDED, FILTERS)
def test_kept_and_extended_columns_are_those_of_the_rows_left(
    chunks: list[Chunk], added: list[Chunk], removed: frozenset[DocumentId], where: Filter
) -> None:
    columns, _ = _columns(chunks, frozenset())
    left = [one for one in chunks if one.document_id not in removed]
    kept = columns.kept(~columns.in_documents(removed))
    assert set(kept.document_names) == {one.document_id for one in left}
    assert set(kept.locales) == {one.locale for one in left}
    assert kept.extended(added).mask(where).tolist() == [matches(row, where) for row in [*left, *added]]


def test_valid_now_is_one_cache_key_until_a_date_passes() -> None:
    columns, _ = _columns([chunk("a", valid_until=moment(3)), chunk("b")], frozenset())
    keys = [columns.cache_key(ValidAt(moment(2, hour))) for hour in range(24)]
    assert len(set(keys)) == 1
    assert columns.cache_key(ValidAt(moment(3))) != keys[0]
    assert columns.cache_key(UpdatedSince(moment(2))) == columns.cache_key(UpdatedSince(moment(3)))


def test_microseconds_are_exact_for_far_dates() -> None:
    late = datetime.max.replace(tzinfo=MOMENTS[0].tzinfo)
    assert microseconds(late) - microseconds(late.replace(microsecond=999_998)) == 1


# The vector leg


def _unit_rows(rng: np.random.Generator, rows: int, dimensions: int) -> Any:
    found = rng.standard_normal((rows, dimensions)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def _visible(mask: Any) -> Visible:
    return Visible(np.asarray(mask, np.bool_), int(np.sum(mask)), None)


@pytest.mark.parametrize("dimensions", [384, 100, 7])
@pytest.mark.parametrize("kind", ["spread", "clustered", "duplicates"])
def test_the_byte_scan_finds_exactly_the_best(tmp_path: Path, dimensions: int, kind: str) -> None:
    rng = np.random.default_rng(11)
    rows = _unit_rows(rng, 6000, dimensions)
    if kind == "clustered":
        rows = rows[rng.integers(0, 60, 6000)] + 0.2 * rows
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    elif kind == "duplicates":
        rows[1000:4000] = rows[0]
    write_vectors(tmp_path, rows)
    scan = ExactScan(tmp_path, code_error(rows))
    for fraction in (1.0, 0.3, 0.1):
        visible = _visible(rng.random(6000) < fraction)
        for query in (rows[0], rows[5000], _unit_rows(rng, 1, dimensions)[0]):
            exact = np.round(rows.astype(np.float64) @ query.astype(np.float64), 6)
            for depth in (1, 10, 100):
                found, scores = scan.best(query, visible, depth)
                least = np.sort(exact[visible.mask])[-depth]
                assert set(np.flatnonzero(visible.mask & (exact >= least))) <= set(found)
                assert visible.mask[found].all()
                assert np.array_equal(scores, exact[found])


def test_the_byte_scan_is_tried_before_all_vectors_are_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(12)
    rows = _unit_rows(rng, 6000, 384)
    write_vectors(tmp_path, rows)
    found, _ = ExactScan(tmp_path, code_error(rows)).best(rows[3], _visible(np.ones(6000)), 10)
    assert len(found) < 600


def test_a_few_vectors_have_no_byte_file(tmp_path: Path) -> None:
    write_vectors(tmp_path, _unit_rows(np.random.default_rng(1), 20, 384))
    assert [path.name for path in tmp_path.iterdir()] == [vectors_faiss.VECTORS_FILE]


# The lexical leg


@pytest.mark.parametrize("shown", [0, 1, 3, 30, 150, 299, 300])
def test_every_lexical_plan_gives_the_ranking_of_the_visible_rows(world: World, shown: int) -> None:
    rows = random_chunks(5, 300, 1500)
    world.publish(ACME, *rows)
    for n in range(300):
        world.rights.put(ACME, f"d{n}", [EVERYONE, "group:all"] if n < shown else ["group:all"])
    public = {one.chunk_id for one in rows if int(one.document_id[1:]) < shown}
    for query in ("word0", "word0 word1 word5", "word7 word90 word150 word3 word2", "word199"):
        whole = world.lexical(query, "group:all", depth=1500)
        expected = [hit for hit in whole if hit[0] in public]
        for depth in (1, 10, 100, 1500):
            found = world.lexical(query, depth=depth)
            assert [score for _, score in found] == pytest.approx([score for _, score in expected[:depth]], rel=1e-5)
            assert names(found) == names(expected[:depth])


def test_rows_that_differ_within_a_document_are_filtered_one_by_one(world: World) -> None:
    rows = [chunk(f"d{n % 10}", n, "retention " + "filler " * (n % 7), updated_at=moment(1 + n % 2)) for n in range(900)]
    world.publish(ACME, *rows)
    whole = world.lexical("retention", depth=900)
    odd = {one.chunk_id for one in rows if one.updated_at == moment(2)}
    for depth in (5, 100, 900):
        found = world.lexical("retention", where=UpdatedSince(moment(2)), depth=depth)
        assert found == [hit for hit in whole if hit[0] in odd][:depth]


def test_tantivy_ranks_as_the_reference_does(folder: Path) -> None:
    """Tantivy keeps a row's length in one byte, so near neighbours may swap: of the ten best by rank-bm25 on average at
    least nine are Tantivy's too, and a score is off by at most a tenth.
    """
    rights, rows = Rights(), random_chunks(6, 200, 1500)
    engines = [
        EmbeddedIndex(folder / backend, rights.readable, dimensions=DIMENSIONS, lexical_backend=backend)
        for backend in ("tantivy", "rank-bm25")
    ]
    worlds = [World(engine, rights) for engine in engines]
    for one in worlds:
        one.publish(ACME, *rows)
    random, overlaps = Random(8), []
    for _ in range(60):
        query = " ".join(f"word{random.randrange(200)}" for _ in range(random.randint(1, 6)))
        by_tantivy, by_reference = (one.lexical(query, depth=1500) for one in worlds)
        assert {name for name, _ in by_tantivy} == {name for name, _ in by_reference}
        reference = dict(by_reference)
        for name, score in by_tantivy:
            assert score == pytest.approx(reference[name], rel=0.1)
        overlaps.append(len({*names(by_tantivy[:10])} & {*names(by_reference[:10])}) / max(1, min(10, len(by_tantivy))))
    assert sum(overlaps) / len(overlaps) >= 0.9


def test_the_reference_and_the_memory_index_agree(folder: Path) -> None:
    rights, rows = Rights(), random_chunks(9, 50, 400)
    reference = EmbeddedIndex(folder, rights.readable, dimensions=DIMENSIONS, lexical_backend="rank-bm25")
    one, other = World(reference, rights), World(MemoryIndex(rights.readable, dimensions=DIMENSIONS), rights)
    for each in (one, other):
        each.publish(ACME, *rows)
    for query in ("word0 word3", "word50 word2 word9", "word120"):
        assert dict(one.lexical(query)) == pytest.approx(dict(other.lexical(query)), rel=1e-5)


def test_scores_that_differ_by_rounding_alone_are_made_equal() -> None:
    assert level(np.array([3.0, 3.0 * (1 - 1e-7), 2.0, 1.0])).tolist() == [3.0, 3.0, 2.0, 1.0]
    assert level(np.array([])).tolist() == []


# What is cached


def test_rights_are_read_once_for_each_epoch_and_filter(world: World) -> None:
    world.publish(ACME, chunk("a"), chunk("b"))
    for _ in range(3):
        world.dense("retention")
        world.lexical("retention")
    assert world.rights.reads == 1
    world.rights.put(ACME, "a", ["group:staff"])
    assert names(world.dense("retention")) == ["b#0"]
    assert world.rights.reads == 2


def test_cached_rights_never_serve_another_tenant_generation_or_filter(world: World) -> None:
    for tenant in (ACME, GLOBEX):
        world.publish(tenant, chunk("a"), chunk("b"), acl=[EVERYONE])
    world.rights.put(GLOBEX, "a", [])
    world.rights.put(ACME, "b", [])
    assert world.rights.epoch(ACME) == world.rights.epoch(GLOBEX)
    assert names(world.dense("retention")) == ["a#0"]
    assert names(world.dense("retention", tenant=GLOBEX)) == ["b#0"]
    world.index.build(ACME, 1, 2, change(chunk("b", 1), remove=["b"]))
    assert names(world.dense("retention", generation=2)) == ["a#0"]
    assert world.dense("retention", where=InDocuments(frozenset())) == []


def test_the_cache_keeps_to_its_bytes_and_forgets_the_least_recently_used() -> None:
    def visible(rows: int) -> Visible:
        return visible_rows(no_columns().extended([chunk("a", n) for n in range(rows)]), np.ones(rows, np.bool_))

    cache = VisibleCache(3 * visible(100).bytes)
    for key in "abc":
        cache.put(key, visible(100))
    assert cache.get("a") is not None
    cache.put("d", visible(100))
    assert [key for key in "abcd" if cache.get(key) is not None] == ["a", "c", "d"]
    assert cache.bytes == 3 * visible(100).bytes
    cache.put("huge", visible(100_000))
    assert [key for key in ("a", "c", "d", "huge") if cache.get(key) is not None] == ["huge"]
    cache.forget_if(lambda key: True)
    assert cache.bytes == 0


# Files


def test_additions_alone_share_the_old_words_on_disk_and_removals_leave_none_of_them(world: World, folder: Path) -> None:
    world.publish(ACME, chunk("a", 0, "canaryword retention"), *(chunk("b", n) for n in range(50)))
    world.index.build(ACME, 1, 2, change(chunk("c")))

    def files(generation: int) -> dict[str, int]:
        found = (folder / "acme" / f"g{generation:06d}" / "tantivy").iterdir()
        return {path.name: path.stat().st_ino for path in found if path.name[0] != "." and path.suffix != ".json"}

    assert set(files(1).items()) <= set(files(2).items())
    world.index.build(ACME, 2, 3, change(remove=["a"]))
    world.index.keep_only(ACME, frozenset({3}))
    assert not [path for path in folder.rglob("*") if path.is_file() and b"canaryword" in path.read_bytes()]


def test_many_small_additions_rank_like_one_build(world: World, folder: Path) -> None:
    """Twenty additions make Tantivy merge its segments in between; neither scores nor earlier generations may change."""
    rows = random_chunks(4, 40, 400)
    for generation in range(1, 21):
        world.index.build(ACME, generation - 1, generation, change(*rows[20 * (generation - 1) : 20 * generation]))
    world.publish(GLOBEX, *rows)
    for n in range(40):
        world.rights.put(ACME, f"d{n}", [EVERYONE])
    segments = len(list((folder / "acme" / "g000020" / "tantivy").glob("*.term")))
    assert segments < 20
    for query in ("word0 word7 word30", "word2", "word150 word3"):
        at_once = world.lexical(query, tenant=GLOBEX)
        bit_by_bit = world.lexical(query, generation=20)
        assert names(bit_by_bit) == names(at_once)
        assert [score for _, score in bit_by_bit] == pytest.approx([score for _, score in at_once], rel=1e-6)
        early = {one.chunk_id for one in rows[:140]}
        assert set(names(world.lexical(query, generation=7))) <= early


def test_another_process_like_reader_finds_what_was_built(world: World, folder: Path) -> None:
    world.publish(ACME, *random_chunks(3, 20, 700))
    other = World(EmbeddedIndex(folder, world.rights.readable, dimensions=DIMENSIONS), world.rights)
    assert other.lexical("word1 word2") == world.lexical("word1 word2")
    assert other.dense("word1") == world.dense("word1")
    world.index.keep_only(ACME, frozenset())
    with pytest.raises(StaleGeneration):
        other.dense("word1")


def test_a_tenant_that_was_dropped_elsewhere_is_not_served_from_what_is_open(world: World, folder: Path) -> None:
    world.publish(ACME, chunk("a", 0, "retention old"), acl=["group:staff"])
    assert names(world.dense("retention", "group:staff")) == ["a#0"]
    elsewhere = EmbeddedIndex(folder, world.rights.readable, dimensions=DIMENSIONS)
    elsewhere.drop(ACME)
    elsewhere.build(ACME, 0, 1, change(chunk("a", 0, "retention new", name="new")))
    assert names(world.dense("retention", "group:staff")) == ["new"]
    assert names(world.lexical("retention", "group:staff")) == ["new"]


def test_only_so_many_tenants_stay_open(folder: Path) -> None:
    rights = Rights()
    index = EmbeddedIndex(folder, rights.readable, dimensions=DIMENSIONS, open_tenants=3)
    world = World(index, rights)
    tenants = [TenantId(f"t{n}") for n in range(8)]
    for tenant in tenants:
        world.publish(tenant, chunk("a"))
    for tenant in [*tenants, *reversed(tenants)]:
        assert names(world.dense("retention", tenant=tenant)) == ["a#0"]
        mapped = Path("/proc/self/maps")
        if mapped.exists():
            held = {line.split("/index/")[1].split("/")[0] for line in mapped.read_text().splitlines() if f"{folder}/" in line}
            assert len(held) <= 3
    index.close()


def test_only_one_build_runs_for_a_tenant(world: World, folder: Path) -> None:
    nested: list[type[Exception]] = []

    def step(name: str) -> None:
        for tenant in (ACME, GLOBEX):
            try:
                world.index.build(tenant, 0, 9, change(chunk("b")))
            except WriterBusy as error:
                assert str(error).count(repr(tenant)) == 1
                nested.append(type(error))

    other = EmbeddedIndex(folder, world.rights.readable, dimensions=DIMENSIONS, step=step)
    other.build(ACME, 0, 1, change(chunk("a")))
    assert nested == [WriterBusy] * 5
    world.rights.put(ACME, "a", [EVERYONE])
    assert names(world.dense("retention")) == ["a#0"]


@pytest.mark.parametrize("tenant", ["../escape", "", "ACME", "a/b", ".hidden", "a" * 64, "a\0b"])
def test_a_name_that_is_no_tenants_touches_no_file(world: World, folder: Path, tenant: str) -> None:
    with pytest.raises(InvalidInput, match="tenant id"):
        world.index.build(TenantId(tenant), 0, 1, change(chunk("a")))
    with pytest.raises(InvalidInput, match="tenant id"):
        world.index.drop(TenantId(tenant))
    assert not folder.exists()


def test_an_unknown_lexical_backend_is_refused(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="rank-bm25"):
        EmbeddedIndex(folder, Rights().readable, dimensions=DIMENSIONS, lexical_backend="lucene")


def test_files_of_another_layout_ask_to_be_rebuilt(world: World, folder: Path) -> None:
    world.publish(ACME, chunk("a"))
    other = EmbeddedIndex(folder, world.rights.readable, dimensions=DIMENSIONS, lexical_backend="rank-bm25")
    assert other.fingerprint != world.index.fingerprint
    with pytest.raises(CorruptIndex, match="--reindex"):
        other.dense(ACME, 1, world.rights.access(ACME, EVERYONE), ALL, vector("x"), 1)


def test_generations_follow_each_other_by_number_not_by_name(world: World) -> None:
    world.publish(ACME, chunk("d0"), generation=999_999)
    for base, target in pairwise([999_999, 1_000_000, 1_000_001]):
        world.index.build(ACME, base, target, change(chunk(f"d{target}")))
        world.rights.put(ACME, f"d{target}", [Principal(EVERYONE)])
    world.index.keep_only(ACME, frozenset({1_000_001}))
    assert len(world.dense("retention", generation=1_000_001)) == 3
