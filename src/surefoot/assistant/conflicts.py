"""Whether two sources that would both answer say different things about the same fact."""

from collections.abc import Sequence
from dataclasses import dataclass

from surefoot.assistant.answerability import Evidence, Judgement
from surefoot.assistant.extract import best_unit
from surefoot.assistant.facts import Facts, facts_of
from surefoot.assistant.units import Unit
from surefoot.domain.documents import DocumentId
from surefoot.domain.lexicon import terms

_MOST_COMPARED = 5
_SAME_FACT = 0.5
_SAME_SENTENCE = 0.7
_TIME_WORDS = frozenset(terms("second minute hour day week month year quarter business working calendar"))


@dataclass(frozen=True, slots=True)
class Side:
    """One source's statement: the unit of passage number `place` that answers."""

    place: int
    unit: Unit


@dataclass(frozen=True, slots=True)
class Disagreement:
    """The statement that would be answered with, one against it, and the words for what they disagree in."""

    first: Side
    second: Side
    about: str


def disagreements(evidence: Evidence, judgement: Judgement) -> list[Disagreement]:
    """What other documents say against the statement that would be answered with, likeliest source first."""
    place = judgement.order[0]
    unit = best_unit(evidence, place)
    if unit is None:
        return []
    first = Side(place, unit)
    found = []
    for other in judgement.order[1:_MOST_COMPARED]:
        if _document(evidence, other) == _document(evidence, place):
            continue
        for against in evidence.analysed[other].units:
            about = disagree(unit, against, evidence.question.facts) if against.says_something else ""
            if about:
                found.append(Disagreement(first, Side(other, against), about))
                break
    return found


def _document(evidence: Evidence, place: int) -> DocumentId:
    return evidence.retrieved.passages[place].chunk.document_id


def disagree(first: Unit, second: Unit, asked: Facts) -> str:
    """What two statements of the same fact disagree in (`numbers`, `dates`, `names`, `whether it is so`), or nothing.

    They state the same fact when they share enough words; what the question itself names is not in dispute.
    """
    one, other = facts_of(first.plain), facts_of(second.plain)
    alike = _alike(first, second, one, other)
    if alike < _SAME_FACT:
        return ""
    if _values_differ(one, other, asked):
        return "numbers"
    if one.dates and other.dates and one.dates.isdisjoint(other.dates):
        return "dates"
    if alike < _SAME_SENTENCE:
        return ""
    if (one.negations % 2) != (other.negations % 2):
        return "whether it is so"
    mine, theirs = one.names - other.names - asked.names, other.names - one.names - asked.names
    return "names" if mine and theirs else ""


def _alike(first: Unit, second: Unit, one: Facts, other: Facts) -> float:
    """The share of words that two statements have in common, what they may differ in left out (Jaccard 1901).

    Words of time are left out too: that both speak of business days does not make it the same fact.
    """
    hard = one.numbers | other.numbers | one.names | other.names | _TIME_WORDS
    mine, theirs = first.terms - hard, second.terms - hard
    return len(mine & theirs) / len(mine | theirs) if mine and theirs else 0.0


def _values_differ(one: Facts, other: Facts, asked: Facts) -> bool:
    """Whether quantities of the same unit are all different; versions are names of things, not measures."""
    units = {q.unit for q in one.quantities} & {q.unit for q in other.quantities} - {"version"}
    for unit in sorted(units):
        mine = {q.value for q in one.quantities if q.unit == unit} - asked.numbers
        theirs = {q.value for q in other.quantities if q.unit == unit} - asked.numbers
        if mine and theirs and mine.isdisjoint(theirs):
            return True
    return _durations_differ(one, other, asked)


_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "wk": 604_800, "mo": 2_629_746, "y": 31_556_952}


def _durations_differ(one: Facts, other: Facts, asked: Facts) -> bool:
    """Whether both state one duration each, in different units, and they are not the same length of time."""
    mine, theirs = _durations(one, asked), _durations(other, asked)
    return len(mine) == 1 and len(theirs) == 1 and abs(mine[0] - theirs[0]) > 0.05 * max(mine[0], theirs[0])


def _durations(facts: Facts, asked: Facts) -> Sequence[float]:
    stated = sorted(q.value for q in facts.quantities if q.unit in _SECONDS and q.value not in asked.numbers)
    return [float(q.value) * _SECONDS[q.unit] for q in facts.quantities if q.unit in _SECONDS and q.value in stated]
