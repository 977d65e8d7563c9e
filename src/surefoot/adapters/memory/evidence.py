"""An evidence model without a model: judgements by the words that two texts share. Equal texts, equal judgements, at once."""

import math
import re
from collections.abc import Sequence

from surefoot.ports import (
    AnswersPart,
    AnswersRule,
    EvidenceRules,
    PassageJudgement,
    QuoteRule,
    RerankRule,
    SourcePart,
    SupportJudgement,
    SupportRule,
)

_WORD = re.compile(r"\w+")
_STEM_CHARACTERS = 5
_LONGEST_TEXT_WORDS = 2_000
_EMPTY = "a an the is are was do does can i you it to of in on for and or how what when where who why my be by"
_DENIALS = frozenset(("not", "no", "never", "cannot", "without"))

EVERY_USE = EvidenceRules(
    rerank=RerankRule(weight=0.5, top=8, early_exit_margin=0.9),
    answers=AnswersRule(
        answerable=AnswersPart(bias=0.0, features=0.5, best=0.5, best_two=0.1),
        in_scope=AnswersPart(bias=0.0, features=1.0, best=0.1, best_two=0.0),
        answer_threshold=0.5,
        scope_threshold=0.2,
        source=SourcePart(bias=0.0, features=1.0, relevance=0.5, answers=0.5),
    ),
    support=SupportRule(least=0.3),
    quotes=QuoteRule(weight=0.5, source_weight=0.5, top=6, margin=1.0, source_margin=1.0),
)


class WordOverlapEvidence:
    """An EvidenceModel for tests and demonstrations. A passage is as relevant as the share of the question's words it has; a
    claim is supported as far as the evidence has its words, and contradicted where it has them with other numbers or denies
    what the claim does not.
    """

    def __init__(self, rules: EvidenceRules = EVERY_USE) -> None:
        self._rules = rules

    @property
    def fingerprint(self) -> str:
        """Changes with the rules."""
        return f"word-overlap:1:{self._rules!r}"

    @property
    def rules(self) -> EvidenceRules:
        """Those it was made with."""
        return self._rules

    def passages(self, question: str, passages: Sequence[str]) -> list[PassageJudgement]:
        """One judgement a passage; its relevance is the log-odds of its answer."""
        found = []
        for passage in passages:
            share = min(0.98, max(0.02, _share(question, passage)))
            found.append(PassageJudgement(math.log(share / (1 - share)), share))
        return found

    def claims(self, claim: str, evidence: Sequence[str]) -> list[SupportJudgement]:
        """One judgement for each piece of evidence."""
        return [_support(claim, piece) for piece in evidence]


def _support(claim: str, evidence: str) -> SupportJudgement:
    share = min(0.98, max(0.02, _share(claim, evidence)))
    said, told = _words(claim), _words(evidence)
    other_numbers = any(word.isdigit() and word not in told for word in said)
    if other_numbers or len(_DENIALS.intersection(said)) % 2 != len(_DENIALS.intersection(told)) % 2:
        return SupportJudgement(0.01, 0.99 * share, 0.99 * (1 - share))
    return SupportJudgement(0.99 * share, 0.01, 0.99 * (1 - share))


def _share(wanted: str, text: str) -> float:
    """The share of the wanted words, by their first letters, that the text has; 0 for none wanted."""
    empty = _EMPTY.split()
    asked = {word[:_STEM_CHARACTERS] for word in _words(wanted) if word not in empty}
    has = {word[:_STEM_CHARACTERS] for word in _words(text)}
    return len(asked & has) / len(asked) if asked else 0.0


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())[:_LONGEST_TEXT_WORDS]
