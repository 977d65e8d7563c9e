"""The hard facts of a sentence: numbers with units, dates, names, negation and modality; what a paraphrase may not change."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_NUMBER = re.compile(
    r"(?<![\w.])[-\u2212]?(?:\d{1,3}(?:[ ,.\u2019']\d{3})+(?:[.,]\d{1,8})?|\d{1,18}(?:[.,]\d{1,8})?)(?![\w])"
    r"|(?<![\w.])\d{1,18}(?:\.\d{1,8})?(?=[A-Za-z%°€$£]{1,4}\b|%)"
)
_VERSION = re.compile(r"\b[vV]?\d{1,6}(?:\.\d{1,6}){2,4}\b")
_DATE = re.compile(r"\b(\d{4})-(\d{1,2})-(\d{1,2})\b")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
_UNIT_AFTER = re.compile(r"[ \t\xa0-]?(?:(?:business|working|calendar|full|consecutive) )?([^\W\d_]{1,24}|[%°€$£](?!\d))")
_UNIT_BEFORE = re.compile(r"([€$£])[ \t]?\Z")
_LOOK_BACK = 8
_NAME = re.compile(r"(?<![\w@/.-])[A-Z]\w+(?:[-&.][A-Za-z0-9]\w*)*")
_IDENTIFIER = re.compile(r"`([^`\n]{1,80})`|\b([A-Za-z]\w*(?:[_.:/]\w+)+|[a-z]+[A-Z]\w*|[A-Z]+[a-z]+[A-Z]\w*|[A-Za-z]+\d\w*)\b")

_SPELLED = {
    word: str(value)
    for value, words in (
        (0, "zero null cero"),
        (1, "one"),
        (2, "two zwei dos"),
        (3, "three drei tres"),
        (4, "four vier cuatro"),
        (5, "five fünf cinco"),
        (6, "six sechs seis"),
        (7, "seven sieben siete"),
        (8, "eight acht ocho"),
        (9, "nine neun nueve"),
        (10, "ten zehn diez"),
        (11, "eleven elf once"),
        (12, "twelve zwölf doce"),
        (14, "fourteen vierzehn catorce"),
        (15, "fifteen fünfzehn quince"),
        (20, "twenty zwanzig veinte"),
        (30, "thirty dreißig treinta"),
        (60, "sixty sechzig sesenta"),
        (90, "ninety neunzig noventa"),
    )
    for word in words.split()
}
# "Once" is an English conjunction before it is a Spanish number.
del _SPELLED["once"]

_UNITS = {
    word: unit
    for unit, words in {
        "s": "s sec second sekunde segundo",
        "ms": "ms millisecond",
        "min": "min minute minuto",
        "h": "h hr hour stunde hora",
        "d": "d day tag tage werktag werktage día",
        "wk": "week woche semana",
        "mo": "month monat monate mes meses",
        "y": "y yr year jahr jahre año",
        "%": "% percent prozent",
        "eur": "€ eur euro",
        "usd": "$ usd dollar",
        "gbp": "£ gbp",
        "kb": "kb",
        "mb": "mb",
        "gb": "gb",
        "tb": "tb",
        "byte": "byte",
        "character": "character char zeichen",
        "token": "token",
        "request": "request",
        "user": "user",
        "seat": "seat",
        "member": "member",
        "event": "event",
        "call": "call",
        "project": "project",
        "record": "record",
        "row": "row",
        "item": "item",
        "file": "file",
        "attempt": "attempt retry retrie",
        "invoice": "invoice",
    }.items()
    for word in words.split()
}

_MONTHS = {
    name: month
    for month, names in enumerate(
        (
            "january jan januar enero", "february feb februar febrero", "march mar märz marzo", "april apr abril", "may mai mayo",
            "june jun juni junio", "july jul juli julio", "august aug agosto", "september sep sept septiembre",
            "october oct oktober octubre", "november nov noviembre", "december dec dezember diciembre",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_AMBIGUOUS_MONTHS = frozenset(("may", "march", "mar"))


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NEGATIONS = _words(
    """
    not no never none nothing nobody nowhere neither nor cannot without unable unavailable unsupported impossible isn't aren't
    wasn't weren't don't doesn't didn't can't couldn't won't wouldn't shouldn't mustn't haven't hasn't hadn't lacks lack
    nicht kein keine keinen keiner nie niemals ohne sin ningún ninguna nunca jamás tampoco nada
    """
)
_MUST = _words("must required requires require shall mandatory need needs obligatory only always muss müssen debe deben")
_MAY = _words("may might can could optional optionally possible sometimes usually often kann können puede pueden")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number as canonical digits and, when one stands beside it, its unit (a canonical word or empty)."""

    value: str
    unit: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What a text states, in canonical forms. `names` are lowercased capitalised words that do not merely begin a sentence;
    `identifiers` are lowercased code-like words. `negations` counts negating words.
    """

    quantities: frozenset[Quantity]
    dates: frozenset[str]
    names: frozenset[str]
    identifiers: frozenset[str]
    negations: int
    obliges: bool
    permits: bool

    @property
    def numbers(self) -> frozenset[str]:
        """The values alone."""
        return frozenset(quantity.value for quantity in self.quantities)


@lru_cache(maxsize=16_384)
def facts_of(text: str) -> Facts:
    """The facts of a text that carries no Markdown any more (see domain.sentences.plain)."""
    words = [word.lower().replace("\u2019", "'") for word in _WORD.findall(text)]
    dates = frozenset(f"{year}-{int(month):02d}-{int(day):02d}" for year, month, day in _DATE.findall(text)) | frozenset(
        f"month {_MONTHS[word]}" for word in words if word in _MONTHS and word not in _AMBIGUOUS_MONTHS
    )
    return Facts(
        quantities=frozenset(_quantities(text)),
        dates=dates,
        names=frozenset(_names(text)),
        identifiers=frozenset(identifiers(text)),
        negations=sum(word in _NEGATIONS for word in words),
        obliges=not _MUST.isdisjoint(words),
        permits=not _MAY.isdisjoint(words),
    )


def identifiers(text: str) -> Iterator[str]:
    """Code-like words, lowercased: what stands in backticks, snake_case, camelCase, dotted paths, letters with digits."""
    for match in _IDENTIFIER.finditer(text):
        yield (match[1] or match[2]).strip().lower()


def _quantities(text: str) -> Iterator[Quantity]:
    masked = _DATE.sub(lambda match: " " * len(match[0]), text)
    for version in _VERSION.finditer(masked):
        yield Quantity(version[0].lower().lstrip("v"), "version")
    masked = _VERSION.sub(lambda match: " " * len(match[0]), masked)
    for match in _NUMBER.finditer(masked):
        yield Quantity(canonical_number(match[0]), _unit_at(masked, match.start(), match.end()))
    for word in _WORD.finditer(masked):
        value = _SPELLED.get(word[0].lower())
        # "One" is more often a pronoun than a number; it counts only with a unit.
        unit = _unit_at(masked, word.start(), word.end()) if value else ""
        if value and (unit or value not in ("0", "1")):
            yield Quantity(value, unit)


def canonical_number(text: str) -> str:
    """The number's digits without thousands separators, signs normalised, trailing zero decimals dropped."""
    text = text.replace("\u2212", "-")
    parts = re.split(r"[ ,.\u2019']", text)
    if len(parts) > 1 and all(len(part) == 3 for part in parts[1:]):
        text = "".join(parts)
    elif len(parts) > 2:
        text = "".join(parts[:-1]) + "." + parts[-1]
    else:
        text = text.replace(",", ".")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    return sign + (digits.lstrip("0") or "0") if "." not in digits else sign + digits


def _unit_at(text: str, start: int, end: int) -> str:
    before = _UNIT_BEFORE.search(text, max(0, start - 2), start)
    if before:
        return _UNITS[before[1]]
    after = _UNIT_AFTER.match(text, end)
    if after is None:
        return ""
    word = after[1].lower()
    return _UNITS.get(word) or _UNITS.get(word.removesuffix("s")) or _UNITS.get(word.removesuffix("n")) or ""


def _names(text: str) -> Iterator[str]:
    for match in _NAME.finditer(text):
        before = text[max(0, match.start() - _LOOK_BACK) : match.start()].rstrip()[-1:]
        begins_sentence = before in ("", ".", "!", "?", ":", "•", "|")
        if not begins_sentence or match[0].isupper():
            yield match[0].lower()
