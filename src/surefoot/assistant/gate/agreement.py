"""Where a claim departs from the sentences it quotes in a fact: number, unit, date, name, negation, modality or limit.

The claim is laid along the sentence that shares most with it, word by word. What stands in both places may be told in any
order and with other words around it; a fact that is exchanged, added or left out is a departure, however alike the rest is.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import product

from surefoot.assistant.facts import canonical_number, facts_of
from surefoot.assistant.gate.tokens import ALWAYS_UNITS, LITTLE, Kind, Token, identifiers_in, stem_of, tokens_of, unit_of
from surefoot.domain.sentences import plain, sentences

_DIGITS = re.compile(r"\d+")
_NUMBER = re.compile(r"[-\u2212]?\d(?:[\d.,\u2019']*\d)?|\d")
_WORD = re.compile(r"[^\W_]+")
_LEAD = re.compile(r"\s*(?:(yes|ja|s\u00ed|oui)|(?:no|nein|non))(?:[,.!:;]|\s[-\u2013\u2014])\s+", re.IGNORECASE)
_SMALL_BLOCK = 8
_MOVED_TOKENS = 2
_NEAR_SHARE = 0.999
_MOVES = 3
_CURRENCIES = frozenset(("", "usd", "eur", "gbp"))
_PLACED = frozenset((Kind.NAME, Kind.NUMBER, Kind.UNIT, Kind.DATE))


@dataclass(frozen=True, slots=True)
class Departure:
    """What kind of fact differs, and a sentence for a person about it."""

    kind: Kind
    reason: str


def without_lead(claim: str) -> str:
    """The claim without the yes or no that it begins with in answer to a question; it says whether, not what."""
    return _LEAD.sub("", claim, count=1)


def departures(
    claim: str,
    quotes: Sequence[str],
    around: Sequence[str],
    known_names: frozenset[str] = frozenset(),
    *,
    nouns_are_capitals: bool = False,
) -> list[Departure]:
    """Every fact in which the claim departs from its quotes; none for a claim that is told in their words.

    Numbers, dates, units, names and identifiers must be in the `quotes` themselves; negation, modality and limits are those
    of `around`, the whole sentences the quotes are cut from, so that a quote cannot be cut free of its “not”.
    """
    lead = _LEAD.match(claim)
    claim = without_lead(claim)
    said = plain(claim)
    quoted = "\n".join(map(plain, quotes))
    found = [*_numbers(said, quoted), *_dates_and_units(said, quoted), *_names(said, quoted, known_names, nouns_are_capitals)]

    def tokens_by_sentence(text: str) -> list[list[Token]]:
        return _sentence_tokens(text, known_names, nouns_are_capitals)

    if lead is not None and lead[1] is None and not any(_denies(tokens) for tokens in tokens_by_sentence(claim)):
        found.append(Departure(Kind.NEGATION, "The claim begins with a no and then denies nothing."))
    evidence = [tokens for text in around for tokens in tokens_by_sentence(text)]
    for tokens in tokens_by_sentence(claim):
        candidates = [_along(other, tokens) for other in _nearest(tokens, evidence)]
        if candidates:
            # Of sentences that share equally much, each may be the one that is meant.
            found.extend(departure for candidate in candidates for departure in candidate)
    return list(dict.fromkeys(found))


def _denies(tokens: Sequence[Token]) -> bool:
    return any(token.kind is Kind.NEGATION or token.group in ("only", "unless") for token in tokens)


def _sentence_tokens(text: str, known_names: frozenset[str], nouns_are_capitals: bool) -> list[list[Token]]:
    spans = sentences(text)
    found = [tokens_of(plain(text[start:end]), known_names, nouns_are_capitals=nouns_are_capitals) for start, end in spans]
    return [tokens for tokens in found if tokens]


def _numbers(said: str, quoted: str) -> Iterator[Departure]:
    """Each number of the claim that the quotes do not have, or have less often; digits inside words included."""
    have = Counter(canonical_number(number) for number in _NUMBER.findall(quoted))
    runs = Counter(_DIGITS.findall(quoted))
    for match in _NUMBER.finditer(said):
        value = canonical_number(match[0])
        if have[value] > 0:
            have[value] -= 1
            continue
        if not all(runs[run] > 0 for run in _DIGITS.findall(match[0])) or value not in {canonical_number(run) for run in runs}:
            yield Departure(Kind.NUMBER, f"The number {match[0]} is not in the quotes.")
        else:
            runs.subtract(_DIGITS.findall(match[0]))
    spelled = facts_of(quoted).numbers
    for value in sorted(facts_of(said).numbers - spelled - {canonical_number(number) for number in _NUMBER.findall(said)}):
        if value not in {canonical_number(number) for number in _NUMBER.findall(quoted)}:
            yield Departure(Kind.NUMBER, f"The number {value} is not in the quotes.")


def _dates_and_units(said: str, quoted: str) -> Iterator[Departure]:
    claim, evidence = facts_of(said), facts_of(quoted)
    for date in sorted(claim.dates - evidence.dates):
        yield Departure(Kind.DATE, f"The date {date.removeprefix('month ')} is not in the quotes.")
    for quantity in sorted(claim.quantities, key=lambda q: (q.value, q.unit)):
        units = {other.unit for other in evidence.quantities if other.value == quantity.value}
        if (
            quantity.unit
            and units
            and quantity.unit not in units
            and not all(_may_be_bare(unit, quantity.unit) for unit in units)
        ):
            yield Departure(Kind.UNIT, f"The quotes have {quantity.value} with another unit than {quantity.unit}.")


def _may_be_bare(stated: str, claimed: str) -> bool:
    """Whether the stated unit may be none at all: in a table the next cell's currency looks like the unit of a count."""
    return stated in _CURRENCIES and claimed not in ALWAYS_UNITS


def _names(said: str, quoted: str, known_names: frozenset[str], nouns_are_capitals: bool) -> Iterator[Departure]:
    have = frozenset(_WORD.findall(quoted.lower()))
    tokens = tokens_of(said, known_names, nouns_are_capitals=nouns_are_capitals)
    wanted = {token.shown for token in tokens if token.kind is Kind.NAME}
    for name in sorted(wanted):
        if not all(part in have for part in _WORD.findall(name.lower())):
            yield Departure(Kind.NAME, f"The name \u201c{name}\u201d is not in the quotes.")
    lowered = quoted.lower()
    for identifier in sorted(identifiers_in(said) - identifiers_in(quoted)):
        if identifier not in lowered or not all(part in have for part in _WORD.findall(identifier)):
            yield Departure(Kind.NAME, f"\u201c{identifier}\u201d is not in the quotes.")


def _nearest(claim: Sequence[Token], evidence: Sequence[list[Token]]) -> list[list[Token]]:
    """The sentences of the evidence that share most with the claim: all that share equally much, none without any."""
    wanted = Counter(token.key for token in claim)

    def shared(tokens: Sequence[Token]) -> float:
        weights = Counter(token.key for token in tokens) & wanted
        return sum(count * (1.0 if len(key) > 3 else 0.3) for key, count in weights.items())

    scores = [shared(tokens) for tokens in evidence]
    best = max(scores, default=0.0)
    near = [tokens for tokens, score in zip(evidence, scores, strict=True) if score > 0 and score >= _NEAR_SHARE * best]
    keys = list(dict.fromkeys(tuple(token.key for token in tokens) for tokens in near))
    return [next(tokens for tokens in near if tuple(token.key for token in tokens) == key) for key in keys]


def _along(evidence: Sequence[Token], claim: Sequence[Token]) -> list[Departure]:
    """The departures of the claim from one sentence."""
    left, right = list(evidence), list(claim)
    found: list[Departure] = []
    for move in range(_MOVES):
        # A word alone that stands elsewhere was not moved: “owners can, members cannot” is not “owners cannot, members can”.
        left, right, more, moved = _laid(left, right, least=_MOVED_TOKENS if move else 1)
        found.extend(more)
        if not moved or not left or not right:
            break
    return [
        *found,
        *_added(right, evidence),
        *_left_out(left),
        *_moved_alone(left, right, evidence),
        *_swapped(evidence, claim),
        *_crossed(evidence, claim),
    ]


def _laid(left: Sequence[Token], right: Sequence[Token], *, least: int) -> tuple[list[Token], list[Token], list[Departure], bool]:
    """What is left of both sides when the equal runs of at least `least` tokens are laid on each other, the facts exchanged in
    between, and whether any run was laid.
    """
    matcher = SequenceMatcher(None, [t.key for t in left], [t.key for t in right], autojunk=False)
    rest_left: list[Token] = []
    rest_right: list[Token] = []
    found: list[Departure] = []
    moved = False
    for operation, a, b, c, d in matcher.get_opcodes():
        old, new = list(left[a:b]), list(right[c:d])
        if operation == "equal" and b - a >= least:
            moved = True
            continue
        if operation == "replace" and len(old) <= _SMALL_BLOCK and len(new) <= _SMALL_BLOCK:
            old, new, exchanged = _exchanged(old, new)
            found.extend(exchanged or (_took_place(old, new, left) if least == 1 else ()))
        rest_left.extend(old)
        rest_right.extend(new)
    return rest_left, rest_right, found, moved


def _exchanged(old: list[Token], new: list[Token]) -> tuple[list[Token], list[Token], list[Departure]]:
    """The facts of one kind that stand on both sides with different groups; equal groups are taken off both sides."""
    found = []
    for token in list(new):
        same = next((other for other in old if _is_same(other, token)), None)
        if same is not None:
            old.remove(same)
            new.remove(token)
    for kind in Kind:
        stated, claimed = ([t for t in side if t.kind is kind] for side in (old, new))
        if kind is not Kind.WORD and stated and claimed and not _may_be_bare(stated[0].group, claimed[0].group):
            found.append(
                Departure(
                    kind, f"The claim says \u201c{claimed[0].shown}\u201d where the quote says \u201c{stated[0].shown}\u201d."
                )
            )
            old = [t for t in old if t.kind is not kind]
            new = [t for t in new if t.kind is not kind]
    for stated_unit, claimed_unit in product(old, new):
        units = unit_of(stated_unit.shown.lower()), unit_of(claimed_unit.shown.lower())
        if all(units) and units[0] != units[1] and not found and not _may_be_bare(*units):
            reason = f"The claim says “{claimed_unit.shown}” where the quote says “{stated_unit.shown}”."
            found.append(Departure(Kind.UNIT, reason))
    lost = next((token for token in old if token.kind is Kind.NAME), None)
    gained = next(
        (token for token in new if token.kind is Kind.WORD and token.shown[0].isupper() and token.key not in LITTLE), None
    )
    if lost is not None and gained is not None and not found:
        # A name that begins the claim looks like any other first word.
        found.append(Departure(Kind.NAME, f"The claim says “{gained.shown}” where the quote says “{lost.shown}”."))
    kind_lost = _kind_exchanged(old[0], new[0]) if len(old) == len(new) == 1 and not found else None
    if kind_lost is not None:
        return [], [], [Departure(kind_lost, f"The claim says “{new[0].shown}” where the quote says “{old[0].shown}”.")]
    return old, new, found


def _is_same(old: Token, new: Token) -> bool:
    """Whether two tokens state one fact, or are one word that is a name by its capital in one place alone."""
    if stem_of(old.shown.lower()) == stem_of(new.shown.lower()):
        return True
    return old.kind is new.kind is not Kind.WORD and old.group == new.group


def _is_content(token: Token) -> bool:
    return token.kind is Kind.NAME or (token.kind is Kind.WORD and token.key not in LITTLE)


def _moved_alone(left: Sequence[Token], right: Sequence[Token], evidence: Sequence[Token]) -> Iterator[Departure]:
    """A word that stands beside other words than in the sentence, where that has several numbers: it may have another's."""
    numbers = {token.group for token in evidence if token.kind is Kind.NUMBER}
    elsewhere = {token.key for token in left if token.kind is Kind.NUMBER or _is_content(token)}
    for token in right:
        if len(numbers) > 1 and token.key in elsewhere:
            yield Departure(Kind.WORD, f"The claim says “{token.shown}” of something else than the quote does.")


def _crossed(evidence: Sequence[Token], claim: Sequence[Token]) -> Iterator[Departure]:
    """A name with a number that the sentence gives in another clause, where the name's own clause has its own number."""
    numbers: dict[int, set[str]] = {}
    for token in evidence:
        if token.kind is Kind.NUMBER:
            numbers.setdefault(token.clause, set()).add(token.group)
    claimed = [token for token in claim if token.kind is Kind.NUMBER]
    first = next((place for place, token in enumerate(evidence) if token.kind is Kind.NUMBER), 0)
    led = {token.key for token in evidence[:first]}
    named = {token.key: token for token in claim if token.kind is Kind.NAME}
    own = {key: set[str]().union(*(numbers.get(t.clause, set()) for t in evidence if t.key == key)) for key in named}
    wrong = [key for key in named if own[key] and claimed and own[key].isdisjoint(token.group for token in claimed)]
    right = [key for key in named if key not in wrong and own[key] and key not in led]
    for key in wrong:
        # A name before the first number may be the subject of every clause.
        if key not in led or not right:
            reason = f"The quote gives another number than {claimed[0].shown} for “{named[key].shown}”."
            yield Departure(Kind.WORD, reason)


def _took_place(old: Sequence[Token], new: Sequence[Token], evidence: Sequence[Token]) -> Iterator[Departure]:
    """A word of the sentence that stands in another one's place."""
    stated, claimed = (list(filter(_is_content, side)) for side in (old, new))
    if len(stated) == len(claimed) == 1 and claimed[0].key in {token.key for token in evidence}:
        yield Departure(Kind.WORD, f"The claim says “{claimed[0].shown}” where the quote says “{stated[0].shown}”.")


def _swapped(evidence: Sequence[Token], claim: Sequence[Token]) -> Iterator[Departure]:
    """Facts that changed places: the words around them are the same, and the facts in them the same but elsewhere."""
    left, right = ([t.kind.value if t.kind in _PLACED else f"={t.key}" for t in side] for side in (evidence, claim))
    pairs = [
        (evidence[a + step], claim[c + step])
        for operation, a, b, c, _ in SequenceMatcher(None, left, right, autojunk=False).get_opcodes()
        for step in range(b - a if operation == "equal" else 0)
        if evidence[a + step].group != claim[c + step].group and evidence[a + step].kind in _PLACED
    ]
    if pairs and Counter(old.group for old, _ in pairs) == Counter(new.group for _, new in pairs):
        old, new = pairs[0]
        yield Departure(new.kind, f"The claim says “{new.shown}” where the quote says “{old.shown}”.")


def _kind_exchanged(old: Token, new: Token) -> Kind | None:
    """The kind of fact that is lost or brought in when one word stands for another; None when it may be the same said anew."""
    for token in (old, new):
        if token.kind in (Kind.NAME, Kind.NUMBER, Kind.UNIT, Kind.DATE):
            return token.kind
    return Kind.NAME if old.inside_capital and new.inside_capital else None


def _added(rest: Sequence[Token], evidence: Sequence[Token]) -> Iterator[Departure]:
    """What the claim has over the sentence: a negation always departs, a limit when the sentence has none."""
    groups = {token.group for token in evidence}
    for token in rest:
        if token.kind is Kind.NEGATION:
            yield Departure(Kind.NEGATION, f"The claim says \u201c{token.shown}\u201d, the quote does not.")
        elif token.kind is Kind.LIMIT and token.group in _STRONG_LIMITS and token.group not in groups:
            yield Departure(Kind.LIMIT, f"The claim says \u201c{token.shown}\u201d, the quote does not.")


def _left_out(rest: Sequence[Token]) -> Iterator[Departure]:
    """What the sentence has and the claim leaves out, so that it says more than the sentence: a negation, an exception."""
    for token in rest:
        if token.kind is Kind.NEGATION:
            yield Departure(Kind.NEGATION, f"The quote's sentence says \u201c{token.shown}\u201d, the claim does not.")
        elif token.kind is Kind.LIMIT and token.group in ("only", "unless"):
            yield Departure(Kind.LIMIT, f"The quote's sentence says \u201c{token.shown}\u201d, the claim does not.")


_STRONG_LIMITS = ("only", "unless", "always")
