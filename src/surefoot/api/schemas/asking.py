"""A question, and the answer or refusal it gets."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, JsonValue, StrictInt, StringConstraints

from surefoot.api.schemas.offers import OFFERED, ShownOffer
from surefoot.api.schemas.texts import Locale, Moment, Sent, Shown, without_nul
from surefoot.assistant.course import LONGEST_QUESTION_CHARACTERS
from surefoot.domain.answers import Answer, Citation, Claim, Refusal, RefusalReason, Tier
from surefoot.domain.budgets import BudgetLevel
from surefoot.domain.documents import Chunk, Document, DocumentId, TrustTier
from surefoot.domain.filters import AllOf, Everything, Filter, InDocuments, LocaleIn, UpdatedSince
from surefoot.domain.replies import CacheUse, Reply
from surefoot.domain.routing import Degraded, EscalationReason, Step, StepOutcome

_CONTEXT_CHARACTERS = 600
LABEL = "Quoted word for word from your organisation's documents; no AI model wrote this."
AI_LABEL = "Written by an AI model; every sentence was checked against the quoted passage of your organisation's documents."

DocumentIdText = Annotated[str, StringConstraints(pattern=r"^doc_[0-9a-f]{24}$")]

_CITATION: dict[str, JsonValue] = {
    "chunk_id": "chk_3f6c1d2e4b5a69788796a5b4",
    "document_id": "doc_0a1b2c3d4e5f60718293a4b5",
    "uri": "billing/refunds.md",
    "title": "Refunds",
    "heading": "How long a refund takes",
    "anchor": "how-long-a-refund-takes",
    "page_number": None,
    "quote": "Refunds reach the card within 5 business days.",
    "start": 412,
    "end": 458,
    "locale": "en",
    "trust": "official",
    "updated_at": "2026-01-12T00:00:00Z",
    "stale": "",
}
_ANSWERED: dict[str, JsonValue] = {
    "reply_id": "rep_0195a0c2f3a47d0e8f5b6c7d8e9f0a1b",
    "kind": "answer",
    "answer": {
        "claims": [{"text": "Refunds reach the card within 5 business days.", "support": 0.97, "citations": [_CITATION]}],
        "tier": "extractive",
        "ai_generated": False,
        "label": LABEL,
        "note": "",
    },
    "refusal": None,
    "actions": [],
    "confidence": 0.86,
    "why": "The answer is quoted from 1 passage that you may read, of 'Refunds' (12 January 2026).",
    "corpus_version": "9c1f0a2b3d4e5f60",
    "asked_at": "2026-03-01T12:00:00Z",
    "timings_ms": {"encode": 2.4, "lexical": 0.3, "dense": 0.9, "fuse": 0.4, "extract": 3.1},
    "first_claim_ms": None,
    "cost_usd": 0.0,
    "tokens": 0,
    "surface": "help",
    "searched": "",
    "conversation_id": "",
    "model": "",
    "cache": "miss",
    "budget": "normal",
    "degraded": None,
    "red_gates": [],
    "trace_id": "0195a0c2f3a47d0e8f5b6c7d8e9f0a1b",
    "steps": [
        {
            "tier": "extractive",
            "model": "",
            "purpose": "answer",
            "outcome": "accepted",
            "escalated_because": None,
            "tokens": 0,
            "cost_usd": 0.0,
            "latency_ms": 3.1,
        }
    ],
}
_REFUSED: dict[str, JsonValue] = _ANSWERED | {
    "kind": "refusal",
    "answer": None,
    "refusal": {
        "reason": "no_evidence",
        "message": "None of the documents you may read answers this.",
        "would_help": ["A document that says how invoices are archived."],
        "closest": [_CITATION],
        "choices": [],
    },
    "actions": [OFFERED],
    "confidence": 0.12,
    "why": "Nothing is shown because no passage that you may read carries the answer.",
}


class Where(Sent):
    """Narrows the documents a question is asked of. It can only take away: rights are checked all the same."""

    locales: list[Locale] | None = Field(None, min_length=1, max_length=20, description="Only documents of these locales.")
    documents: list[DocumentIdText] | None = Field(None, min_length=1, max_length=200, description="Only these documents.")
    updated_since: Moment | None = Field(None, description="Only documents updated at or after this moment.")

    def filter(self) -> Filter:
        parts: list[Filter] = []
        if self.locales is not None:
            parts.append(LocaleIn(frozenset(self.locales)))
        if self.documents is not None:
            parts.append(InDocuments(frozenset(map(DocumentId, self.documents))))
        if self.updated_since is not None:
            parts.append(UpdatedSince(self.updated_since))
        return AllOf(tuple(parts)) if parts else Everything()


class Question(Sent):
    """What the viewer wants to know."""

    question: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_QUESTION_CHARACTERS),
        AfterValidator(without_nul),
    ]
    where: Where | None = None
    limit: Annotated[StrictInt, Field(ge=1, le=50)] | None = Field(
        None, description="Passages to answer from; default: the settings'."
    )
    surface: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")] = Field(
        "help", description="Where it is asked; models.toml declares the surfaces besides `help`."
    )
    conversation_id: Annotated[str, StringConstraints(pattern=r"^cnv_[0-9a-f]{32}$")] | None = Field(
        None, description="The conversation this belongs to, from POST /v1/conversations; a follow-up may lean on its turns."
    )

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"question": "How long does a refund take?"},
                {
                    "question": "How long does a refund take?",
                    "where": {"locales": ["en"], "updated_since": "2025-06-01"},
                    "limit": 5,
                },
            ]
        }
    )


class ShownCitation(Shown):
    """A passage of one document, named to the character: `quote` is its text from `start` to `end`."""

    chunk_id: str
    document_id: str
    uri: str
    title: str
    heading: str
    anchor: str
    page_number: int | None
    quote: str
    start: int
    end: int
    locale: str
    trust: TrustTier
    updated_at: datetime | None
    stale: str = Field(description="Why it may be out of date; empty when it is not.")

    @classmethod
    def of(cls, citation: Citation) -> "ShownCitation":
        return cls(**{name: getattr(citation, name) for name in cls.model_fields})


class ShownClaim(Shown):
    """One sentence of the answer and what it stands on."""

    text: str
    support: float
    citations: list[ShownCitation] = Field(min_length=1)

    @classmethod
    def of(cls, claim: Claim) -> "ShownClaim":
        return cls(text=claim.text, support=claim.support, citations=[ShownCitation.of(one) for one in claim.citations])


class ShownAnswer(Shown):
    """Claims in reading order, and who wrote them."""

    claims: list[ShownClaim]
    tier: Tier
    ai_generated: bool
    label: str = Field(description="Shown beside the answer, so that people know whether an AI wrote it.")
    note: str = Field(description="A sentence of ours before the claims, such as what the question has wrong; empty for none.")


class ShownRefusal(Shown):
    """Why nothing is shown, and what would help."""

    reason: RefusalReason
    message: str
    would_help: list[str]
    closest: list[ShownCitation] = Field(description="Where it is nearest to being answered; never an answer.")
    choices: list[str] = Field(description="Questions to pick from, when this one could mean several things.")


class ShownStep(Shown):
    """One attempt at the answer. What a model said that did not pass is not repeated here; the ledger has the reasons."""

    tier: Tier
    model: str
    purpose: str
    outcome: StepOutcome
    escalated_because: EscalationReason | None
    tokens: int
    cost_usd: float
    latency_ms: float

    @classmethod
    def of(cls, step: Step) -> "ShownStep":
        own = set(cls.model_fields) - {"tokens", "cost_usd"}
        return cls(**{name: getattr(step, name) for name in own}, tokens=step.spend.tokens, cost_usd=step.spend.usd)


class ShownReply(Shown):
    """One question's whole outcome: an answer or a refusal, never both."""

    reply_id: str
    kind: Literal["answer", "refusal"]
    answer: ShownAnswer | None
    refusal: ShownRefusal | None
    actions: list[ShownOffer] = Field(description="Steps offered beside it, as buttons: two at most, and nearly always none.")
    confidence: float
    why: str = Field(description="One or two plain sentences on what this outcome rests on.")
    corpus_version: str
    asked_at: datetime
    timings_ms: dict[str, float]
    first_claim_ms: float | None = Field(description="When the first verified claim was streamed; null when none was.")
    cost_usd: float
    tokens: int
    surface: str
    searched: str = Field(description="A follow-up in the stand-alone form that was searched for; empty when it stood alone.")
    conversation_id: str
    model: str = Field(description="The model whose words are shown, as models.toml names it; empty when none is.")
    cache: CacheUse
    budget: BudgetLevel
    degraded: Degraded | None = Field(description="Why fewer tiers were asked than the policy allows.")
    red_gates: list[str] = Field(description="The evals' gates that keep models away from this surface now; nearly always none.")
    trace_id: str
    steps: list[ShownStep]

    model_config = ConfigDict(json_schema_extra={"examples": [_ANSWERED, _REFUSED]})

    @classmethod
    def of(cls, reply: Reply) -> "ShownReply":
        outcome = reply.outcome
        return cls(
            reply_id=reply.reply_id,
            kind="answer" if isinstance(outcome, Answer) else "refusal",
            answer=_answer(outcome) if isinstance(outcome, Answer) else None,
            refusal=_refusal(outcome) if isinstance(outcome, Refusal) else None,
            actions=[ShownOffer.of(offered) for offered in reply.actions],
            confidence=outcome.confidence,
            why=why(outcome),
            corpus_version=reply.corpus_version,
            asked_at=reply.asked_at,
            timings_ms=dict(reply.timings_ms),
            first_claim_ms=reply.first_claim_ms,
            cost_usd=reply.cost_usd,
            tokens=reply.tokens,
            surface=reply.surface,
            searched=reply.searched if reply.searched != reply.question else "",
            conversation_id=reply.conversation_id,
            model=reply.model,
            cache=reply.cache,
            budget=reply.budget,
            degraded=reply.degraded,
            red_gates=list(reply.red_gates),
            trace_id=reply.trace_id,
            steps=[ShownStep.of(step) for step in reply.steps],
        )


class ShownPassage(Shown):
    """The chunk behind a citation, with the text around it."""

    chunk_id: str
    document_id: str
    uri: str
    title: str
    path: list[str]
    heading: str
    anchor: str
    page_number: int | None
    text: str
    start: int
    end: int
    before: str = Field(description="Text of the same document just before `start`.")
    after: str = Field(description="Text of the same document just after `end`.")
    locale: str
    trust: TrustTier
    updated_at: datetime | None
    valid_until: datetime | None
    superseded: bool

    @classmethod
    def of(cls, chunk: Chunk, document: Document) -> "ShownPassage":
        own = set(cls.model_fields) - {"before", "after", "path"}
        return cls(
            **{name: getattr(chunk, name) for name in own},
            path=list(chunk.path),
            before=document.text[max(0, chunk.start - _CONTEXT_CHARACTERS) : chunk.start],
            after=document.text[chunk.end : chunk.end + _CONTEXT_CHARACTERS],
        )

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "chunk_id": _CITATION["chunk_id"],
                    "document_id": _CITATION["document_id"],
                    "uri": "billing/refunds.md",
                    "title": "Refunds",
                    "path": ["Money back"],
                    "heading": "How long a refund takes",
                    "anchor": "how-long-a-refund-takes",
                    "page_number": None,
                    "text": "Refunds reach the card within 5 business days. Bank transfers take 10.",
                    "start": 412,
                    "end": 482,
                    "before": "## How long a refund takes\n\n",
                    "after": "\n\n## Who may refund",
                    "locale": "en",
                    "trust": "official",
                    "updated_at": "2026-01-12T00:00:00Z",
                    "valid_until": None,
                    "superseded": False,
                }
            ]
        }
    )


def why(outcome: Answer | Refusal) -> str:
    """One or two sentences on what the outcome rests on, from the outcome itself."""
    if isinstance(outcome, Answer):
        cited = {citation.chunk_id: citation for claim in outcome.claims for citation in claim.citations}
        sources = sorted({_source(citation) for citation in cited.values()})
        shown = ", ".join(sources[:3]) + (f" and {len(sources) - 3} more" if len(sources) > 3 else "")
        passages = "1 passage" if len(cited) == 1 else f"{len(cited)} passages"
        made = "is quoted from" if outcome.tier is Tier.EXTRACTIVE else "was written by a model and rests on"
        return f"The answer {made} {passages} that you may read, of {shown}."
    return {
        RefusalReason.NO_EVIDENCE: "Nothing is shown because no passage that you may read carries the answer.",
        RefusalReason.INSUFFICIENT_EVIDENCE: "Nothing is shown because the nearest passages do not settle the question.",
        RefusalReason.STALE_EVIDENCE: "Nothing is shown because what would answer the question is out of date.",
        RefusalReason.CONFLICTING_EVIDENCE: "Nothing is shown because documents that are trusted alike contradict each other.",
        RefusalReason.OUT_OF_SCOPE: "Nothing is shown because the question is not about what these documents cover.",
        RefusalReason.NEEDS_CLARIFICATION: "Nothing is shown because the question could mean several things.",
    }[outcome.reason]


def _source(citation: Citation) -> str:
    dated = f"{citation.updated_at.day} {citation.updated_at:%B %Y}" if citation.updated_at else "undated"
    return f"'{citation.title or citation.uri}' ({dated})"


def _answer(answer: Answer) -> ShownAnswer:
    return ShownAnswer(
        claims=[ShownClaim.of(claim) for claim in answer.claims],
        tier=answer.tier,
        ai_generated=answer.tier is not Tier.EXTRACTIVE,
        label=LABEL if answer.tier is Tier.EXTRACTIVE else AI_LABEL,
        note=answer.note,
    )


def _refusal(refusal: Refusal) -> ShownRefusal:
    return ShownRefusal(
        reason=refusal.reason,
        message=refusal.message,
        would_help=list(refusal.would_help),
        closest=[ShownCitation.of(citation) for citation in refusal.closest],
        choices=list(refusal.choices),
    )
