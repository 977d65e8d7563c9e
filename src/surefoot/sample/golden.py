"""The golden questions of the sample tenant, and what each reply is worth."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from surefoot.assistant.ask import Ask
from surefoot.assistant.conversation import Conversations
from surefoot.assistant.course import Asking
from surefoot.domain.identity import Viewer
from surefoot.domain.replies import Reply
from surefoot.evals.cases import AskCase
from surefoot.evals.replies import told
from surefoot.evals.tasks import ask as asking
from surefoot.evals.tasks.ask import Judgement


@dataclass(frozen=True, slots=True)
class KindTotals:
    """How the cases of one kind came out."""

    kind: str
    cases: int
    passed: int
    answered: int
    same_reason: int
    leaked: int


def golden_cases() -> tuple[AskCase, ...]:
    """Every golden case, in the order of golden.jsonl."""
    lines = (Path(__file__).parent / "golden.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(AskCase.model_validate_json(line) for line in lines)


def ask_case(ask: Ask, conversations: Conversations, viewer: Viewer, case: AskCase) -> Reply:
    """The reply to the case's question, after the earlier ones were asked and answered in a conversation of its own."""
    if not case.earlier:
        return ask.ask(viewer, case.question)
    conversation = conversations.start(viewer).conversation_id
    for question in case.earlier:
        ask.answer_here(Asking(viewer, question, conversation_id=conversation))
    return ask.answer_here(Asking(viewer, case.question, conversation_id=conversation))


def judge(case: AskCase, reply: Reply) -> Judgement:
    """What the reply is worth, by the judge that eval runs have."""
    return asking.judge(case, told(reply))


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
