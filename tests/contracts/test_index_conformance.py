"""What every ChunkIndex does, whatever it is made of."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta, timezone

import numpy as np
import pytest

from surefoot.core.errors import StaleGeneration
from surefoot.domain.documents import ChunkId, DocumentId, TrustTier
from surefoot.domain.filters import (
    AllOf,
    AnyOf,
    Filter,
    InDocuments,
    LocaleIn,
    Not,
    ReadAccess,
    TrustAtLeast,
    UpdatedSince,
    ValidAt,
)
from surefoot.domain.identity import EVERYONE, Principal
from tests.contracts.index_worlds import (
    ACME,
    ALL,
    DIMENSIONS,
    GLOBEX,
    World,
    change,
    chunk,
    moment,
    names,
    vector,
    vectors,
    world,
)

__all__ = ["world"]

# Rights


def test_a_viewer_reads_what_one_of_their_principals_may(world: World) -> None:
    world.publish(ACME, chunk("open"), acl=[EVERYONE])
    world.index.build(ACME, 1, 2, change(chunk("staff"), chunk("board")))
    world.rights.put(ACME, "staff", ["group:staff", "user:ann"])
    world.rights.put(ACME, "board", ["group:board"])
    for principals, expected in [
        ((EVERYONE,), ["open#0"]),
        ((EVERYONE, "group:staff"), ["open#0", "staff#0"]),
        (("user:ann",), ["staff#0"]),
        ((EVERYONE, "group:board", "group:staff"), ["board#0", "open#0", "staff#0"]),
        (("group:boar",), []),
    ]:
        assert sorted(names(world.dense("retention", *principals, generation=2))) == expected
        assert sorted(names(world.lexical("retention", *principals, generation=2))) == expected


def test_no_principals_read_nothing(world: World) -> None:
    world.publish(ACME, chunk("open"))
    nobody = ReadAccess(frozenset(), world.rights.epoch(ACME))
    assert world.index.dense(ACME, 1, nobody, ALL, vector("retention"), 10) == []
    assert world.index.lexical(ACME, 1, nobody, ALL, "retention", "en", 10) == []
    assert world.index.similarities(ACME, 1, nobody, vector("retention"), [ChunkId("open#0")]) == {}
    assert world.index.dense(ACME, 1, nobody, Not(AnyOf(())), vector("retention"), 10) == []


def test_a_document_without_rights_is_nobodys(world: World) -> None:
    world.index.build(ACME, 0, 1, change(chunk("orphan")))
    assert world.dense("retention", EVERYONE, "group:staff") == []
    assert world.lexical("retention", EVERYONE, "group:staff") == []


def test_a_change_of_rights_takes_effect_at_once(world: World) -> None:
    world.publish(ACME, chunk("plan"), acl=["group:staff"])
    assert names(world.dense("retention", "group:staff")) == ["plan#0"]
    world.rights.put(ACME, "plan", ["group:board"])
    assert world.dense("retention", "group:staff") == []
    assert world.lexical("retention", "group:staff") == []
    assert names(world.lexical("retention", "group:board")) == ["plan#0"]
    world.rights.put(ACME, "plan", ["group:staff"])
    assert names(world.dense("retention", "group:staff")) == ["plan#0"]


def test_a_caller_ahead_of_the_rights_it_was_given_is_not_served_them_again(world: World) -> None:
    world.publish(ACME, chunk("plan"), acl=["group:staff"])
    ahead = ReadAccess(frozenset({Principal("group:staff")}), world.rights.epoch(ACME) + 1)
    assert len(world.index.dense(ACME, 1, ahead, ALL, vector("retention"), 10)) == 1
    world.rights.put(ACME, "plan", [])
    assert world.index.dense(ACME, 1, ahead, ALL, vector("retention"), 10) == []


def test_hidden_chunks_do_not_use_up_the_depth(world: World) -> None:
    hidden = [chunk("hidden", place, "retention policy") for place in range(300)]
    shown = [chunk("shown", place, f"retention policy and {place} other words about something") for place in range(5)]
    world.publish(ACME, *hidden, *shown)
    world.rights.put(ACME, "hidden", ["group:staff"])
    assert len(world.dense("retention policy", depth=5)) == 5
    assert len(world.lexical("retention policy", depth=5)) == 5
    assert all(name.startswith("shown") for name in names(world.lexical("retention policy")))


def test_similarities_are_given_for_visible_chunks_only(world: World) -> None:
    world.publish(ACME, chunk("open", 0, "billing"), chunk("open", 1, "retention"), acl=[EVERYONE])
    world.index.build(ACME, 1, 2, change(chunk("staff")))
    world.rights.put(ACME, "staff", ["group:staff"])
    wanted = [ChunkId(name) for name in ("open#1", "staff#0", "unknown", "open#1 and much more that is no id of anything")]
    found = world.index.similarities(ACME, 2, world.rights.access(ACME, EVERYONE), vector("retention"), wanted)
    assert found == {ChunkId("open#1"): 1.0}
    assert world.index.similarities(ACME, 2, world.rights.access(ACME, EVERYONE), vector("retention"), []) == {}


# Tenants


def test_another_tenants_chunks_are_never_found(world: World) -> None:
    world.publish(ACME, chunk("one"))
    world.publish(GLOBEX, chunk("one", name="foreign"))
    assert names(world.dense("retention")) == ["one#0"]
    assert names(world.lexical("retention")) == ["one#0"]
    access = world.rights.access(ACME, EVERYONE)
    assert world.index.similarities(ACME, 1, access, vector("retention"), [ChunkId("foreign")]) == {}


def test_another_tenants_terms_change_no_score(world: World) -> None:
    world.publish(ACME, *(chunk(f"d{n}", 0, f"retention policy number{n} billing") for n in range(7)))
    lexical, dense = world.lexical("billing number3"), world.dense("billing")
    world.publish(GLOBEX, *(chunk(f"d{n}", 0, "billing billing number3 invoices") for n in range(50)))
    assert world.lexical("billing number3") == lexical
    assert world.dense("billing") == dense


def test_a_tenant_without_documents_has_no_answers(world: World) -> None:
    assert world.dense("retention", generation=0) == []
    assert world.lexical("retention", generation=0) == []
    access = world.rights.access(ACME, EVERYONE)
    assert world.index.similarities(ACME, 0, access, vector("x"), [ChunkId("one#0")]) == {}


# The filter algebra, one rule a test


def _passing(world: World, where: Filter) -> list[str]:
    found = sorted(names(world.dense("retention", where=where)))
    assert sorted(names(world.lexical("retention", where=where))) == found
    return found


def test_everything_passes_every_row(world: World) -> None:
    world.publish(ACME, chunk("a"), chunk("b"))
    assert _passing(world, ALL) == ["a#0", "b#0"]


def test_in_documents_passes_rows_of_these_documents(world: World) -> None:
    world.publish(ACME, chunk("a"), chunk("b"), chunk("b", 1))
    assert _passing(world, InDocuments(frozenset({DocumentId("b"), DocumentId("zzz")}))) == ["b#0", "b#1"]
    assert _passing(world, InDocuments(frozenset())) == []


def test_locale_in_compares_whole_locales(world: World) -> None:
    world.publish(ACME, chunk("a", locale="en"), chunk("b", locale="en-GB"), chunk("c", locale="xx"))
    assert _passing(world, LocaleIn(frozenset({"en"}))) == ["a#0"]
    assert _passing(world, LocaleIn(frozenset({"en-GB", "xx"}))) == ["b#0", "c#0"]
    assert _passing(world, LocaleIn(frozenset())) == []


def test_trust_at_least_passes_this_tier_and_higher(world: World) -> None:
    world.publish(ACME, *(chunk(tier.value, trust=tier) for tier in TrustTier))
    assert _passing(world, TrustAtLeast(TrustTier.COMMUNITY)) == ["community#0", "official#0", "reviewed#0"]
    assert _passing(world, TrustAtLeast(TrustTier.REVIEWED)) == ["official#0", "reviewed#0"]
    assert _passing(world, TrustAtLeast(TrustTier.OFFICIAL)) == ["official#0"]


def test_updated_since_includes_the_moment_and_leaves_out_rows_without_a_date(world: World) -> None:
    just_before = moment(2) - timedelta(microseconds=1)
    world.publish(ACME, chunk("old", updated_at=just_before), chunk("new", updated_at=moment(2)), chunk("undated"))
    assert _passing(world, UpdatedSince(moment(2))) == ["new#0"]
    assert _passing(world, UpdatedSince(just_before)) == ["new#0", "old#0"]


def test_moments_compare_across_time_zones(world: World) -> None:
    plus_two = timezone(timedelta(hours=2))
    world.publish(ACME, chunk("a", updated_at=moment(2, 10).astimezone(plus_two)))
    assert _passing(world, UpdatedSince(moment(2, 10))) == ["a#0"]
    assert _passing(world, UpdatedSince(moment(2, 11).astimezone(plus_two))) == []


def test_valid_at_leaves_out_rows_that_ended_and_rows_that_are_superseded(world: World) -> None:
    rows = (chunk("ended", valid_until=moment(2)), chunk("valid", valid_until=moment(3)), chunk("endless"), chunk("replaced"))
    world.publish(ACME, *rows)
    world.index.build(ACME, 1, 2, change(superseded=["replaced", "unknown"]))
    access = world.rights.access(ACME, EVERYONE)
    found = world.index.dense(ACME, 2, access, ValidAt(moment(2)), vector("retention"), 10)
    assert sorted(hit.chunk_id for hit in found) == ["endless#0", "valid#0"]
    assert _passing(world, ValidAt(moment(1))) == ["ended#0", "endless#0", "replaced#0", "valid#0"]


def test_all_of_needs_every_part_and_without_parts_passes_every_row(world: World) -> None:
    world.publish(ACME, chunk("a", locale="de"), chunk("b", locale="de", trust=TrustTier.COMMUNITY), chunk("c"))
    both = AllOf((LocaleIn(frozenset({"de"})), TrustAtLeast(TrustTier.OFFICIAL)))
    assert [name for name, _ in world.dense("retention", where=both)] == ["a#0"]
    assert len(world.dense("retention", where=AllOf(()))) == 3


def test_any_of_needs_one_part_and_without_parts_passes_no_row(world: World) -> None:
    world.publish(ACME, chunk("a", trust=TrustTier.REVIEWED), chunk("b", trust=TrustTier.COMMUNITY), chunk("c"))
    either = AnyOf((InDocuments(frozenset({DocumentId("b")})), TrustAtLeast(TrustTier.OFFICIAL)))
    assert _passing(world, either) == ["b#0", "c#0"]
    assert _passing(world, AnyOf(())) == []


def test_not_passes_what_the_part_does_not(world: World) -> None:
    world.publish(ACME, chunk("a", updated_at=moment(2)), chunk("undated"))
    assert _passing(world, Not(UpdatedSince(moment(1)))) == ["undated#0"]
    assert _passing(world, Not(Not(UpdatedSince(moment(1))))) == ["a#0"]


def test_no_filter_widens_rights(world: World) -> None:
    world.publish(ACME, chunk("secret"), acl=["group:staff"])
    for where in (ALL, Not(AnyOf(())), Not(InDocuments(frozenset())), InDocuments(frozenset({DocumentId("secret")}))):
        assert _passing(world, where) == []


def test_rows_of_one_document_may_differ(world: World) -> None:
    world.publish(ACME, chunk("a", 0, updated_at=moment(1)), chunk("a", 1, updated_at=moment(5)), chunk("a", 2))
    assert _passing(world, UpdatedSince(moment(3))) == ["a#1"]


# Ranking


def test_depth_is_a_prefix_of_the_whole_ranking(world: World) -> None:
    texts = [f"retention word{n % 7} " + "filler " * (n % 5) for n in range(60)]
    world.publish(ACME, *(chunk(f"d{n % 9}", n, text) for n, text in enumerate(texts)))
    world.rights.put(ACME, "d3", ["group:staff"])
    lexical, dense = world.lexical("retention word3"), world.dense("retention word3")
    assert len(dense) == len(lexical) == sum(n % 9 != 3 for n in range(60))
    for depth in (1, 2, 7, 30, 500):
        assert world.lexical("retention word3", depth=depth) == lexical[:depth]
        assert world.dense("retention word3", depth=depth) == dense[:depth]
    assert world.lexical("retention", depth=0) == world.dense("retention", depth=0) == []


def test_scores_fall_and_ties_come_by_chunk_id(world: World) -> None:
    order = [37, 5, 41, 2, 19, 0, 88, 64, 23, 11]
    world.publish(ACME, *(chunk(f"d{n:02}", 0, "retention policy for billing events and exports") for n in order))
    expected = [f"d{n:02}#0" for n in sorted(order)]
    for hits in (world.lexical("retention exports events billing"), world.dense("retention")):
        assert names(hits) == expected
        assert len({score for _, score in hits}) == 1
    assert names(world.lexical("retention policy", depth=4)) == expected[:4]
    assert names(world.dense("retention", depth=4)) == expected[:4]


def test_a_rarer_word_and_a_shorter_chunk_rank_higher(world: World) -> None:
    long = "retention " + " ".join(f"filler{n}" for n in range(80))
    world.publish(
        ACME,
        chunk("common", 0, "policy text"),
        chunk("rare", 0, "webhook text"),
        chunk("more", 0, "policy"),
        chunk("long", 0, long),
    )
    world.index.build(ACME, 1, 2, change(chunk("short", 0, "retention short")))
    world.rights.put(ACME, "short", [EVERYONE])
    assert names(world.lexical("policy webhook text"))[0] == "rare#0"
    assert names(world.lexical("retention", generation=2)) == ["short#0", "long#0"]


def test_titles_are_searched_as_well(world: World) -> None:
    world.publish(ACME, chunk("a", 0, "some text", title="Data retention"), chunk("b", 0, "other text"))
    assert names(world.lexical("retention")) == ["a#0"]


@pytest.mark.parametrize("query", ["", " \n", "what is it?", "the of and", "?!*()[]{}:\"'~^", "\ud83d\ude00", "\u0000"])
def test_a_question_without_terms_finds_nothing_by_words(world: World, query: str) -> None:
    world.publish(ACME, chunk("a"), chunk("b", 0, "the of and what is it"))
    assert world.lexical(query) == []


@pytest.mark.parametrize(
    "query", ['retention AND "', "retention:policy", "+retention -policy", "row:1 retention", "retention\u00a0^2"]
)
def test_query_syntax_is_plain_text(world: World, query: str) -> None:
    world.publish(ACME, chunk("a"), chunk("b", 0, "unrelated"))
    assert names(world.lexical(query)) == ["a#0"]


def test_words_of_any_script_are_found(world: World) -> None:
    world.publish(
        ACME,
        chunk("ja", 0, "設定を変更する", locale="ja"),
        chunk("ru", 0, "изменить настройки", locale="ru"),
        chunk("hi", 0, "सहायता केंद्र", locale="hi"),
        chunk("en", 0, "naïve café settings"),
    )
    assert names(world.lexical("設定", locale="ja")) == ["ja#0"]
    assert names(world.lexical("настройка", locale="ru")) == ["ru#0"]
    assert names(world.lexical("सहायता", locale="hi")) == ["hi#0"]
    assert names(world.lexical("café", locale="fr")) == ["en#0"]


def test_a_viewers_locale_does_not_hide_documents_in_another_language(world: World) -> None:
    world.publish(ACME, chunk("a", 0, "configuring retention policies"))
    assert names(world.lexical("configure the policies", locale="de-AT")) == ["a#0"]


def test_a_chunk_without_words_is_found_by_its_vector(world: World) -> None:
    world.publish(ACME, chunk("empty", 0, "?!"), chunk("blank", 0, " "))
    assert len(world.dense("retention")) == 2
    assert world.lexical("retention") == []


def test_the_vector_leg_equals_brute_force(world: World) -> None:
    rng = np.random.default_rng(7)
    rows = [chunk(f"d{n % 40}", n) for n in range(900)]
    rows_vectors = rng.standard_normal((len(rows), DIMENSIONS)).astype(np.float32)
    rows_vectors /= np.linalg.norm(rows_vectors, axis=1, keepdims=True)
    world.index.build(ACME, 0, 1, replace(change(*rows), vectors=rows_vectors))
    for n in range(40):
        world.rights.put(ACME, f"d{n}", [EVERYONE] if n % 4 else ["group:staff"])
    query = vector("retention")
    exact = {row.chunk_id: float(rows_vectors[n].astype(np.float64) @ query) for n, row in enumerate(rows)}
    for principals in ((EVERYONE,), ("group:staff",), (EVERYONE, "group:staff")):
        access = world.rights.access(ACME, *principals)
        visible = [row.chunk_id for n, row in enumerate(rows) if ("group:staff" if n % 40 % 4 == 0 else EVERYONE) in principals]
        best = sorted(visible, key=lambda name: (-round(exact[name], 6), name))
        for depth in (1, 10, 100, 900):
            hits = world.index.dense(ACME, 1, access, ALL, query, depth)
            assert [hit.chunk_id for hit in hits] == best[:depth]
            assert all(abs(hit.score - exact[hit.chunk_id]) <= 1e-6 for hit in hits)


def test_both_legs_of_similarity_agree(world: World) -> None:
    world.publish(ACME, *(chunk(f"d{n}", 0, f"retention word{n}") for n in range(20)))
    dense = dict(world.dense("retention word3"))
    access = world.rights.access(ACME, EVERYONE)
    given = world.index.similarities(ACME, 1, access, vector("retention word3"), [ChunkId(name) for name in dense])
    assert dict(given) == dense


# Generations


def _rows(prefix: str, count: int) -> list:  # type: ignore[type-arg]
    return [chunk(f"{prefix}{n % 5}", n, f"retention {prefix} word{n % 3} " + "filler " * (n % 4)) for n in range(count)]


def test_an_incremental_build_ranks_like_a_full_one(world: World) -> None:
    a, b, c = _rows("a", 20), _rows("b", 15), _rows("c", 10)
    german = [chunk("de", 0, "retention Einstellungen", locale="de")]
    world.publish(ACME, *a, *german)
    world.index.build(ACME, 1, 2, change(*b))
    world.index.build(ACME, 2, 3, change(*c, remove=["a1", "a2", "b0", "de", "unknown"], superseded=["a0"]))
    world.index.build(ACME, 3, 4, change(superseded=["b1"]))
    left = [row for row in [*a, *b, *c] if row.document_id not in ("a1", "a2", "b0")]
    world.index.build(GLOBEX, 0, 4, change(*left, superseded=["b1"]))
    for tenant in (ACME, GLOBEX):
        for row in left:
            world.rights.put(tenant, row.document_id, [EVERYONE])
    for where in (ALL, ValidAt(moment(1)), Not(ValidAt(moment(1)))):
        for query in ("retention word1", "filler", "b c", "Einstellung"):
            legs = [
                (
                    world.lexical(query, tenant=tenant, generation=4, where=where),
                    world.dense(query, tenant=tenant, generation=4, where=where),
                )
                for tenant in (ACME, GLOBEX)
            ]
            assert [names(legs[0][0]), legs[0][1]] == [names(legs[1][0]), legs[1][1]]
            assert [score for _, score in legs[0][0]] == pytest.approx([score for _, score in legs[1][0]], rel=1e-5)


def test_generations_are_read_side_by_side(world: World) -> None:
    world.publish(ACME, chunk("a"), chunk("b"))
    world.index.build(ACME, 1, 2, change(chunk("c"), remove=["a"]))
    world.rights.put(ACME, "c", [EVERYONE])
    assert names(world.dense("retention", generation=1)) == ["a#0", "b#0"]
    assert names(world.dense("retention", generation=2)) == ["b#0", "c#0"]
    assert names(world.lexical("retention", generation=1)) == ["a#0", "b#0"]
    assert names(world.lexical("retention", generation=2)) == ["b#0", "c#0"]


def test_a_rebuilt_target_replaces_the_one_before(world: World) -> None:
    world.publish(ACME, chunk("a"))
    assert names(world.dense("retention")) == ["a#0"]
    world.publish(ACME, chunk("b"))
    assert names(world.dense("retention")) == names(world.lexical("retention")) == ["b#0"]


def test_a_replaced_document_leaves_only_its_new_rows(world: World) -> None:
    world.publish(ACME, chunk("a", 0, "retention old", name="a-old"), chunk("b", 0, "retention"))
    world.index.build(ACME, 1, 2, change(chunk("a", 0, "retention new", name="a-new"), remove=["a"]))
    assert sorted(names(world.lexical("retention", generation=2))) == ["a-new", "b#0"]
    assert names(world.lexical("old", generation=2)) == []


def test_all_documents_may_go(world: World) -> None:
    world.publish(ACME, chunk("a"))
    world.index.build(ACME, 1, 2, change(remove=["a"]))
    assert world.dense("retention", generation=2) == world.lexical("retention", generation=2) == []
    world.index.build(ACME, 2, 3, change(chunk("b")))
    world.rights.put(ACME, "b", [EVERYONE])
    assert names(world.lexical("retention", generation=3)) == ["b#0"]


def test_a_generation_that_is_gone_is_stale(world: World) -> None:
    world.publish(ACME, chunk("a"))
    world.index.build(ACME, 1, 2, change(chunk("b")))
    assert names(world.dense("retention", generation=1)) == ["a#0"]
    world.index.keep_only(ACME, frozenset({2}))
    assert names(world.dense("retention", generation=2)) == ["a#0"]
    for ask in (world.dense, world.lexical):
        with pytest.raises(StaleGeneration, match="acme"):
            ask("retention", generation=1)
        with pytest.raises(StaleGeneration):
            ask("retention", generation=7)


def test_a_dropped_tenant_is_gone_and_may_come_again(world: World) -> None:
    world.publish(ACME, chunk("a"), acl=["group:staff"])
    world.publish(GLOBEX, chunk("kept"))
    assert names(world.dense("retention", "group:staff")) == ["a#0"]
    world.index.drop(ACME)
    with pytest.raises(StaleGeneration):
        world.dense("retention")
    world.index.drop(ACME)
    world.rights.rows.pop(ACME)
    world.rights.epochs.pop(ACME)
    world.publish(ACME, chunk("a"), acl=["group:board"])
    assert world.dense("retention", "group:staff") == []
    assert names(world.dense("retention", tenant=GLOBEX)) == ["kept#0"]


@pytest.mark.parametrize("twice", ["within", "across"])
def test_a_chunk_id_that_comes_twice_is_refused(world: World, twice: str) -> None:
    world.publish(ACME, chunk("a"))
    rows = [chunk("b"), chunk("b")] if twice == "within" else [chunk("a")]
    with pytest.raises(ValueError, match="twice"):
        world.index.build(ACME, 1, 2, change(*rows))
    assert names(world.dense("retention")) == ["a#0"]


def test_vectors_of_another_shape_are_refused(world: World) -> None:
    rows = [chunk("a"), chunk("b")]
    for wrong in (vectors(rows[:1]), vectors(rows, DIMENSIONS + 1)):
        with pytest.raises(ValueError, match="2 chunks need"):
            world.index.build(ACME, 0, 1, replace(change(*rows), vectors=wrong))


def test_many_threads_read_while_one_builds(world: World) -> None:
    world.publish(ACME, *_rows("a", 30))
    expected = world.lexical("retention word1"), world.dense("retention word1")

    def ask(_: int) -> bool:
        return (world.lexical("retention word1"), world.dense("retention word1")) == expected

    with ThreadPoolExecutor(6) as pool:
        answers = [pool.submit(ask, n) for n in range(60)]
        for generation in range(2, 6):
            world.index.build(ACME, generation - 1, generation, change(*_rows(f"g{generation}x", 5)))
        assert all(answer.result() for answer in answers)


def test_the_fingerprint_and_capabilities_are_stated(world: World) -> None:
    assert world.index.fingerprint == world.index.fingerprint != ""
    assert world.index.capabilities.exact_dense
    assert world.index.capabilities.atomic_generations
    assert world.index.capabilities.lexical_backends
