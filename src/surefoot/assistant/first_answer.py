"""The first step of every question: search, quote, and say whether there is evidence on which to ask a model."""

from dataclasses import dataclass, replace
from time import perf_counter
from typing import Protocol

from surefoot.assistant.answer import Answerer, Told
from surefoot.assistant.clarification import needs_clarification
from surefoot.assistant.gate import Gate, Ground
from surefoot.assistant.premises import false_premise
from surefoot.assistant.refusals import insufficient
from surefoot.assistant.sentence_scores import SentenceReader
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


@dataclass(frozen=True, slots=True)
class _Asked:
    """What an answer is judged against."""

    viewer: Viewer
    question: str
    retrieved: Retrieved
    gate: Gate


class Extractive:
    """The tier without a model. Safe from many threads."""

    def __init__(
        self,
        searcher: Search,
        answerer: Answerer,
        gate: Gate,
        reranker: Reranker | None = None,
        sentences: SentenceReader | None = None,
    ) -> None:
        self._searcher = searcher
        self._answerer = answerer
        self._gate = gate
        self._reranker = reranker
        self._sentences = sentences

    def over(self, search: Search) -> "Extractive":
        """The same tier over another search."""
        return Extractive(search, self._answerer, self._gate, self._reranker, self._sentences)

    def answer(
        self, viewer: Viewer, question: str, surface: SurfacePolicy, *, where: Filter = Everything(), limit: int | None = None
    ) -> FirstAnswer:
        """The answer or refusal from the documents' own words, through the same gate as every other tier's."""
        found = self._searcher.search(viewer, question, where=where, limit=limit)
        reranker, sentences = (self._reranker, self._sentences) if surface.evidence else (None, None)
        is_reranked = reranker is not None and reranker.informs_answers
        retrieved = reranker.rerank(question, found) if reranker is not None and is_reranked else found
        started = perf_counter()
        told = self._answerer.told(question, viewer.locale, retrieved)
        outcome, reasons = told.outcome, tuple[str, ...]()
        asked = _Asked(viewer, question, retrieved, self._gate.of(surface))
        if isinstance(outcome, Answer):
            outcome, reasons = _gated(asked, outcome)
        else:
            outcome = needs_clarification(question, viewer.locale, found, outcome) or outcome
        step = Step(
            tier=Tier.EXTRACTIVE,
            model="",
            purpose="answer",
            outcome=StepOutcome.ACCEPTED if isinstance(outcome, Answer) else StepOutcome.REFUSED,
            latency_ms=_ms_since(started),
            reasons=reasons,
        )
        if isinstance(outcome, Answer) and sentences is not None:
            started = perf_counter()
            outcome = self._quoted_anew(asked, told, outcome, sentences)
            retrieved = replace(retrieved, timings_ms={**retrieved.timings_ms, "sentences": _ms_since(started)})
        escalate = self._escalation(outcome, surface, retrieved)
        if escalate is not None and reranker is not None and not is_reranked:
            # Quoting goes by its own scores; the order is for a model, which reads the first passages best.
            retrieved = reranker.rerank(question, retrieved)
        return FirstAnswer(question, outcome, retrieved, step, escalate)

    def _quoted_anew(self, asked: _Asked, told: Told, shown: Answer, sentences: SentenceReader) -> Answer:
        """The answer in the sentences that the evidence model finds best, where the gate lets all of them pass, else as it was.

        An answer that corrects what the question takes for granted stays: the correction rests on a sentence that it shows.
        """
        better = None if shown.note else self._answerer.quoted_anew(told, sentences)
        if better is None:
            return shown
        outcome, reasons = _gated(asked, better)
        return outcome if isinstance(outcome, Answer) and not reasons else shown

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


def _gated(asked: _Asked, answer: Answer) -> tuple[Answer | Refusal, tuple[str, ...]]:
    """What the gate leaves of the answer, a refusal where it takes the first claim, and the gate's reasons."""
    judged = asked.gate.check_answer(answer, Ground.of(asked.question, asked.viewer.locale, asked.retrieved.passages))
    claims = tuple(each.claim for each in judged if each.claim is not None)
    reasons = tuple(reason for each in judged for reason in each.reasons)
    if not claims or judged[0].claim is None:
        return insufficient((), (), answer.confidence), reasons
    cited = [citation for claim in claims for citation in claim.citations]
    note = false_premise(asked.question, cited, asked.viewer.locale)
    return replace(answer, claims=claims, note=note.note if note else ""), reasons


def _ms_since(started: float) -> float:
    return round((perf_counter() - started) * 1000, 3)
