"""BM25 by rank-bm25: slow and in memory, the reference that the other engine's ranking is compared with."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import rank_bm25
from numpy.typing import NDArray

from surefoot.adapters.embedded_index.lexical import LENGTH_WEIGHT_B, TERM_SATURATION_K1, Ranked, level, read_terms
from surefoot.adapters.embedded_index.visibility import Visible


class _PositiveOkapi(rank_bm25.BM25Okapi):  # type: ignore[misc]
    """BM25Okapi whose idf is ln(1 + (N - n + 0.5) / (n + 0.5)): above 0 for frequent words and in tiny corpora too."""

    def _calc_idf(self, nd: Mapping[str, int]) -> None:
        for word, holders in nd.items():
            self.idf[word] = math.log(1 + (self.corpus_size - holders + 0.5) / (holders + 0.5))


class RankBm25Engine:
    """Needs no files but the terms."""

    @property
    def fingerprint(self) -> str:
        return "rank-bm25"

    def write(self, folder: Path, documents: NDArray[np.uint32], base: Path | None, base_rows: int) -> None:
        """Nothing more is written."""

    def open(self, folder: Path) -> "RankBm25Reader":
        return RankBm25Reader(folder)


class RankBm25Reader:
    """The lexical leg by rank-bm25."""

    def __init__(self, folder: Path) -> None:
        corpus = [line.split() for line in read_terms(folder)]
        # Without a single word there is nothing to score, and its mean length would divide by zero.
        self._bm25 = _PositiveOkapi(corpus, k1=TERM_SATURATION_K1, b=LENGTH_WEIGHT_B) if any(corpus) else None

    def best(self, words: Sequence[str], visible: Visible, depth: int) -> Ranked:
        if self._bm25 is None or not words:
            return np.zeros(0, np.intp), np.zeros(0, np.float64)
        scores = np.asarray(self._bm25.get_scores(list(words)), np.float64)
        rows = np.flatnonzero(visible.mask & (scores > 0))
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        return rows, level(scores[rows])
