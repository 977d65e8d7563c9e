"""Which runs of text to quote: the units that answer, with the list they open or the sentence they lean on."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from surefoot.assistant.answerability import Evidence, Judgement, ScoredUnit
from surefoot.assistant.forms import has_form
from surefoot.assistant.questions import Question, QuestionKind
from surefoot.assistant.units import Unit, UnitKind

MOST_QUOTES = 3
LONGEST_QUOTE_CHARACTERS = 900
LONGEST_ANSWER_CHARACTERS = 1200
SECOND_SOURCE_SHARE = 0.55
_SECOND_UNIT_SHARE = 0.8
_SHORT_CHARACTERS = 60
# A unit whose meaning was not measured counts with this part of its words; a yes or no to a yes-or-no question with that.
_MEANING_UNKNOWN = 0.6
_DIRECT = 0.15
# A number was asked for: a sentence without one hardly ever says it.
_FORM = {QuestionKind.NUMBER: 0.25, QuestionKind.WHEN: 0.15}
_OTHER_FORM = 0.1
# A quote that begins like this cannot be understood without the sentence before it.
_LEANS_BACK = re.compile(
    r"(?:this|these|that|those|it|its|they|their|he|she|such|however|otherwise|also|instead|then|therefore|both|neither|there"
    r"|in (?:this|that) case|(?:after|before|until|by|from) (?:that|then)|for example"
    r"|dies(?:e|er|es)?|danach|esto|estos?|estas?)\b",
    re.IGNORECASE,
)
_YES_OR_NO = re.compile(r"(?:yes|no|ja|nein|sí)\b", re.IGNORECASE)
_LISTED = (UnitKind.ITEM, UnitKind.STEP, UnitKind.CODE, UnitKind.ROW)


@dataclass(frozen=True, slots=True)
class Quote:
    """A run of whole units of passage number `place`; `start:end` are characters of its chunk's text."""

    place: int
    start: int
    end: int


# How well each unit that may be quoted answers, by its passage's number and its start there.
Worths = Mapping[tuple[int, int], float]


def worths_by_features(evidence: Evidence) -> Worths:
    """The worth of every unit that may be quoted."""
    return {(scored.place, scored.unit.start): worth(evidence.question, scored) for scored in evidence.units}


def quotes(evidence: Evidence, judgement: Judgement, worths: Worths | None = None) -> tuple[Quote, ...]:
    """One to MOST_QUOTES quotes, best source first and in reading order within it; none when nothing can be quoted.

    Units are chosen by `worths`, or by their features where none are given.
    """
    worths = worths_by_features(evidence) if worths is None else worths
    chosen: list[Quote] = []
    for place in _sources(judgement):
        room = MOST_QUOTES - len(chosen) if not chosen else 1
        chosen.extend(_from_passage(evidence, worths, place, room))
        if len(chosen) >= MOST_QUOTES:
            break
    kept: list[Quote] = []
    length = 0
    for quote in chosen:
        length += quote.end - quote.start
        if kept and length > LONGEST_ANSWER_CHARACTERS:
            break
        kept.append(quote)
    return tuple(kept)


def _sources(judgement: Judgement) -> tuple[int, ...]:
    """The likeliest passage, and the second when it is nearly as likely."""
    first, *rest = judgement.order
    close = [place for place in rest[:1] if judgement.sources[place] >= SECOND_SOURCE_SHARE * judgement.sources[first]]
    return (first, *close)


def worth(question: Question, scored: ScoredUnit) -> float:
    """How well a unit answers, about 0..1: words and meaning alike; form counts, and a yes or no where one was asked for."""
    meaning = scored.similarity if scored.similarity is not None else _MEANING_UNKNOWN * scored.lexical
    direct = _DIRECT if question.kind is QuestionKind.POSSIBLE and _YES_OR_NO.match(scored.unit.plain) else 0.0
    return 0.5 * scored.lexical + 0.5 * meaning + _FORM.get(question.kind, _OTHER_FORM) * has_form(question, scored.unit) + direct


def _from_passage(evidence: Evidence, worths: Worths, place: int, room: int) -> list[Quote]:
    """Up to `room` quotes of one passage, in reading order, overlapping and touching ones joined."""
    candidates = [scored for scored in evidence.units if scored.place == place]
    if not candidates:
        return []
    candidates.sort(key=lambda scored: (-worths[place, scored.unit.start], scored.unit.start))
    best = worths[place, candidates[0].unit.start]
    analysed = evidence.analysed[place]
    text = evidence.retrieved.passages[place].chunk.text
    runs: list[tuple[int, int]] = []
    for scored in candidates:
        if runs and worths[place, scored.unit.start] < _SECOND_UNIT_SHARE * best:
            break
        runs = _joined([*runs, _run_around(analysed.units, analysed.units.index(scored.unit), text)], text)
        if len(runs) >= room or sum(end - start for start, end in runs) > LONGEST_QUOTE_CHARACTERS:
            break
    runs = runs[:room]
    opening = analysed.units[0]
    if evidence.question.kind is QuestionKind.POSSIBLE and _YES_OR_NO.match(opening.plain):
        runs = _joined([(opening.start, opening.end), *runs], text)
    return [Quote(place, start, end) for start, end in runs]


def _run_around(units: Sequence[Unit], index: int, text: str) -> tuple[int, int]:
    """The span of the unit with what it cannot be read without, within LONGEST_QUOTE_CHARACTERS."""
    first = last = index
    unit = units[index]
    if unit.kind in _LISTED:
        while first > 0 and units[first - 1].kind in _LISTED and _fits(units, first - 1, last):
            first -= 1
        if first > 0 and units[first - 1].opens_list and _fits(units, first - 1, last):
            first -= 1
        while last + 1 < len(units) and units[last + 1].kind in _LISTED and _fits(units, first, last + 1):
            last += 1
        return units[first].start, units[last].end
    if _LEANS_BACK.match(unit.plain) and _is_sentence_before(units, first, text) and _fits(units, first - 1, last):
        first -= 1
    if units[last].end - units[first].start < _SHORT_CHARACTERS and _is_sentence_before(units, last + 1, text):
        last += 1
    if units[last].opens_list:
        while last + 1 < len(units) and units[last + 1].kind in _LISTED and _fits(units, first, last + 1):
            last += 1
    return units[first].start, units[last].end


def _fits(units: Sequence[Unit], first: int, last: int) -> bool:
    return units[last].end - units[first].start <= LONGEST_QUOTE_CHARACTERS


def _is_sentence_before(units: Sequence[Unit], index: int, text: str) -> bool:
    """Whether unit `index` exists and follows a sentence of the same paragraph."""
    if not 0 < index < len(units):
        return False
    before, here = units[index - 1], units[index]
    same_paragraph = "\n\n" not in text[before.end : here.start]
    return same_paragraph and before.kind is UnitKind.SENTENCE and here.kind is UnitKind.SENTENCE


def _joined(runs: Sequence[tuple[int, int]], text: str) -> list[tuple[int, int]]:
    """The runs in order; those that overlap or have only white space between them are one."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(runs):
        if joined and (start <= joined[-1][1] or not text[joined[-1][1] : start].strip()):
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def best_unit(evidence: Evidence, place: int) -> Unit | None:
    """The unit of the passage that answers best by itself, if it has any that may be quoted."""
    candidates = [scored for scored in evidence.units if scored.place == place]
    if not candidates:
        return None
    return max(candidates, key=lambda scored: (worth(evidence.question, scored), -scored.unit.start)).unit
