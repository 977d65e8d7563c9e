"""The vector leg: an exact scan in signed bytes, proven and scored in single precision (FAISS; Johnson et al., 2019)."""

from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from surefoot.adapters.embedded_index.visibility import Visible
from surefoot.ports import Vectors

VECTORS_FILE = "vectors.npy"
CODES_FILE = "vectors.faiss"

# With this many rows or fewer to look at, reading them all is as fast as a scan of bytes.
_READ_ALL_ROWS = 500
# A scan's candidates for each hit asked for, and at least; more are taken when these do not prove the answer.
_CANDIDATES_PER_HIT = 4
_MIN_CANDIDATES = 128
_MORE_CANDIDATES = 4
_ROWS_PER_BLOCK = 16_384
# Similarities are rounded to this many decimals, so that equal vectors tie whatever order they were summed in.
_SIMILARITY_DECIMALS = 6

Rows = NDArray[np.intp]


def write_vectors(folder: Path, vectors: Vectors) -> None:
    """The folder holds the vectors and, when they are many, their bytes: x * 127 / max, rounded."""
    np.save(folder / VECTORS_FILE, vectors)
    if len(vectors) <= _READ_ALL_ROWS:
        return
    scale = _scale(float(np.abs(vectors).max()))
    codes = faiss.IndexScalarQuantizer(vectors.shape[1], faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT)
    for start in range(0, len(vectors), _ROWS_PER_BLOCK):
        codes.add(np.rint(vectors[start : start + _ROWS_PER_BLOCK] * scale))
    faiss.write_index(codes, str(folder / CODES_FILE))


@dataclass(frozen=True, slots=True)
class CodeError:
    """How far bytes are from the vectors they stand for: the largest component of all vectors, the longest distance
    between a vector and its bytes, and the length of the longest vector.
    """

    peak: float
    distance: float
    length: float


def code_error(vectors: Vectors) -> CodeError:
    """The error of these vectors' bytes."""
    peak = float(np.abs(vectors).max(initial=0.0))
    scale, distance, length = _scale(peak), 0.0, 0.0
    for start in range(0, len(vectors), _ROWS_PER_BLOCK):
        block = vectors[start : start + _ROWS_PER_BLOCK]
        distance = max(distance, float(np.linalg.norm(block - np.rint(block * scale) / scale, axis=1).max()))
        length = max(length, float(np.linalg.norm(block, axis=1).max()))
    return CodeError(peak, distance, length)


class ExactScan:
    """Finds the best visible rows exactly. Files are mapped, not read; one scan uses one core. Safe from many threads."""

    def __init__(self, folder: Path, error: CodeError) -> None:
        self._vectors: Vectors = np.asarray(np.load(folder / VECTORS_FILE, mmap_mode="r", allow_pickle=False))
        self._error = error
        self._codes = None
        if (folder / CODES_FILE).exists():
            self._codes = faiss.read_index(str(folder / CODES_FILE), faiss.IO_FLAG_MMAP_IFC)

    @property
    def vectors(self) -> Vectors:
        return self._vectors

    def best(self, query: Vectors, visible: Visible, depth: int) -> tuple[Rows, NDArray[np.float64]]:
        """Every row that is among the best `depth`, ties for the last place included, with its similarity; any order."""
        wanted = max(_MIN_CANDIDATES, _CANDIDATES_PER_HIT * depth)
        if self._codes is not None:
            while max(wanted, _READ_ALL_ROWS) < visible.count:
                rows, bound = self._scan(query, visible, wanted)
                scores = self.scores(query, rows)
                if np.partition(scores, -depth)[-depth] > bound:
                    return rows, scores
                wanted *= _MORE_CANDIDATES
        return visible.rows, self.scores(query, visible.rows)

    def scores(self, query: Vectors, rows: Rows) -> NDArray[np.float64]:
        """The similarity of each of these rows."""
        products = np.empty(len(rows), np.float64)
        exact = query.astype(np.float64)
        for start in range(0, len(rows), _ROWS_PER_BLOCK):
            block = self._vectors[rows[start : start + _ROWS_PER_BLOCK]]
            products[start : start + len(block)] = block.astype(np.float64) @ exact
        return np.round(products, _SIMILARITY_DECIMALS)

    def _scan(self, query: Vectors, visible: Visible, wanted: int) -> tuple[Rows, float]:
        """The rows whose byte products are largest, and what the similarity of no other visible row exceeds.

        A byte product differs from the true one by at most |query| x (distance of the row's bytes) + (distance of the
        query's bytes) x |row's bytes|, by Cauchy-Schwarz. The query is rounded here, because FAISS does it too,
        its own way, on some CPUs and not on others.
        """
        peak = float(np.abs(query).max()) or 1.0
        scale = _scale(peak)
        rounded = np.rint(query * scale)
        # FAISS counts threads per calling thread, and workers are one to a core already.
        faiss.omp_set_num_threads(1)
        parameters = faiss.SearchParameters()
        # The parameters point to the selector without keeping it alive; this name does.
        selector = faiss.IDSelectorBitmap(len(visible.bits), faiss.swig_ptr(visible.bits))
        if not visible.everything:
            parameters.sel = selector
        assert self._codes is not None
        products, rows = self._codes.search(rounded[None].astype(np.float32), wanted, params=parameters)
        off = float(np.linalg.norm(query)) * self._error.distance
        off += float(np.linalg.norm(query - rounded / scale)) * (self._error.length + self._error.distance)
        least = float(products[0][-1]) / (scale * _scale(self._error.peak))
        return rows[0].astype(np.intp), least + off + 10.0**-_SIMILARITY_DECIMALS


def _scale(peak: float) -> float:
    return 127.0 / peak if peak else 1.0
