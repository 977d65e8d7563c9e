"""A whole tenant from its files to cited answers: ingest, ingest again, open cold, answer; with the shipped encoder.

`python -m benchmarks.answer_speed --data ../shared/data`
"""

import argparse
import json
import os
import tempfile
from collections import Counter
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.documentation import read_lines
from benchmarks.measuring import Stopwatch, one_core, table
from surefoot.bootstrap import Surefoot, build
from surefoot.core.settings import Settings
from surefoot.domain.answers import Answer
from surefoot.domain.corpora import IngestReport
from surefoot.domain.identity import EVERYONE, TenantId, Viewer
from surefoot.retrieval.options import read_limits
from surefoot.retrieval.sources import walk

TENANT = TenantId("bench")
VIEWER = Viewer(TENANT, "ada")
WARM_UP = 20


def ingest(product: Surefoot, path: Path) -> IngestReport:
    """The file is the tenant's whole corpus, readable by everyone."""
    files = walk(path, limits=read_limits(product.settings))
    return product.ingest.put(TENANT, files, source="bench", default_principals=frozenset({EVERYONE}))


def opened(folder: Path) -> Surefoot:
    """A started product on the folder with the query cache off, so that every question is encoded."""
    product = build(Settings(data_dir=folder, query_cache_size=0))
    product.start()
    return product


def run(data: Path, folder: Path, *, questions: int, every_core: bool) -> dict[str, Any]:
    """Every figure, in one run; the encoder uses the cores that the process has."""
    if not every_core:
        one_core()
    path = data / "segment_docs.sections.jsonl.gz"
    product = opened(folder)
    with product.store.begin() as work:
        work.tenants.create(TENANT, now=product.clock.now())
        work.commit()
    first, second = ingest(product, path), ingest(product, path)
    product.close()
    asked = [row["question"] for row in read_lines(data / "segment_docs.questions.jsonl.gz")[: questions + WARM_UP]]
    began = perf_counter()
    product = opened(folder)
    product.ask.ask(VIEWER, asked[0])
    cold_seconds = perf_counter() - began
    watch, stages, outcomes, whole = Stopwatch(), dict[str, list[float]](), Counter[str](), list[float]()
    for question in asked[:WARM_UP]:
        product.ask.ask(VIEWER, question)
    for question in asked[WARM_UP:]:
        replies = []
        watch.time(lambda q=question, kept=replies: kept.append(product.ask.ask(VIEWER, q)))
        outcomes["answered" if isinstance(replies[0].outcome, Answer) else "refused"] += 1
        for stage, milliseconds in replies[0].timings_ms.items():
            stages.setdefault(stage, []).append(milliseconds)
        # The ledger's row is durable before the reply is given; what the disk takes for that is not the answerer's time.
        whole.append(sum(took for stage, took in replies[0].timings_ms.items() if stage not in ("ledger", "total")))
    product.close()
    return {
        "chunks": first.chunks,
        "encoded": first.encoded_chunks,
        "ingest_seconds": first.seconds,
        "chunks_a_second": first.encoded_chunks / first.seconds,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "again_seconds": second.seconds,
        "again_encoded": second.encoded_chunks,
        "cold_start_to_first_answer_seconds": cold_seconds,
        "questions": len(asked) - WARM_UP,
        "outcomes": dict(outcomes),
        "ask": watch.summary(),
        "stages_ms": {stage: {p: float(np.percentile(times, p)) for p in (50, 95)} for stage, times in stages.items()},
        "answer_ms_p95": float(np.percentile(whole, 95)),
        "answer_ms_p50": float(np.percentile(whole, 50)),
    }


def report(figures: dict[str, Any]) -> str:
    """The figures as Markdown."""
    rows = [[stage, f"{times[50]:.2f}", f"{times[95]:.2f}"] for stage, times in figures["stages_ms"].items()]
    rows.append(["all stages", f"{figures['answer_ms_p50']:.2f}", f"{figures['answer_ms_p95']:.2f}"])
    rows.append(["ask, with the ledger's fsync", f"{figures['ask']['wall_ms_p50']:.2f}", f"{figures['ask']['wall_ms_p95']:.2f}"])
    lines = [
        f"{figures['chunks']:,} chunks; ingest {figures['ingest_seconds']:.1f} s "
        f"({figures['chunks_a_second']:.0f} chunks/s on {figures['cores']} core(s), reading and indexing included); "
        f"again, unchanged: {figures['again_seconds']:.2f} s, {figures['again_encoded']} encoded; "
        f"cold process to first answer {figures['cold_start_to_first_answer_seconds']:.2f} s.",
        f"{figures['questions']} questions, {figures['outcomes']}:",
        table(["stage", "p50 ms", "p95 ms"], rows),
    ]
    return "\n\n".join(lines)


def main() -> None:
    """Prints the figures; --json writes them as well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the documentation corpora")
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--every-core", action="store_true", help="use all cores, as the product does unless told otherwise")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = run(arguments.data, Path(folder), questions=arguments.questions, every_core=arguments.every_core)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(report(figures))


if __name__ == "__main__":
    main()
