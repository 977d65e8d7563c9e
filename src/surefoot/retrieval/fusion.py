"""Merging the two legs of retrieval into one ranking. Pure functions; ties are settled by chunk id."""

from collections.abc import Mapping, Sequence
from typing import Literal

from surefoot.domain.documents import ChunkId
from surefoot.ports import Hit

Fused = list[tuple[ChunkId, float]]


def min_max(hits: Sequence[Hit]) -> dict[ChunkId, float]:
    """Each hit's score mapped to 0..1 within this one ranking: the best is 1, the worst 0; a single score maps to 1."""
    if not hits:
        return {}
    low = min(hit.score for hit in hits)
    span = max(hit.score for hit in hits) - low
    return {hit.chunk_id: (hit.score - low) / span if span > 0 else 1.0 for hit in hits}


def convex(lexical: Sequence[Hit], dense: Sequence[Hit], *, dense_weight: float) -> Fused:
    """The weighted sum of both legs' min-max scores, best first; a chunk absent from a leg has 0 there, the least it can.

    Convex combination after per-query normalisation (Bruch, Gai & Ingber, TOIS 2023). With one leg empty the other's
    normalised scores stand alone, at full weight.
    """
    if not lexical or not dense:
        return _ordered(min_max(lexical or dense))
    lexical_scores, dense_scores = min_max(lexical), min_max(dense)
    return _ordered(
        {
            chunk: (1 - dense_weight) * lexical_scores.get(chunk, 0.0) + dense_weight * dense_scores.get(chunk, 0.0)
            for chunk in lexical_scores | dense_scores
        }
    )


def reciprocal_rank(lexical: Sequence[Hit], dense: Sequence[Hit], *, k: int = 60) -> Fused:
    """The sum over legs of 1 / (k + rank), rank from 1 (Cormack, Clarke & Buettcher, SIGIR 2009), scaled so that first
    place in every leg that found anything is 1; best first.
    """
    legs = [leg for leg in (lexical, dense) if leg]
    scores: dict[ChunkId, float] = {}
    for leg in legs:
        for rank, hit in enumerate(leg, start=1):
            scores[hit.chunk_id] = scores.get(hit.chunk_id, 0.0) + (k + 1) / (k + rank) / len(legs)
    return _ordered(scores)


def fuse(method: Literal["convex", "rrf"], lexical: Sequence[Hit], dense: Sequence[Hit], *, dense_weight: float) -> Fused:
    """Both legs as one ranking by the method named in the settings."""
    if method == "rrf":
        return reciprocal_rank(lexical, dense)
    return convex(lexical, dense, dense_weight=dense_weight)


def _ordered(scores: Mapping[ChunkId, float]) -> Fused:
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))
