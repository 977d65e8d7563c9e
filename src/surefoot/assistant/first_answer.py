"""The first step of every question: search, quote, and say whether there is evidence on which to ask a model."""

from dataclasses import dataclass, replace
from time import perf_counter
from typing import Protocol

from surefoot.assistant.answer import Answerer
from surefoot.assistant.clarification import needs_clarification
from surefoot.assistant.gate import Gate, Ground
from surefoot.assistant.premises import false_premise
from surefoot.assistant.refusals import insufficient
from surefoot.domain.answers import Answer, Refusal, RefusalReason, Tier
from surefoot.domain.filters import Everything, Filter
from surefoot.domain.identity import Viewer
from surefoot.domain.policies import SurfacePolicy
from surefoot.domain.routing import EscalationReason, Step, StepOutcome
from surefoot.retrieval.rerank import Reranker
from surefoot.retrieval.search import Retrieved


class Search(Protocol):
    """What the first answer needs of retrieval."""

    def search(self, viewer: Viewer, question: str, *, where: Filter = Everything(), limit: int | None = None) -> Retrieved:
        """The best fresh passages this viewer may read."""
        ...


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """What the extractive tier says. `escalate` is the evidence on which the next tier may be asked; None: it may not."""

    question: str
    outcome: Answer | Refusal
    retrieved: Retrieved
    step: Step
    escalate: EscalationReason | None


class Extractive:
    """The tier without a model. Safe from many threads."""

    def __init__(self, searcher: Search, answerer: Answerer, gate: Gate, reranker: Reranker | None = None) -> None:
        self._searcher = searcher
        self._answerer = answerer
        self._gate = gate
        self._reranker = reranker

    def over(self, search: Search) -> "Extractive":
        """The same tier over another search."""
        return Extractive(search, self._answerer, self._gate, self._reranker)

    def answer(
        self, viewer: Viewer, question: str, surface: SurfacePolicy, *, where: Filter = Everything(), limit: int | None = None
    ) -> FirstAnswer:
        """The answer or refusal from the documents' own words, through the same gate as every other tier's."""
        found = self._searcher.search(viewer, question, where=where, limit=limit)
        reranker = self._reranker if surface.evidence else None
        retrieved = reranker.rerank(question, found) if reranker is not None and reranker.informs_answers else found
        started = perf_counter()
        outcome = self._answerer.answer(question, viewer.locale, retrieved)
        reasons: tuple[str, ...] = ()
        if isinstance(outcome, Answer):
            outcome, reasons = self._gated(viewer, question, outcome, retrieved, self._gate.of(surface))
        else:
            outcome = needs_clarification(question, viewer.locale, found, outcome) or outcome
        step = Step(
            tier=Tier.EXTRACTIVE,
            model="",
            purpose="answer",
            outcome=StepOutcome.ACCEPTED if isinstance(outcome, Answer) else StepOutcome.REFUSED,
            latency_ms=round((perf_counter() - started) * 1000, 3),
            reasons=reasons,
        )
        escalate = self._escalation(outcome, surface, retrieved)
        if escalate is not None and reranker is not None and retrieved is found:
            # Quoting goes by its own scores; the order is for a model, which reads the first passages best.
            retrieved = reranker.rerank(question, found)
        return FirstAnswer(question, outcome, retrieved, step, escalate)

    def _gated(
        self, viewer: Viewer, question: str, answer: Answer, retrieved: Retrieved, gate: Gate
    ) -> tuple[Answer | Refusal, tuple[str, ...]]:
        judged = gate.check_answer(answer, Ground.of(question, viewer.locale, retrieved.passages))
        claims = tuple(each.claim for each in judged if each.claim is not None)
        reasons = tuple(reason for each in judged for reason in each.reasons)
        if not claims or judged[0].claim is None:
            return insufficient((), (), answer.confidence), reasons
        note = false_premise(question, [citation for claim in claims for citation in claim.citations], viewer.locale)
        return replace(answer, claims=claims, note=note.note if note else ""), reasons

    def _escalation(self, outcome: Answer | Refusal, surface: SurfacePolicy, retrieved: Retrieved) -> EscalationReason | None:
        if not surface.lanes or not retrieved.passages:
            return None
        if isinstance(outcome, Answer):
            # Confidence is rounded: without a margin, an answer just at the threshold must not pass for a thin one.
            threshold = self._answerer.answer_threshold(retrieved)
            is_thin = surface.thin_margin > 0 and outcome.confidence < threshold + surface.thin_margin
            return EscalationReason.THIN_MARGIN if is_thin else None
        is_near = outcome.confidence >= surface.escalate_floor
        return (
            EscalationReason.INSUFFICIENT_EVIDENCE if is_near and outcome.reason is RefusalReason.INSUFFICIENT_EVIDENCE else None
        )
