"""What a claim says of the wrong thing: a value, a name or a word that stands in the evidence, but in another's place there.

Every word of such a claim is in the evidence, so that counting words sees nothing. Two looks find it: the claim word by word
beside the sentence that comes nearest, and each of its values beside the sentence or clause that holds that value.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from itertools import pairwise

from surefoot.assistant.facts import Facts, Quantity, facts_of
from surefoot.domain.lexicon import terms
from surefoot.domain.stop_words import STOP_WORDS

_WORD = re.compile(r"[^\W_]+(?:[._'/-][^\W_]+)*|[%$€£]")
_CLAUSE = re.compile(r"[,;:]\s+|\s+(?:and|but|while|whereas|or)\s+")
# A longer stretch on either side is another way of saying, not one word for another.
_LONGEST_EXCHANGE = 2
_MOST_WORDS = 160
_MOST_UNITS = 120
_MOST_VALUES = 40
# Words that turn a sentence round when one stands for the other; stems of four letters and more match what begins like them.
_SIDES = (
    ("increas rais higher more greater larger grow improv upregul promot enhanc activ stimul longer faster",
     "decreas reduc lower less fewer smaller shrink worsen downregul inhibit impair suppress shorter slower"),
    ("high many strong long fast early old new", "low few weak short slow late young recent"),
    ("before earlier prior until", "after later once"),
    ("enabl allow permit accept includ support open on start add creat",
     "disabl forbid deni prevent block reject exclud unsupport close off stop remov delet"),
    ("maximum most upper above exceed outsid extern public visibl", "minimum least lower below under insid intern privat hidden"),
    ("alway all every each both everyon", "never none no some neither nobod sometimes"),
    ("first begin start", "last end stop finish"),
    ("success succeed valid true correct", "fail invalid fals wrong incorrect"),
    ("benefici safe protect", "harm danger risk unsafe"),
    ("requir mandatori must need", "option may optional"),
    ("same equal ident similar", "differ other distinct opposit"),
    ("with", "without"),
    ("if when", "unless"),
    ("automat", "manual"),
    ("read download import receiv pull get input", "write upload export send push set output"),
    ("local synchron tempor onlin sensit essenti common posit possibl necessari",
     "remot asynchron perman offlin resist dispens rare negat imposs unnecessari"),
    ("encrypt associ", "unencrypt unassoci"),
    ("daili", "weekli monthli hourli yearli"),
    ("month", "year"),
    ("buy paid", "sell free"),
)  # fmt: skip
_UNIT_NAMES = (
    "second minute hour day week month year ms kb mb gb tb byte character token request user seat member event call project "
    "record row item file percent % $ € £"
)
_UNIT_WORDS = frozenset(_UNIT_NAMES.split())
# Units of one kind of value: one may be said where another belongs.
_ALIKE = {
    unit: kind
    for kind, units in {"time": "s ms min h d wk mo y", "money": "eur usd gbp", "size": "kb mb gb tb byte"}.items()
    for unit in units.split()
}
# "Not required" for "optional" is no opposite: denials are compared elsewhere.
_DENIALS = frozenset(("not", "no"))
# Another unit that holds this share of what the nearest holds may be the one that the claim was told from.
_AS_NEAR = 0.6
_NEARLY_ALL = 0.8
_A_MISSPELLING = 0.8
_ROLE_WORDS = "admin administrator owner member viewer editor agent guest manager developer reviewer maintainer author"
_ROLES = frozenset(_ROLE_WORDS.split())
_SWAP_FREE = frozenset(("and", "or"))


class Kind(StrEnum):
    """What took another's place."""

    NUMBER = "number"
    UNIT = "unit"
    OPPOSITE = "opposite"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A word or two of the claim that stand where the nearest sentence has others: what kind they are, and both."""

    kind: Kind
    claimed: str
    stated: str


@dataclass(frozen=True, slots=True)
class Exchanged:
    """`in_place` are words that took another's place; `values` are values of the claim that the evidence gives to another;
    `changed_places` says that two things of the nearest sentence stand in each other's place.
    """

    in_place: tuple[Exchange, ...]
    values: tuple[str, ...]
    changed_places: bool

    def __bool__(self) -> bool:
        """Whether the claim says anything of the wrong thing."""
        return bool(self.in_place or self.values or self.changed_places)

    def reasons(self) -> list[str]:
        """What it says against the claim, for a person."""
        found = [f"The claim says “{each.claimed}” where the evidence says “{each.stated}”." for each in self.in_place]
        found += [f"The evidence says “{value}” of something else." for value in self.values]
        if self.changed_places:
            found.append("Two things of the evidence have changed places in the claim.")
        return found


NOTHING = Exchanged((), (), changed_places=False)


def exchanged(claim: str, units: Sequence[str], nearest: str, locale: str = "en") -> Exchanged:
    """What the claim says of the wrong thing, by the units of the evidence and the one among them that comes nearest.

    Its words are English: where every noun is written large, or words have other opposites, it says nothing.
    """
    if not locale.lower().startswith("en"):
        return NOTHING
    told = units[:_MOST_UNITS]
    claimed, whole = facts_of(claim), facts_of(" ".join(told))
    words = [_words(unit) for unit in told]
    mine, theirs = _words(claim)[:_MOST_WORDS], _words(nearest)[:_MOST_WORDS]
    wanted = frozenset(terms(claim, locale))
    sure = claimed.names | claimed.identifiers | whole.names
    found = tuple(_in_place(mine, theirs, sure))
    return Exchanged(
        in_place=() if found and _is_told_elsewhere(found, wanted, nearest, told, locale) else found,
        values=_values(claimed, wanted, _named(mine, words, sure), told, locale)
        if claimed.quantities and "?" not in claim
        else (),
        changed_places=_changed_places(mine, theirs),
    )


def _words(text: str) -> list[str]:
    return [word.removesuffix("'s") for word in _WORD.findall(text.replace("\u2019", "'"))]


def _is_told_elsewhere(found: Sequence[Exchange], wanted: frozenset[str], nearest: str, told: Sequence[str], locale: str) -> bool:
    """Whether another unit has all that seems exchanged, and most of what the nearest one has of the claim besides."""
    said = {word for each in found for word in each.claimed.split()}
    least = _AS_NEAR * len(wanted & set(terms(nearest, locale)))
    return any(
        said <= {word.lower() for word in _words(unit)} and len(wanted & set(terms(unit, locale))) >= least
        for unit in told
        if unit != nearest
    )


@dataclass(frozen=True, slots=True)
class _Told:
    """A sentence or clause of the evidence: its quantities, their values, and its words in small letters."""

    quantities: tuple[Quantity, ...]
    values: frozenset[str]
    words: frozenset[str]


def _told(text: str) -> _Told:
    facts = facts_of(text)
    return _Told(tuple(facts.quantities), facts.numbers, frozenset(word.lower() for word in _words(text)))


@dataclass(frozen=True, slots=True)
class _Names:
    """The names of claim and evidence together, lowercased, and those of them that the claim has."""

    every: frozenset[str]
    claimed: frozenset[str]


def _named(claim: Sequence[str], units: Sequence[Sequence[str]], sure: frozenset[str]) -> _Names:
    """Those that stand as names within sentences, and first words that are never written small."""
    both = [claim, *units]
    small = {word for unit in both for word in unit if word.islower()}
    first = {unit[0].lower() for unit in both if unit and unit[0][:1].isupper()}
    every = sure | frozenset(word for word in first - small if word not in STOP_WORDS["en"])
    return _Names(every, frozenset(word.lower() for word in claim) & every)


def _values(claim: Facts, wanted: frozenset[str], names: _Names, units: Sequence[str], locale: str) -> tuple[str, ...]:
    """Values of the claim that the evidence gives to another, by its sentences and by their clauses."""
    # In one order, so that the same ones are looked at whenever there are too many.
    first = sorted(claim.quantities, key=lambda each: (each.value, each.unit))[:_MOST_VALUES]
    own = _Told(tuple(first), claim.numbers, frozenset())
    whole = [_told(unit) for unit in units]
    clauses = [_told(clause) for unit in units for clause in _CLAUSE.split(unit) if clause.strip()]
    found = [
        *_of_another(own, wanted, [(each, frozenset(terms(unit, locale))) for each, unit in zip(whole, units, strict=True)]),
        *_with_another_name(own, names, whole),
        *_with_another_name(own, names, clauses),
    ]
    return tuple(sorted(set(found)))


def _with_another_name(claim: _Told, names: _Names, told: Sequence[_Told]) -> Iterator[str]:
    """Values of the claim that stand only beside another name, while the claim's name has another value beside it."""
    held = [(each, each.words & names.every) for each in told]
    for quantity in claim.quantities:
        holding = [beside for each, beside in held if quantity.value in each.values]
        if not holding or any(not beside - names.claimed or beside & names.claimed for beside in holding):
            continue
        if any(beside & names.claimed and _has_another(each, quantity, claim) for each, beside in held):
            yield quantity.value


def _in_place(claim: Sequence[str], nearest: Sequence[str], names: frozenset[str]) -> Iterator[Exchange]:
    """The words of the claim that stand between the same neighbours as others of their kind in the nearest sentence."""
    mine, theirs = [word.lower() for word in claim], [word.lower() for word in nearest]
    here, there = ({word.removesuffix("s") for word in words} for words in (mine, theirs))
    for tag, a, b, c, d in SequenceMatcher(None, mine, theirs, autojunk=False).get_opcodes():
        if tag != "replace" or max(b - a, d - c) > _LONGEST_EXCHANGE or (a == 0 and b == len(mine)):
            continue
        said = [word for word in mine[a:b] if word.removesuffix("s") not in there]
        stated = [word for word in theirs[c:d] if word.removesuffix("s") not in here]
        kind = _kind(said, stated, frozenset(word.lower() for word in nearest[c:d] if not word.islower()), names)
        if kind is not None:
            yield Exchange(kind, " ".join(said), " ".join(stated))


def _kind(said: Sequence[str], stated: Sequence[str], capital: frozenset[str], names: frozenset[str]) -> Kind | None:
    """What both sides are; None when they are not of one kind, or perhaps two ways of writing the same."""
    if not said or not stated:
        return None
    numbers = [{value.value for value in facts_of(" ".join(words)).quantities} for words in (said, stated)]
    if numbers[0] and numbers[1]:
        return None if numbers[0] & numbers[1] else Kind.NUMBER
    if numbers[0] or numbers[1]:
        return None
    units = [{unit for word in words if (unit := _unit(word))} for words in (said, stated)]
    if units[0] and units[1]:
        return None if units[0] & units[1] else Kind.UNIT
    if not _DENIALS & {*said, *stated} and any(_opposite(one, other) for one in said for other in stated):
        return Kind.OPPOSITE
    theirs = [word for word in stated if (word in capital or word in names) and word not in STOP_WORDS["en"]]
    are_names = theirs and any(word in names for word in said)
    are_roles = any(_role(word) for word in said) and any(_role(word) for word in stated)
    alike = max((SequenceMatcher(None, one, other).ratio() for one in said for other in stated), default=0.0)
    return Kind.NAME if (are_names or are_roles) and alike < _A_MISSPELLING else None


def _unit(word: str) -> str:
    """The unit that the word is, in one form; empty for any other word."""
    alone = word if word in _UNIT_WORDS else word.removesuffix("s")
    return ("%" if alone == "percent" else alone) if alone in _UNIT_WORDS else ""


def _role(word: str) -> bool:
    return word in _ROLES or word.removesuffix("s") in _ROLES


def _opposite(one: str, other: str) -> bool:
    """Whether the two words point in opposite directions."""
    if (
        one.removeprefix("un") == other
        or one == other.removeprefix("un")
        or one.removeprefix("in") == other.removeprefix("in") != one
    ):
        return True
    return any(
        (_begins(one, mine) and _begins(other, theirs)) or (_begins(one, theirs) and _begins(other, mine))
        for mine, theirs in _SIDES
    )


def _begins(word: str, stems: str) -> bool:
    return any(word == stem or (len(stem) >= 4 and word.startswith(stem)) for stem in stems.split())


def _of_another(claim: _Told, wanted: frozenset[str], told: Sequence[tuple[_Told, frozenset[str]]]) -> Iterator[str]:
    """Values of the claim that no sentence holds beside as many of its other words as one that has another value there."""
    # A term that most sentences hold tells little.
    held = Counter(term for _, found in told for term in found & wanted)
    weighed = [(each, {term: 1 / held[term] for term in found & wanted}) for each, found in told]
    # A number without a unit may count anything.
    for quantity in (each for each in claim.quantities if each.unit):
        rest = wanted - set(terms(quantity.value))
        own, others = 0.0, 0.0
        least = _NEARLY_ALL * len(rest & held.keys())
        for each, shares in weighed:
            said = sum(share for term, share in shares.items() if term in rest)
            if quantity.value in each.values:
                own = max(own, said)
            elif len(rest & shares.keys()) >= least and _has_another(each, quantity, claim):
                others = max(others, said)
        if others > own > 0:
            yield quantity.value


def _has_another(told: _Told, quantity: Quantity, claim: _Told) -> bool:
    """Whether there is a value of the same unit that the claim does not name."""
    kind = _ALIKE.get(quantity.unit, quantity.unit)
    return any(_ALIKE.get(other.unit, other.unit) == kind and other.value not in claim.values for other in told.quantities)


def _changed_places(claim: Sequence[str], nearest: Sequence[str]) -> bool:
    """Whether two words that stand apart in both have changed places, and nearly all else is the same."""
    mine, theirs = ([word.lower() for word in words] for words in (claim, nearest))
    if len(mine) < 4 or abs(len(mine) - len(theirs)) > len(mine) // 2:
        return False
    moved = []
    for tag, a, b, c, d in SequenceMatcher(None, mine, theirs, autojunk=False).get_opcodes():
        if tag == "replace" and max(b - a, d - c) <= _LONGEST_EXCHANGE:
            moved.append((a, b, tuple(mine[a:b]), tuple(theirs[c:d])))
    return any(
        one[2] == other[3] and one[3] == other[2] and not _SWAP_FREE & set(mine[one[1] : other[0]])
        for one, other in pairwise(moved)
    )
