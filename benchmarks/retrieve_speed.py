"""Retrieval (encode, both legs, fuse) against the naive stack: the same chunks, questions, rights and core, in one run.

`python -m benchmarks.retrieve_speed --data ../shared/data`
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from benchmarks.documentation import OTHER_GROUP, VISIBLE_GROUP, MixedVectors, as_files, read_lines, sections
from benchmarks.encoder import source_model
from benchmarks.measuring import Stopwatch, one_core, table
from benchmarks.naive_stack import NaiveStack
from surefoot.adapters.onnx_encoder import OnnxEncoder
from surefoot.bootstrap import Surefoot, build
from surefoot.core.settings import Settings
from surefoot.domain.documents import Chunk
from surefoot.domain.identity import TenantId, Viewer, parse_principals

TENANT = TenantId("bench")
VIEWER = Viewer(TENANT, "ada", parse_principals([VISIBLE_GROUP]))
VISIBLE_SHARE = 0.3
PASSAGES = 10
# Questions go to one stack, then the other, ten at a time: both see the same noise of the machine and warm caches.
TURN = 10
WARM_UP = 10


def compare(data: Path, folder: Path, encoder: MixedVectors, size: int, questions: list[str]) -> dict[str, Any]:
    """Both stacks' times at about `size` chunks, their ratio, and what ours spent on each stage."""
    product = build(Settings(data_dir=folder), encoder=encoder)
    product.start()
    try:
        chunks, visible = _fill(product, data, size)
        naive = NaiveStack(
            source_model(),
            [chunk.encoder_text() for chunk in chunks],
            encoder.encode([chunk.encoder_text() for chunk in chunks]),
            visible,
            threads=1,
        )
        return _race(product, naive, chunks, visible, questions)
    finally:
        product.close()


def _fill(product: Surefoot, data: Path, size: int) -> tuple[list[Chunk], np.ndarray]:
    """The published chunks, and for each whether the viewer may read it."""
    with product.store.begin() as work:
        work.tenants.create(TENANT, now=product.clock.now())
        work.commit()
    product.ingest.put(TENANT, as_files(sections(data, size, visible_share=VISIBLE_SHARE, seed=1)), source="benchmark")
    with product.store.begin() as work:
        documents = sorted(work.documents.hashes(TENANT))
        chunks = work.documents.chunks_of(TENANT, documents)
        rights = work.access.of(TENANT, documents)
    assert {VISIBLE_GROUP, OTHER_GROUP} == {principal for held in rights.values() for principal in held}
    return chunks, np.array([VISIBLE_GROUP in rights[chunk.document_id] for chunk in chunks])


def _race(product: Surefoot, naive: NaiveStack, chunks: list[Chunk], visible: np.ndarray, questions: list[str]) -> dict[str, Any]:
    watches = {"naive": Stopwatch(), "ours": Stopwatch()}
    stages: dict[str, list[float]] = {}
    for question in questions[:WARM_UP]:
        found = product.searcher.search(VIEWER, question, limit=PASSAGES)
        assert len(found.passages) == len(naive.search(question, PASSAGES)) == PASSAGES
        readable = {chunk.chunk_id for chunk, may in zip(chunks, visible, strict=True) if may}
        assert {passage.chunk.chunk_id for passage in found.passages} <= readable
    asked = questions[WARM_UP:]
    for begin in range(0, len(asked), TURN):
        for question in asked[begin : begin + TURN]:
            watches["naive"].time(lambda q=question: naive.search(q, PASSAGES))
        for question in asked[begin : begin + TURN]:
            watches["ours"].time(lambda q=question: _keep_stages(product, q, stages))
    results: dict[str, Any] = {name: watch.summary() for name, watch in watches.items()}
    results |= {"chunks": len(chunks), "visible_share": float(visible.mean()), "questions": len(asked)}
    results["cpu_ratio_p50"] = results["naive"]["cpu_ms_p50"] / results["ours"]["cpu_ms_p50"]
    results["cpu_ratio_mean"] = results["naive"]["cpu_ms_mean"] / results["ours"]["cpu_ms_mean"]
    results["our_stages_ms_p50"] = {stage: float(np.percentile(times, 50)) for stage, times in stages.items()}
    return results


def _keep_stages(product: Surefoot, question: str, stages: dict[str, list[float]]) -> None:
    for stage, milliseconds in product.searcher.search(VIEWER, question, limit=PASSAGES).timings_ms.items():
        stages.setdefault(stage, []).append(milliseconds)


def run(data: Path, *, sizes: list[int], questions: int) -> list[dict[str, Any]]:
    """The comparison at each size, smallest first, on one core with every query cache off."""
    one_core()
    faiss.omp_set_num_threads(1)
    asked = [row["question"] for row in read_lines(data / "segment_docs.questions.jsonl.gz")[: questions + WARM_UP]]
    texts = [row["text"] for row in read_lines(data / "flagsmith_docs.sections.jsonl.gz")[:500]]
    encoder = MixedVectors(OnnxEncoder(threads=1, cache_size=0), texts)
    results = []
    for size in sorted(sizes):
        with tempfile.TemporaryDirectory() as folder:
            results.append(compare(data, Path(folder), encoder, size, asked))
    return results


def report(results: list[dict[str, Any]]) -> str:
    """The results as a Markdown table."""
    rows, stages = [], []
    for result in results:
        for name in ("naive", "ours"):
            figures = result[name]
            cells = [f"{figures[key]:.2f}" for key in ("wall_ms_p50", "wall_ms_p95", "cpu_ms_p50", "cpu_ms_p95", "cpu_ms_mean")]
            ratio = f"{result['cpu_ratio_p50']:.1f}x ({result['cpu_ratio_mean']:.1f}x)" if name == "ours" else ""
            rows.append([f"{result['chunks']:,}", name, *cells, ratio])
        parts = ", ".join(f"{stage} {ms:.2f}" for stage, ms in result["our_stages_ms_p50"].items())
        stages.append(
            f"{result['chunks']:,} chunks, {result['visible_share']:.0%} visible, {result['questions']} questions; "
            f"our stages, p50 ms: {parts}."
        )
    head = ["chunks", "stack", "wall p50", "wall p95", "CPU p50", "CPU p95", "CPU mean", "CPU ratio p50 (mean)"]
    return "\n\n".join([table(head, rows), *stages])


def main() -> None:
    """Prints the table, or writes the figures with --json as well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the documentation corpora")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000], help="numbers of chunks")
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    arguments = parser.parse_args()
    results = run(arguments.data, sizes=arguments.sizes, questions=arguments.questions)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(report(results))


if __name__ == "__main__":
    main()
