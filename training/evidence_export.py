"""Writes the evidence model as it ships: `python -m training.evidence_export --weights FILE --out DIR [--record FILE]`.

The graph takes ONE pair without padding, as the encoder's does and for the same reason (see training/encoder.py): quantised
activations are scaled over the whole input, so that a pair's scores would otherwise depend on its neighbours.
"""

import argparse
import importlib.metadata
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.encoder import MANIFEST, MODEL, MODEL_FOLDER, PACKAGE, TOKENIZER, sha256, source_folder
from training.evidence_graph import OPSET, Exact, Integers, Weights, evidence_graph
from training.evidence_integers import LARGEST_PAIR
from training.evidence_network import EvidenceNetwork, load_weights
from training.evidence_peaks import peaks
from training.evidence_pieces import HEADS, MAX_TOKENS

FORMAT = 1
HEADS_FILE = "heads.json"
LARGEST_FILE_BYTES = 25_000_000


def weights_of(network: EvidenceNetwork) -> Weights:
    """The network's weights by their names, in fp32."""
    return {name: value.detach().float().numpy().astype(np.float32) for name, value in network.state_dict().items()}


def write_model(weights: Path | None, folder: Path, record: dict[str, Any], *, float_model: Path | None = None) -> None:
    """`folder` holds model, heads and manifest; `record` is what the figures found: temperatures, mixture, heads.

    The tokenizer is the shipped encoder's: the manifest names its hash, and no second copy is kept. Without weights the heads
    are as they were drawn. `float_model` also keeps the fp32 graph there, for comparison.
    """
    torch.manual_seed(0)
    network = EvidenceNetwork()
    if weights is not None:
        load_weights(network, weights)
    found = weights_of(network)
    if float_model is not None:
        float_model.write_bytes(evidence_graph(found, Exact()))
    folder.mkdir(parents=True, exist_ok=True)
    size = (folder / MODEL).write_bytes(evidence_graph(found, Integers(peaks(found))))
    if size > LARGEST_FILE_BYTES:
        raise SystemExit(f"{folder / MODEL} has {size} bytes; {LARGEST_FILE_BYTES} are allowed.")
    (folder / HEADS_FILE).write_text(json.dumps(record["heads"], indent=2, sort_keys=True) + "\n", encoding="utf-8")
    tools = ("torch", "transformers", "onnx", "onnxruntime", "numpy")
    manifest = {
        "format": FORMAT,
        "name": "surefoot-evidence",
        "max_tokens": MAX_TOKENS,
        "outputs": list(HEADS),
        "files": {name: sha256(folder / name) for name in (MODEL, HEADS_FILE)},
        "tokenizer": {"file": f"../{MODEL_FOLDER.name}/{TOKENIZER}", "sha256": sha256(MODEL_FOLDER / TOKENIZER)},
        **record["manifest"],
        "build": {
            "command": "make evidence-model",
            "source": f"{PACKAGE}=={importlib.metadata.version(PACKAGE)}",
            "source_sha256": sha256(source_folder() / "model.safetensors"),
            "weights_sha256": sha256(weights) if weights is not None else None,
            "tools": {tool: importlib.metadata.version(tool).split("+")[0] for tool in tools},
            "opset": OPSET,
            "quantisation": {
                "weights": "int8, per channel, by pairs within range",
                "activations": "uint8, per pair, large channels scaled down or in fp32",
                "largest_pair_of_weights": LARGEST_PAIR,
            },
        },
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")


UNTRAINED: dict[str, Any] = {
    "manifest": {
        "temperature": {"relevance": 1.0, "answers": 1.0, "support": 1.0},
        "rerank": {"weight": 0.0, "top": 10, "early_exit_margin": 1.0},
        "heads": {name: {"ships": False} for name in ("relevance", "answers", "support")},
        "figures": {},
    },
    "heads": {"format": 1},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", type=Path, help="trained weights; without them the heads are as drawn")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model to write")
    parser.add_argument("--record", type=Path, help="what the figures found: temperatures, mixture, heads")
    parser.add_argument("--float-model", type=Path, help="keep the fp32 graph here")
    options = parser.parse_args()
    record = json.loads(options.record.read_text(encoding="utf-8")) if options.record else UNTRAINED
    write_model(options.weights, options.out, record, float_model=options.float_model)
    print(f"{options.out / MODEL}: {(options.out / MODEL).stat().st_size} bytes")


if __name__ == "__main__":
    main()
