"""SciFact's abstracts, and which of them train, choose and judge: by abstract, never by claim."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.data import read_rows
from training.support import FOLDS

JUDGING, CHOOSING = 0, 1
# The file glues an abstract's sentences into one; where they were joined, a stop meets a capital, or white space is wide.
_JOINED = re.compile(r"(?<=[.!?])(?=[A-Z])(?<![A-Z]\.)|\s{3,}|\n")


def fold_of(doc_id: str) -> int:
    """The abstract's fold; `training.support` holds fold 0 out by the same rule."""
    return sum(doc_id.encode()) % FOLDS


def is_for_training(doc_id: str) -> bool:
    return fold_of(doc_id) not in (JUDGING, CHOOSING)


@dataclass(frozen=True)
class Abstracts:
    """All abstracts, by id."""

    ids: tuple[str, ...]
    titles: Mapping[str, str]
    sentences: Mapping[str, Sequence[str]]

    def text_of(self, doc_id: str) -> str:
        """Title and abstract as a passage."""
        return f"{self.titles[doc_id]}\n{' '.join(self.sentences[doc_id])}"


def load_abstracts(data: Path) -> Abstracts:
    rows = read_rows(data / "scifact.corpus.jsonl.gz")
    return Abstracts(
        tuple(row["id"] for row in rows),
        {row["id"]: row["title"] for row in rows},
        {row["id"]: sentences_of(" ".join(row["sentences"])) for row in rows},
    )


def sentences_of(abstract: str) -> list[str]:
    """The abstract's sentences as they were before the file joined them."""
    return [said for part in _JOINED.split(abstract) if (said := part.strip())]
