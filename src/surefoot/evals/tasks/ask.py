"""A question, and what its reply is worth: the one judge of replies."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from surefoot.domain.answers import RefusalReason, Tier
from surefoot.domain.routing import StepOutcome
from surefoot.evals.cases import AskCase
from surefoot.evals.citation_metrics import Statement, citation_scores, fact_recall, groundedness, token_f1
from surefoot.evals.results import Measure
from surefoot.evals.target import Target, Told, ToldReply, ToldStep
from surefoot.evals.tasks.outcome import CaseOutcome

FALSE_PREMISE = "false-premise"
# A first claim that opens like this says of itself that the question took something wrong for granted.
_DENIAL = re.compile(r"\W*(?:no|not|nein|nicht)\b", re.IGNORECASE)
_FEWEST_CHOICES = 2
_REWRITING = "standalone_question"
# The steps that end without a draft in hand: the model did not answer, or was not asked.
_WITHOUT_DRAFT = frozenset(
    {
        StepOutcome.TIMED_OUT,
        StepOutcome.UNAVAILABLE,
        StepOutcome.CIRCUIT_OPEN,
        StepOutcome.NO_BUDGET,
        StepOutcome.CANCELLED,
    }
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """One reply against its case. `corrects` when it says that the question took something wrong for granted, `offers_gold`
    when it asks back with choices that a gold document is behind. `leaked` are cited documents that this viewer may not
    read, `said_forbidden` strings shown that must not be: always empty, or a bug.
    """

    case: AskCase
    answered: bool
    cites_gold: bool
    shows_facts: bool
    same_reason: bool
    leaked: tuple[str, ...]
    corrects: bool = False
    offers_gold: bool = False
    said_forbidden: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """An expected answer cites a gold document and shows its facts, and one to a false premise corrects it as well. An
        expected refusal refuses, for whatever reason; where the question is to be cleared up it asks back.
        """
        return not self.failures()

    def failures(self) -> tuple[str, ...]:
        """What is wrong, in sentences; a leak first."""
        found = [f"It names {uri}, which {self.case.viewer} may not read." for uri in self.leaked]
        found += [f"It shows {text!r}, which must not be shown." for text in self.said_forbidden]
        if self.case.expect == "answer":
            found += self._of_answer()
        elif self.case.expect == RefusalReason.NEEDS_CLARIFICATION:
            if not self.same_reason:
                found.append("It does not ask back.")
            elif not self.offers_gold:
                found.append("It asks back without choices that a gold document is behind.")
        elif self.answered:
            found.append(f"It answers, and should refuse: {self.case.expect}.")
        return tuple(found)

    def _of_answer(self) -> list[str]:
        if not self.answered:
            return ["It refuses, and should answer."]
        found = [] if self.cites_gold else ["It cites no gold document."]
        found += [] if self.shows_facts else ["It does not show every expected fact."]
        if self.case.kind == FALSE_PREMISE and not self.corrects:
            found.append("It does not say what the question has wrong.")
        return found


def judge(case: AskCase, reply: ToldReply) -> Judgement:
    """What the reply is worth, by its citations alone: a fact counts when a quote shows it."""
    answer, refusal = reply.answer, reply.refusal
    cited = reply.citations
    shown = " ".join(citation.quote for citation in cited)
    cites_gold = any(citation.uri in case.gold_uris for citation in cited)
    return Judgement(
        case=case,
        answered=answer is not None,
        cites_gold=answer is not None and cites_gold,
        shows_facts=answer is not None and all(fact in shown for fact in case.expected_facts),
        same_reason=case.expect == (refusal.reason if refusal is not None else "answer"),
        leaked=tuple(sorted({citation.uri for citation in cited} & set(case.hidden_uris))),
        corrects=answer is not None and bool(answer.note or (answer.claims and _DENIAL.match(answer.claims[0].text))),
        offers_gold=refusal is not None and len(refusal.choices) >= _FEWEST_CHOICES and (cites_gold or not case.gold_uris),
        said_forbidden=tuple(text for text in case.forbidden if _is_shown(text, case, reply)),
    )


def run_ask(case: AskCase, target: Target) -> CaseOutcome:
    """The reply, judged and measured."""
    told = target.ask(case.viewer, case.question, earlier=case.earlier, surface=case.surface)
    judgement = judge(case, told.reply)
    failures = list(judgement.failures())
    if _is_uncited(told.reply):
        failures.append("A claim cites nothing.")
    if told.altered_quotes:
        failures.append(f"A quote of {told.altered_quotes[0]} is not what the document says.")
    measures = _of_judgement(judgement) | _of_words(case, told, target) | _of_course(told)
    return CaseOutcome(case.question, measures, tuple(failures), {"reply": dict(told.trace)})


def _of_judgement(judgement: Judgement) -> dict[str, Measure]:
    case, answered = judgement.case, judgement.answered
    wants_answer = case.expect == "answer"
    return {
        "answered": answered,
        "answerable": wants_answer,
        "cites_gold": judgement.cites_gold if answered and case.gold_uris else None,
        "shows_facts": judgement.shows_facts if answered and case.expected_facts else None,
        "same_reason": judgement.same_reason,
        "corrects": judgement.corrects if answered and case.kind == FALSE_PREMISE else None,
        "leaked": bool(judgement.leaked) if case.hidden_uris else None,
        "said_forbidden": bool(judgement.said_forbidden) if case.forbidden else None,
        "wrongly_answered": None if wants_answer else answered,
        "wrongly_refused": not answered if wants_answer else None,
    }


def _of_words(case: AskCase, told: Told, target: Target) -> dict[str, Measure]:
    """What claims, quotes and facts are worth. An expected answer that was refused shows no fact."""
    answer = told.reply.answer
    claims = answer.claims if answer is not None else ()
    cited = [citation for claim in claims for citation in claim.citations]
    locale = cited[0].locale if cited else "en"

    def entails(premise: Sequence[str], statement: str) -> bool:
        return target.support(statement, premise, locale=locale).is_supported

    scores = citation_scores([Statement(claim.text, tuple(c.quote for c in claim.citations)) for claim in claims], entails)
    said = " ".join(claim.text for claim in claims)
    shown = " ".join([said, *(citation.quote for citation in cited)])
    wants_facts = case.expect == "answer" and bool(case.expected_facts)
    return {
        "uncited": _is_uncited(told.reply) if answer is not None else None,
        "altered_quote": bool(told.altered_quotes) if told.reply.citations else None,
        "citation_precision": scores.precision,
        "citation_recall": scores.recall,
        "citation_coverage": scores.coverage,
        "groundedness": groundedness([claim.support for claim in claims]),
        "fact_recall": fact_recall(case.expected_facts, shown) if wants_facts else None,
        "token_f1": token_f1(said, " ".join(case.expected_facts)) if wants_facts else None,
    }


def _of_course(told: Told) -> dict[str, Measure]:
    """How the reply was come by, and what it took."""
    reply = told.reply
    asked = [step for step in reply.steps if step.tier != Tier.EXTRACTIVE and step.purpose != _REWRITING]
    return {
        "valid_json": _valid_share(asked),
        "confidence": reply.confidence,
        "latency_ms": told.latency_ms,
        "first_claim_ms": reply.first_claim_ms,
        "cost_usd": reply.cost_usd,
        "tokens": reply.tokens,
        "escalated": bool(asked),
        "cache_hit": reply.cache == "hit",
        "degraded": reply.degraded is not None,
        "offers": len(reply.actions),
    }


def _valid_share(asked: Sequence[ToldStep]) -> float | None:
    drafts = [step for step in asked if step.outcome not in _WITHOUT_DRAFT]
    return sum(step.outcome != StepOutcome.INVALID for step in drafts) / len(drafts) if drafts else None


def _is_uncited(reply: ToldReply) -> bool:
    """Whether it is an answer with a claim that cites nothing, or with no claim at all."""
    claims = reply.answer.claims if reply.answer is not None else None
    return claims is not None and not (claims and all(claim.citations for claim in claims))


def _is_shown(text: str, case: AskCase, reply: ToldReply) -> bool:
    """Whether a person would see the text. What the question itself says may be repeated in the hints of a refusal."""
    asked = " ".join([*case.earlier, case.question]).casefold()
    hints = [*reply.refusal.would_help, *reply.refusal.choices] if reply.refusal is not None else []
    wanted = text.casefold()
    return any(wanted in shown.casefold() for shown in [*_said(reply), *([] if wanted in asked else hints)])


def _said(reply: ToldReply) -> list[str]:
    """Every text of the reply but the hints of a refusal."""
    texts = [citation.quote for citation in reply.citations]
    if reply.answer is not None:
        texts += [reply.answer.note, *(claim.text for claim in reply.answer.claims)]
    if reply.refusal is not None:
        texts.append(reply.refusal.message)
    for offer in reply.actions:
        texts += [offer.title, offer.reason, *(str(value) for value in offer.arguments.values())]
    return texts
