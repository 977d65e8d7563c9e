"""A sentence in which one thing has been exchanged for another of its kind that stands beside it, so that no word is new.

What tells such a sentence from a true one is only what belongs to what: `Growth costs $29` beside `Starter costs $29, Growth
costs $49`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

_TIME = r"(?:milliseconds?|ms|seconds?|minutes?|hours?|days?|weeks?|months?|years?)"
_SIZE = r"(?:bytes|[KMGT]i?B|kilobytes|megabytes|gigabytes)"
# What can be exchanged, by kind; a kind is only ever exchanged for its own.
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("price", re.compile(r"(?<![\w.])[$€£]\s?\d[\d,]*(?:\.\d+)?(?![\w.]*\w)")),
    ("share", re.compile(r"(?<![\w.])\d+(?:\.\d+)?\s?(?:%|percent\b)")),
    ("time", re.compile(rf"(?<![\w.$-])(?:\d[\d,.]*|one|two|three|four|five|six|seven|ten|twelve)[ -]{_TIME}\b")),
    ("size", re.compile(rf"(?<![\w.$-])\d[\d,.]*\s?{_SIZE}\b")),
    ("count", re.compile(r"(?<![\w.,$€£:/+-])\d+(?:,\d{3})*(?:\.\d+)?(?![\w%:/+-]|[.,]\d| ?(?:%|percent))")),
    ("identifier", re.compile(r"(?<![\w./-])(?:[a-z]+(?:[_.][a-z0-9]+)+|[a-z]+(?:[A-Z][a-z0-9]+)+)(?![\w/-]|\.\w)")),
    ("constant", re.compile(r"(?<![\w./-])[A-Z]+(?:_[A-Z0-9]+)+(?![\w/.-])")),
    ("name", re.compile(r"(?<=[a-z,(] )[A-Z][A-Za-z]*[a-z]\b(?: [A-Z][A-Za-z]*[a-z]\b)?(?! [A-Z]|[-/.'_\u2019]\w)")),
    (
        "role",
        re.compile(
            r"\b(?:admin(?:istrator)?s?|owners?|members?|viewers?|editors?|users?|guests?|agents?|developers?|customers?|"
            r"senders?|receivers?|servers?|clients?|producers?|consumers?|hosts?|workers?|callers?|parents?|child|children)\b",
            re.IGNORECASE,
        ),
    ),
)  # fmt: skip
_VALUES = ("price", "share", "time", "size", "count")
# Between two things of a list, or of a comparison that reads the same both ways, there is nothing that an exchange would change.
_JOINED = re.compile(r"[\s,;/&]*(?:\b(?:and|or|as well as|and/or|nor|versus|vs\.?|with|to|through)\b)?[\s,;/&]*")
_BOTH_WAYS = re.compile(
    r"\b(?:between|both|either|neither|same|equal|equals|equivalent|differs?|different|together|combin\w+|similar|respectively|"
    r"compatible|integrat\w+|connect\w*|or|alongside|version|versions|step|example|e\.g|such as|like|also|both|compared?)\b",
    re.IGNORECASE,
)
_NOT_NAMES_TOLD = """
The This That These Those If When For You Your And But Use See Note It We In On To A An Or As With Please All Any Each Once
Then Also However Here There What How Why Which After Before By From Not No Yes Are Is Can Do Does API Make Click Learn
Select Go Add Get Set Choose Enter Open Default Type Example Step Monday Tuesday True False None
"""
_NOT_NAMES = frozenset(_NOT_NAMES_TOLD.split())
# Who uses a thing has many names; one for another changes little.
_WHO_USES_IT = re.compile(r"(?:users?|customers?|clients?|members?|guests?|people|viewers?)", re.IGNORECASE)
_MAY_SAY_THE_SAME = 0.5
_CONTENT = re.compile(r"[A-Za-z]{4,}")


@dataclass(frozen=True, slots=True)
class _Thing:
    kind: str
    text: str
    start: int
    end: int


def exchanged(sentence: str, window: str, random: np.random.Generator) -> Iterator[tuple[str, str, bool]]:
    """The sentence with one of its things exchanged for another of that kind that stands in the window, once a kind of thing:
    the kind, the sentence, and whether it is sure to be contradicted rather than only not stated.

    Two things of the sentence itself change places; one of a neighbouring sentence takes the place of one. Nothing comes where
    that could be as true as before: in lists, in comparisons that read the same both ways, and where the neighbour says
    nearly the same of its own thing.
    """
    own = _things(sentence)
    place = window.find(sentence)
    others = [window[:place], window[place + len(sentence) :]] if place >= 0 else [window]
    beside = [(thing, other) for other in others for thing in _things(other)]
    said = {thing.text.lower() for thing in own}
    for kind in dict.fromkeys(thing.kind for thing in own):
        mine = [thing for thing in own if thing.kind == kind]
        made = [
            *_swapped(sentence, mine),
            *(
                sentence[: thing.start] + other.text + sentence[thing.end :]
                for thing in mine
                for other, where in beside
                if other.kind == kind and other.text.lower() not in said and _is_sure(kind, sentence, thing, other, where)
            ),
        ]
        if made:
            yield f"exchanged {kind}", made[int(random.integers(len(made)))], kind in _VALUES


def _things(text: str) -> list[_Thing]:
    """The things of the text in order; each character belongs to one at most."""
    found: list[_Thing] = []
    taken: set[int] = set()
    for kind, pattern in _KINDS:
        for match in pattern.finditer(text):
            if kind == "name" and set(match[0].split()) & _NOT_NAMES:
                continue
            if not taken & set(range(*match.span())):
                taken.update(range(*match.span()))
                found.append(_Thing(kind, match[0], match.start(), match.end()))
    return sorted(found, key=lambda thing: thing.start)


def _swapped(sentence: str, things: Sequence[_Thing]) -> Iterator[str]:
    """The sentence with two of the things in each other's place."""
    if _BOTH_WAYS.search(sentence) or len(things) > 3:
        return
    for place, one in enumerate(things):
        for two in things[place + 1 :]:
            between = sentence[one.end : two.start]
            if _is_part(one.text, two.text) or _JOINED.fullmatch(between):
                continue
            if one.kind not in _VALUES and len(_CONTENT.findall(between)) < 1:
                continue
            if one.kind in _VALUES and not any(other.kind not in _VALUES for other in _things(between)):
                # Two numbers alone may be the ends of a range or a part and its whole; with a thing between they are its own.
                continue
            yield sentence[: one.start] + two.text + between + one.text + sentence[two.end :]


def _is_sure(kind: str, sentence: str, thing: _Thing, other: _Thing, where: str) -> bool:
    """Whether the sentence with the other's text in the thing's place is not what the other's own sentence says."""
    if kind in _VALUES:
        return not _of_a_range(sentence, thing)
    rest = {word.lower() for word in _CONTENT.findall(sentence[: thing.start] + sentence[thing.end :])}
    theirs = {word.lower() for word in _CONTENT.findall(where)}
    if _WHO_USES_IT.fullmatch(thing.text) and _WHO_USES_IT.fullmatch(other.text):
        return False
    if _is_part(other.text, thing.text) or _BOTH_WAYS.search(where):
        return False
    return len(rest) >= 4 and len(rest & theirs) / len(rest) < _MAY_SAY_THE_SAME


def _is_part(one: str, other: str) -> bool:
    """Whether one of the two names may be the other's short form."""
    short, long = sorted((re.sub(r"[\W_]|s$", "", text.lower()) for text in (one, other)), key=len)
    return short in long


def _of_a_range(sentence: str, thing: _Thing) -> bool:
    around = sentence[max(0, thing.start - 12) : thing.end + 6].lower()
    return bool(
        re.search(r"\b(?:between|from|to|and|or|about|least|most|up to|version|step|error|http|port)\b|[-~\u2013]", around)
    )
