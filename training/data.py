"""Documentation sites as tenants: their chunks, both search legs over them, and questions with and without their evidence."""

import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
from numpy.typing import NDArray

from surefoot.domain.answers import Passage
from surefoot.domain.corpora import EMPTY_CORPUS
from surefoot.domain.documents import Chunk, ChunkId, DocumentId, TrustTier
from surefoot.domain.filters import ReadAccess
from surefoot.domain.identity import TenantId
from surefoot.domain.lexicon import terms
from surefoot.ports import Encoder, Hit, Vectors
from surefoot.retrieval.chunking import chunk
from surefoot.retrieval.fusion import convex
from surefoot.retrieval.readers.raw import RawFile, ReadLimits
from surefoot.retrieval.readers.sections_jsonl import read_sections
from surefoot.retrieval.search import Retrieved

LEG_DEPTH = 100
PASSAGES = 10
CLAPNQ_FILE = "clapnq_dev_answerability.jsonl.gz"
DENSE_WEIGHT = 0.65
BM25_K1 = 1.2
CHUNK_TOKENS = 200
_LIMITS = ReadLimits(max_bytes=100_000_000, max_pages=1, memory_mb=512, cpu_seconds=60)
NOBODY = ReadAccess(frozenset(), 0)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Every line of a gzip JSONL file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


class CachedEncoder:
    """An encoder that keeps every vector it ever made in one folder, so that the second run encodes nothing."""

    def __init__(self, encoder: Encoder, folder: Path, *, name: str = "vectors") -> None:
        self._encoder = encoder
        self._path = folder / f"{name}-{hashlib.sha256(encoder.fingerprint.encode()).hexdigest()[:12]}.npz"
        self._known: dict[str, Vectors] = {}
        self._changed = False
        folder.mkdir(parents=True, exist_ok=True)
        if self._path.exists():
            stored = np.load(self._path)
            self._known = dict(zip(stored["keys"].tolist(), stored["vectors"].astype(np.float32), strict=True))

    @property
    def fingerprint(self) -> str:
        return self._encoder.fingerprint

    @property
    def dimensions(self) -> int:
        return self._encoder.dimensions

    def encode(self, texts: Sequence[str]) -> Vectors:
        keys = [hashlib.sha256(text.encode()).hexdigest()[:32] for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}
        if missing:
            self._known.update(zip(missing, self._encoder.encode(list(missing.values())), strict=True))
            self._changed = True
        if not keys:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        vectors = np.stack([self._known[key] for key in keys]).astype(np.float32)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)

    def encode_query(self, text: str) -> Vectors:
        return self.encode([text])[0]

    def save(self) -> None:
        """What was encoded since the last save is in the folder."""
        if self._changed:
            vectors = np.stack(list(self._known.values())).astype(np.float16)
            np.savez(self._path, keys=np.array(list(self._known)), vectors=vectors)
            self._changed = False


@dataclass(frozen=True)
class Site:
    """One product's documentation, cut into chunks. `section_of` names each chunk's section."""

    name: str
    chunks: tuple[Chunk, ...]
    section_of: tuple[str, ...]

    def rows_of(self, sections: Sequence[str]) -> list[int]:
        wanted = set(sections)
        return [row for row, section in enumerate(self.section_of) if section in wanted]


def load_site(path: Path, *, mask_faq: bool) -> Site:
    """The site of a sections file, cut by the product's own chunker; with `mask_faq` the headings of FAQ sections are kept
    out of both legs.
    """
    name = path.name.split(".")[0].removesuffix("_docs")
    raw = RawFile(path.name, path.read_bytes(), None, None, None)
    chunks = [
        piece
        for document in read_sections(raw, _LIMITS, mask_faq_headings=mask_faq)
        for piece in chunk(
            TenantId(name), document, default_trust=TrustTier.OFFICIAL, target_tokens=CHUNK_TOKENS, overlap_tokens=0
        )
    ]
    return Site(name, tuple(chunks), tuple(piece.anchor or piece.uri for piece in chunks))


def bm25_index(texts: Sequence[str]) -> bm25s.BM25:
    """Lucene's BM25 with the parameters that Tantivy fixes."""
    index = bm25s.BM25(method="lucene", k1=BM25_K1, b=0.75)
    index.index([terms(text) for text in texts], show_progress=False)
    return index


def bm25_scores(index: bm25s.BM25, question: str, rows: int) -> NDArray[np.float32]:
    """Each row's score on Tantivy's scale, which keeps the constant factor k1 + 1 that Lucene dropped."""
    asked = [term for term in dict.fromkeys(terms(question)) if term in index.vocab_dict]
    if not asked:
        return np.zeros(rows, dtype=np.float32)
    return np.array(index.get_scores(asked), dtype=np.float32) * np.float32(BM25_K1 + 1)


class SiteIndex:
    """Both legs over one site in memory: Lucene's BM25 over headings and text, and the exact cosine."""

    def __init__(self, site: Site, encoder: Encoder) -> None:
        self.site = site
        self.encoder = encoder
        self.vectors = encoder.encode([piece.encoder_text() for piece in site.chunks])
        self._lexical = bm25_index([f"{piece.headings()}\n{piece.text}" for piece in site.chunks])
        hidden = [replace(piece, heading_indexed=False) for piece in site.chunks]
        self._lexical_masked = bm25_index([f"{piece.headings()}\n{piece.text}" for piece in hidden])

    def page_of(self, rows: Iterable[int]) -> frozenset[int]:
        """Every row of the pages that these rows are on."""
        pages = {self.site.chunks[row].document_id for row in rows}
        return frozenset(row for row, piece in enumerate(self.site.chunks) if piece.document_id in pages)

    def search(
        self,
        question: str,
        *,
        without: frozenset[int] = frozenset(),
        masked: frozenset[int] = frozenset(),
        limit: int = PASSAGES,
    ) -> Retrieved:
        """What the searcher would find if the chunks of rows `without` did not exist and those of `masked` had no heading."""
        chunks = self.site.chunks
        query = self.encoder.encode_query(question)
        cosine = self.vectors @ query
        lexical = bm25_scores(self._lexical, question, len(chunks))
        changed: dict[int, Chunk] = {}
        if masked:
            bare = bm25_scores(self._lexical_masked, question, len(chunks))
            rows = sorted(masked)
            for row in rows:
                changed[row] = replace(chunks[row], chunk_id=ChunkId(f"{chunks[row].chunk_id}m"), heading_indexed=False)
            cosine[rows] = self.encoder.encode([changed[row].encoder_text() for row in rows]) @ query
            lexical[rows] = bare[rows]
        for row in without:
            cosine[row], lexical[row] = -1.0, 0.0
        return self._retrieved(query, cosine, lexical, changed, len(without), limit)

    def _retrieved(
        self, query: Vectors, cosine: Any, lexical: Any, changed: Mapping[int, Chunk], gone: int, limit: int
    ) -> Retrieved:
        chunks = self.site.chunks
        depth = min(LEG_DEPTH, len(chunks) - gone)
        dense_rows = np.argsort(-cosine, kind="stable")[:depth]
        lexical_rows = [row for row in np.argsort(-lexical, kind="stable")[:depth] if lexical[row] > 0]
        by_id = {str(row): changed.get(int(row), chunks[row]) for row in (*dense_rows, *lexical_rows)}
        dense = [Hit(ChunkId(str(row)), float(cosine[row])) for row in dense_rows]
        lexical_hits = [Hit(ChunkId(str(row)), float(lexical[row])) for row in lexical_rows]
        fused = convex(lexical_hits, dense, dense_weight=DENSE_WEIGHT)[:limit]
        dense_scores = {hit.chunk_id: hit.score for hit in dense}
        lexical_scores = {hit.chunk_id: hit.score for hit in lexical_hits}
        return Retrieved(
            passages=tuple(Passage(by_id[key], score, lexical_scores.get(key), dense_scores.get(key)) for key, score in fused),
            stale=(),
            query_vector=query,
            access=NOBODY,
            state=EMPTY_CORPUS,
            dense_rank={by_id[hit.chunk_id].chunk_id: rank for rank, hit in enumerate(dense, 1)},
            lexical_rank={by_id[hit.chunk_id].chunk_id: rank for rank, hit in enumerate(lexical_hits, 1)},
            dense_scores=tuple(hit.score for hit in dense),
            lexical_scores=tuple(hit.score for hit in lexical_hits),
        )


@dataclass(frozen=True)
class Asked:
    """A question to a site and the sections that answer it. `is_pseudo` says that it was made from a heading."""

    question: str
    gold: tuple[str, ...]
    is_pseudo: bool = False


def faq_questions(path: Path) -> list[Asked]:
    """The real questions of a questions file: FAQ headings, each with its own section."""
    return [Asked(row["question"], tuple(row["gold_sections"])) for row in read_rows(path) if row["source"] == "faq_heading"]


_QUESTION = re.compile(r"(?:how|what|why|when|where|who|which|can|could|do|does|is|are|will|should|must|may)\b", re.IGNORECASE)
_GERUND = re.compile(r"([A-Z][a-z]+)ing\b")
_VERBS_TEXT = """
authenticate change combine configure create customize define delete disable enable evaluate execute generate get handle include
initialize integrate make manage migrate plan remove resolve retrieve run scale schedule set share split stop store subscribe
trace tune update upgrade use write
"""
# Verbs by what is left of them before "-ing", where that is not the verb itself.
_VERBS = {(verb[:-1] if verb.endswith("e") else verb + verb[-1]): verb for verb in _VERBS_TEXT.split()}
_IMPERATIVE = re.compile(
    r"(?:add|build|call|change|check|clone|combine|configure|connect|copy|create|customi[sz]e|define|delete|deploy|disable|display|edit|enable|"
    r"execute|export|filter|find|generate|get|handle|import|initiali[sz]e|install|integrate|launch|limit|list|load|make|manage|migrate|monitor|"
    r"open|pass|prepare|publish|query|register|remove|render|reset|restore|retrieve|retry|run|save|schedule|search|select|send|set|share|"
    r"start|stop|store|stream|subscribe|switch|sync|test|track|trigger|troubleshoot|update|upgrade|upload|use|validate|verify|view|write)\b",
    re.IGNORECASE,
)  # fmt: skip
_MARKS = re.compile(r"[`*_{}\[\]]|^\s*(?:step\s+)?\d+[.:)]\s*|\s*\(.{0,40}\)\s*$", re.IGNORECASE)


def pseudo_questions(site: Site, *, limit: int, seed: int) -> list[Asked]:
    """Up to `limit` questions made from headings that name their section uniquely; each with that section as its answer."""
    headings: dict[str, set[str]] = {}
    lengths: dict[str, int] = {}
    for piece, section in zip(site.chunks, site.section_of, strict=True):
        headings.setdefault(piece.heading, set()).add(section)
        lengths[section] = lengths.get(section, 0) + len(piece.text)
    random = np.random.default_rng(seed)
    made: list[Asked] = []
    for heading, sections in headings.items():
        clean = " ".join(_MARKS.sub(" ", heading).split()).rstrip(":.!")
        section = next(iter(sections))
        if len(sections) > 1 or lengths[section] < 120 or not 2 <= len(terms(clean)) <= 12:
            continue
        made.append(Asked(as_question(clean, random), (section,), is_pseudo=True))
    order = random.permutation(len(made))[:limit]
    return [made[place] for place in sorted(order)]


def as_question(heading: str, random: np.random.Generator) -> str:
    """The heading as somebody would ask it; a question stays one."""
    if heading.endswith("?") or (
        _QUESTION.match(heading) and len(heading.split()) > 3 and not heading.lower().startswith("how to ")
    ):
        return heading
    how = ("How do I {}?", "How can I {}?", "How to {}", "What are the steps to {}?", "Is it possible to {}?", "Can I {}?")
    noun = (
        "What is {}?",
        "How does {} work?",
        "Where can I find {}?",
        "What should I know about {}?",
        "{}",
        "When should I use {}?",
    )
    lowered = heading[0].lower() + heading[1:] if heading[1:2].islower() else heading
    gerund = _GERUND.match(heading)
    if heading.lower().startswith("how to "):
        return str(random.choice(how)).format(lowered[7:])
    if gerund:
        stem = gerund[1].lower()
        return str(random.choice(how)).format(_VERBS.get(stem, stem) + heading[gerund.end() :])
    if _IMPERATIVE.match(heading) and len(heading.split()) > 1:
        return str(random.choice(how)).format(lowered)
    return str(random.choice(noun)).format(lowered)


@dataclass
class Corpus:
    """All sites of a data folder with their questions."""

    indexes: dict[str, SiteIndex] = field(default_factory=dict)
    questions: dict[str, list[Asked]] = field(default_factory=dict)


def load_corpus(data: Path, encoder: Encoder, *, pseudo_per_site: int = 300) -> Corpus:
    """The sites with real questions, FAQ headings masked, and the training sites with pseudo-questions."""
    corpus = Corpus()
    for path in sorted(data.glob("*.sections.jsonl.gz")):
        site = load_site(path, mask_faq=True)
        corpus.indexes[site.name] = SiteIndex(site, encoder)
        corpus.questions[site.name] = faq_questions(path.with_name(path.name.replace(".sections.", ".questions.")))
    for place, path in enumerate(sorted((data / "train_docs").glob("*.sections.jsonl.gz"))):
        site = load_site(path, mask_faq=False)
        corpus.indexes[site.name] = SiteIndex(site, encoder)
        corpus.questions[site.name] = pseudo_questions(site, limit=pseudo_per_site, seed=place)
    return corpus


def clapnq_questions(data: Path) -> list[Asked]:
    """Questions to Wikipedia, foreign to every product's documentation."""
    return [Asked(row["question"], (), is_pseudo=True) for row in read_rows(data / CLAPNQ_FILE)]


def clapnq_evidence(data: Path, encoder: Encoder) -> Iterator[tuple[Asked, str, Retrieved]]:
    """Each CLAPNQ question with the one passage it came with, and whether that answers it (`present`) or not (`removed`).

    The passage stands alone in its list; its BM25 score is over all passages of the file, so that it has a scale.
    """
    rows = read_rows(data / CLAPNQ_FILE)
    passages = [(row, given) for row in rows for given in row["passages"]]
    index = bm25_index([f"{given['title']}\n{given['text']}" for _, given in passages])
    for number, (row, given) in enumerate(passages):
        gold = (f"nq-{number}",) if row["answerable"] else ()
        lexical = float(bm25_scores(index, row["question"], len(passages))[number])
        retrieved = passage_alone(f"nq-{number}", given["title"], given["text"], row["question"], lexical, encoder)
        yield Asked(row["question"], gold, is_pseudo=True), "present" if row["answerable"] else "removed", retrieved


def passage_alone(identity: str, title: str, text: str, question: str, lexical: float, encoder: Encoder) -> Retrieved:
    """What a search would give that found this one passage, uncut, and gave it the BM25 score `lexical`."""
    piece = Chunk(
        chunk_id=ChunkId(identity),
        document_id=DocumentId(identity),
        uri=identity,
        ordinal=0,
        start=0,
        end=len(text),
        text=text,
        title=title,
        heading="",
        path=(),
        anchor=identity,
        page_number=None,
        token_count=len(text) // 4,
        locale="en",
        trust=TrustTier.OFFICIAL,
        updated_at=None,
        valid_until=None,
    )
    query = encoder.encode_query(question)
    dense = float(encoder.encode([piece.encoder_text()])[0] @ query)
    return Retrieved(
        passages=(Passage(piece, 1.0, lexical or None, dense),),
        stale=(),
        query_vector=query,
        access=NOBODY,
        state=EMPTY_CORPUS,
        dense_rank={piece.chunk_id: 1},
        lexical_rank={piece.chunk_id: 1} if lexical else {},
        dense_scores=(dense,),
        lexical_scores=(lexical,) if lexical else (),
    )
