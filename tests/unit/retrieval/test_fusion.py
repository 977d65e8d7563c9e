"""Fusion: properties that any merging of two legs must have."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.domain.documents import ChunkId
from surefoot.ports import Hit
from surefoot.retrieval.fusion import convex, fuse, min_max, reciprocal_rank

scores = st.dictionaries(st.sampled_from([ChunkId(f"c{n}") for n in range(12)]), st.floats(-1, 50, allow_nan=False), max_size=12)


def leg(values: dict[ChunkId, float]) -> list[Hit]:
    return sorted((Hit(chunk, score) for chunk, score in values.items()), key=lambda hit: (-hit.score, hit.chunk_id))


@given(scores, scores, st.floats(0, 1))
def test_every_candidate_of_either_leg_is_ranked_once_with_a_score_in_0_to_1(
    lexical: dict[ChunkId, float], dense: dict[ChunkId, float], weight: float
) -> None:
    for fused in (convex(leg(lexical), leg(dense), dense_weight=weight), reciprocal_rank(leg(lexical), leg(dense))):
        assert sorted(chunk for chunk, _ in fused) == sorted(lexical | dense)
        assert all(-1e-9 <= score <= 1 + 1e-9 for _, score in fused)
        assert fused == sorted(fused, key=lambda item: (-item[1], item[0]))


@given(scores)
def test_one_leg_alone_keeps_its_own_order(values: dict[ChunkId, float]) -> None:
    order = [hit.chunk_id for hit in leg(values)]
    rank = {chunk: place for place, chunk in enumerate(order)}
    for fused in (
        convex(leg(values), [], dense_weight=0.65),
        convex([], leg(values), dense_weight=0.65),
        reciprocal_rank(leg(values), []),
    ):
        ranks = [rank[chunk] for chunk, _ in fused]
        # Equal normalised scores may only arise from scores too close to tell apart.
        assert all(a < b or abs(values[order[a]] - values[order[b]]) < 1e-6 for a, b in pairwise(ranks))


@given(scores, scores)
def test_full_weight_on_a_leg_puts_its_best_first(lexical: dict[ChunkId, float], dense: dict[ChunkId, float]) -> None:
    if not lexical or not dense:
        return
    assert convex(leg(lexical), leg(dense), dense_weight=1.0)[0][1] == pytest.approx(1.0)
    assert min_max(leg(dense))[convex(leg(lexical), leg(dense), dense_weight=1.0)[0][0]] == pytest.approx(1.0)


def test_reciprocal_rank_is_the_published_formula_up_to_scale() -> None:
    lexical, dense = [Hit(ChunkId("a"), 9.0), Hit(ChunkId("b"), 5.0)], [Hit(ChunkId("b"), 0.9), Hit(ChunkId("c"), 0.1)]
    expected = {"a": 1 / 61, "b": 1 / 62 + 1 / 61, "c": 1 / 62}
    fused = dict(reciprocal_rank(lexical, dense))
    assert {chunk: score / (61 / 2) for chunk, score in fused.items()} == pytest.approx(expected)


def test_the_method_named_in_the_settings_is_used() -> None:
    lexical, dense = [Hit(ChunkId("a"), 9.0), Hit(ChunkId("b"), 1.0)], [Hit(ChunkId("b"), 0.9), Hit(ChunkId("a"), 0.1)]
    assert fuse("rrf", lexical, dense, dense_weight=0.9) == reciprocal_rank(lexical, dense)
    assert fuse("convex", lexical, dense, dense_weight=0.9) == convex(lexical, dense, dense_weight=0.9)
    assert fuse("convex", lexical, dense, dense_weight=0.9)[0][0] == "b"
