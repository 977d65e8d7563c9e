"""The plainest edits of a sentence: one fact made another, or the same told in slightly other words."""

import re
from collections.abc import Iterator, Sequence

import numpy as np

NUMBER = re.compile(r"(?<![\w.])\d{1,5}(?![\w.])")
_UNIT = re.compile(
    r"\b(seconds?|minutes?|hours?|days?|weeks?|months?|years?|MB|GB|KB|bytes|characters|tokens|requests|users|percent)\b"
)
_UNITS = (
    "seconds",
    "minutes",
    "hours",
    "days",
    "weeks",
    "months",
    "years",
    "MB",
    "GB",
    "KB",
    "characters",
    "tokens",
    "requests",
    "users",
)
_POSITIVE = re.compile(r"\b(is|are|can|will|must|should|does|do|was|were)\b(?! not)")
_NEGATIVE = re.compile(r"\b(is|are|can|will|must|should|does|do|was|were) not\b|\bcannot\b|\b(can|do|does|is|are)n't\b")
_MODAL = {
    "must": "may",
    "may": "must",
    "required": "optional",
    "optional": "required",
    "always": "sometimes",
    "can": "must",
    "should": "never",
}
_MODALS = re.compile(rf"\b({'|'.join(_MODAL)})\b")
_PLAN = re.compile(r"\b(Free|Starter|Pro|Team|Business|Premium|Enterprise|Basic|Plus|Cloud|Self-hosted)\b")
_PLANS = ("Free", "Starter", "Pro", "Team", "Business", "Enterprise")
NAME = re.compile(r"(?<=\s)[A-Z][A-Za-z]+[a-z]\b")
_OPENERS = re.compile(
    r"^(?:Note that|In addition,|However,|Also,|Additionally,|Then,?|Finally,|For example,|By default,|Please)\s+", re.IGNORECASE
)
_BRACKETS = re.compile(r"\s*\([^()]{1,80}\)")
_SYNONYMS = {
    "use": "employ",
    "need to": "have to",
    "allows you to": "lets you",
    "create": "make",
    "click": "press",
    "select": "choose",
    "show": "display",
    "start": "begin",
    "such as": "like",
    "ensure": "make sure",
    "in order to": "to",
    "via": "through",
    "delete": "remove",
}


def changed(sentence: str, names: Sequence[str], random: np.random.Generator) -> Iterator[tuple[str, str]]:
    """The sentence with one fact made another, once for each kind that it has, under the kind's name."""
    number = NUMBER.search(sentence)
    if number:
        value = int(number[0])
        yield "number", NUMBER.sub(str(value + int(random.choice([1, 2, 5, max(10, value)]))), sentence, count=1)
    unit = _UNIT.search(sentence)
    if unit:
        other = str(random.choice([u for u in _UNITS if not unit[0].startswith(u.rstrip("s"))]))
        yield "unit", _UNIT.sub(other, sentence, count=1)
    plan = _PLAN.search(sentence)
    if plan:
        yield "plan", _PLAN.sub(str(random.choice([other for other in _PLANS if other != plan[0]])), sentence, count=1)
    modal = _MODALS.search(sentence)
    if modal:
        yield "modality", _MODALS.sub(_MODAL[modal[0]], sentence, count=1)
    if _NEGATIVE.search(sentence):
        yield "negation", re.sub(r"\bcannot\b", "can", re.sub(r"n't\b| not\b", "", sentence, count=1), count=1)
    elif _POSITIVE.search(sentence):
        yield "negation", _POSITIVE.sub(r"\1 not", sentence, count=1)
    name = NAME.search(sentence)
    if name and names:
        yield "name", NAME.sub(str(random.choice(names)), sentence, count=1)


def retold(sentence: str, random: np.random.Generator) -> str:
    """The sentence in slightly other words: opener and brackets dropped, some words exchanged, clauses swapped."""
    told = reworded(_BRACKETS.sub("", _OPENERS.sub("", sentence)), random)
    first, comma, rest = told.partition(", ")
    if comma and random.random() < 0.5 and len(rest) > 20 and re.match(r"(?:If|When|After|Before|Once|To)\b", first):
        told = f"{rest.rstrip('.')} {first[0].lower()}{first[1:]}."
    return told[0].upper() + told[1:] if told else sentence


def reworded(text: str, random: np.random.Generator) -> str:
    """The text with about half of its words that have a synonym here exchanged for it."""
    for word, other in _SYNONYMS.items():
        if random.random() < 0.5:
            text = re.sub(rf"\b{word}\b", other, text, count=1)
    return text


def is_prose(said: str) -> bool:
    """Whether a sentence is told in words, not code, tables or parameters."""
    words = re.findall(r"[A-Za-z']{2,}", said)
    return 40 <= len(said) <= 320 and len(words) >= 7 and not re.search(r"[{}<>|=]|--|\[\w+\]", said) and said[0].isalnum()
