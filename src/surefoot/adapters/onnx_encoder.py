"""The default encoder: the shipped model on onnxruntime, without torch."""

from pathlib import Path

import numpy as np

from surefoot.adapters.minilm import MODEL_FOLDER, MiniLmEncoder, Network, TokenIds
from surefoot.adapters.onnx_session import open_session
from surefoot.ports import Vectors


class OnnxEncoder(MiniLmEncoder):
    """An Encoder on onnxruntime; one core gives about a query per millisecond and a hundred chunks a second."""

    def __init__(self, *, threads: int = 0, cache_size: int = 4096, folder: Path = MODEL_FOLDER) -> None:
        super().__init__("onnx", open_network, threads=threads, cache_size=cache_size, folder=folder)


def open_network(model: bytes) -> Network:
    """The model ready to turn one text's word pieces into its vector."""
    session = open_session(model)

    def run(ids: TokenIds) -> Vectors:
        return np.asarray(session.run(None, {"input_ids": ids})[0][0], dtype=np.float32)

    return run
