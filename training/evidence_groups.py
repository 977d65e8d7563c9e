"""Questions with a handful of passages each, of which one or none is the answer: what ranking and answerability learn from."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from surefoot.domain.documents import Chunk
from surefoot.domain.lexicon import terms
from surefoot.domain.sentences import plain, sentences
from training.data import CLAPNQ_FILE, SiteIndex, read_rows
from training.evidence_questions import clean_heading, heading_question, sentence_question
from training.lexical_neighbours import LexicalNeighbours
from training.scifact import Abstracts, is_for_training

PASSAGES = 6
# A neighbour this like the gold passage may answer as well as it does.
_TOO_ALIKE = 0.93
_LEAST_SECTION_CHARACTERS = 120
_REMOVED_SHARE = 0.15
_FOREIGN_SHARE = 0.15
# A sentence is asked for of about half of the passages, so that headings, which are nearer to real questions, weigh as much.
_SENTENCE_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Group:
    """A question and its passages as the model reads them; `gold` says which answer it. Without gold, none does."""

    kind: str
    question: str
    passages: tuple[str, ...]
    gold: tuple[bool, ...]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """A question about one section, before its passages are chosen; `row` is the chunk that answers."""

    kind: str
    question: str
    row: int
    hide_page: bool


def site_groups(index: SiteIndex, *, limit: int, seed: int) -> Iterator[Group]:
    """Up to `limit` groups of a site: asked by heading, masked and visible, and by sentence."""
    random = np.random.default_rng(seed)
    wanted = [*_by_heading(index, random), *by_sentence(index, random)]
    for place in random.permutation(len(wanted))[:limit]:
        yield _group(index, wanted[place], random)


def _by_heading(index: SiteIndex, random: np.random.Generator) -> Iterator[Wanted]:
    rows: dict[str, list[int]] = defaultdict(list)
    for row, section in enumerate(index.site.section_of):
        rows[section].append(row)
    headings = Counter(index.site.chunks[held[0]].heading for held in rows.values())
    for held in rows.values():
        first = index.site.chunks[held[0]]
        clean = clean_heading(first.heading)
        length = sum(len(index.site.chunks[row].text) for row in held)
        if length < _LEAST_SECTION_CHARACTERS or not 1 <= len(terms(clean)) <= 14:
            continue
        if headings[first.heading] > 1:
            if random.random() < 0.3:
                question = f"{heading_question(first.heading, '', random)} {first.title}".replace("?", "")
                yield Wanted("same heading", question, held[0], hide_page=False)
            continue
        repeats = 3 if first.heading.endswith("?") else 2
        for _ in range(repeats):
            question = heading_question(first.heading, first.title, random)
            masked = random.random() < 0.75
            yield Wanted("heading masked" if masked else "heading", question, int(random.choice(held[:2])), hide_page=masked)


def by_sentence(index: SiteIndex, random: np.random.Generator) -> Iterator[Wanted]:
    for row, piece in enumerate(index.site.chunks):
        told = [plain(piece.text[start:end]) for start, end in sentences(piece.text)]
        told = [said for said in told if is_prose(said)]
        if told and random.random() < _SENTENCE_SHARE:
            question = sentence_question(str(told[int(random.integers(len(told)))]), random)
            masked = random.random() < 0.35
            if len(terms(question)) >= 2:
                yield Wanted("sentence masked" if masked else "sentence", question, row, hide_page=masked)


def is_prose(said: str) -> bool:
    """Whether a sentence is told in words, not code, tables or parameters."""
    words = re.findall(r"[A-Za-z']{2,}", said)
    return 40 <= len(said) <= 320 and len(words) >= 7 and not re.search(r"[{}<>|=]|--|\[\w+\]", said) and said[0].isalnum()


def _group(index: SiteIndex, wanted: Wanted, random: np.random.Generator) -> Group:
    chunks, sections = index.site.chunks, index.site.section_of
    gold = frozenset(row for row, section in enumerate(sections) if section == sections[wanted.row])
    page = index.page_of(gold)
    removed = random.random() < _REMOVED_SHARE
    negatives = _negatives(index, wanted, gold, page, random)[: PASSAGES - (0 if removed else 1)]
    rows = negatives if removed else [wanted.row, *negatives]
    order = random.permutation(len(rows))
    hidden = _hidden(rows, wanted, page, random)
    style = "bare" if random.random() < 0.08 else "full"
    texts = tuple(shown(chunks[rows[place]], masked=rows[place] in hidden, style=style) for place in order)
    kind = f"{wanted.kind}, removed" if removed else wanted.kind
    return Group(kind, wanted.question, texts, tuple(rows[place] == wanted.row and not removed for place in order))


def _hidden(rows: Sequence[int], wanted: Wanted, page: frozenset[int], random: np.random.Generator) -> frozenset[int]:
    """The rows whose own heading is kept back: never the gold one alone, else a missing heading would give it away."""
    if not wanted.hide_page:
        return frozenset()
    if random.random() < 0.5:
        return frozenset(rows)
    return page | frozenset(row for row in rows if random.random() < 0.3)


def shown(piece: Chunk, *, masked: bool, style: str = "full") -> str:
    """The passage as the model reads it: its visible headings on a line of their own, then its text."""
    return piece.text if style == "bare" else replace(piece, heading_indexed=not masked).encoder_text()


def _negatives(
    index: SiteIndex, wanted: Wanted, gold: frozenset[int], page: frozenset[int], random: np.random.Generator
) -> list[int]:
    """Passages that do not answer, hardest sources first: the list a search gives, the page, the neighbours, anywhere."""
    rows = {piece.chunk_id: row for row, piece in enumerate(index.site.chunks)}
    masked = page if wanted.hide_page else frozenset()
    found = index.search(wanted.question, masked=masked).passages
    listed = [rows[type(p.chunk.chunk_id)(p.chunk.chunk_id.removesuffix("m"))] for p in found]
    cosine = index.vectors @ index.vectors[wanted.row]
    near = [int(row) for row in np.argsort(-cosine, kind="stable")[:12]]
    pools = [
        [listed[place] for place in random.permutation(min(len(listed), 10))],
        [int(row) for row in random.permutation(sorted(page))],
        [int(row) for row in random.permutation(near)],
        [int(row) for row in random.integers(0, len(rows), 3)],
    ]
    chosen: list[int] = []
    # Four of every five come from the list, where the model will work; the others keep it from knowing lists only.
    for pool, most in zip([*pools, pools[0]], (3, 1, 1, 1 if random.random() < _FOREIGN_SHARE else 0, PASSAGES), strict=True):
        fit = [row for row in pool if row not in gold and row not in chosen and cosine[row] < _TOO_ALIKE]
        chosen += fit[:most]
    return chosen[:PASSAGES]


def clapnq_groups(data: Path, *, seed: int) -> Iterator[Group]:
    """The training half of CLAPNQ: the passage a question came with, and passages of other questions that share its words."""
    random = np.random.default_rng(seed)
    rows = [row for row in read_rows(data / CLAPNQ_FILE) if clapnq_is_for_training(row["id"])]
    texts = [f"{row['passages'][0]['title']}\n{row['passages'][0]['text']}" for row in rows]
    neighbours = LexicalNeighbours(texts)
    for place, row in enumerate(rows):
        others = [other for other in neighbours.of(row["question"], 6) if other != place][:2]
        yield Group("clapnq", row["question"], (texts[place], *(texts[o] for o in others)), (row["answerable"], False, False))
        if row["answerable"]:
            said = row["passages"][0]["text"]
            for sentence in row["selected_sentences"][0]:
                said = said.replace(sentence, "")
            if len(said) > 150 and random.random() < 0.7:
                title = row["passages"][0]["title"]
                yield Group("clapnq, sentences removed", row["question"], (f"{title}\n{said}",), (False,))


def clapnq_is_for_training(identity: str) -> bool:
    """Half of CLAPNQ trains, the other half judges; the id decides."""
    return sum(identity.encode()) % 2 == 0


def halueval_groups(data: Path) -> Iterator[Group]:
    """Questions with the text that answers them, the same text without its answer, and texts of other questions."""
    rows = read_rows(data / "halueval_qa_sample.jsonl.gz")
    neighbours = LexicalNeighbours([row["knowledge"] for row in rows])
    for row in rows:
        others = [o for o in neighbours.of(row["question"], 6) if rows[o]["knowledge"] != row["knowledge"]][:2]
        answer = row["right_answer"].strip(". ").lower()
        texts, gold = [row["knowledge"]], [True]
        kept = [row["knowledge"][a:b] for a, b in sentences(row["knowledge"])]
        without = [said for said in kept if answer not in said.lower()]
        if without and len(without) < len(kept):
            texts.append(" ".join(without))
            gold.append(False)
        texts += [rows[o]["knowledge"] for o in others]
        gold += [False for _ in others]
        yield Group("halueval", row["question"], tuple(texts), tuple(gold), weight=0.5)


def scifact_groups(data: Path, abstracts: Abstracts) -> Iterator[Group]:
    """Training claims with the abstract they cite and abstracts that share their words."""
    neighbours = LexicalNeighbours([abstracts.text_of(doc_id) for doc_id in abstracts.ids])
    for row in read_rows(data / "scifact.claims_train.jsonl.gz"):
        if not all(is_for_training(doc_id) for doc_id in row["cited_doc_ids"]):
            continue
        near = [abstracts.ids[place] for place in neighbours.of(row["claim"], 12)]
        others = [doc_id for doc_id in near if doc_id not in row["cited_doc_ids"] and is_for_training(doc_id)][:4]
        gold = row["cited_doc_ids"][0]
        texts = (abstracts.text_of(gold), *(abstracts.text_of(doc_id) for doc_id in others))
        yield Group("scifact", row["claim"], texts, (True, *(False for _ in others)))
