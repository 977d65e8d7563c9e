"""The shipped all-MiniLM-L6-v2: its files, checked against their hashes, and encoding text by text on any engine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from surefoot.adapters.model_folder import (
    MANIFEST_FILE,
    MODEL_FILE,
    MODELS,
    TOKENIZER_FILE,
    available_cpus,
    read_record,
    readable,
    side_by_side,
    unreadable,
    verified,
)
from surefoot.adapters.query_cache import QueryCache
from surefoot.core.ids import digest
from surefoot.ports import Vectors

MODEL_FOLDER = MODELS / "all-minilm-l6-v2"
# Far beyond 256 word pieces of any language; it bounds the time a hostile text can spend in the tokenizer.
LONGEST_TEXT_CHARACTERS = 20_000
_MAKE = "model"

TokenIds = NDArray[np.int64]
Network = Callable[[TokenIds], Vectors]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the build recorded about the model: `files` maps each file name to its sha256."""

    name: str
    dimensions: int
    max_tokens: int
    files: dict[str, str]


def read_manifest(folder: Path = MODEL_FOLDER) -> Manifest:
    """The manifest of the model folder; MissingModel when there is none or it is not readable."""
    path = folder / MANIFEST_FILE
    record = read_record(path, _MAKE)
    try:
        return Manifest(record["name"], int(record["dimensions"]), int(record["max_tokens"]), dict(record["files"]))
    except (ValueError, KeyError, TypeError) as error:
        raise unreadable(path, error, _MAKE) from error


def verified_bytes(folder: Path, name: str, manifest: Manifest) -> bytes:
    """The file's bytes, which have the sha256 of the manifest; MissingModel for a missing file or any other content."""
    return verified(folder / name, manifest.files.get(name), _MAKE)


@dataclass(frozen=True, slots=True)
class _Loaded:
    tokenizer: Tokenizer
    network: Network


class MiniLmEncoder:
    """An Encoder over the shipped model, opened at first use. An engine only says how it opens the ONNX bytes.

    Every text goes through the network alone: its vector is then the same whatever is encoded beside it, bit for bit.
    Several threads share one opened model, each working on its own text; `threads` 0 takes every CPU of this process.
    """

    def __init__(
        self, engine: str, open_network: Callable[[bytes], Network], *, threads: int, cache_size: int, folder: Path
    ) -> None:
        self._engine = engine
        self._open_network = open_network
        self._threads = threads or available_cpus()
        self._folder = folder
        self._queries = QueryCache(cache_size)
        self._lock = Lock()
        self._manifest: Manifest | None = None
        self._loaded: _Loaded | None = None

    @property
    def fingerprint(self) -> str:
        """Changes with the engine, the model's or tokenizer's bytes, and the length at which texts are cut."""
        manifest = self._read_manifest()
        files = (f"{name}={sha}" for name, sha in sorted(manifest.files.items()))
        cut = (str(manifest.max_tokens), str(LONGEST_TEXT_CHARACTERS))
        return f"{self._engine}:{manifest.name}:{digest(*files, *cut)[:16]}"

    @property
    def dimensions(self) -> int:
        """The length of a vector."""
        return self._read_manifest().dimensions

    def encode(self, texts: Sequence[str]) -> Vectors:
        """`(len(texts), dimensions)` float32, unit rows, in the order given; texts are cut at 256 word pieces."""
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        for row, vector in enumerate(side_by_side(self._vector, texts, threads=self._threads)):
            vectors[row] = vector
        return vectors

    def encode_query(self, text: str) -> Vectors:
        """`(dimensions,)` float32, a read-only unit vector, from the cache when this text was asked before."""
        return self._queries.get(text, self._vector)

    def _vector(self, text: str) -> Vectors:
        loaded = self._load()
        ids = loaded.tokenizer.encode(readable(text, LONGEST_TEXT_CHARACTERS)).ids
        return loaded.network(np.array([ids], dtype=np.int64))

    def _read_manifest(self) -> Manifest:
        if self._manifest is None:
            self._manifest = read_manifest(self._folder)
        return self._manifest

    def _load(self) -> _Loaded:
        if self._loaded is None:
            with self._lock:
                if self._loaded is None:
                    manifest = self._read_manifest()
                    tokenizer = Tokenizer.from_str(verified_bytes(self._folder, TOKENIZER_FILE, manifest).decode())
                    tokenizer.enable_truncation(manifest.max_tokens)
                    tokenizer.no_padding()
                    network = self._open_network(verified_bytes(self._folder, MODEL_FILE, manifest))
                    self._loaded = _Loaded(tokenizer, network)
        return self._loaded
