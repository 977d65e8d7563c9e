"""The ranked lists that choose and judge: by site and by what is asked, headings hidden where the heading is the question."""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from surefoot.ports import Encoder
from training.data import Asked, Corpus, SiteIndex, faq_questions, load_site, read_rows
from training.evidence_folds import DEV_SITES, JUDGED_SITES, TENANTS, site_path
from training.evidence_groups import is_question
from training.evidence_lists import RankedList, heading_questions, ranked_list, sentence_questions
from training.evidence_questions import clean_heading
from training.scifact import CHOOSING, JUDGING, fold_of

FAQ_MASKED, FAQ_VISIBLE, LINK_ANCHORS = "FAQ, headings masked", "FAQ, headings visible", "link anchors"
HEADINGS_MASKED, HEADINGS_VISIBLE = "headings masked", "headings visible"
SENTENCES = "sentences, headings visible"
SCIFACT = "SciFact"
CLAIMS, DEV_CLAIMS = "claims", "claims that choose"
# Fewer questions than this say nothing about a site.
LEAST_QUESTIONS = 10
_JUDGED_QUESTIONS, _DEV_QUESTIONS, _TENANT_SENTENCES = 100, 150, 150


@dataclass(frozen=True, slots=True)
class ListRow:
    """Lists of one kind for one site; what a figure is told of."""

    site: str
    kind: str
    lists: tuple[RankedList, ...]

    @property
    def name(self) -> str:
        return f"{self.site}: {self.kind}"

    @property
    def chooses(self) -> bool:
        """Whether joints are fitted on it, so that it judges nothing."""
        return self.site in DEV_SITES or self.kind == DEV_CLAIMS


def judged_lists(data: Path, corpus: Corpus, encoder: Encoder, work: Path) -> Iterator[ListRow]:
    """A row for every kind of every site that judges or chooses, and for SciFact's claims."""
    for place, site in enumerate((*JUDGED_SITES, *DEV_SITES)):
        index = SiteIndex(load_site(site_path(data, site), mask_faq=False), encoder)
        limit = _DEV_QUESTIONS if site in DEV_SITES else _JUDGED_QUESTIONS
        if site in TENANTS:
            yield from _real_questions(site, site_path(data, site), corpus.indexes[site], index)
            asked = heading_questions(index, limit=limit, seed=place)
        else:
            # What is tuned on is never a question that people wrote.
            yield from () if site in DEV_SITES else _question_headings(site, index)
            asked = some(corpus.questions[site], limit)
        yield ListRow(site, HEADINGS_MASKED, _hidden(index, asked))
        yield ListRow(site, HEADINGS_VISIBLE, _seen(index, asked))
        made = sentence_questions(index, limit=_TENANT_SENTENCES if site in TENANTS else limit, seed=place)
        yield ListRow(site, SENTENCES, _seen(index, made))
        print(f"  {site}: lists gathered", flush=True)
    yield from _scifact(data, encoder, work)


def some(asked: Sequence[Asked], limit: int) -> list[Asked]:
    """`limit` of them at most, drawn alike for every use, in their order."""
    drawn = np.random.default_rng(7).permutation(len(asked))[:limit]
    return [asked[place] for place in sorted(drawn)]


def _hidden(index: SiteIndex, asked: Sequence[Asked]) -> tuple[RankedList, ...]:
    """The lists without any heading of the page that answers."""
    pages = [index.page_of(index.site.rows_of(one.gold)) for one in asked]
    return tuple(ranked_list(index, one, "present", masked=page) for one, page in zip(asked, pages, strict=True))


def _seen(index: SiteIndex, asked: Sequence[Asked]) -> tuple[RankedList, ...]:
    return tuple(ranked_list(index, one, "present") for one in asked)


def _real_questions(site: str, path: Path, masked: SiteIndex, index: SiteIndex) -> Iterator[ListRow]:
    """A tenant's questions: FAQ headings, and the words of links with the page each leads to."""
    questions = path.with_name(path.name.replace(".sections.", ".questions."))
    asked = faq_questions(questions)
    yield ListRow(site, FAQ_MASKED, _seen(masked, asked))
    yield ListRow(site, FAQ_VISIBLE, _seen(index, asked))
    yield ListRow(site, LINK_ANCHORS, tuple(_link_anchors(masked, questions)))


def _link_anchors(index: SiteIndex, questions: Path) -> Iterator[RankedList]:
    """The words of links, each with the page it leads to; pages that hold the link are taken out."""
    pages = {piece.uri for piece in index.site.chunks}
    for row in read_rows(questions):
        if row["source"] == "link_anchor" and pages & set(row["gold_pages"]):
            asked = Asked(row["question"], tuple(row["gold_pages"]))
            yield ranked_list(index, asked, "present", left_out_pages=row["linked_from"], by_page=True)


def question_headings(index: SiteIndex) -> list[Asked]:
    """The headings of a site that are questions and name one section alone, without marks and numbers."""
    sections: dict[str, set[str]] = defaultdict(set)
    for piece, section in zip(index.site.chunks, index.site.section_of, strict=True):
        if is_question(piece.heading):
            sections[clean_heading(piece.heading)].add(section)
    return [Asked(heading, tuple(found), is_pseudo=True) for heading, found in sections.items() if len(found) == 1]


def _question_headings(site: str, index: SiteIndex) -> Iterator[ListRow]:
    asked = question_headings(index)
    if len(asked) >= LEAST_QUESTIONS:
        yield ListRow(site, FAQ_MASKED, _hidden(index, asked))
        yield ListRow(site, FAQ_VISIBLE, _seen(index, asked))


def _scifact(data: Path, encoder: Encoder, work: Path) -> Iterator[ListRow]:
    """Claims over all abstracts, cut by the product's chunker; by claims none of whose abstracts trained."""
    path = work / "scifact.sections.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        for row in read_rows(data / "scifact.corpus.jsonl.gz"):
            section = {"id": row["id"], "page": row["id"], "title": row["title"], "path": [], "heading": ""}
            file.write(json.dumps({**section, "text": " ".join(row["sentences"])}) + "\n")
    index = SiteIndex(load_site(path, mask_faq=False), encoder)
    found: dict[str, list[RankedList]] = {CLAIMS: [], DEV_CLAIMS: []}
    for row in read_rows(data / "scifact.claims_train.jsonl.gz"):
        folds = frozenset(fold_of(doc_id) for doc_id in row["cited_doc_ids"])
        kind = {frozenset((JUDGING,)): CLAIMS, frozenset((CHOOSING,)): DEV_CLAIMS}.get(folds)
        if kind is not None:
            asked = Asked(row["claim"], tuple(row["cited_doc_ids"]))
            found[kind].append(ranked_list(index, asked, "present", by_page=True))
    for kind, lists in found.items():
        yield ListRow(SCIFACT, kind, tuple(lists))
