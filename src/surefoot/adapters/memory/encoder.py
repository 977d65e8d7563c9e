"""An encoder without a model: words hashed into a vector. Texts that share words are near each other, and nothing else is."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from surefoot.adapters.query_cache import QueryCache
from surefoot.ports import Vectors

_WORD = re.compile(r"\w+")
_STEM_CHARACTERS = 6
_LONGEST_TEXT_WORDS = 2_000


class HashingEncoder:
    """An Encoder for tests and demonstrations that starts at once and gives the same vectors on every machine.

    Each word's first six letters choose a coordinate and a sign by hash (feature hashing, Weinberger et al., ICML 2009).
    A text without words gets the first axis, because every row must have length one.
    """

    def __init__(self, *, dimensions: int = 64, cache_size: int = 4096) -> None:
        self._dimensions = dimensions
        self._queries = QueryCache(cache_size)

    @property
    def fingerprint(self) -> str:
        """Changes with the number of dimensions."""
        return f"hashing:{self._dimensions}:1"

    @property
    def dimensions(self) -> int:
        """The length of a vector."""
        return self._dimensions

    def encode(self, texts: Sequence[str]) -> Vectors:
        """`(len(texts), dimensions)` float32, unit rows, in the order given; texts are cut at 2,000 words."""
        vectors = np.empty((len(texts), self._dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self._vector(text)
        return vectors

    def encode_query(self, text: str) -> Vectors:
        """`(dimensions,)` float32, a read-only unit vector, from the cache when this text was asked before."""
        return self._queries.get(text, self._vector)

    def _vector(self, text: str) -> Vectors:
        vector = np.zeros(self._dimensions, dtype=np.float32)
        for word in _WORD.findall(text.lower())[:_LONGEST_TEXT_WORDS]:
            code = int(hashlib.sha256(word[:_STEM_CHARACTERS].encode("utf-8", "replace")).hexdigest()[:15], 16)
            vector[(code >> 1) % self._dimensions] += 1.0 if code & 1 else -1.0
        length = float(np.linalg.norm(vector))
        if length == 0.0:
            vector[0] = length = 1.0
        return vector / np.float32(length)
