"""The rules a claim has to pass, each by its code; and what a person is told when one is broken."""

from dataclasses import dataclass
from enum import StrEnum

from surefoot.assistant.gate.agreement import Departure
from surefoot.assistant.gate.tokens import Kind


class Rule(StrEnum):
    """The codes that stand in verdicts, ledger and metrics; gravest first."""

    NOT_CITED = "not_cited"
    UNKNOWN_CHUNK = "unknown_chunk"
    QUOTE_NOT_FOUND = "quote_not_found"
    STALE = "stale"
    EMPTY = "empty"
    TOO_LONG = "too_long"
    UNSEEN_CHARACTERS = "unseen_characters"
    FOREIGN_LINK = "foreign_link"
    FOREIGN_ADDRESS = "foreign_address"
    FOREIGN_PHONE_NUMBER = "foreign_phone_number"
    FOREIGN_MARKUP = "foreign_markup"
    FOREIGN_CODE = "foreign_code"
    FOREIGN_ENCODED_TEXT = "foreign_encoded_text"
    OTHER_LANGUAGE = "other_language"
    NUMBER = "number"
    UNIT = "unit"
    DATE = "date"
    NAME = "name"
    NEGATION = "negation"
    MODALITY = "modality"
    LIMIT = "limit"
    SWAPPED = "swapped"
    OPPOSITE = "opposite"
    INVENTED = "invented"
    UNSUPPORTED = "unsupported"


_ORDER = {rule: place for place, rule in enumerate(Rule)}
_OF_KIND = {
    Kind.NUMBER: Rule.NUMBER,
    Kind.UNIT: Rule.UNIT,
    Kind.DATE: Rule.DATE,
    Kind.NAME: Rule.NAME,
    Kind.NEGATION: Rule.NEGATION,
    Kind.MODALITY: Rule.MODALITY,
    Kind.LIMIT: Rule.LIMIT,
    Kind.WORD: Rule.SWAPPED,
}
_OF_FOREIGN = {
    "link": Rule.FOREIGN_LINK,
    "address": Rule.FOREIGN_ADDRESS,
    "phone number": Rule.FOREIGN_PHONE_NUMBER,
    "markup": Rule.FOREIGN_MARKUP,
    "encoded text": Rule.FOREIGN_ENCODED_TEXT,
    "code": Rule.FOREIGN_CODE,
}


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that a claim broke, and why in a sentence."""

    rule: Rule
    reason: str


def departed(departure: Departure) -> Broken:
    """The rule that a departure from the quotes breaks."""
    return Broken(_OF_KIND[departure.kind], departure.reason)


def smuggled(kind: str) -> Broken:
    """The rule that a piece of a claim breaks that is in no quote. What it was is not repeated: a reason is shown and sent."""
    article = "an" if kind[0] in "ae" else "a piece of" if kind in ("markup", "code") else "a"
    if kind == "encoded text":
        article = "a run of"
    return Broken(_OF_FOREIGN[kind], f"The claim has {article} {kind} that is in none of its quotes.")


def in_order(found: list[Broken]) -> list[Broken]:
    """Each once, gravest first."""
    return sorted(dict.fromkeys(found), key=lambda broken: _ORDER[broken.rule])
