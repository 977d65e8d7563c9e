"""Where a quote stands in a passage, to the character, and the whole sentences that it is cut from."""

import re
from dataclasses import dataclass
from functools import lru_cache

from surefoot.domain.answers import Passage
from surefoot.domain.sentences import Span, sentences

_MOST_PLACES = 16
# What holds the parts of one token together: 1.5, $149, -5, v1.2, snake_case, e-mail, don't.
_JOINTS = ".,-\u2212_/:@'\u2019$\u20ac\u00a3%+&#"
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")


@dataclass(frozen=True, slots=True)
class Found:
    """A quote in its passage: characters `start:end` of the chunk's text, and `sentence`, the whole sentences around it."""

    passage: Passage
    start: int
    end: int
    sentence: str

    @property
    def text(self) -> str:
        """The passage's own words."""
        return self.passage.chunk.text[self.start : self.end]


def find(passage: Passage, quote: str) -> Found | None:
    """The quote in the passage's text, white space aside letter by letter; None when it is not there.

    A quote that begins or ends inside a token is widened to the whole of it, so that `5` never stands for 15 or for 1.5;
    where the quote stands more than once, a place that needs no widening goes first.
    """
    wanted = " ".join(quote.split())
    if not wanted:
        return None
    text = passage.chunk.text
    flat, places = _flat(text)
    best: Span | None = None
    at = flat.find(wanted)
    for _ in range(_MOST_PLACES):
        if at < 0:
            break
        span = places[at], places[at + len(wanted) - 1] + 1
        widened = _widened(text, *span)
        if best is None or widened == span:
            best = widened
        if widened == span:
            break
        at = flat.find(wanted, at + 1)
    return None if best is None else Found(passage, *best, sentence_around(text, *best))


@lru_cache(maxsize=64)
def _flat(text: str) -> tuple[str, tuple[int, ...]]:
    """The text with each run of white space as one space, and where in the text each of its characters stands."""
    characters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        if not character.isspace():
            characters.append(character)
            places.append(place)
        elif characters and characters[-1] != " ":
            characters.append(" ")
            places.append(place)
    return "".join(characters), tuple(places)


def _widened(text: str, start: int, end: int) -> Span:
    """The span with the rest of the tokens that it begins and ends in."""
    while start > 0 and _joined(text, start):
        start -= 1
    while end < len(text) and _joined(text, end):
        end += 1
    return start, end


def _joined(text: str, place: int) -> bool:
    """Whether the characters on both sides of this place belong to one token."""
    before, after = text[place - 1], text[place]
    if before.isspace() or after.isspace() or (_UNSPACED.match(before) and _UNSPACED.match(after)):
        return False
    if before.isalnum() and after.isalnum():
        return True
    if before.isalnum() and after in _JOINTS:
        return text[place + 1 : place + 2].isalnum() or after in "%\u20ac$"
    if before in _JOINTS and after.isalnum():
        return text[place - 2 : place - 1].isalnum() or before in "$\u20ac\u00a3-\u2212"
    return False


def sentence_around(text: str, start: int, end: int) -> str:
    """The whole sentences that `start:end` touches."""
    touched = [span for span in sentences(text) if span[0] < end and start < span[1]]
    if not touched:
        return text[start:end]
    return text[min(start, touched[0][0]) : max(end, touched[-1][1])]
