"""The golden questions of the sample tenant, and what each reply is worth."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from surefoot.domain.answers import Answer, RefusalReason
from surefoot.domain.replies import Reply


class GoldenCase(BaseModel):
    """A question and the outcome it must have; eval_sets/sample/README.md describes each field."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    kind: Literal["answer", "restricted", "no-right", "near-miss", "out-of-scope", "stale", "conflicting", "german", "spanish"]
    viewer: str
    question: str
    expect: Literal["answer"] | RefusalReason
    gold_uris: tuple[str, ...]
    expected_facts: tuple[str, ...]
    hidden_uris: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """One reply against its case. `leaked` are cited documents that this viewer may not read: always empty, or a bug."""

    case: GoldenCase
    answered: bool
    cites_gold: bool
    shows_facts: bool
    same_reason: bool
    leaked: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """An expected answer cites a gold document and shows its facts; an expected refusal refuses, for whatever reason."""
        if self.leaked:
            return False
        return self.cites_gold and self.shows_facts if self.case.expect == "answer" else not self.answered


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


def judge(case: GoldenCase, reply: Reply) -> Judgement:
    """What the reply is worth, by its citations alone: a fact counts when a quote or claim shows it."""
    outcome = reply.outcome
    answered = isinstance(outcome, Answer)
    citations = [c for claim in outcome.claims for c in claim.citations] if isinstance(outcome, Answer) else list(outcome.closest)
    shown = " ".join(c.quote for c in citations)
    return Judgement(
        case=case,
        answered=answered,
        cites_gold=answered and any(c.uri in case.gold_uris for c in citations),
        shows_facts=answered and all(fact in shown for fact in case.expected_facts),
        same_reason=case.expect == ("answer" if isinstance(outcome, Answer) else outcome.reason),
        leaked=tuple(sorted({c.uri for c in citations} & set(case.hidden_uris))),
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
