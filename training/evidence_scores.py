"""Raw scores of an exported evidence model, each pair read once and remembered beside the file's hash."""

import pickle
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from surefoot.adapters.onnx_session import open_session
from training.encoder import sha256
from training.evidence_pieces import HEADS, Encoded, PairReader

Pair = tuple[str, str]


class RawScores:
    """`model` is an ONNX file, int8 or fp32; `folder` keeps what it said."""

    def __init__(self, model: Path, folder: Path, *, max_tokens: int, threads: int = 2) -> None:
        self._model = model
        self._threads = threads
        self._reader = PairReader(max_tokens)
        self._path = folder / f"scores-{sha256(model)[:12]}-{max_tokens}.pickle"
        self._known: dict[Pair, NDArray[np.float32]] = {}
        if self._path.exists():
            with self._path.open("rb") as file:
                self._known = pickle.load(file)

    def read(self, pairs: Iterable[Pair]) -> None:
        """Every pair has been scored."""
        missing = [pair for pair in dict.fromkeys(pairs) if pair not in self._known]
        if not missing:
            return
        session = open_session(self._model.read_bytes())

        def one(row: Encoded) -> NDArray[np.float32]:
            given = {"input_ids": np.array([row.ids], dtype=np.int64), "token_type_ids": np.array([row.types], dtype=np.int64)}
            return np.asarray(session.run(None, given)[0][0], dtype=np.float32)

        with ThreadPoolExecutor(self._threads) as pool:
            self._known |= dict(zip(missing, pool.map(one, self._reader.read(missing)), strict=True))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("wb") as file:
            pickle.dump(self._known, file)
        print(f"  {len(missing)} pairs read by {self._model.name}", flush=True)

    def of(self, pairs: Iterable[Pair]) -> NDArray[np.float64]:
        """`(pairs, 5)`; no rows without pairs."""
        wanted = list(pairs)
        self.read(wanted)
        return np.array([self._known[pair] for pair in wanted], dtype=np.float64).reshape(-1, len(HEADS))
