"""A question that takes for granted what its sources deny: found, and said, rather than agreed with.

English only. A wrong correction is worse than none, so every doubt ends in None: a range that holds the number, a limit it keeps,
an exception, a sentence that may be of something else, a person telling what happened to them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from surefoot.assistant.facts import Facts, Quantity, facts_of
from surefoot.assistant.leaning import language_of
from surefoot.domain.answers import Citation
from surefoot.domain.lexicon import primary_language, terms
from surefoot.domain.sentences import plain, sentences

_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "wk": 604_800.0, "mo": 2_629_746.0, "y": 31_556_952.0}
# Who writes more than this tells a story; a premise in it is not what is asked.
_LONGEST_LOOKED_AT_CHARACTERS = 400
_SAME_LENGTH = 0.05
_FEWEST_TERMS_OF_A_TOPIC = 2
_TERMS_WITH_ONE_TO_SPARE = 4

# What a person states rather than asks. Group 1 is the statement.
_TO_THE_END = r"(?:[^;?.]|\.(?=\d)){6,400}"
_CLAUSE = r"(?:[^,;?.]|[.,](?=\d)){6,400}"
_STATED = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"^\W*(?:since|because|as|given that|given|now that|seeing that|considering that|assuming that|assuming)\s+({_CLAUSE}),",
        rf",\s*(?:since|because|given that|now that|seeing that|considering that)\s+({_CLAUSE})",
        rf"\b(?:is|isn't) it (?:\w+ )?(?:true|correct|right) that\s+({_TO_THE_END})",
        rf"^\W*(?:so )?({_CLAUSE}),\s*(?:right|correct|isn't it|doesn't it|don't they|aren't they|is that (?:right|true))\W*$",
        rf"\b(?:i|we) (?:thought|read|heard|know|believe|understand|was told|were told)\s+(?:that )?({_CLAUSE})",
        rf"\bif (?:it is|it's) true that\s+({_CLAUSE})",
    )
)
_ASKED_WHY = re.compile(
    rf"^\W*(?:(?:and|but|so)\s+)?(?:why|how come|for what reason)\s+"
    rf"(?:(?:do|does|did|is|are|was|were|must|has|have)\b)?\s*({_TO_THE_END})",
    re.IGNORECASE,
)
_THE_NUMBER = re.compile(
    r"\b(?:the|your|those|these)\s+(\d{1,6}[\s-](?:business |calendar |working )?(?:second|minute|hour|day|week|month|year)s?"
    r"(?:\s+(?!(?:to|for|of|and|after|before|in|is|are|has|have)\b)[a-z]+){1,2})",
    re.IGNORECASE,
)
_FIRST_PERSON = re.compile(r"\b(?:i|i'm|i've|we|we're|we've|me|us|my|our|mine|ours)\b", re.IGNORECASE)
# With these words a number is weighed or wished for, not taken for granted.
_WEIGHED = re.compile(
    r"\b(?:or|versus|vs|between|instead of|rather than|not \d|more than|less than|fewer than|over|under|at least|at most|"
    r"up to|about|around|roughly|almost|nearly|maybe|perhaps|from \S+ to|another|additional)\b",
    re.IGNORECASE,
)
_HAPPENED = re.compile(
    r"\b(?:did|didn't|was|wasn't|were|weren't|had|(?:has|have)(?! to\b)|haven't|hasn't|got|lost|paid|waited|been|sent|"
    r"received)\b",
    re.IGNORECASE,
)
_EXCEPTION = re.compile(
    r"\b(?:unless|except|exception|only|if|until|before|when|once|other than|but|however|although|while|as long as|instead|some|"
    r"most|usually|often|sometimes|may|might|by default|yet)\b",
    re.IGNORECASE,
)
_REASON = re.compile(r",?\s+(?:because|since|so that|as)\b.*", re.IGNORECASE | re.DOTALL)
_AT_MOST = re.compile(
    r"\b(?:up to|at most|within|maximum|max|no more than|or less|not exceed|until|below|under|less than|limit)\b", re.I
)
_AT_LEAST = re.compile(r"\b(?:at least|from|starts? at|minimum|more than|or more|over|above|not below|not less)\b", re.IGNORECASE)
_SPAN = re.compile(r"\b(\d[\d,.]*)\s*(?:to|-|\u2013|and|bis)\s*(\d[\d,.]*)")
# Verbs that say no more than "is": a statement and its source need not share them.
_LINKING = frozenset(
    terms("take last cost arrive need get include allow reach become valid run stay work require come amount make give")
)
_BARE_KINDS = frozenset({"time", "%", "usd", "eur", "gbp"})
_OF_TIME = frozenset(terms("second minute hour day week month year business calendar working time percent dollar euro usd eur"))
_WRITTEN = re.compile(
    r"[$€£]\s?\d[\d.,]*\d|[$€£]\s?\d|\b\d[\d.,]*(?:\s?[%€$£]|[\s-](?:(?:business|working|calendar) )?[a-z]+)"
    r"|\b[a-z]+[\s-](?:(?:business|working|calendar) )?[a-z]+",
    re.IGNORECASE,
)
_LINKED = re.compile(
    r"\W*(?:[\w-]+\W+){0,3}?(?:of|is|are|lasts?|takes?|costs?|arrives?|includes?|"
    r"has|have|needs?|runs?|valid for|works? for|kept for)\W+(?:\w+\W+){0,2}?$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Correction:
    """What the question has wrong. `note` is a sentence of ours to show before the claims; `citation` says how it is."""

    note: str
    citation: Citation


@dataclass(frozen=True, slots=True)
class _Premise:
    """What a question takes for granted: the words, what they are about, and their facts. `may_deny` when it is put forward
    as a statement, so that a "not" in the source speaks against it.
    """

    words: str
    topic: frozenset[str]
    facts: Facts
    may_deny: bool


def false_premise(question: str, cited: Sequence[Citation], locale: str) -> Correction | None:
    """The correction when a cited sentence contradicts what the question takes for granted; None when in any doubt."""
    if len(question) > _LONGEST_LOOKED_AT_CHARACTERS or language_of(question, locale) != "en":
        return None
    sources = [(citation, sentence) for citation in cited for sentence in _sentences(citation)]
    for premise in _premises(plain(question)):
        if any(_agrees(premise, citation, sentence) for citation, sentence in sources):
            continue
        for citation, sentence in sources:
            note = _contradicted(premise, citation, sentence)
            if note:
                return Correction(note, citation)
    return None


def _sentences(citation: Citation) -> Iterator[str]:
    if primary_language(citation.locale) in ("", "en"):
        for start, end in sentences(citation.quote):
            yield plain(citation.quote[start:end])


def _premises(question: str) -> Iterator[_Premise]:
    for pattern in _STATED:
        for match in pattern.finditer(question):
            yield from _premise(match[1], may_deny=True)
    why = _ASKED_WHY.search(question)
    if why and not _FIRST_PERSON.search(why[1]):
        yield from _premise(why[1], may_deny=False)
    for match in _THE_NUMBER.finditer(question):
        yield from _premise(match[1], may_deny=False)


def _premise(words: str, *, may_deny: bool) -> Iterator[_Premise]:
    facts = facts_of(words.replace("-", " "))
    if _FIRST_PERSON.search(words) and _HAPPENED.search(words):
        return
    numbers = {term for term in terms(words) if term[0].isdigit()}
    topic = frozenset(terms(words.replace("-", " "))) - _LINKING - _OF_TIME - numbers - _spelled(words)
    if topic:
        yield _Premise(words.strip(), topic, facts, may_deny)


def _spelled(words: str) -> frozenset[str]:
    """The terms of the words that are numbers themselves ("three")."""
    return frozenset(term for word in words.split() for term in terms(word) if facts_of(f"{word} days").quantities)


def _agrees(premise: _Premise, citation: Citation, sentence: str) -> bool:
    """Whether a sentence has the premise's very number, or is about it and states a range or limit that holds it: then nothing
    is corrected, whatever the others say.
    """
    said = facts_of(sentence)
    if _measures(premise.facts) & _measures(said) or premise.facts.dates & said.dates:
        return True
    if not _is_about(premise, citation, sentence):
        return False
    if any(quantity.value in said.numbers for quantity in premise.facts.quantities if quantity.unit):
        return True
    return any(
        _keeps(value, others, sentence)
        for kind, value in _measures(premise.facts)
        if (others := sorted(amount for each, amount in _measures(said) if each == kind))
    )


def _is_about(premise: _Premise, citation: Citation, sentence: str) -> bool:
    """Whether the sentence, under its headings, speaks of what the premise speaks of, all names included."""
    own, headings = frozenset(terms(sentence)), f"{citation.title} {citation.heading}"
    words = frozenset(re.findall(r"\w+", f"{sentence} {headings}".lower()))
    spare = 1 if len(premise.topic) >= _TERMS_WITH_ONE_TO_SPARE else 0
    return (
        premise.facts.names <= words
        and len(premise.topic - own - frozenset(terms(headings))) <= spare
        and len(premise.topic & own) * 2 >= len(premise.topic)
    )


def _contradicted(premise: _Premise, citation: Citation, sentence: str) -> str:
    """The note when the sentence is about the premise and says otherwise; else nothing."""
    if not _is_about(premise, citation, sentence):
        return ""
    said = facts_of(sentence)
    quantity = _other_quantity(premise, sentence, said)
    if quantity:
        return f"Your question says {quantity}; the document says otherwise:"
    if len(premise.topic) < _FEWEST_TERMS_OF_A_TOPIC or not premise.topic <= frozenset(terms(sentence)):
        return ""
    month = _other_month(premise, said)
    if month:
        return f"Your question names {month}; the document says otherwise:"
    return "The document says otherwise than your question:" if _denied(premise, sentence) else ""


def _measures(facts: Facts) -> frozenset[tuple[str, float]]:
    """Every quantity with a unit, on the scale of its kind: times in seconds, the rest as they are."""
    return frozenset(measure for quantity in facts.quantities if (measure := _measure(quantity)) is not None)


def _measure(quantity: Quantity) -> tuple[str, float] | None:
    if not quantity.unit or quantity.unit == "version":
        return None
    scale = _SECONDS.get(quantity.unit)
    return ("time", float(quantity.value) * scale) if scale else (quantity.unit, float(quantity.value))


def _other_quantity(premise: _Premise, sentence: str, said: Facts) -> str:
    """The premise's quantity, as it is written there, when the sentence states another for the same; else nothing."""
    own = premise.facts.quantities - said.quantities
    measure = _measure(next(iter(own))) if len(own) == 1 else None
    if measure is None or _WEIGHED.search(premise.words):
        return ""
    kind, value = measure
    others = sorted(amount for each, amount in _measures(said) if each == kind)
    span = _SPAN.search(sentence)
    if not others or len(others) > (2 if span else 1) or _keeps(value, others, sentence):
        return ""
    # A bare number may be of the same unit, of something else ("Starter 120 requests, Growth 600").
    if not span and any(not quantity.unit for quantity in said.quantities - premise.facts.quantities):
        return ""
    # A time or a price says nothing of what it is the time or price of; "10 seats" does.
    is_thin = len(premise.topic) < _FEWEST_TERMS_OF_A_TOPIC and kind in _BARE_KINDS
    if is_thin and not _is_linked(premise, sentence):
        return ""
    return next(
        (match[0] for match in _WRITTEN.finditer(premise.words) if own <= facts_of(match[0].replace("-", " ")).quantities), ""
    )


def _keeps(value: float, others: Sequence[float], sentence: str) -> bool:
    """Whether the value is one of the others, or lies in the range or under the limit that the sentence states."""
    if any(abs(value - amount) <= _SAME_LENGTH * max(value, amount) for amount in others):
        return True
    span = _SPAN.search(sentence)
    if span and len(others) == 2:
        return others[0] <= value <= others[1]
    if span:
        # Only the upper end carries the unit ("5 to 10 days"); the lower one is the same share of it.
        low, high = (float(part.replace(",", "").rstrip(".") or 0) for part in span.groups())
        return high > 0 and low / high * others[-1] <= value <= others[-1]
    if _AT_MOST.search(sentence) and value <= others[0]:
        return True
    return bool(_AT_LEAST.search(sentence)) and value >= others[-1]


def _is_linked(premise: _Premise, sentence: str) -> bool:
    """Whether the one word the premise is about is what the sentence's number is said of ("a trial of 21 days")."""
    for match in re.finditer(r"[^\W\d]+", sentence):
        if not premise.topic.issuperset(terms(match[0])) or not terms(match[0]):
            continue
        after = re.compile(r"[$€£]?\d").search(sentence, match.end())
        if after and _LINKED.fullmatch(sentence[match.end() : after.start()]):
            return True
    return False


def _other_month(premise: _Premise, said: Facts) -> str:
    if len(premise.facts.dates) == 1 and len(said.dates) == 1 and premise.facts.dates.isdisjoint(said.dates):
        return next((word for word in premise.words.split() if facts_of(word).dates == premise.facts.dates), "")
    return ""


def _denied(premise: _Premise, sentence: str) -> bool:
    """Whether exactly one of the two says "not", every word of the premise is in the sentence, and it makes no exception that
    the premise does not make as well.
    """
    words = premise.words.lower()
    if not premise.may_deny or premise.facts.quantities or _HAPPENED.search(words):
        return False
    statement = _REASON.sub("", sentence)
    if not frozenset(terms(words)) <= frozenset(terms(statement)):
        return False
    if any(match[0].lower() not in words.split() for match in _EXCEPTION.finditer(statement)):
        return False
    return premise.facts.negations + facts_of(statement).negations == 1
