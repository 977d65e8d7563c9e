"""Questions whose answering sentences are known, with all that the extractor sees of their passages: what quoting is chosen and
judged by. None of them trained the model that judges it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from surefoot.assistant.answerability import Evidence, Judge, Judgement, gather, shipped_model
from surefoot.assistant.extract import Quote, Worths, worths_by_features
from surefoot.assistant.questions import analyse_question
from surefoot.assistant.units import ChunkReader, Unit
from surefoot.domain.lexicon import terms
from surefoot.domain.sentences import plain, sentences
from surefoot.ports import Encoder
from surefoot.retrieval.search import Retrieved
from training.data import (
    CLAPNQ_FILE,
    Asked,
    CachedEncoder,
    SiteIndex,
    bm25_index,
    bm25_scores,
    clapnq_evidence,
    faq_questions,
    load_site,
    passage_alone,
    read_rows,
)
from training.evidence_folds import DEV_SITES, JUDGED_SITES, TENANTS, fold_of_site, site_path
from training.evidence_groups import clapnq_is_for_training, is_prose
from training.evidence_lists import heading_questions
from training.evidence_questions import sentence_question
from training.support import FOLDS

# Of what the model has seen nothing is chosen or judged: it is reported.
CHOOSING, JUDGING, SEEN = "choosing", "judging", "seen in training"
QUESTIONS_OF_A_SITE = 200
# Of CLAPNQ and HaluEval, one held-out question of three chooses.
_CHOOSE_ONE_OF = 3
_SEED = 41
_LEAST_TERMS = 2


@dataclass(frozen=True, slots=True)
class QuoteCase:
    """A question with its passages as the extractor sees them. `gold` are the quotable units that answer, by passage number and
    start, `worths` how well each answers by features; `fold` is the fold whose model judges it, None for the one that ships.
    """

    source: str
    use: str
    question: str
    evidence: Evidence
    judgement: Judgement
    worths: Worths
    gold: frozenset[tuple[int, int]]
    fold: int | None = None
    by_section: bool = False

    def shown(self, quoted: Sequence[Quote]) -> list[tuple[int, int]]:
        """The quotable units that stand in these quotes, in the order in which they are read."""
        return [
            (quote.place, scored.unit.start)
            for quote in quoted
            for scored in self.evidence.units
            if scored.place == quote.place and _lies_in(scored.unit, quote)
        ]


def _lies_in(unit: Unit, quote: Quote) -> bool:
    return quote.start <= unit.start and unit.end <= quote.end


class CaseReader:
    """Makes cases of what a search found, as the answerer would see it."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._reader = ChunkReader()
        self._judge = Judge(shipped_model())

    def case(
        self,
        source: str,
        use: str,
        question: str,
        retrieved: Retrieved,
        gold: Sequence[tuple[int, int, int]],
        *,
        fold: int | None,
        by_section: bool = False,
    ) -> QuoteCase | None:
        """The case; None when no unit that may be quoted lies for the most part in `gold`, spans of passage, start and end."""
        evidence = gather(analyse_question(question, "en"), retrieved, self._reader, self._encoder)
        answering = frozenset(
            (scored.place, scored.unit.start)
            for scored in evidence.units
            if any(scored.place == place and _mostly_in(scored.unit, start, end) for place, start, end in gold)
        )
        if not answering:
            return None
        return QuoteCase(
            source,
            use,
            question,
            evidence,
            self._judge.judge(evidence),
            worths_by_features(evidence),
            answering,
            fold,
            by_section,
        )


def _mostly_in(unit: Unit, start: int, end: int) -> bool:
    return 2 * (min(unit.end, end) - max(unit.start, start)) > unit.end - unit.start


def quote_cases(data: Path, encoder: CachedEncoder, *, sites: Sequence[str] = (*DEV_SITES, *JUDGED_SITES)) -> Iterator[QuoteCase]:
    """Every case, source by source."""
    reader = CaseReader(encoder)
    yield from _clapnq(data, encoder, reader)
    yield from _halueval(data, encoder, reader)
    encoder.save()
    for name in sites:
        index = SiteIndex(load_site(site_path(data, name), mask_faq=False), encoder)
        is_dev = name in DEV_SITES
        use, fold = (CHOOSING, None) if is_dev else (JUDGING, fold_of_site(name))
        yield from _by_sentence(index, reader, use=use, fold=fold)
        if name in TENANTS:
            masked = SiteIndex(load_site(site_path(data, name), mask_faq=True), encoder)
            asked = faq_questions(data / f"{name}_docs.questions.jsonl.gz")
            yield from _by_section(masked, asked, reader, use=use, fold=fold, hide_page=False)
        elif is_dev:
            asked = heading_questions(index, limit=QUESTIONS_OF_A_SITE, seed=_SEED)
            yield from _by_section(index, asked, reader, use=use, fold=fold, hide_page=True)
        encoder.save()


def _use(place: int) -> str:
    return CHOOSING if place % _CHOOSE_ONE_OF == 0 else JUDGING


def _clapnq(data: Path, encoder: Encoder, reader: CaseReader) -> Iterator[QuoteCase]:
    """Answerable questions of the half that does not train, with the sentences that were marked for their answer."""
    rows = [row for row in read_rows(data / CLAPNQ_FILE) for _ in row["passages"]]
    held_out = 0
    for row, (_, _, retrieved) in zip(rows, clapnq_evidence(data, encoder), strict=True):
        if not row["answerable"] or clapnq_is_for_training(row["id"]):
            continue
        text = retrieved.passages[0].chunk.text
        gold = [(0, *span) for said in row["selected_sentences"][0] if (span := _span(text, said)) is not None]
        case = reader.case("clapnq", _use(held_out), row["question"], retrieved, gold, fold=None)
        held_out += 1
        if case is not None:
            yield case


def _span(text: str, said: str) -> tuple[int, int] | None:
    start = text.find(said.strip())
    return None if start < 0 else (start, start + len(said.strip()))


def _halueval(data: Path, encoder: Encoder, reader: CaseReader) -> Iterator[QuoteCase]:
    """Questions of the held-out fifth, with the sentences of their text that hold the right answer word by word.

    Their answers are held out as claims alone: as questions they train passages and sentences.
    """
    rows = read_rows(data / "halueval_qa_sample.jsonl.gz")
    index = bm25_index([row["knowledge"] for row in rows])
    for number, row in enumerate(rows):
        answer, text = row["right_answer"].strip(". ").lower(), row["knowledge"]
        if not halueval_is_held_out(row) or not answer:
            continue
        lexical = float(bm25_scores(index, row["question"], len(rows))[number])
        retrieved = passage_alone(f"he-{number}", "", text, row["question"], lexical, encoder)
        gold = [(0, start, end) for start, end in sentences(text) if answer in text[start:end].lower()]
        case = reader.case("halueval", SEEN, row["question"], retrieved, gold, fold=None)
        if case is not None:
            yield case


def halueval_is_held_out(row: dict[str, Any]) -> bool:
    """Every fifth question, as the support score holds them out."""
    return sum(row["id"].encode()) % FOLDS == 0


def _by_sentence(index: SiteIndex, reader: CaseReader, *, use: str, fold: int | None) -> Iterator[QuoteCase]:
    """Questions made from sentences of a site, with that sentence, where a search finds its passage."""
    made = list(_sentence_questions(index))
    for place in np.random.default_rng(_SEED).permutation(len(made))[:QUESTIONS_OF_A_SITE]:
        question, row, start, end = made[place]
        retrieved = index.search(question)
        wanted = index.site.chunks[row].chunk_id
        gold = [(at, start, end) for at, found in enumerate(retrieved.passages) if found.chunk.chunk_id == wanted]
        case = reader.case(f"{index.site.name}: sentences", use, question, retrieved, gold, fold=fold)
        if case is not None:
            yield case


def _by_section(
    index: SiteIndex, questions: Sequence[Asked], reader: CaseReader, *, use: str, fold: int | None, hide_page: bool
) -> Iterator[QuoteCase]:
    """Questions whose answering section is known but not its sentence: every sentence of the section is as good."""
    for asked in questions:
        gold = frozenset(index.site.rows_of(asked.gold))
        retrieved = index.search(asked.question, masked=index.page_of(gold) if hide_page else frozenset())
        spans = [
            (place, 0, found.chunk.end - found.chunk.start)
            for place, found in enumerate(retrieved.passages)
            if (found.chunk.anchor or found.chunk.uri) in asked.gold
        ]
        case = reader.case(f"{index.site.name}: sections", use, asked.question, retrieved, spans, fold=fold, by_section=True)
        if case is not None:
            yield case


def _sentence_questions(index: SiteIndex) -> Iterator[tuple[str, int, int, int]]:
    """A question for one sentence of each chunk that has any: the question, the chunk's row, the sentence's start and end."""
    random = np.random.default_rng(_SEED)
    for row, piece in enumerate(index.site.chunks):
        told = [(start, end) for start, end in sentences(piece.text) if is_prose(plain(piece.text[start:end]))]
        if told:
            start, end = told[int(random.integers(len(told)))]
            question = sentence_question(plain(piece.text[start:end]), random)
            if len(terms(question)) >= _LEAST_TERMS:
                yield question, row, start, end
