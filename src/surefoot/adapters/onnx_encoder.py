"""The default encoder: the shipped model on onnxruntime, without torch."""

from pathlib import Path

import numpy as np
import onnxruntime

from surefoot.adapters.minilm import MODEL_FOLDER, MiniLmEncoder, Network, TokenIds
from surefoot.ports import Vectors


class OnnxEncoder(MiniLmEncoder):
    """An Encoder on onnxruntime; one core gives about a query per millisecond and a hundred chunks a second."""

    def __init__(self, *, threads: int = 0, cache_size: int = 4096, folder: Path = MODEL_FOLDER) -> None:
        super().__init__("onnx", open_session, threads=threads, cache_size=cache_size, folder=folder)


def open_session(model: bytes) -> Network:
    """The model ready to run, one thread per call: several calls at once share the cores better than one call splits them."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(ids: TokenIds) -> Vectors:
        return np.asarray(session.run(None, {"input_ids": ids})[0][0], dtype=np.float32)

    return run
