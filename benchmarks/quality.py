"""Retrieval quality beside the usual hybrid in one run: reciprocal rank fusion (k = 60) of stemmed bm25s and MiniLM.

    python -m benchmarks.quality --data ../shared/data

Each row is one question source of one tenant at one level. The baseline ranks whole sections, as most tutorials do, and once
more our own chunks, so that cutting alone is not what makes the difference. Both sides use the same encoder, the same headings
and the same text; FAQ headings are masked on both. SciFact's train claims are a sanity row far from documentation.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import bm25s
import numpy as np
import Stemmer

from benchmarks.documentation import read_lines
from benchmarks.measuring import table
from surefoot.cli.scratch import TENANT, VIEWER, Trial, trial
from surefoot.domain.answers import Passage
from surefoot.domain.documents import Chunk
from surefoot.evals import metrics
from surefoot.evals.datasets import Question, load_questions
from surefoot.evals.intervals import Estimate, bootstrap_mean
from surefoot.evals.retrieval_run import DEPTH, K, Ranking, rank_all
from surefoot.ports import Encoder, Vectors

RRF_K = 60
LEG_DEPTH = 100
Rankings = Mapping[tuple[str, str], Ranking]
TENANTS = {"Segment": "segment_docs", "Flagsmith": "flagsmith_docs"}


@dataclass(frozen=True, slots=True)
class Row:
    """nDCG@10 of one question source at one level: ours, both baselines, and ours minus the better one, question by question."""

    tenant: str
    source: str
    level: str
    ours: Estimate
    baseline_sections: Estimate
    baseline_chunks: Estimate
    ours_minus_better: Estimate
    ours_recall_at_10: Estimate


class UsualHybrid:
    """RRF of stemmed bm25s and exact cosine over units, each given as the chunk that stands for it."""

    def __init__(self, units: Sequence[Chunk], encoder: Encoder) -> None:
        self._units = units
        self._encoder = encoder
        self._stemmer = Stemmer.Stemmer("english")
        texts = [unit.encoder_text() for unit in units]
        self._vectors: Vectors = encoder.encode(texts)
        self._lexical = bm25s.BM25()
        self._lexical.index(
            bm25s.tokenize(texts, stopwords="en", stemmer=self._stemmer, show_progress=False), show_progress=False
        )

    def search(self, question: str) -> list[Passage]:
        """The best units, as passages that are scored by rank alone."""
        scores: dict[int, float] = {}
        for leg in (self._by_words(question), self._by_meaning(question)):
            for rank, place in enumerate(leg, start=1):
                scores[place] = scores.get(place, 0.0) + 1 / (RRF_K + rank)
        best = sorted(scores, key=lambda place: (-scores[place], place))[:DEPTH]
        return [Passage(self._units[place], scores[place], lexical=None, dense=None) for place in best]

    def _by_words(self, question: str) -> list[int]:
        words = bm25s.tokenize([question], stopwords="en", stemmer=self._stemmer, return_ids=False, show_progress=False)[0]
        known = [word for word in words if word in self._lexical.vocab_dict]
        if not known:
            return []
        scores = self._lexical.get_scores(known)
        order = np.argsort(-scores, kind="stable")[:LEG_DEPTH]
        return [int(place) for place in order if scores[place] > 0]

    def _by_meaning(self, question: str) -> list[int]:
        similarities = self._vectors @ self._encoder.encode_query(question)
        return [int(place) for place in np.argsort(-similarities, kind="stable")[:LEG_DEPTH]]


def compare(name: str, ready: Trial, questions: Sequence[Question]) -> list[Row]:
    """One row per source and level; every system ranks the same questions over the same corpus."""
    product, chunks = ready.surefoot, _chunks(ready)

    def search(question: str) -> Sequence[Passage]:
        return product.searcher.search(VIEWER, question, limit=DEPTH).passages

    ours = _by_question(rank_all(search, questions, ready.chunks)[0])
    whole = _by_question(rank_all(UsualHybrid(_whole_sections(chunks), product.encoder).search, questions, ready.chunks)[0])
    cut = _by_question(rank_all(UsualHybrid(chunks, product.encoder).search, questions, ready.chunks)[0])
    groups = sorted({(r.source, r.level) for r in ours.values()}, key=lambda group: (group[0], group[1] != "section"))
    return [_row(name, source, level, ours, whole, cut) for source, level in groups]


def run(data: Path, *, cache: Path | None, tenants: Sequence[str], **overrides: Any) -> list[Row]:
    """The rows of these tenants, then those of SciFact when it is named."""
    rows: list[Row] = []
    for name in tenants:
        with (
            _corpus(data, name) as (sections, questions),
            trial(sections, mask_faq_headings=True, cache=cache, **overrides) as ready,
        ):
            rows += compare(name, ready, questions)
    return rows


def report(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table; a difference whose interval lies above 0 is marked."""
    head = ["tenant", "questions", "level", "n", "ours", "95 %", "RRF60, sections", "RRF60, chunks", "ours - better", "95 %", ""]
    lines = []
    for row in rows:
        gain = row.ours_minus_better
        verdict = "above" if gain.low > 0 else "" if gain.value > 0 else "BELOW"
        figures = [row.ours, row.baseline_sections, row.baseline_chunks]
        ours, sections, chunks = (f"{figure.value:.3f}" for figure in figures)
        lines.append([row.tenant, row.source, row.level, str(row.ours.n), ours, _interval(row.ours), sections, chunks])
        lines[-1] += [f"{gain.value:+.3f}", _interval(gain), verdict]
    return table(head, lines)


@contextmanager
def _corpus(data: Path, name: str) -> Iterator[tuple[Path, list[Question]]]:
    """The sections file and the questions of a tenant, for the length of the block."""
    if name in TENANTS:
        stem = TENANTS[name]
        yield data / f"{stem}.sections.jsonl.gz", load_questions(data / f"{stem}.questions.jsonl.gz")
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / "scifact.sections.jsonl"
        lines = (json.dumps(_abstract(row)) for row in read_lines(data / "scifact.corpus.jsonl.gz"))
        path.write_text("\n".join(lines), encoding="utf-8")
        yield path, [_claim(row) for row in read_lines(data / "scifact.claims_train.jsonl.gz")]


def _abstract(row: dict[str, Any]) -> dict[str, Any]:
    """An abstract as a page without headings."""
    text = " ".join(row["sentences"])
    return {"id": row["id"], "page": row["id"], "title": row["title"], "path": [], "heading": "", "text": text, "is_faq": False}


def _claim(row: dict[str, Any]) -> Question:
    """A claim asked as a question whose gold pages are the abstracts it cites (BEIR's relevance judgements)."""
    return Question(qid=row["id"], question=row["claim"], gold_sections=[], gold_pages=row["cited_doc_ids"], source="link_anchor")


def _chunks(ready: Trial) -> list[Chunk]:
    with ready.surefoot.store.begin() as work:
        return work.documents.chunks_of(TENANT, sorted(work.documents.hashes(TENANT)))


def _whole_sections(chunks: Sequence[Chunk]) -> list[Chunk]:
    """One unit per section: its chunks' texts in order, under the same headings."""
    parts: dict[str, list[Chunk]] = {}
    for chunk in chunks:
        parts.setdefault(chunk.anchor or chunk.uri, []).append(chunk)
    return [replace(own[0], text="\n".join(chunk.text for chunk in own)) for own in parts.values()]


def _by_question(rankings: Sequence[Ranking]) -> Rankings:
    return {(ranking.qid, ranking.level): ranking for ranking in rankings}


def _row(name: str, source: str, level: str, ours: Rankings, whole: Rankings, cut: Rankings) -> Row:
    keys = [key for key, ranking in ours.items() if (ranking.source, ranking.level) == (source, level)]

    def ndcg(system: Rankings) -> list[float]:
        return [metrics.ndcg_at(system[key].ranked, system[key].gold, K) for key in keys]

    mine, sections, pieces = ndcg(ours), ndcg(whole), ndcg(cut)
    better = sections if sum(sections) >= sum(pieces) else pieces
    return Row(
        tenant=name,
        source="claims" if name == "SciFact" else source,
        level=level,
        ours=_mean(mine),
        baseline_sections=_mean(sections),
        baseline_chunks=_mean(pieces),
        ours_minus_better=_mean([a - b for a, b in zip(mine, better, strict=True)]),
        ours_recall_at_10=_mean([metrics.recall_at(ours[key].ranked, ours[key].gold, K) for key in keys]),
    )


def _mean(values: Sequence[float]) -> Estimate:
    estimate = bootstrap_mean(values)
    assert estimate is not None
    return estimate


def _interval(estimate: Estimate) -> str:
    return f"{estimate.low:.3f} to {estimate.high:.3f}"


def main() -> None:
    """Prints the table; the exit code is 1 when a row lies below its baseline."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the documentation corpora")
    parser.add_argument("--tenants", nargs="+", choices=[*TENANTS, "SciFact"], default=[*TENANTS, "SciFact"])
    parser.add_argument("--cache", type=Path, help="folder of remembered chunk vectors; default: the user's cache folder")
    parser.add_argument("--dense-weight", type=float)
    parser.add_argument("--leg-depth", type=int)
    parser.add_argument("--chunk-tokens", type=int)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    arguments = parser.parse_args()
    overrides = {name: getattr(arguments, name) for name in ("dense_weight", "leg_depth", "chunk_tokens")}
    rows = run(arguments.data, cache=arguments.cache, tenants=arguments.tenants, **overrides)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")
    print(report(rows))
    sys.exit(any(row.ours_minus_better.value <= 0 for row in rows))


if __name__ == "__main__":
    main()
