"""The embedded index alone: both legs against rank_bm25 and a flat FAISS scan, filters of three widths, and many tenants.

`python -m benchmarks.index --data ../shared/data`
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import faiss
import numpy as np
from rank_bm25 import BM25Okapi

from benchmarks.documentation import SECTIONS_A_PAGE, MixedVectors, read_lines, sections
from benchmarks.measuring import Stopwatch, one_core, table
from surefoot.adapters.embedded_index.index import EmbeddedIndex
from surefoot.adapters.onnx_encoder import OnnxEncoder
from surefoot.domain.documents import Chunk, ChunkId, DocumentId, TrustTier
from surefoot.domain.filters import Everything, ReadAccess
from surefoot.domain.identity import Principal, TenantId
from surefoot.ports import AccessSnapshot, Encoder, Hit, IndexChange, Vectors

TENANT = TenantId("bench")
SHARES = (1.0, 0.3, 0.01)
DEPTH = 100
# The naive stack filters after ranking, so it fetches more in the hope that enough is left.
NAIVE_OVER_FETCH = 4
WARM_UP, TURN = 10, 10
TENANTS_ON_DISK, TENANTS_HOT, CHUNKS_A_TENANT = 1_000, 50, 100


def chunk_of(row: dict[str, Any]) -> Chunk:
    """The section as one chunk."""
    document = DocumentId(row["page"])
    text = row["text"]
    path = tuple(row["path"]) if isinstance(row["path"], list) else ()
    return Chunk(
        ChunkId(row["id"]), document, row["page"], 0, 0, len(text), text, row["title"], row["heading"], path, "", None,
        len(text) // 4, "en", TrustTier.OFFICIAL, None, None,
    )  # fmt: skip


@dataclass(frozen=True)
class Shares:
    """The rights of a run: the principal `group:<share>` may read that share of the pages."""

    documents: Sequence[DocumentId]

    def of(self, tenant: TenantId, principals: frozenset[Principal]) -> AccessSnapshot:
        """The pages that the one principal may read."""
        share = float(next(iter(principals)).removeprefix("group:"))
        chance = np.random.default_rng(3).random(len(self.documents))
        return AccessSnapshot(1, frozenset(name for name, drawn in zip(self.documents, chance, strict=True) if drawn < share))


def access(share: float) -> ReadAccess:
    """A viewer who may read that share of the pages."""
    return ReadAccess(frozenset({Principal(f"group:{share}")}), 1)


def measure_size(data: Path, folder: Path, encoder: Encoder, size: int, questions: list[str]) -> dict[str, Any]:
    """Times of both legs at this number of chunks, ours and the naive stack's, in turns."""
    chunks = [chunk_of(row) for row in sections(data, size, visible_share=1.0, seed=1)]
    vectors = encoder.encode([chunk.encoder_text() for chunk in chunks])
    shares = Shares(sorted({chunk.document_id for chunk in chunks}))
    index = EmbeddedIndex(folder, shares.of, dimensions=encoder.dimensions)
    result: dict[str, Any] = {"chunks": size, "builds": _builds(index, chunks, vectors)}
    queries = [encoder.encode_query(question) for question in questions]
    started = perf_counter()
    index.lexical(TENANT, 1, access(1.0), Everything(), questions[0], "en", DEPTH)
    index.dense(TENANT, 1, access(1.0), Everything(), queries[0], DEPTH)
    result["cold_ms"] = (perf_counter() - started) * 1000
    words = BM25Okapi([chunk.encoder_text().lower().split() for chunk in chunks])
    flat = faiss.IndexFlatIP(encoder.dimensions)
    flat.add(vectors)
    for share in SHARES:
        readable = shares.of(TENANT, access(share).principals).documents
        visible = np.array([chunk.document_id in readable for chunk in chunks])
        result[f"{share}"] = _race(index, words, flat, visible, share, questions, queries)
    result["recall"] = _recall(index, chunks, vectors, queries)
    index.close()
    return result


def _builds(index: EmbeddedIndex, chunks: list[Chunk], vectors: Vectors) -> dict[str, float]:
    """Seconds to build all of it, to add one page, and to replace one page."""
    head, last = chunks[:-SECTIONS_A_PAGE], chunks[-SECTIONS_A_PAGE:]
    page = frozenset({last[0].document_id})
    steps = {
        "build": (0, 9, IndexChange(frozenset(), head, vectors[: len(head)])),
        "add a page": (9, 1, IndexChange(frozenset(), last, vectors[len(head) :])),
        "replace a page": (1, 10, IndexChange(page, last, vectors[len(head) :])),
    }
    seconds = {}
    for name, (base, target, change) in steps.items():
        started = perf_counter()
        index.build(TENANT, base, target, change)
        seconds[name] = perf_counter() - started
    return seconds


def _race(
    index: EmbeddedIndex,
    words: BM25Okapi,
    flat: faiss.IndexFlatIP,
    visible: np.ndarray,
    share: float,
    questions: list[str],
    queries: list[Vectors],
) -> dict[str, Any]:
    viewer, fetched = access(share), min(DEPTH * NAIVE_OVER_FETCH, len(visible))

    def naive_lexical(place: int) -> object:
        scores = words.get_scores(questions[place].lower().split())
        best = np.argpartition(-scores, fetched - 1)[:fetched]
        best = best[np.argsort(-scores[best], kind="stable")]
        return best[visible[best]][:DEPTH]

    def naive_dense(place: int) -> object:
        rows = flat.search(queries[place][None], fetched)[1][0]
        return rows[visible[rows]][:DEPTH]

    calls: dict[str, Callable[[int], object]] = {
        "naive lexical": naive_lexical,
        "our lexical": lambda place: index.lexical(TENANT, 1, viewer, Everything(), questions[place], "en", DEPTH),
        "naive dense": naive_dense,
        "our dense": lambda place: index.dense(TENANT, 1, viewer, Everything(), queries[place], DEPTH),
    }
    watches = {name: Stopwatch() for name in calls}
    for begin in range(0, len(questions), TURN):
        for name, call in calls.items():
            for place in range(begin, min(begin + TURN, len(questions))):
                if begin < WARM_UP:
                    call(place)
                else:
                    watches[name].time(lambda call=call, place=place: call(place))
    return {name: watch.summary() for name, watch in watches.items()}


def _recall(index: EmbeddedIndex, chunks: list[Chunk], vectors: Vectors, queries: list[Vectors]) -> dict[str, float]:
    """The share of the truly nearest chunks that the vector leg gives, at two depths."""
    place = {chunk.chunk_id: row for row, chunk in enumerate(chunks)}
    shares: dict[str, list[float]] = {"10": [], "100": []}
    for query in queries:
        exact = vectors.astype(np.float64) @ query.astype(np.float64)
        for depth, found in shares.items():
            hits: list[Hit] = index.dense(TENANT, 1, access(1.0), Everything(), query, int(depth))
            least = np.partition(exact, -int(depth))[-int(depth)]
            found.append(float(np.mean([exact[place[hit.chunk_id]] >= least - 1e-6 for hit in hits])))
    return {depth: float(np.mean(found)) for depth, found in shares.items()}


def measure_tenants(data: Path, folder: Path, encoder: Encoder, questions: list[str]) -> dict[str, float]:
    """Memory of a fresh process that asks among 1,000 tenants, 50 of them at a time, and its times warm and cold."""
    rows = sections(data, CHUNKS_A_TENANT, visible_share=1.0, seed=2)
    chunks = [chunk_of(row) for row in rows]
    vectors = encoder.encode([chunk.encoder_text() for chunk in chunks])
    np.save(folder / "queries.npy", np.array([encoder.encode_query(question) for question in questions]))
    (folder / "questions.json").write_text(json.dumps(questions), encoding="utf-8")
    index = EmbeddedIndex(folder / "tenants", Shares([]).of, dimensions=encoder.dimensions)
    started = perf_counter()
    for number in range(TENANTS_ON_DISK):
        index.build(TenantId(f"t{number}"), 0, 1, IndexChange(frozenset(), chunks, vectors))
    seconds = perf_counter() - started
    command = [sys.executable, "-m", "benchmarks.index", "--data", str(data), "--serve", str(folder)]
    figures: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {**figures, "build_ms_a_tenant": seconds * 1000 / TENANTS_ON_DISK}


def serve(folder: Path) -> dict[str, float]:
    """What `measure_tenants` runs in a process of its own, without an encoder."""
    questions = json.loads((folder / "questions.json").read_text(encoding="utf-8"))
    queries = np.load(folder / "queries.npy")
    documents = [DocumentId(f"/page/{number}") for number in range(CHUNKS_A_TENANT)]
    before = _resident_mb()
    index = EmbeddedIndex(folder / "tenants", Shares(documents).of, dimensions=queries.shape[1], open_tenants=TENANTS_HOT)
    cold, warm = Stopwatch(), Stopwatch()

    def ask(number: int, place: int) -> None:
        tenant = TenantId(f"t{number}")
        assert index.lexical(tenant, 1, access(1.0), Everything(), questions[place], "en", DEPTH) is not None
        assert index.dense(tenant, 1, access(1.0), Everything(), queries[place], DEPTH)

    for number in range(TENANTS_ON_DISK):
        cold.time(lambda number=number: ask(number, 0))
    for turn in range(20):
        for number in range(TENANTS_ON_DISK - TENANTS_HOT, TENANTS_ON_DISK):
            warm.time(lambda number=number, turn=turn: ask(number, turn % len(questions)))
    return {
        "resident_mb_before": before,
        "resident_mb": _resident_mb(),
        "threads": float(len(list(Path("/proc/self/task").iterdir()))),
        "cold_ms_p50": cold.summary()["wall_ms_p50"],
        "cold_ms_p95": cold.summary()["wall_ms_p95"],
        "warm_ms_p50": warm.summary()["wall_ms_p50"],
        "warm_ms_p95": warm.summary()["wall_ms_p95"],
    }


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def report(sizes: list[dict[str, Any]], tenants: dict[str, float]) -> str:
    """The results as Markdown."""
    rows, notes = [], []
    for result in sizes:
        for share in SHARES:
            for leg in ("lexical", "dense"):
                naive, ours = result[f"{share}"][f"naive {leg}"], result[f"{share}"][f"our {leg}"]
                cells = [f"{part['wall_ms_p50']:.2f} / {part['wall_ms_p95']:.2f}" for part in (naive, ours)]
                ratio = f"{naive['cpu_ms_p50'] / ours['cpu_ms_p50']:.1f}x"
                rows.append([f"{result['chunks']:,}", f"{share:.0%}", leg, *cells, ratio])
        builds = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in result["builds"].items())
        recall = ", ".join(f"{share:.4f} at {depth}" for depth, share in result["recall"].items())
        notes.append(
            f"{result['chunks']:,} chunks: {builds}; open and first question {result['cold_ms']:.0f} ms; recall {recall}."
        )
    if tenants:
        notes.append(f"{TENANTS_ON_DISK:,} tenants of {CHUNKS_A_TENANT} chunks, {TENANTS_HOT} hot: {json.dumps(tenants)}")
    head = ["chunks", "visible", "leg", "naive wall p50 / p95 ms", "ours wall p50 / p95 ms", "CPU ratio p50"]
    return "\n\n".join([table(head, rows), *notes])


def main() -> None:
    """Prints the tables, or writes the figures with --json as well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the documentation corpora")
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000], help="numbers of chunks")
    parser.add_argument("--questions", type=int, default=110)
    parser.add_argument("--no-tenants", action="store_true", help="leave out the run with 1,000 tenants")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    one_core()
    faiss.omp_set_num_threads(1)
    if arguments.serve:
        sys.stdout.write(json.dumps(serve(arguments.serve)))
        return
    questions = [row["question"] for row in read_lines(arguments.data / "segment_docs.questions.jsonl.gz")[: arguments.questions]]
    texts = [row["text"] for row in read_lines(arguments.data / "flagsmith_docs.sections.jsonl.gz")[:500]]
    encoder = MixedVectors(OnnxEncoder(threads=1, cache_size=0), texts)
    sizes, tenants = [], {}
    for size in sorted(arguments.sizes):
        with tempfile.TemporaryDirectory() as folder:
            sizes.append(measure_size(arguments.data, Path(folder), encoder, size, questions))
    if not arguments.no_tenants:
        with tempfile.TemporaryDirectory() as folder:
            tenants = measure_tenants(arguments.data, Path(folder), encoder, questions)
    if arguments.json:
        arguments.json.write_text(json.dumps({"sizes": sizes, "tenants": tenants}, indent=2) + "\n", encoding="utf-8")
    print(report(sizes, tenants))


if __name__ == "__main__":
    main()
