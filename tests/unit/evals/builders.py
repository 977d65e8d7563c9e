"""Passages and outcomes for the runners' tests, spelled out as little as a test needs."""

from collections.abc import Sequence

from surefoot.domain.answers import Answer, Citation, Claim, Passage, Refusal, RefusalReason, Tier, cite
from surefoot.domain.budgets import Spend
from surefoot.domain.documents import Chunk, ChunkId, DocumentId, TrustTier
from surefoot.domain.routing import Step, StepOutcome


def passage(name: str, *, page: str, anchor: str = "", score: float = 0.5) -> Passage:
    """A passage of chunk `name` in section `anchor` of `page`."""
    text = f"Text of {name}."
    chunk = Chunk(
        chunk_id=ChunkId(name),
        document_id=DocumentId(page),
        uri=page,
        ordinal=0,
        start=0,
        end=len(text),
        text=text,
        title="Title",
        heading="",
        path=(),
        anchor=anchor,
        page_number=None,
        token_count=4,
        locale="en",
        trust=TrustTier.REVIEWED,
        updated_at=None,
        valid_until=None,
    )
    return Passage(chunk, score, lexical=None, dense=None)


def citation(of: Passage) -> Citation:
    return cite(of, 0, 4)


def answer(confidence: float, *cited: Passage, tier: Tier = Tier.EXTRACTIVE) -> Answer:
    """An answer with one claim per cited passage."""
    return Answer(tuple(Claim("Said.", (citation(p),), 1.0) for p in cited), confidence, tier)


def draft(outcome: str = "accepted", *, purpose: str = "answer", nano_usd: int = 0) -> Step:
    """One attempt of the small tier, with 100 tokens in and 10 out."""
    spend = Spend(nano_usd, tokens=110)
    return Step(Tier.SMALL, "m", purpose, StepOutcome(outcome), spend, input_tokens=100, output_tokens=10)


def refusal(confidence: float, closest: Sequence[Passage] = (), reason: str = "insufficient_evidence") -> Refusal:
    return Refusal(RefusalReason(reason), "Not enough.", closest=tuple(map(citation, closest)), confidence=confidence)
