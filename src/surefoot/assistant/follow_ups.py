"""A follow-up question, rewritten by rules so that it stands alone: for retrieval, for the answer and for a person to read."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from surefoot.assistant.leaning import Kind, Leaning, language_of, leaning
from surefoot.domain.conversations import Turn
from surefoot.domain.lexicon import terms
from surefoot.domain.stop_words import STOP_WORDS

LONGEST_REWRITTEN_CHARACTERS = 400
_LONGEST_SLOT_WORDS = 5
_END = " \t\r\n?!.\u2026\u00bf\u00a1"

# What stands before the subject or the act in a question: question words, auxiliaries, the asker.
_LEAD = re.compile(
    r"^\W*(?:(?:what|when|where|why|how|who|whom|which|long|much|many|often|soon|far|fast|quickly|late|early|old|large|big|high|is|"
    r"are|am|was|were|be|do|does|did|can|could|will|would|should|shall|may|might|must|need|have|has|i|we|you|one|someone|somebody|"
    r"people|it|possible|allowed|there|to|please|tell|me|know|want|like|happens|happen|if|exactly|also|until|by|since|for|at|on|in)"
    r"\b[\s,]*)+",
    re.IGNORECASE,
)
_ACTOR_AT_END = re.compile(
    r"\b(?:i|we|you|one|someone|somebody|people|who|to|(?:who|how)\s+(?:may|can|could|must|should))\W*$", re.IGNORECASE
)
_DETERMINER = re.compile(r"(?:an?|the|my|our|your|their|each|every|all|any)\s", re.IGNORECASE)
_PARTICLES = re.compile(r"^(?:\w+\s+(?:up|off|out|back|down|away|over)\s+|\w+\s+)", re.IGNORECASE)
# After a subject these are its verb; the list is short on purpose, a subject cut too late only keeps a word more.
_VERB = re.compile(
    r"\s+(?:take|takes|cost|costs|work|works|last|lasts|need|needs|arrive|arrives|run|runs|expire|expires|happen|start|starts|end|"
    r"ends|apply|applies|mean|means|reach|become|stay|stays|go|goes|get|gets|include|includes|have|has|is|are|be|do|does|can|may|must|"
    r"allow|allows|affect|show|contain|contains|use|uses|keep|kept|sent|made|charged|billed|deleted|stored|"
    r"remembered|valid|when|if|after|before|until|while|because|and|but|that|which)\b",
    re.IGNORECASE,
)
_AUXILIARY_INSIDE = re.compile(
    r"\b(?:do|does|did|is|are|can|may|must|will)\s+((?:an?|the|my|our|your)\s.*)", re.IGNORECASE | re.DOTALL
)
_STOP_WORDS = tuple(STOP_WORDS[language] for language in ("en", "de", "es"))
_PLURAL = frozenset({"they", "them", "their", "theirs", "these", "those"})
# "How long does that take?" asks of the act rather than of the thing.
_OF_ACTS = frozenset({"this", "that"})
_SLOT = re.compile(r"^(by|on|for|with|in|from|at|without|per|during|bei|mit|für|per|ohne|con|para|por|sin)\s+\S", re.IGNORECASE)
_NAME = re.compile(r"(?<=\s)[A-Z][\w&-]*(?:\s+[A-Z][\w&-]*)*")
_NAME_ALONE = re.compile(r"(?:the\s+)?([A-Z][\w&-]*(?:\s+[A-Z][\w&-]*)*)(?:\s+plan)?\Z")


@dataclass(frozen=True, slots=True)
class Standalone:
    """A question that can be understood without what came before. `because` says why it was rewritten; empty when it was not."""

    question: str
    is_rewritten: bool
    because: str


def standalone(question: str, turns: Sequence[Turn], locale: str) -> Standalone:
    """The question so that it stands alone, given the turns before it, oldest first.

    One that stands alone already, or has nothing before it, comes back exactly as it is. A pronoun is replaced by what the
    question before was about; half a sentence is put in the place of its like there, or added to it.
    """
    unchanged = Standalone(question, is_rewritten=False, because="")
    before = turns[-1].standalone_question.strip() if turns else ""
    if not before or len(question) + len(before) > LONGEST_REWRITTEN_CHARACTERS:
        return unchanged
    found = leaning(question, locale)
    if found is None:
        return unchanged
    added = _added_by(turns[-1])
    rewritten = _merged(before, added, found) if found.kind is Kind.ELLIPSIS else _resolved(before, found, locale)
    rewritten = " ".join(rewritten.split())
    if not rewritten:
        return unchanged
    return Standalone(rewritten, is_rewritten=True, because=found.because)


def _added_by(turn: Turn) -> str:
    """What the turn itself had added to the question before it: the next half sentence stands in its place."""
    _, comma, added = turn.standalone_question.rstrip(_END).rpartition(", ")
    return added if comma and turn.standalone_question != turn.question and added in turn.question else ""


def _merged(before: str, added: str, found: Leaning) -> str:
    """The earlier question with the new words in the place of those like them, or after it."""
    rest, base = _in_the_middle(found.rest.strip(_END)), before.strip(_END)
    if not rest:
        return ""
    mark = "¿" if before.startswith("¿") else ""
    if added:
        base = base.removesuffix(f", {added}")
    slot = _SLOT.match(rest)
    if slot:
        places = list(re.finditer(rf"\b{re.escape(slot[1])}\s+", base, re.IGNORECASE))
        if places and places[-1].start() and len(base[places[-1].start() :].split()) <= _LONGEST_SLOT_WORDS:
            return f"{mark}{base[: places[-1].start()]}{rest}?"
    name = _NAME_ALONE.match(rest)
    named = list(_NAME.finditer(base))
    if name and len(named) == 1:
        return f"{mark}{base[: named[0].start()]}{name[1]}{base[named[0].end() :]}?"
    return f"{mark}{base}, {rest}?"


def _in_the_middle(words: str) -> str:
    """The words as they stand within a sentence: a first word that every sentence could begin with loses its capital."""
    first = words.split(maxsplit=1)[0] if words else ""
    is_name = first[1:] != first[1:].lower() or not any(first.lower() in known for known in _STOP_WORDS)
    return words if is_name else words[:1].lower() + words[1:]


def _resolved(before: str, found: Leaning, locale: str) -> str:
    """The follow-up with what it points to named."""
    rest = found.rest.strip()
    body = rest.rstrip(_END)
    if language_of(before, locale) == "en":
        pointing = rest[found.start : found.end].lower()
        noun, act = topic(before, is_plural=pointing in _PLURAL)
        if found.kind is Kind.ACT and act and rest[found.start :].lower().startswith("do "):
            return f"{rest[: found.start]}{act}{rest[found.end :]}"
        if pointing in _OF_ACTS:
            return f"{body} ({act or before.strip(_END)})?"
        if found.kind is Kind.PRONOUN and noun:
            named = f"{noun}'s" if found.is_possessive else noun
            return f"{rest[: found.start]}{named}{rest[found.end :]}"
        return f"{body} ({act or noun or before.strip(_END)})?"
    return f"{body} ({before.strip(_END)})?"


def topic(question: str, *, is_plural: bool = False) -> tuple[str, str]:
    """What an English question is about, as a noun phrase, and the act it asks for; each empty when it has none.

    `Can I get a refund by bank transfer?` gives `a refund by bank transfer` and `get a refund by bank transfer`. Of
    `How many rows may an import have?` the plural is `rows`, the singular `an import`.
    """
    text = question.strip(_END)
    lead = _LEAD.match(text)
    body = text[lead.end() :] if lead else text
    if not terms(body, "en"):
        return "", ""
    if lead and _ACTOR_AT_END.search(lead[0]) and not _DETERMINER.match(body):
        noun = _PARTICLES.sub("", body, count=1)
        noun = re.split(r"\s+(?:when|if|after|before|until|while|because)\b", noun, maxsplit=1)[0]
        return (noun if terms(noun, "en") else body), body
    inside = None if is_plural else _AUXILIARY_INSIDE.search(body)
    subject = inside[1] if inside else body
    cuts = (match.start() for match in _VERB.finditer(subject))
    return next((subject[:cut] for cut in cuts if terms(subject[:cut], "en")), subject), ""
