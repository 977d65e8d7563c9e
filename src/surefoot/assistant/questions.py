"""What a question asks for: its kind, its content terms, and the identifiers, numbers and names an answer must agree with."""

import re
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from surefoot.assistant.facts import Facts, facts_of
from surefoot.domain.lexicon import terms
from surefoot.domain.sentences import plain


class QuestionKind(StrEnum):
    """The shape of the answer that is asked for."""

    HOW = "how"
    WHY = "why"
    NUMBER = "number"
    WHEN = "when"
    WHERE = "where"
    POSSIBLE = "possible"
    DEFINITION = "definition"
    DIFFERENCE = "difference"
    WHO = "who"
    OTHER = "other"


# The first pattern found, in this order, decides: "how many" is a number before it is a "how".
_KINDS: tuple[tuple[QuestionKind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (QuestionKind.DIFFERENCE, r"\b(?:difference|differ|differs|versus|vs|compared? (?:to|with)|unterschied|diferencia)\b"),
        (
            QuestionKind.NUMBER,
            r"\bhow (?:many|much|long|often|big|large|high|far|soon|early|late|frequently|quickly|fast|old)\b"
            r"|\b(?:limits?|max|maximum|min|minimum|quota|prices?|costs?|fees?|number of)\b"
            r"|\b(?:biggest|largest|longest|smallest|shortest|oldest)\b"
            r"|\bwie (?:viele?|lange|oft|groß|hoch|weit|schnell|früh)\b|\b(?:kostet|kosten|preis)\b"
            r"|\bcu[áa]nt[oa]s?\b|\b(?:cuesta|precio|l[íi]mite)\b",
        ),
        (QuestionKind.WHY, r"\bwhy\b|\bwhat (?:causes?|is the reason)\b|\b(?:warum|wieso|weshalb)\b|\bpor qu[ée]\b"),
        (QuestionKind.HOW, r"\bhow\b|\bwhat (?:are )?the steps\b|\bwie\b|\bc[óo]mo\b"),
        (
            QuestionKind.WHEN,
            r"^\W*when\b|\b(?:until|till|by|since|from) when\b|\b(?:what|which) (?:time|date|days?|year)\b"
            r"|\bwann\b|\bcu[áa]ndo\b",
        ),
        (QuestionKind.WHERE, r"\bwhere\b|\bwo\b|\bd[óo]nde\b"),
        (QuestionKind.WHO, r"\bwho(?:se|m)?\b|\bwer\b|\bqui[ée]n(?:es)?\b"),
        (
            QuestionKind.POSSIBLE,
            r"^\W*(?:and |but |so )?(?:can|could|do|does|did|is|are|was|will|would|should|has|have|may|must)\b|\bis it possible\b"
            r"|^\W*(?:kann|können|ist|sind|gibt|darf|muss)\b|^\W*¿?(?:puedo|puede|se puede|es|hay|tiene)\b",
        ),
        (
            QuestionKind.DEFINITION,
            r"^\W*(?:what|which)\b|\b(?:meaning|definition) of\b|^\W*was (?:ist|sind|bedeutet)\b|\bqu[ée] (?:es|son)\b",
        ),
    )
)


@dataclass(frozen=True, slots=True)
class Question:
    """A question taken apart. `terms` are its distinct stemmed content terms in order; `pairs` are neighbouring ones."""

    text: str
    kind: QuestionKind
    terms: tuple[str, ...]
    pairs: frozenset[tuple[str, str]]
    facts: Facts


def analyse_question(text: str, locale: str) -> Question:
    """The question's parts. A question of stop words alone keeps them as its terms, so that nothing is ever asked of nothing."""
    words = plain(text)
    found = terms(words, locale) or terms(words, locale, keep_stop_words=True)
    return Question(
        text=text,
        kind=next((kind for kind, pattern in _KINDS if pattern.search(words)), QuestionKind.OTHER),
        terms=tuple(dict.fromkeys(found)),
        pairs=frozenset((a, b) for a, b in pairwise(found) if a != b),
        facts=facts_of(text.replace("`", "")),
    )
