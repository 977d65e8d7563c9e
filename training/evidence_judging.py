"""What the evidence model is judged by, and the scores of features alone for it; nothing here has trained the model.

Features are judged as the shipped cards are: each site by cards that were fitted without it.
"""

import gzip
import json
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from surefoot.adapters.onnx_encoder import OnnxEncoder
from surefoot.assistant.evidence_windows import evidence_windows
from surefoot.assistant.groundedness import Support
from surefoot.domain.sentences import plain, sentences
from surefoot.ports import Encoder
from training.answerability import CLAPNQ, Cards, Gathering, Row, documentation_rows, fit, passage_table
from training.data import (
    Asked,
    CachedEncoder,
    SiteIndex,
    clapnq_evidence,
    clapnq_questions,
    faq_questions,
    load_corpus,
    load_site,
    read_rows,
)
from training.evidence_edits import falsified, kept
from training.evidence_groups import clapnq_is_for_training, is_prose
from training.evidence_lists import RankedList, heading_questions, ranked_list, sentence_questions
from training.evidence_set import DEV_SITES
from training.scifact import CHOOSING, JUDGING, fold_of
from training.support import FOLDS, NAME, Pair, begin, halueval, scifact

TENANTS = ("flagsmith", "segment")
_READ = 10
_QUESTIONS_OF_A_SITE = 150
_EDITED_SENTENCES = 120


@dataclass(frozen=True, slots=True)
class AskedList:
    """A question under a condition of `training.answerability`, with what features alone say of it and of each passage."""

    site: str
    condition: str
    question: str
    texts: tuple[str, ...]
    fused: tuple[float, ...]
    sources: tuple[float, ...]
    gold: tuple[bool, ...]
    answerable: float
    in_scope: float


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim beside evidence, whether that supports it, and what features alone say. `use` is `choosing` or `judging`."""

    source: str
    kind: str
    use: str
    claim: str
    windows: tuple[str, ...]
    supported: bool
    features: float


@dataclass(frozen=True)
class Judging:
    """Everything, by what it is for: lists by kind, questions with and without their answer, claims."""

    lists: dict[str, tuple[RankedList, ...]]
    asked: tuple[AskedList, ...]
    claims: tuple[Claim, ...]


def gathered(data: Path, cache: Path, work: Path) -> Judging:
    """The judging set as it was gathered before in `work`, or gathered now and kept there."""
    encoder = CachedEncoder(OnnxEncoder(), cache)
    lists = _kept(work / "lists.pickle.gz", lambda: _lists(data, encoder, work))
    asked = _kept(work / "asked.pickle.gz", lambda: tuple(_asked(data, encoder)))
    claims = _kept(work / "claims.pickle.gz", lambda: tuple(_claims(data, encoder)))
    encoder.save()
    return Judging(lists, asked, claims)


def _kept(path: Path, gather: Callable[[], Any]) -> Any:
    """What the file holds; when there is none, what is gathered now, which it then holds."""
    if path.exists():
        with gzip.open(path, "rb") as file:
            return pickle.load(file)
    made = gather()
    with gzip.open(path, "wb", compresslevel=1) as file:
        pickle.dump(made, file)
    return made


def _lists(data: Path, encoder: CachedEncoder, work: Path) -> dict[str, tuple[RankedList, ...]]:
    found: dict[str, tuple[RankedList, ...]] = {}
    for name in TENANTS:
        path = data / f"{name}_docs.sections.jsonl.gz"
        questions = path.with_name(f"{name}_docs.questions.jsonl.gz")
        masked, seen = (SiteIndex(load_site(path, mask_faq=mask), encoder) for mask in (True, False))
        found[f"{name}: FAQ, headings masked"] = tuple(
            ranked_list(masked, asked, "present") for asked in faq_questions(questions)
        )
        found[f"{name}: FAQ, headings visible"] = tuple(ranked_list(seen, asked, "present") for asked in faq_questions(questions))
        found[f"{name}: link anchors"] = tuple(_link_anchors(masked, questions))
        made = sentence_questions(seen, limit=_QUESTIONS_OF_A_SITE, seed=11)
        found[f"{name}: sentences, headings visible"] = tuple(ranked_list(seen, asked, "present") for asked in made)
        encoder.save()
    for place, name in enumerate(DEV_SITES):
        index = SiteIndex(load_site(data / "train_docs" / f"{name}.sections.jsonl.gz", mask_faq=False), encoder)
        headings = heading_questions(index, limit=_QUESTIONS_OF_A_SITE, seed=place + 20)
        made = sentence_questions(index, limit=_QUESTIONS_OF_A_SITE, seed=place + 20)
        pages = [index.page_of(index.site.rows_of(asked.gold)) for asked in headings]
        found[f"dev {name}: headings masked"] = tuple(
            ranked_list(index, asked, "present", masked=page) for asked, page in zip(headings, pages, strict=True)
        )
        found[f"dev {name}: headings visible"] = tuple(ranked_list(index, asked, "present") for asked in headings)
        found[f"dev {name}: sentences, headings visible"] = tuple(ranked_list(index, asked, "present") for asked in made)
    found |= _scifact_lists(data, encoder, work)
    encoder.save()
    return found


def _link_anchors(index: SiteIndex, questions: Path) -> Iterator[RankedList]:
    """The words of links, each with the page it leads to; pages that hold the link are taken out."""
    pages = {piece.uri for piece in index.site.chunks}
    for row in read_rows(questions):
        if row["source"] == "link_anchor" and pages & set(row["gold_pages"]):
            asked = Asked(row["question"], tuple(row["gold_pages"]))
            yield ranked_list(index, asked, "present", left_out_pages=row["linked_from"], by_page=True)


def _scifact_lists(data: Path, encoder: Encoder, work: Path) -> dict[str, tuple[RankedList, ...]]:
    """Claims over all abstracts, cut by the product's chunker; by claims none of whose abstracts trained."""
    path = work / "scifact.sections.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        for row in read_rows(data / "scifact.corpus.jsonl.gz"):
            section = {"id": row["id"], "page": row["id"], "title": row["title"], "path": [], "heading": ""}
            file.write(json.dumps({**section, "text": " ".join(row["sentences"])}) + "\n")
    index = SiteIndex(load_site(path, mask_faq=False), encoder)
    found: dict[str, list[RankedList]] = {"SciFact claims": [], "dev SciFact claims": []}
    for row in read_rows(data / "scifact.claims_train.jsonl.gz"):
        folds = {fold_of(doc_id) for doc_id in row["cited_doc_ids"]}
        kind = {frozenset((JUDGING,)): "SciFact claims", frozenset((CHOOSING,)): "dev SciFact claims"}.get(frozenset(folds))
        if kind is not None:
            asked = Asked(row["claim"], tuple(row["cited_doc_ids"]))
            found[kind].append(ranked_list(index, asked, "present", by_page=True))
    return {kind: tuple(lists) for kind, lists in found.items()}


def _asked(data: Path, encoder: CachedEncoder) -> Iterator[AskedList]:
    """The questions of tenants and dev sites, and CLAPNQ's judging half, each judged by cards fitted without its site."""
    corpus = load_corpus(data, encoder)
    gathering = Gathering(encoder)
    rows = [*documentation_rows(corpus, clapnq_questions(data), gathering)]
    nq = [(asked, gathering.row(CLAPNQ, asked, kind, found)) for asked, kind, found in clapnq_evidence(data, encoder)]
    ids = [row["id"] for row in read_rows(data / "clapnq_dev_answerability.jsonl.gz") for _ in row["passages"]]
    trains = [clapnq_is_for_training(identity) for identity in ids]
    encoder.save()
    for name in (*TENANTS, *DEV_SITES):
        cards = fit([row for row in rows if row.site != name] + [row for _, row in nq])
        own = [row for row in rows if row.site == name and row.evidence.passages]
        yield from _with_scores(own, cards)
        print(f"  {name}: judged by features without it", flush=True)
    cards = fit(rows + [row for (_, row), is_training in zip(nq, trains, strict=True) if is_training])
    own = [row for (_, row), is_training in zip(nq, trains, strict=True) if not is_training]
    yield from _with_scores(own, cards)


def _with_scores(rows: Sequence[Row], cards: Cards) -> Iterator[AskedList]:
    judged = cards.judged(rows)
    for row, answerable, in_scope in zip(rows, judged.answerable, judged.in_scope, strict=True):
        passages = row.evidence.retrieved.passages[:_READ]
        yield AskedList(
            row.site,
            row.condition,
            row.question,
            tuple(passage.chunk.encoder_text() for passage in passages),
            tuple(passage.score for passage in passages),
            tuple(cards.passage.logit(passage_table(row, cards.passage.names)).tolist()),
            tuple(bool(gold) for gold in row.gold[:_READ]),
            float(answerable),
            float(in_scope),
        )


def _claims(data: Path, encoder: Encoder) -> Iterator[Claim]:
    support = Support(encoder)

    def claim(source: str, kind: str, use: str, said: str, evidence: Sequence[str], supported: bool) -> Claim:
        score, _ = support.weigh(said, evidence)
        return Claim(source, kind, use, plain(said), evidence_windows(plain(said), evidence), supported, score.score)

    pairs: list[Pair] = [*scifact(data), *begin(data), *halueval(data)]
    for pair in pairs:
        use = claim_use(pair)
        if use != "training":
            yield claim(pair.source, pair.source, use, pair.claim, pair.evidence, pair.supported)
    for name in (*TENANTS, *DEV_SITES):
        folder = data if name in TENANTS else data / "train_docs"
        path = folder / f"{name}{'_docs' if name in TENANTS else ''}.sections.jsonl.gz"
        for kind, said, text, supported in edited(path, limit=_EDITED_SENTENCES, seed=31):
            yield claim("edits", kind, "judging" if name in TENANTS else "choosing", said, (text,), supported)


def claim_use(pair: Pair) -> str:
    """`training`, `choosing` or `judging`: of what is held out, SciFact judges by one fold and chooses by another; of the
    other sources, half of the groups held out choose.
    """
    if pair.source == "scifact":
        return {JUDGING: "judging", CHOOSING: "choosing"}.get(fold_of(pair.group), "training")
    if not pair.held_out:
        return "training"
    return "choosing" if sum(pair.group.encode()) // FOLDS % 2 else "judging"


def edited(path: Path, *, limit: int, seed: int) -> Iterator[tuple[str, str, str, bool]]:
    """Sentences of a site against their whole section: kind of edit, claim, section, whether it still holds."""
    random = np.random.default_rng(seed)
    texts = [row["text"] for row in read_rows(path)]
    names = [name for text in texts for name in NAME.findall(text)[:3]]
    made = 0
    for at in random.permutation(len(texts)):
        told = [said for start, end in sentences(texts[at]) if is_prose(said := plain(texts[at][start:end]))]
        if not told or made >= limit:
            continue
        sentence = told[int(random.integers(len(told)))]
        wrong = falsified(sentence, names, random)
        if not wrong:
            continue
        made += 1
        yield "kept", kept(sentence, random), texts[at], True
        kinds = list(wrong)
        for kind in [kinds[place] for place in random.permutation(len(kinds))[:2]]:
            yield kind, wrong[kind][0], texts[at], False
