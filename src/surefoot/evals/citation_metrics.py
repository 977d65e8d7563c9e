"""What an answer's citations and words are worth: ALCE's citation scores, groundedness, expected facts, token F1.

A score that the answer does not define (no claim, no citation, no expected fact) is None, never a made-up 0 or 1.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Whether these texts, read together as the premise, entail the statement.
Entails = Callable[[Sequence[str], str], bool]

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence of an answer and the texts that it cites."""

    text: str
    cited: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CitationScores:
    """Each in 0..1. `precision` is None when nothing is cited, all are None for an answer without a statement."""

    precision: float | None
    recall: float | None
    coverage: float | None


def citation_scores(statements: Sequence[Statement], entails: Entails) -> CitationScores:
    """Citation recall and precision as ALCE defines them (Gao, Yen, Yu & Chen, EMNLP 2023, section 4.2), and coverage.

    Recall is the share of statements that cite something and that all their citations together entail. Precision is the share
    of citations that are right: their statement has recall 1, and they are not irrelevant, that is, not unable to entail it
    alone while the others do without them. Coverage is the share of statements that cite anything at all.

    `entails` is asked at most 1 + 2 k times about a statement with k citations, and never about one without.
    """
    if not statements:
        return CitationScores(None, None, None)
    recalled = [bool(each.cited) and entails(each.cited, each.text) for each in statements]
    right = sum(_right_citations(each, entails) for each, held in zip(statements, recalled, strict=True) if held)
    cited = sum(len(each.cited) for each in statements)
    return CitationScores(
        precision=right / cited if cited else None,
        recall=sum(recalled) / len(statements),
        coverage=sum(bool(each.cited) for each in statements) / len(statements),
    )


def groundedness(supports: Sequence[float]) -> float | None:
    """The mean support of an answer's claims, 0..1; None for no claim.

    The share of an output that its sources bear out, as in attribution to identified sources (Rashkin et al., Computational
    Linguistics 2023), with our graded support score in the place of a person's yes or no.
    """
    return sum(supports) / len(supports) if supports else None


def fact_recall(facts: Sequence[str], shown: str) -> float | None:
    """The share of the expected facts that the shown text holds; None for no fact.

    After ALCE's answer recall by exact match on substrings (Gao et al., EMNLP 2023, section 4.1). Case and runs of white space
    do not matter; a fact does not begin or end within a longer word or number, so `15 seats` is not in `115 seats`.
    """
    text = _plain(shown)
    return sum(_holds(text, fact) for fact in facts) / len(facts) if facts else None


def token_f1(said: str, expected: str) -> float:
    """The harmonic mean of precision and recall of words, 0..1 (Rajpurkar et al., SQuAD, EMNLP 2016).

    Words are compared in lower case, without punctuation and English articles, as SQuAD's own script does; two texts without a
    word agree.
    """
    ours, theirs = _words(said), _words(expected)
    if not ours or not theirs:
        return float(ours == theirs)
    shared = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * shared / (len(ours) + len(theirs))


def _right_citations(statement: Statement, entails: Entails) -> int:
    """How many citations of a statement with recall 1 are not irrelevant; the only one of a statement never is."""
    cited = statement.cited
    if len(cited) == 1:
        return 1
    irrelevant = sum(
        not entails((each,), statement.text) and entails((*cited[:place], *cited[place + 1 :]), statement.text)
        for place, each in enumerate(cited)
    )
    return len(cited) - irrelevant


def _holds(text: str, fact: str) -> bool:
    wanted = _plain(fact)
    before = r"(?<!\w)(?<!\d[.,])" if wanted[:1].isalnum() else ""
    after = r"(?!\w)(?![.,]\d)" if wanted[-1:].isalnum() else ""
    return re.search(before + re.escape(wanted) + after, text) is not None


def _plain(text: str) -> str:
    return _SPACE.sub(" ", text).strip().casefold()


def _words(text: str) -> list[str]:
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()
