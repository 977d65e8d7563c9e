"""Documentation corpora of any size: a real tenant's sections, and beyond those the same sentences shuffled together anew."""

import gzip
import json
import random
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from surefoot.ports import Encoder, Vectors
from surefoot.retrieval.readers import RawFile

SECTIONS_A_PAGE = 8
PAGES_A_FILE = 1_000
VISIBLE_GROUP, OTHER_GROUP = "group:support", "group:engineering"
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
# Sections are kept short enough to be one chunk each, so that their number is the size of the index.
_CHUNK_CHARACTERS = 600


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a gzipped JSON Lines file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def sections(data: Path, count: int, *, visible_share: float, seed: int) -> list[dict[str, Any]]:
    """`count` sections on pages of eight: the tenant's own texts first, then texts recombined from their sentences.

    Each page may be read by one group; about `visible_share` of the pages by VISIBLE_GROUP.
    """
    chance = random.Random(seed)
    real = [row for row in read_lines(data / "segment_docs.sections.jsonl.gz") if row["text"].strip()]
    sentences = [s for row in real for s in _SENTENCE_END.split(row["text"]) if 20 <= len(s) <= 400]
    made: list[dict[str, Any]] = []
    for number in range(count):
        source = real[number] if number < len(real) else chance.choice(real)
        text = source["text"][:_CHUNK_CHARACTERS] if number < len(real) else _recombined(sentences, chance)
        page = f"/page/{number // SECTIONS_A_PAGE}"
        made.append({"id": f"{page}#{number}", "page": page, "title": source["title"], "path": source["path"]})
        made[-1] |= {"heading": source["heading"], "text": text}
        if number % SECTIONS_A_PAGE == 0:
            group = VISIBLE_GROUP if chance.random() < visible_share else OTHER_GROUP
        made[-1]["principals"] = [group]
    return made


def as_files(rows: list[dict[str, Any]]) -> Iterator[RawFile]:
    """The sections as JSON Lines files of a thousand pages."""
    step = SECTIONS_A_PAGE * PAGES_A_FILE
    for begin in range(0, len(rows), step):
        body = "\n".join(json.dumps(row) for row in rows[begin : begin + step])
        yield RawFile(f"sections-{begin}.jsonl", body.encode())


class MixedVectors:
    """An Encoder for filling large indexes fast: a chunk gets a mixture of real vectors that its text's hash chooses.

    Questions are encoded for real. Which chunks are found then means nothing, but how long finding takes is the same: an
    exact scan looks at every visible row whatever is in it.
    """

    def __init__(self, encoder: Encoder, texts: list[str]) -> None:
        self._encoder = encoder
        self._pool = encoder.encode(texts)

    @property
    def fingerprint(self) -> str:
        """Never that of a real encoder."""
        return f"mixed:{len(self._pool)}:{self._encoder.fingerprint}"

    @property
    def dimensions(self) -> int:
        """The length of a vector."""
        return self._encoder.dimensions

    def encode(self, texts: list[str] | tuple[str, ...]) -> Vectors:
        """`(len(texts), dimensions)` float32, unit rows: of each text's hash, not of its meaning."""
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            chance = np.random.default_rng(list(sha256(text.encode()).digest()[:8]))
            parts = chance.integers(len(self._pool), size=3)
            vector = chance.dirichlet((1.0, 1.0, 1.0)).astype(np.float32) @ self._pool[parts]
            vectors[row] = vector / np.linalg.norm(vector)
        return vectors

    def encode_query(self, text: str) -> Vectors:
        """The real vector of the question."""
        return self._encoder.encode_query(text)


def _recombined(sentences: list[str], chance: random.Random) -> str:
    parts: list[str] = []
    length = chance.randint(_CHUNK_CHARACTERS // 3, _CHUNK_CHARACTERS)
    while sum(map(len, parts)) < length:
        parts.append(chance.choice(sentences))
    return " ".join(parts)
