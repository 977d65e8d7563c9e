"""The stack that most tutorials arrive at: sentence-transformers on torch, rank_bm25, FAISS flat, rights filtered afterwards.

It is written as its libraries' own documentation shows them, everything stays in memory, and nothing is slowed down: torch
gets the same threads, scores are cut with argpartition rather than a full sort, and each leg fetches four times the
candidates it needs so that the filter usually leaves enough.
"""

from collections.abc import Sequence
from pathlib import Path

import faiss
import numpy as np
import torch
from numpy.typing import NDArray
from rank_bm25 import BM25Okapi
from sentence_transformers import SentenceTransformer

LEG_DEPTH = 100
OVER_FETCH = 4
DENSE_WEIGHT = 0.65


class NaiveStack:
    """Hybrid retrieval over chunks in memory. `visible` says for each chunk whether the one viewer of the run may read it."""

    def __init__(
        self, model: Path, texts: Sequence[str], vectors: NDArray[np.float32], visible: NDArray[np.bool_], *, threads: int
    ) -> None:
        torch.set_num_threads(threads)
        faiss.omp_set_num_threads(threads)
        self._encoder = SentenceTransformer(str(model), device="cpu")
        self._lexical = BM25Okapi([text.lower().split() for text in texts])
        self._dense = faiss.IndexFlatIP(vectors.shape[1])
        self._dense.add(vectors)
        self._visible = visible

    def search(self, question: str, limit: int) -> list[int]:
        """The rows of the best `limit` visible chunks by weighted min-max fusion of both legs, best first."""
        fetched = min(LEG_DEPTH * OVER_FETCH, len(self._visible))
        vector = self._encoder.encode([question], normalize_embeddings=True, show_progress_bar=False)
        similarities, rows = self._dense.search(vector, fetched)
        dense = self._readable(rows[0], similarities[0])
        scores = self._lexical.get_scores(question.lower().split())
        best = np.argpartition(-scores, fetched - 1)[:fetched]
        best = best[np.argsort(-scores[best], kind="stable")]
        lexical = self._readable(best, scores[best])
        fused: dict[int, float] = {}
        for leg, weight in ((dense, DENSE_WEIGHT), (lexical, 1 - DENSE_WEIGHT)):
            for row, score in _min_max(leg):
                fused[row] = fused.get(row, 0.0) + weight * score
        return sorted(fused, key=lambda row: -fused[row])[:limit]

    def _readable(self, rows: NDArray[np.int64], scores: NDArray[np.float32]) -> list[tuple[int, float]]:
        kept = self._visible[rows]
        return list(zip(rows[kept].tolist(), scores[kept].tolist(), strict=True))[:LEG_DEPTH]


def _min_max(leg: list[tuple[int, float]]) -> list[tuple[int, float]]:
    if not leg:
        return []
    highest, lowest = leg[0][1], leg[-1][1]
    span = (highest - lowest) or 1.0
    return [(row, (score - lowest) / span) for row, score in leg]
