"""What a lexical engine is to this index, and the terms that every engine is built from."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from surefoot.adapters.embedded_index.columns import Mask
from surefoot.adapters.embedded_index.visibility import Visible

# BM25's two constants (Robertson & Zaragoza, 2009); Tantivy has them built in, so the others follow.
TERM_SATURATION_K1 = 1.2
LENGTH_WEIGHT_B = 0.75

TERMS_FILE = "terms.txt"

# Sums in single precision differ in their last digits with the order of the terms; nearer scores than this are equal.
SAME_SCORE = 1e-5

Ranked = tuple[NDArray[np.intp], NDArray[np.float64]]


class LexicalReader(Protocol):
    """The lexical leg of one open generation. Safe from many threads."""

    def best(self, words: Sequence[str], visible: Visible, depth: int) -> Ranked:
        """Rows and scores, best first, of at least the best `depth` visible rows that share a word, ties for the last
        place included.
        """
        ...


class LexicalEngine(Protocol):
    """Writes and opens one kind of lexical files."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever files written before could not be read or would rank otherwise."""
        ...

    def write(self, folder: Path, documents: NDArray[np.uint32], base: Path | None, base_rows: int) -> None:
        """The folder, which holds the terms of all rows already, can be opened. `documents` is each row's document.
        With `base`, a folder of this engine, the first `base_rows` rows are exactly that folder's.
        """
        ...

    def open(self, folder: Path) -> LexicalReader: ...


def write_terms(folder: Path, base: Path | None, keep: Mask | None, added: Iterable[Sequence[str]]) -> None:
    """The folder holds one line of terms a row: those lines of the base that are kept, then the added ones."""
    with (folder / TERMS_FILE).open("wb") as file:
        if base is not None and keep is not None:
            with (base / TERMS_FILE).open("rb") as lines:
                file.writelines(line for line, kept in zip(lines, keep.tolist(), strict=True) if kept)
        file.writelines((" ".join(words) + "\n").encode() for words in added)


def read_terms(folder: Path) -> Iterator[str]:
    """Each row's terms with spaces between, in row order."""
    with (folder / TERMS_FILE).open("rb") as lines:
        for line in lines:
            yield line[:-1].decode()


def level(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores, best first, with those that differ by rounding alone made equal to the best of them."""
    if len(scores) < 2:
        return scores
    starts = np.flatnonzero(np.append(True, scores[1:] < scores[:-1] * (1 - SAME_SCORE)))
    return np.repeat(scores[starts], np.diff(np.append(starts, len(scores))))
