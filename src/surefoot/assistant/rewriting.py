"""A follow-up question, rewritten by a model: what it is told of the conversation, and what of its reply is believed."""

import re
from collections.abc import Sequence

from surefoot.assistant.facts import Facts, facts_of
from surefoot.assistant.follow_ups import LONGEST_REWRITTEN_CHARACTERS
from surefoot.assistant.leaning import language_of
from surefoot.core.errors import InvalidInput
from surefoot.core.strict_json import parse_json
from surefoot.domain.conversations import Turn
from surefoot.domain.lexicon import terms

_LONGEST_SHOWN_CHARACTERS = 600
# A model may inflect a word or add a small one; more than these it has from somewhere else.
_MOST_NEW_TERMS = 2
_LINK = re.compile(r"https?:|www\.|\]\(|[<>{}`]|\b[\w-]+\.(?:com|net|org|io|example)\b", re.IGNORECASE)


def rewrite_messages(history: Sequence[Turn], question: str, *, nonce: str) -> str:
    """The user's message for the prompt `standalone_question`: the turns, oldest first, and the question last.

    `nonce` are 12 hexadecimal digits that occur in none of the texts (ValueError), so that none of them can end its own fence.
    """
    told = [_told(turn) for turn in history]
    if any(nonce in text for text in (*told, question)):
        raise ValueError(f"The nonce {nonce!r} occurs in the conversation; draw another.")
    earlier = "\n\n".join(told)
    return f"<history-{nonce}>\n{earlier}\n</history-{nonce}>\n<question-{nonce}>\n{question}\n</question-{nonce}>"


def _told(turn: Turn) -> str:
    shown = " ".join(turn.shown)[:_LONGEST_SHOWN_CHARACTERS]
    return f"Asked: {turn.standalone_question}\nAnswered: {shown or 'nothing was shown'}"


def parse_rewrite(text: str, question: str, history: Sequence[Turn], locale: str) -> str | None:
    """The question in a model's reply, or None when it is not to be believed: then the rules rewrite.

    Believed is `{"question": "..."}` of one line without links that keeps every content word, number and negation of the
    follow-up, and names no number, name or identifier that was not said in the conversation.
    """
    found = _question_in(text)
    if found is None or not found or len(found) > LONGEST_REWRITTEN_CHARACTERS or not found.isprintable() or _LINK.search(found):
        return None
    language = language_of(question, locale)
    said = "\n".join((question, *(part for turn in history for part in (turn.question, turn.standalone_question, *turn.shown))))
    own, kept = set(terms(question, language)), set(terms(found, language))
    if not own <= kept or len(kept - set(terms(said, language))) > _MOST_NEW_TERMS:
        return None
    return found if _adds_no_fact(facts_of(found), facts_of(question), facts_of(said), said.lower()) else None


def _question_in(text: str) -> str | None:
    try:
        reply = parse_json(text.strip().encode("utf-8", "surrogatepass"))
    except InvalidInput:
        return None
    if not isinstance(reply, dict) or set(reply) != {"question"} or not isinstance(reply["question"], str):
        return None
    return str(reply["question"]).strip()


def _adds_no_fact(found: Facts, asked: Facts, said: Facts, said_text: str) -> bool:
    named = found.names | found.identifiers
    return found.numbers <= said.numbers and found.negations == asked.negations and all(name in said_text for name in named)
