"""Which texts of a set share most with a question, by BM25."""

from collections.abc import Sequence

import numpy as np

from training.data import bm25_index, bm25_scores


class LexicalNeighbours:
    """BM25 over a fixed set of texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._index = bm25_index(texts)
        self._size = len(texts)

    def of(self, question: str, limit: int) -> list[int]:
        """The places of the `limit` texts that score highest, best first."""
        return [int(place) for place in np.argsort(-bm25_scores(self._index, question, self._size), kind="stable")[:limit]]
