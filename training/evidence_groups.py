"""Questions with a handful of passages each, of which one or none is the answer: what ranking and answerability learn from."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from surefoot.domain.documents import Chunk
from surefoot.domain.lexicon import terms
from surefoot.domain.sentences import plain, sentences
from training.data import CLAPNQ_FILE, SiteIndex, read_rows
from training.evidence_questions import clean_heading, heading_question, sentence_question
from training.lexical_neighbours import LexicalNeighbours
from training.scifact import Abstracts, is_for_training
from training.sentence_edits import is_prose

PASSAGES = 6
# A neighbour this like the gold passage may answer as well as it does.
_TOO_ALIKE = 0.93
_LEAST_SECTION_CHARACTERS = 120
# An answer to a question may be short.
_LEAST_ANSWER_CHARACTERS = 40
_REPEATS = 3
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
    """A question about one section, before its passages are chosen; `row` is the chunk that answers, `sentence` what of it
    the question was made from, where it was.
    """

    kind: str
    question: str
    row: int
    hide_page: bool
    sentence: str = ""


def site_groups(index: SiteIndex, *, limit: int, seed: int) -> Iterator[Group]:
    """Every question that somebody wrote as a heading, `_REPEATS` times, and up to `limit` groups made from the site: asked by
    heading, masked and visible, and by sentence.
    """
    random = np.random.default_rng(seed)
    written = [wanted for wanted in _written(index) for _ in range(_REPEATS)]
    made = [*_by_heading(index, random), *by_sentence(index, random)]
    for wanted in (*written, *(made[place] for place in random.permutation(len(made))[:limit])):
        yield _group(index, wanted, random)


def _held(index: SiteIndex) -> dict[str, list[int]]:
    """The rows of each section."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, section in enumerate(index.site.section_of):
        rows[section].append(row)
    return rows


def is_question(heading: str) -> bool:
    """Whether a heading is a question as somebody would ask it: it says what about, and ends as one."""
    return heading.strip().endswith("?") and len(terms(clean_heading(heading))) >= 2


def _written(index: SiteIndex) -> Iterator[Wanted]:
    """Headings that are questions, each of one section: the questions nearest to those that people ask."""
    headings = Counter(index.site.chunks[held[0]].heading for held in _held(index).values())
    for held in _held(index).values():
        first = index.site.chunks[held[0]]
        length = sum(len(index.site.chunks[row].text) for row in held)
        if is_question(first.heading) and headings[first.heading] == 1 and length >= _LEAST_ANSWER_CHARACTERS:
            yield Wanted("written", clean_heading(first.heading), held[0], hide_page=True)


def _by_heading(index: SiteIndex, random: np.random.Generator) -> Iterator[Wanted]:
    rows = _held(index)
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
        for _ in range(2):
            question = heading_question(first.heading, first.title, random)
            masked = random.random() < 0.75
            yield Wanted("heading masked" if masked else "heading", question, int(random.choice(held[:2])), hide_page=masked)


def by_sentence(index: SiteIndex, random: np.random.Generator) -> Iterator[Wanted]:
    for row, piece in enumerate(index.site.chunks):
        told = [plain(piece.text[start:end]) for start, end in sentences(piece.text)]
        told = [said for said in told if is_prose(said)]
        if told and random.random() < _SENTENCE_SHARE:
            sentence = told[int(random.integers(len(told)))]
            question = sentence_question(sentence, random)
            masked = random.random() < 0.35
            if len(terms(question)) >= 2:
                yield Wanted("sentence masked" if masked else "sentence", question, row, masked, sentence)


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


def told_groups(index: SiteIndex, *, limit: int, seed: int) -> Iterator[Group]:
    """Questions made from a sentence, each with that sentence and others of its section, every one under its headings: which
    of them is to be quoted.
    """
    random = np.random.default_rng(seed)
    made = [wanted for wanted in by_sentence(index, random) if not wanted.hide_page]
    for place in random.permutation(len(made))[:limit]:
        wanted = made[place]
        piece = index.site.chunks[wanted.row]
        told = [said for start, end in sentences(piece.text) if len(said := plain(piece.text[start:end])) > 25]
        others = [said for said in dict.fromkeys(told) if said != wanted.sentence]
        if others:
            kept = [others[n] for n in random.permutation(len(others))[: PASSAGES - 1]]
            yield _told(
                "told", wanted.question, piece.headings(), [(wanted.sentence, True), *((said, False) for said in kept)], random
            )


def _told(
    kind: str, question: str, header: str, told: Sequence[tuple[str, bool]], random: np.random.Generator, weight: float = 1.0
) -> Group:
    """A group of sentences in an order that says nothing."""
    mixed = [told[place] for place in random.permutation(len(told))]
    return Group(
        kind,
        question,
        tuple(f"{header}\n{said}" if header else said for said, _ in mixed),
        tuple(gold for _, gold in mixed),
        weight,
    )


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
            title = row["passages"][0]["title"]
            if len(said) > 150 and random.random() < 0.7:
                yield Group("clapnq, sentences removed", row["question"], (f"{title}\n{said}",), (False,))
            yield from _told_of_clapnq(row, random)


def _told_of_clapnq(row: Mapping[str, Any], random: np.random.Generator) -> Iterator[Group]:
    """The passage's sentences, of which people chose those that answer."""
    given = row["passages"][0]
    chosen = [sentence.strip() for sentence in row["selected_sentences"][0]]
    told = [said for start, end in sentences(given["text"]) if len(said := given["text"][start:end].strip()) > 25]
    marked = [(said, any(said in one or one in said for one in chosen)) for said in told]
    right, wrong = ([one for one in marked if one[1] is gold] for gold in (True, False))
    if right and wrong:
        few = [wrong[place] for place in random.permutation(len(wrong))[: PASSAGES - len(right[:2])]]
        yield _told("clapnq, told", row["question"], given["title"], [*right[:2], *few], random)


def clapnq_is_for_training(identity: str) -> bool:
    """Half of CLAPNQ trains, the other half judges; the id decides."""
    return sum(identity.encode()) % 2 == 0


def halueval_groups(data: Path, *, seed: int) -> Iterator[Group]:
    """Questions with the text that answers them, the same text without its answer, and texts of other questions."""
    random = np.random.default_rng(seed)
    rows = read_rows(data / "halueval_qa_sample.jsonl.gz")
    neighbours = LexicalNeighbours([row["knowledge"] for row in rows])
    for place, row in enumerate(rows):
        others = [o for o in neighbours.of(row["question"], 6) if rows[o]["knowledge"] != row["knowledge"]][:2]
        answer = row["right_answer"].strip(". ").lower()
        texts, gold = [row["knowledge"]], [True]
        kept = [row["knowledge"][a:b] for a, b in sentences(row["knowledge"])]
        without = [said for said in kept if answer not in said.lower()]
        if without and len(without) < len(kept) <= PASSAGES and len(answer) > 3 and place % 2:
            marked = [(said.strip(), said not in without) for said in kept]
            yield _told("halueval, told", row["question"], "", marked, random, weight=0.5)
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
