"""What the evidence model is judged by, and the scores of features alone for it; nothing here has trained its judge.

Features are judged as the shipped cards are: each site by cards that were fitted without it.
"""

import gzip
import pickle
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from surefoot.adapters.onnx_encoder import OnnxEncoder
from training.answerability import CLAPNQ, Cards, Gathering, Row, documentation_rows, fit, passage_table
from training.data import CachedEncoder, Corpus, clapnq_evidence, clapnq_questions, load_corpus, read_rows
from training.evidence_folds import DEV_SITES, JUDGED_SITES, TENANTS
from training.evidence_groups import clapnq_is_for_training
from training.evidence_judged_claims import Claim, judged_claims
from training.evidence_judged_lists import ListRow, judged_lists, some

_READ = 10
_QUESTIONS_OF_A_SITE, _DEV_QUESTIONS = 100, 150


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

    @property
    def chooses(self) -> bool:
        """Whether joints are fitted on it: on the dev sites, and on half of CLAPNQ's that did not train."""
        return self.site in DEV_SITES or (self.site == CLAPNQ and sum(self.question.encode()) % 2 == 0)


@dataclass(frozen=True)
class Judging:
    """Everything: rows of lists, questions with and without their answer, claims. Each knows its site, and whether it chooses."""

    lists: tuple[ListRow, ...]
    asked: tuple[AskedList, ...]
    claims: tuple[Claim, ...]


def gathered(data: Path, vectors: Path, work: Path) -> Judging:
    """The judging set as it was gathered before in `work`, or gathered now and kept there."""
    work.mkdir(parents=True, exist_ok=True)
    encoder = CachedEncoder(OnnxEncoder(), vectors)

    @cache
    def corpus() -> Corpus:
        return load_corpus(data, encoder)

    lists = _kept(work / "lists.pickle.gz", lambda: tuple(judged_lists(data, corpus(), encoder, work)))
    encoder.save()
    asked = _kept(work / "asked.pickle.gz", lambda: tuple(_asked(data, corpus(), encoder)))
    encoder.save()
    claims = _kept(work / "claims.pickle.gz", lambda: tuple(judged_claims(data, encoder)))
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


def _asked(data: Path, corpus: Corpus, encoder: CachedEncoder) -> Iterator[AskedList]:
    """The questions of every site, and the half of CLAPNQ that did not train, each judged by cards fitted without its site."""
    gathering = Gathering(encoder)
    rows = [*documentation_rows(corpus, clapnq_questions(data), gathering)]
    nq = [(asked, gathering.row(CLAPNQ, asked, kind, found)) for asked, kind, found in clapnq_evidence(data, encoder)]
    ids = [row["id"] for row in read_rows(data / "clapnq_dev_answerability.jsonl.gz") for _ in row["passages"]]
    trains = [clapnq_is_for_training(identity) for identity in ids]
    encoder.save()
    for name in (*JUDGED_SITES, *DEV_SITES):
        cards = fit([row for row in rows if row.site != name] + [row for _, row in nq])
        own = [row for row in rows if row.site == name and row.evidence.passages]
        yield from _with_scores(_fewer(own, name, corpus), cards)
        print(f"  {name}: judged by features without it", flush=True)
    cards = fit(rows + [row for (_, row), is_training in zip(nq, trains, strict=True) if is_training])
    own = [row for (_, row), is_training in zip(nq, trains, strict=True) if not is_training]
    yield from _with_scores(own, cards)


def _fewer(rows: Sequence[Row], site: str, corpus: Corpus) -> list[Row]:
    """The rows of the site's questions that its lists are made of too, and as many foreign ones; all of a tenant's."""
    limit = _DEV_QUESTIONS if site in DEV_SITES else _QUESTIONS_OF_A_SITE
    chosen = {asked.question for asked in (corpus.questions[site] if site in TENANTS else some(corpus.questions[site], limit))}
    seen: Counter[str] = Counter()
    kept = []
    for row in rows:
        if row.condition == "foreign":
            seen[row.condition] += 1
            is_kept = seen[row.condition] <= max(limit, _DEV_QUESTIONS)
        else:
            is_kept = row.condition == "wikipedia" or row.question in chosen
        # Only the sites that choose are asked in every way.
        if is_kept and (row.condition != "plain removed" or site in DEV_SITES):
            kept.append(row)
    return kept


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
