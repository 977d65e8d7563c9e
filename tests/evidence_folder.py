"""A folder of an evidence model for tests: as it ships, but with a network of eight operations that fits into a line."""

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from surefoot.adapters.minilm import MODEL_FOLDER
from surefoot.adapters.onnx_evidence import HEADS_FILE, OUTPUTS

# The ONNX of `tiny_network`, zlib and base64: tests need no package to make it; one of them makes it anew where there is one.
TINY = (
    "eNptUD1PwzAUjPPROg9oixWVDkioWUBhhAUUhGi3SCxUSKhLVWKDTFOnrRNQWWBnZ0T8Cib+CT+CgRkJx81QAbZk+d07n+8exocfFrTB5WKSZwNOJbHU4dvdocwC"
    "F8wsbaFXZMIO1LJ0xMQgm0+Y5jnF7R/mBiw6YKWCEVtyynzrhFJoQiENGiF2libUt07zBLZAF2AnSolU4jTJx8J3z4Wc5ozdM/ChBGHlasYUKGLOJKkMxXWiHGgR"
    "D8qSOHfD2wLtcQF7sKigos2rNzJOZ6rrnjGax6yXj4M64BFjE8rHsmWoAMoaF/NgFyO1nQbqLH8aeRcH++Fz9yl8uHkP376+w5fP7aOgjpEiFoEj2zAejwNPAdWO"
    "ThRh01isoKnR0kuEUYn3N5fnX4c1XCVqoBiBRZDot/+M/jflsgVlMFKDVYwI1i0TOx0bjMb6DznVeZw="
)
HEADS: dict[str, Any] = {
    "format": 1,
    "answers": {
        "answerable": {"bias": 0.1, "features": 0.8, "best": 0.3, "best_two": 0.2},
        "in_scope": {"bias": 0.2, "features": 1.0, "best": 0.1, "best_two": 0.0},
        "source": {"bias": 0.0, "features": 1.0, "relevance": 0.5, "answers": 0.25},
        "answer_threshold": 0.45,
        "scope_threshold": 0.2,
    },
    "support": {"least": 0.3},
    "quotes": {"weight": 0.4, "temperature": 2.0, "source_weight": 0.5, "top": 6, "margin": 0.3, "source_margin": 1.0},
}
USES = ("relevance", "answers", "support", "quotes")


def tiny_network() -> bytes:
    """The ONNX bytes of five sums of waves over a pair's word pieces; needs the package `onnx`."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    waves = np.array([0.011, 0.017, 0.023, 0.031, 0.041], dtype=np.float32).reshape(1, 1, 5)
    constants = {"frequencies": waves, "one": np.ones(1, dtype=np.float32), "last": np.array([2]), "tokens": np.array([1])}
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["token_type_ids"], ["types"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["types", "one"], ["side"]),
        helper.make_node("Mul", ["ids", "side"], ["told"]),
        helper.make_node("Unsqueeze", ["told", "last"], ["column"]),
        helper.make_node("Mul", ["column", "frequencies"], ["angles"]),
        helper.make_node("Sin", ["angles"], ["waves"]),
        helper.make_node("ReduceSum", ["waves", "tokens"], ["scores"], keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, [1, "n"]) for name in ("input_ids", "token_type_ids")]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 5])]
    weights = [numpy_helper.from_array(values, name) for name, values in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, weights)
    return bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString())


def evidence_folder(
    folder: Path,
    *,
    ships: Iterable[str] = USES,
    heads: dict[str, Any] | None = None,
    **changes: Any,
) -> Path:
    """The folder, with a manifest whose fields are those of `changes` where it names them."""
    folder.mkdir(parents=True, exist_ok=True)
    model = zlib.decompress(base64.b64decode(TINY))
    weights = json.dumps(HEADS if heads is None else heads).encode()
    (folder / "model.int8.onnx").write_bytes(model)
    (folder / HEADS_FILE).write_bytes(weights)
    kept = frozenset(ships)
    manifest: dict[str, Any] = {
        "format": 1,
        "name": "tiny",
        "max_tokens": 256,
        "outputs": list(OUTPUTS),
        "files": {"model.int8.onnx": _sha256(model), HEADS_FILE: _sha256(weights)},
        "tokenizer": {
            "file": "../all-minilm-l6-v2/tokenizer.json",
            "sha256": _sha256((MODEL_FOLDER / "tokenizer.json").read_bytes()),
        },
        "temperature": {"relevance": 20.0, "answers": 20.0, "support": 20.0},
        "rerank": {"weight": 0.3, "top": 8, "early_exit_margin": 0.9},
        "heads": {name: {"ships": name in kept} for name in USES},
        "figures": {},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest | changes), encoding="utf-8")
    return folder


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
