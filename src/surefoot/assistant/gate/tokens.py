"""A sentence as tokens, each with what about it a paraphrase may not change."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from surefoot.assistant.facts import canonical_number, facts_of, identifiers
from surefoot.domain.sentences import plain, sentences

_TOKEN = re.compile(
    r"(?P<number>[-\u2212]?\d(?:[\d.,\u2019']*\d)?)|(?P<word>_*[^\W\d_]\w*(?:['\u2019][^\W\d_]+)?)|(?P<sign>[%\u20ac$\u00a3])"
)
_CLAUSE_MARK = re.compile(r"[,;:()|\u2013\u2014]")
_MOST_TOKENS = 300
_LOOK_BACK = 8


class Kind(StrEnum):
    """What kind of fact a token is; `word` is none."""

    WORD = "word"
    NUMBER = "number"
    UNIT = "unit"
    DATE = "date"
    NAME = "name"
    NEGATION = "negation"
    MODALITY = "modality"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class Token:
    """`key` is equal for two tokens that say the same; `group` for two that say the same fact, such as must and required.

    `inside_capital` says that it is capitalised and not the first of its sentence; `clause` counts the commas, semicolons,
    brackets and conjunctions before it.
    """

    key: str
    kind: Kind
    group: str
    shown: str
    inside_capital: bool = False
    clause: int = 0


def _groups(**words: str) -> dict[str, str]:
    return {word: group for group, listed in words.items() for word in listed.split()}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NEGATIONS = _groups(
    negation="not no never none nothing nobody nowhere neither nor without lack lacks unable unavailable unsupported impossible"
    " hardly nicht kein keine keinen keiner nie niemals ohne sin ning\u00fan ninguna nunca jam\u00e1s tampoco nada"
)
_MODALITY = _groups(
    must="must required requires require shall mandatory obligatory muss m\u00fcssen debe deben need needs have-to",
    should="should ought recommended recommend recommends sollte deber\u00eda",
    may="may might can could optional optionally possible kann k\u00f6nnen k\u00f6nnte puede pueden",
)
_LIMITS = _groups(
    only="only solely exclusively nur solo solamente \u00fanicamente",
    unless="unless except excluding excludes besides sofern ausgenommen excepto salvo",
    always="always every all each immer alle alles siempre todos todas",
    sometimes="sometimes usually often occasionally rarely seldom most some manchmal meist oft selten algunos",
    least="least minimum min mindestens",
    most="maximum max most-of h\u00f6chstens m\u00e1ximo",
    first="first initial erste erster primer primero",
    second="second zweite segundo",
    third="third dritte tercer tercero",
    last="last final letzte \u00faltimo",
    before="before prior vor antes",
    after="after nach despu\u00e9s",
    more="more greater higher above over exceeds mehr m\u00e1s",
    less="less fewer lower below under weniger menos",
)
_WEEKDAYS = _words("monday tuesday wednesday thursday friday saturday sunday montag dienstag mittwoch donnerstag freitag")
ALWAYS_UNITS = frozenset(("s", "ms", "min", "h", "d", "wk", "mo", "y", "%", "eur", "usd", "gbp", "kb", "mb", "gb", "tb", "byte"))
_AFTER_A_PLAN = _words("plan plans tier tiers edition editions role roles")


def tokens_of(text: str, known_names: frozenset[str], *, nouns_are_capitals: bool = False) -> list[Token]:
    """The tokens of a text without Markdown. `known_names` are lowercased words that are names even where they begin one.

    With `nouns_are_capitals`, as in German, a capital alone makes no name.
    """
    clause = 0
    end = 0
    matches = list(_TOKEN.finditer(text))[:_MOST_TOKENS]
    found: list[Token] = []
    for place, match in enumerate(matches):
        following = matches[place + 1][0].lower() if place + 1 < len(matches) else ""
        more = _tokens(text, match, following, known_names, found[-1] if found else None)
        if nouns_are_capitals and match[0][1:].islower():
            more = [replace(token, kind=Kind.WORD, group="") if token.kind is Kind.NAME else token for token in more]
        clause += bool(_CLAUSE_MARK.search(text, end, match.start())) or match[0].lower() in _CONJUNCTIONS
        end = match.end()
        inside = bool(place) and match[0][0].isupper()
        found.extend(replace(token, inside_capital=inside, clause=clause) for token in more)
    return found


def _tokens(text: str, match: re.Match[str], following: str, known_names: frozenset[str], before: Token | None) -> list[Token]:
    shown = match[0]
    word = shown.lower().replace("\u2019", "'").strip("_")
    if match["number"]:
        value = canonical_number(shown)
        return [Token(value, Kind.NUMBER, value, shown)]
    if word in ("cannot", "can't"):
        return [_plain_token("can", "can", before), _plain_token("not", shown, None)]
    if word.endswith("n't"):
        stem = {"wo": "will", "sha": "shall"}.get(word[:-3], word[:-3])
        return [_plain_token(stem, stem, before), _plain_token("not", shown, None)]
    may_be_name = word not in _NEGATIONS and word not in LITTLE
    if may_be_name and (following in _AFTER_A_PLAN or (word in known_names and shown[0].isupper()) or _is_name(text, match)):
        name = word.removesuffix("'s")
        return [Token(name, Kind.NAME, name, shown[: len(name)])]
    return [_plain_token(word, shown, before)]


_CONJUNCTIONS = _words("and but or while whereas und aber oder w\u00e4hrend y pero o mientras")
LITTLE = _words(
    "a an the this that these those your our their its my his her any all each every no some which what other another same both"
    " i der die das den dem ein eine einen el la los las un una su tu on in of for to and or if when yes no ja nein s\u00ed"
)


def _plain_token(word: str, shown: str, before: Token | None) -> Token:
    if word in _NEGATIONS:
        return Token(word, Kind.NEGATION, "negation", shown)
    if word in _MODALITY:
        return Token(word, Kind.MODALITY, _MODALITY[word], shown)
    unit = unit_of(word)
    after_number = before is not None and before.kind is Kind.NUMBER
    if unit and (after_number or (unit in ALWAYS_UNITS and len(word) > 1)):
        return Token(f"unit {unit}", Kind.UNIT, unit, shown)
    if word in _LIMITS:
        return Token(word, Kind.LIMIT, _LIMITS[word], shown)
    if word in _WEEKDAYS or _month_of(word):
        return Token(word, Kind.DATE, _month_of(word) or word, shown)
    value = _spelled(word)
    if value:
        return Token(value, Kind.NUMBER, value, shown)
    return Token(stem_of(word), Kind.WORD, "", shown)


def stem_of(word: str) -> str:
    """The word without the endings that merely inflect it."""
    for ending in ("'s", "ies", "es", "s", "ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word.removesuffix(ending)
    return word


def _is_name(text: str, match: re.Match[str]) -> bool:
    """Whether the word is capitalised and not merely the first of its sentence, or written as no ordinary word is."""
    shown = match[0]
    if text[match.start() - 1 : match.start()].isdigit():
        return False
    if shown[1:] != shown[1:].lower() or any(map(str.isdigit, shown)):
        return True
    if not shown[0].isupper() or len(shown) < 2:
        return False
    return text[max(0, match.start() - _LOOK_BACK) : match.start()].rstrip(" \t\n\"'*_([{\u201c\u201e\u00ab")[-1:] not in (
        "", ".", "!", "?", ":", "\u2022", "|", "\u2026"
    )  # fmt: skip


@lru_cache(maxsize=8192)
def unit_of(word: str) -> str:
    """The canonical unit that the word names after a number; empty when it is none."""
    return next((quantity.unit for quantity in facts_of(f"5 {word}").quantities if quantity.value == "5"), "")


@lru_cache(maxsize=8192)
def _month_of(word: str) -> str:
    return next(iter(facts_of(word).dates), "")


@lru_cache(maxsize=8192)
def _spelled(word: str) -> str:
    return next(iter(facts_of(word).numbers), "")


def names_in(text: str) -> frozenset[str]:
    """The lowercased words of a text that stand capitalised inside its sentences."""
    found = set()
    for start, end in sentences(text):
        words = plain(text[start:end])
        found |= {m[0].lower() for m in _TOKEN.finditer(words) if m["word"] and _is_name(words, m)}
    return frozenset(found - LITTLE)


def identifiers_in(text: str) -> frozenset[str]:
    """The code-like words of a text, lowercased."""
    return frozenset(identifiers(text))
