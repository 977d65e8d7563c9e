"""The golden questions of the sample tenant, and what each reply is worth."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from surefoot.assistant.ask import Ask
from surefoot.assistant.conversation import Conversations
from surefoot.assistant.course import Asking
from surefoot.domain.answers import Answer, Refusal, RefusalReason
from surefoot.domain.identity import Viewer
from surefoot.domain.replies import Reply

Kind = Literal[
    "answer",
    "restricted",
    "no-right",
    "near-miss",
    "out-of-scope",
    "stale",
    "conflicting",
    "german",
    "spanish",
    "follow-up",
    "false-premise",
    "clarification",
]
# A first claim that opens like this says of itself that the question took something wrong for granted.
_DENIAL = re.compile(r"\W*(?:no|not|nein|nicht)\b", re.IGNORECASE)
_FEWEST_CHOICES = 2


class GoldenCase(BaseModel):
    """A question, the questions asked before it in the same conversation, and the outcome it must have;
    eval_sets/sample/README.md describes each field.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    kind: Kind
    viewer: str
    question: str
    expect: Literal["answer"] | RefusalReason
    gold_uris: tuple[str, ...]
    expected_facts: tuple[str, ...]
    hidden_uris: tuple[str, ...]
    why: str
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """One reply against its case. `corrects` when it says that the question took something wrong for granted, `offers_gold`
    when it asks back with choices that a gold document is behind. `leaked` are cited documents that this viewer may not
    read: always empty, or a bug.
    """

    case: GoldenCase
    answered: bool
    cites_gold: bool
    shows_facts: bool
    same_reason: bool
    leaked: tuple[str, ...]
    corrects: bool = False
    offers_gold: bool = False

    @property
    def passed(self) -> bool:
        """An expected answer cites a gold document and shows its facts, and one to a false premise corrects it as well. An
        expected refusal refuses, for whatever reason; where the question is to be cleared up it asks back.
        """
        if self.leaked:
            return False
        if self.case.expect == "answer":
            return self.cites_gold and self.shows_facts and (self.corrects or self.case.kind != "false-premise")
        if self.case.expect is RefusalReason.NEEDS_CLARIFICATION:
            return self.same_reason and self.offers_gold
        return not self.answered


@dataclass(frozen=True, slots=True)
class KindTotals:
    """How the cases of one kind came out."""

    kind: str
    cases: int
    passed: int
    answered: int
    same_reason: int
    leaked: int


def golden_cases() -> tuple[GoldenCase, ...]:
    """Every golden case, in the order of golden.jsonl."""
    lines = (Path(__file__).parent / "golden.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(GoldenCase.model_validate_json(line) for line in lines)


def ask_case(ask: Ask, conversations: Conversations, viewer: Viewer, case: GoldenCase) -> Reply:
    """The reply to the case's question, after the earlier ones were asked and answered in a conversation of its own."""
    if not case.earlier:
        return ask.ask(viewer, case.question)
    conversation = conversations.start(viewer).conversation_id
    for question in case.earlier:
        ask.answer_here(Asking(viewer, question, conversation_id=conversation))
    return ask.answer_here(Asking(viewer, case.question, conversation_id=conversation))


def judge(case: GoldenCase, reply: Reply) -> Judgement:
    """What the reply is worth, by its citations alone: a fact counts when a quote or claim shows it."""
    outcome = reply.outcome
    answered = isinstance(outcome, Answer)
    citations = [c for claim in outcome.claims for c in claim.citations] if isinstance(outcome, Answer) else list(outcome.closest)
    shown = " ".join(c.quote for c in citations)
    cites_gold = any(c.uri in case.gold_uris for c in citations)
    return Judgement(
        case=case,
        answered=answered,
        cites_gold=answered and cites_gold,
        shows_facts=answered and all(fact in shown for fact in case.expected_facts),
        same_reason=case.expect == ("answer" if isinstance(outcome, Answer) else outcome.reason),
        leaked=tuple(sorted({c.uri for c in citations} & set(case.hidden_uris))),
        corrects=isinstance(outcome, Answer) and bool(outcome.note or _DENIAL.match(outcome.claims[0].text)),
        offers_gold=isinstance(outcome, Refusal)
        and len(outcome.choices) >= _FEWEST_CHOICES
        and (cites_gold or not case.gold_uris),
    )


def totals(judgements: Iterable[Judgement]) -> list[KindTotals]:
    """One row for each kind, in the order in which kinds first appear."""
    kinds: dict[str, list[Judgement]] = {}
    for judgement in judgements:
        kinds.setdefault(judgement.case.kind, []).append(judgement)
    return [
        KindTotals(
            kind=kind,
            cases=len(rows),
            passed=sum(row.passed for row in rows),
            answered=sum(row.answered for row in rows),
            same_reason=sum(row.same_reason for row in rows),
            leaked=sum(bool(row.leaked) for row in rows),
        )
        for kind, rows in kinds.items()
    ]
