"""When a question is too short to know what is meant: the refusal that offers what it could mean."""

from collections.abc import Sequence

from surefoot.assistant.questions import Question, analyse_question
from surefoot.assistant.refusals import unclear
from surefoot.domain.answers import Answer, Citation, Passage, Refusal, RefusalReason, cite
from surefoot.domain.lexicon import terms
from surefoot.domain.sentences import sentences
from surefoot.retrieval.search import Retrieved

_MOST_TERMS = 2
_LOOKED_AT = 6
_MOST_CHOICES = 4
_FEWEST_CHOICES = 2
# A passage that scores below this share of the best one is not what could be meant as well.
_NEAR_SHARE = 0.75
_QUESTION_MARKS = "?\uff1f\u061f"


def needs_clarification(question: str, locale: str, retrieved: Retrieved, outcome: Answer | Refusal) -> Refusal | None:
    """The refusal that asks which of two to four things is meant, or None when that is not the trouble.

    It is asked only of a question of at most two content terms that was refused for lack of evidence, whose best passages
    lie near each other under different headings and all speak of it. `choices` are questions made of those headings; every
    one stands on a passage among `retrieved`, which the viewer may read.
    """
    if isinstance(outcome, Answer) or outcome.reason is not RefusalReason.INSUFFICIENT_EVIDENCE:
        return None
    asked = analyse_question(question, locale)
    if not terms(question, locale) or len(asked.terms) > _MOST_TERMS or asked.facts.identifiers or asked.facts.numbers:
        return None
    near = _near(asked, retrieved.passages[:_LOOKED_AT])
    choices = _choices(near)
    if len(choices) < _FEWEST_CHOICES or any(_is_headed(passage, question) for passage in near):
        return None
    return unclear(tuple(choices), tuple(choices.values()), outcome.confidence)


def _near(asked: Question, passages: Sequence[Passage]) -> list[Passage]:
    """The passages that score near the best one and whose headings or text have every term of the question."""
    if not passages:
        return []
    floor = _NEAR_SHARE * passages[0].score
    return [passage for passage in passages if passage.score >= floor and _speaks_of(passage, asked)]


def _speaks_of(passage: Passage, asked: Question) -> bool:
    chunk = passage.chunk
    return set(asked.terms) <= set(terms(f"{chunk.headings()}\n{chunk.text}", chunk.locale))


def _is_headed(passage: Passage, question: str) -> bool:
    """Whether the question is the passage's title or heading: then it names its topic clearly."""
    asked = question.strip(f" {_QUESTION_MARKS}!.").casefold()
    return asked in (passage.chunk.title.strip().casefold(), passage.chunk.heading.strip().casefold())


def _choices(passages: Sequence[Passage]) -> dict[str, Citation]:
    """By question to pick: the place it comes from. One for each heading, best passage first."""
    found: dict[str, Citation] = {}
    for passage in passages:
        chunk = passage.chunk
        asked = _as_question(chunk.title, chunk.heading)
        if asked and asked not in found:
            start, end = next(iter(sentences(chunk.text)), (0, len(chunk.text)))
            found[asked] = cite(passage, chunk.start + start, chunk.start + end)
        if len(found) == _MOST_CHOICES:
            break
    return found


def _as_question(title: str, heading: str) -> str:
    """The heading as something to ask: with its page's title, unless that is the same or says no more; one line."""
    page, section = " ".join(title.split()), " ".join(heading.split())
    if section.endswith(tuple(_QUESTION_MARKS)):
        return section
    named = section if not page or page.casefold() == section.casefold() else f"{page}: {section}" if section else page
    return f"{named}?" if named else ""
