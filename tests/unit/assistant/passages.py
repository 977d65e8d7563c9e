"""Retrieved passages made by hand for the tests of the assistant."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from surefoot.adapters.memory.encoder import HashingEncoder
from surefoot.assistant.answer import Answerer
from surefoot.assistant.answerability import AnswerabilityModel
from surefoot.assistant.scorecard import ScorecardFile, Term
from surefoot.core.ids import derived_id
from surefoot.domain.answers import Answer, Passage, Refusal
from surefoot.domain.corpora import EMPTY_CORPUS
from surefoot.domain.documents import Chunk, ChunkId, DocumentId, TrustTier
from surefoot.domain.filters import ReadAccess
from surefoot.domain.identity import EVERYONE
from surefoot.domain.lexicon import terms
from surefoot.retrieval.search import Retrieved

ENCODER = HashingEncoder()


@dataclass(frozen=True, slots=True)
class Text:
    """A passage in few words: each is a document of its own unless `document` says otherwise."""

    text: str
    heading: str = ""
    title: str = "Manual"
    document: str = ""
    trust: TrustTier = TrustTier.OFFICIAL
    stale: str = ""
    updated_at: datetime | None = datetime(2026, 3, 1, tzinfo=UTC)
    locale: str = "en"
    start: int = 0


def chunk_of(text: Text, number: int = 0) -> Chunk:
    return Chunk(
        chunk_id=ChunkId(derived_id("chk", repr(text), str(number))),
        document_id=DocumentId(text.document or f"doc_{number}"),
        uri=f"{text.document or number}.md",
        ordinal=number,
        start=text.start,
        end=text.start + len(text.text),
        text=text.text,
        title=text.title,
        heading=text.heading,
        path=(),
        anchor="",
        page_number=None,
        token_count=len(text.text) // 4,
        locale=text.locale,
        trust=text.trust,
        updated_at=text.updated_at,
        valid_until=None,
    )


def retrieved(question: str, texts: Sequence[Text], *, locale: str = "en") -> Retrieved:
    """The texts as a search would return them: by word overlap and the hashing encoder's cosine."""
    asked = set(terms(question, locale))
    query = ENCODER.encode_query(question)
    passages = []
    for number, text in enumerate(texts):
        chunk = chunk_of(text, number)
        lexical = float(len(asked & set(terms(f"{chunk.headings()} {chunk.text}", text.locale))))
        dense = float(ENCODER.encode([chunk.encoder_text()])[0] @ query)
        passages.append(Passage(chunk, 0.0, lexical or None, dense, text.stale))
    by_dense = sorted(passages, key=lambda passage: -(passage.dense or 0.0))
    by_lexical = sorted((p for p in passages if p.lexical), key=lambda passage: -(passage.lexical or 0.0))
    top = max((p.lexical or 0.0 for p in passages), default=0.0) or 1.0
    scored = sorted(
        (replace(p, score=max(0.0, 0.65 * (p.dense or 0.0) + 0.35 * (p.lexical or 0.0) / top)) for p in passages),
        key=lambda passage: -passage.score,
    )
    return Retrieved(
        passages=tuple(p for p in scored if not p.stale),
        stale=tuple(p for p in scored if p.stale),
        query_vector=np.asarray(query),
        access=ReadAccess(frozenset({EVERYONE}), 1),
        state=EMPTY_CORPUS,
        dense_rank={p.chunk.chunk_id: rank for rank, p in enumerate(by_dense, start=1)},
        lexical_rank={p.chunk.chunk_id: rank for rank, p in enumerate(by_lexical, start=1)},
        dense_scores=tuple(p.dense or 0.0 for p in by_dense),
        lexical_scores=tuple(p.lexical or 0.0 for p in by_lexical),
    )


def term(name: str, weight: float, *, mean: float = 0.5) -> Term:
    return Term(name=name, mean=mean, scale=1.0, low=-10.0, high=10.0, weight=weight)


# Rules instead of learned weights: the passage that covers most is the source, half the question's weight must be covered to
# answer, a fifth to be in scope. So tests of what follows do not move when the shipped model is fitted again.
SIMPLE_MODEL = AnswerabilityModel(
    about={"what": "hand-made, for tests"},
    answer_threshold=0.5,
    scope_threshold=0.5,
    passage=ScorecardFile(bias=0.0, terms=(term("coverage", 10.0), term("unit_coverage", 4.0), term("score", 1.0))),
    answer=ScorecardFile(bias=0.0, terms=(term("best_coverage", 10.0),)),
    scope=ScorecardFile(bias=0.0, terms=(term("covered_by_all", 10.0, mean=0.2),)),
)


def answerer() -> Answerer:
    return Answerer(ENCODER, model=SIMPLE_MODEL)


def outcome_of(question: str, *texts: Text, locale: str = "en") -> Answer | Refusal:
    return answerer().answer(question, locale, retrieved(question, texts, locale=locale))


def answer_to(question: str, *texts: Text, locale: str = "en") -> str:
    """The claims of the answer, one to a line; the test fails when there is none."""
    outcome = outcome_of(question, *texts, locale=locale)
    assert isinstance(outcome, Answer), outcome
    return "\n".join(claim.text for claim in outcome.claims)


def refusal_to(question: str, *texts: Text) -> Refusal:
    """The refusal; the test fails when there is an answer."""
    outcome = outcome_of(question, *texts)
    assert isinstance(outcome, Refusal), outcome
    return outcome
