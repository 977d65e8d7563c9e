"""Any sentence-transformers model as an encoder; needs the extra `sentence-transformers`, which brings torch."""

import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from surefoot.adapters.hub_models import opened
from surefoot.adapters.model_folder import readable
from surefoot.adapters.query_cache import QueryCache
from surefoot.core.errors import MissingDependency
from surefoot.ports import Vectors

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch.nn import Module

BATCH_SIZE = 16
# Far beyond the token limit of these models; it bounds the time a hostile text can spend in the tokenizer.
LONGEST_TEXT_CHARACTERS = 100_000


class SentenceTransformersEncoder:
    """An Encoder on torch, opened at first use. `model` is a folder or a name on the Hugging Face hub.

    Raises MissingDependency when the package is not installed. With `offline` nothing is fetched: a model that is neither a
    folder nor in the local cache raises MissingModel at first use. `threads` above 0 sets torch's threads for the process.
    """

    def __init__(self, model: str, *, threads: int = 0, cache_size: int = 4096, offline: bool = False) -> None:
        if find_spec("sentence_transformers") is None:
            raise MissingDependency(
                f"The encoder 'sentence-transformers:{model}' needs a package: pip install 'surefoot[sentence-transformers]'."
            )
        self._name = model
        self._threads = threads
        self._offline = offline
        self._queries = QueryCache(cache_size)
        self._lock = Lock()
        self._model: SentenceTransformer | None = None
        self._fingerprint = ""
        self._dimensions = 0

    @property
    def fingerprint(self) -> str:
        """Changes with the weights, the length at which texts are cut, and the prompts put before them; opens the model."""
        with self._lock:
            self._load()
            return self._fingerprint

    @property
    def dimensions(self) -> int:
        """The length of a vector; opens the model."""
        with self._lock:
            self._load()
            return self._dimensions

    def encode(self, texts: Sequence[str]) -> Vectors:
        """`(len(texts), dimensions)` float32, unit rows, in the order given; texts are cut at the model's limit."""
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        taken = [readable(text, LONGEST_TEXT_CHARACTERS) for text in texts]
        with self._lock:
            vectors = self._load().encode_document(
                taken, batch_size=BATCH_SIZE, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
            )
        return np.asarray(vectors, dtype=np.float32)

    def encode_query(self, text: str) -> Vectors:
        """`(dimensions,)` float32, a read-only unit vector, from the cache when this text was asked before."""
        return self._queries.get(text, self._query_vector)

    def _query_vector(self, text: str) -> Vectors:
        with self._lock:
            vector = self._load().encode_query(
                readable(text, LONGEST_TEXT_CHARACTERS), normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
            )
        return np.array(vector, dtype=np.float32)

    def _load(self) -> "SentenceTransformer":
        """The opened model. The caller holds the lock: its tokenizer may not be used by two threads at once."""
        if self._model is None:
            what = "sentence-transformers model"
            model = opened(what, self._name, self._from_hub, threads=self._threads, offline=self._offline)
            settings = ([type(module).__name__ for module in model], model.max_seq_length, sorted(model.prompts.items()))
            self._fingerprint = f"sentence-transformers:{Path(self._name).name}:{weights_hash(model, settings)}"
            self._dimensions = len(model.encode_query("", show_progress_bar=False, convert_to_numpy=True))
            self._model = model
        return self._model

    def _from_hub(self) -> "SentenceTransformer":
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(self._name, device="cpu", local_files_only=self._offline)


def weights_hash(model: "Module", settings: tuple[object, ...]) -> str:
    """A hash of every weight by name, and of the settings."""
    sha = hashlib.sha256(repr(settings).encode())
    for name, tensor in sorted(model.state_dict().items()):
        sha.update(name.encode())
        sha.update(tensor.float().contiguous().numpy().tobytes())
    return sha.hexdigest()[:16]
