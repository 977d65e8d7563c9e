"""An encoder that remembers, in one file per model, every chunk text it was given: a repeated eval encodes nothing."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from surefoot.core.ids import digest
from surefoot.ports import Encoder, Vectors

_KEY_BYTES = 32
_BATCH = 64


class RememberedEncoder:
    """An Encoder over another one. Chunk vectors come from the folder when the same model made them before; questions are
    always encoded, so that their times are real. One process at a time writes a folder.
    """

    def __init__(self, encoder: Encoder, folder: Path) -> None:
        self._encoder = encoder
        self._path = folder / f"{digest(encoder.fingerprint)[:16]}.vectors"
        self._record = np.dtype([("key", f"V{_KEY_BYTES}"), ("vector", "<f4", (encoder.dimensions,))])
        self._known: dict[bytes, Vectors] | None = None
        self._is_resting = False
        self.encoded = 0

    def rest(self) -> None:
        """From here on texts are encoded as they come and nothing is remembered: what the model says of a text may differ by a
        hair with the texts that it reads beside it, so what was asked before must not decide what is left to read.
        """
        self._is_resting = True
        self._known = None

    @property
    def fingerprint(self) -> str:
        """That of the encoder underneath: the vectors are the same."""
        return self._encoder.fingerprint

    @property
    def dimensions(self) -> int:
        return self._encoder.dimensions

    def encode(self, texts: Sequence[str]) -> Vectors:
        """As the encoder underneath would; `encoded` counts the texts that it was really asked for."""
        if self._is_resting:
            return self._encoder.encode(texts)
        known = self._known = self._known if self._known is not None else self._load()
        keys = [bytes.fromhex(digest(text)) for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        queue = sorted(missing, key=lambda key: len(missing[key]))
        for begin in range(0, len(queue), _BATCH):
            batch = queue[begin : begin + _BATCH]
            vectors = self._encoder.encode([missing[key] for key in batch])
            self._append(batch, vectors)
            known.update(zip(batch, vectors, strict=True))
            self.encoded += len(batch)
        return np.stack([known[key] for key in keys]) if keys else np.zeros((0, self.dimensions), dtype=np.float32)

    def encode_query(self, text: str) -> Vectors:
        return self._encoder.encode_query(text)

    def _load(self) -> dict[bytes, Vectors]:
        """What the file holds. A record that an interrupted run left half written is cut off."""
        if not self._path.exists():
            return {}
        whole = self._path.stat().st_size // self._record.itemsize
        with self._path.open("r+b") as stream:
            stream.truncate(whole * self._record.itemsize)
        records = np.fromfile(self._path, dtype=self._record)
        return {key.tobytes(): vector for key, vector in zip(records["key"], records["vector"], strict=True)}

    def _append(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        records = np.zeros(len(keys), dtype=self._record)
        records["key"] = [np.void(key) for key in keys]
        records["vector"] = vectors
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as stream:
            stream.write(records.tobytes())
