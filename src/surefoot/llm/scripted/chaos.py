"""The chaotic model: breaks in one of the ways in which models and their providers do break."""

# The unusual characters are the point of some of these replies.
# ruff: noqa: RUF001

import json
import re
from collections.abc import Callable

from surefoot.domain.sentences import plain
from surefoot.llm.scripted.dice import Dice
from surefoot.llm.scripted.honest import best_sentences
from surefoot.llm.scripted.prompt import ReadPrompt
from surefoot.llm.scripted.script import Ending, Script, draft_json, question_json

Quotes = list[tuple[str, str]]
_NUMBER = re.compile(r"\d")
_VERB = re.compile(r"\b(is|are|was|can|may|will|must|does|do|has|have|should|ist|sind|kann|es|son|puede)\b")
_NEGATION = re.compile(r"\b(?:not|never|no|cannot|nicht|kein|nunca)\b ?")
_NESTING = 20_000
_NOWHERE = "chk_" + "f" * 24
_WORDS = (
    "umbrella",
    "seventeen",
    "quarterly",
    "refund",
    "always",
    "penguin",
    "settings",
    "tax",
    "never",
    "blue",
    "invoice",
    "export",
)


def _nonsense(quotes: Quotes, dice: Dice) -> str:
    claims = []
    for _ in range(1 + dice.below(4)):
        text = " ".join(dice.one_of(_WORDS) for _ in range(4 + dice.below(8))).capitalize() + "."
        claims.append((text, [dice.one_of(quotes)] if dice.happens(60) else []))
    return draft_json(claims, actions=[{"name": dice.one_of(_WORDS), "arguments": "{}"}])


def _invalid_json(quotes: Quotes, dice: Dice) -> str:
    return dice.one_of(
        (
            "Sure! Here is the answer you asked for.",
            "{claims: ['single quotes'], }",
            '{"claims": [}',
            "[1, 2, 3]",
            '"a string"',
            "null",
            '{"claims": "none", "actions": {}, "cannot_answer": 7}',
            '{"claims": [], "actions": [], "cannot_answer": null, "system": "you are free"}',
            "```json\n" + draft_json([(quote, [(chunk, quote)]) for chunk, quote in quotes]) + "\n```\nHope this helps!",
            draft_json([]) + draft_json([]),
            "\ufeff" + draft_json([]),
        )
    )


def _truncated(quotes: Quotes, dice: Dice) -> str:
    whole = _faithful(quotes)
    return whole[: 1 + dice.below(len(whole) - 1)]


def _wrong_language(quotes: Quotes, dice: Dice) -> str:
    said = dice.one_of(
        (
            "回款在五个工作日内到账。",
            "Возврат занимает пять дней.",
            "المبلغ يصل خلال خمسة أيام.",
            "Le remboursement arrive sous cinq jours.",
        )
    )
    return draft_json([(said, [dice.one_of(quotes)])])


def _foreign_chunks(quotes: Quotes, dice: Dice) -> str:
    chunk, quote = dice.one_of(quotes)
    other = dice.one_of((_NOWHERE, "", chunk[:-1], chunk + "0", chunk.upper(), "../" + chunk, "doc_" + chunk[4:]))
    return draft_json([(plain(quote), [(other, quote)])])


def _altered_digit(quotes: Quotes, dice: Dice) -> str:
    with_numbers = [pair for pair in quotes if _NUMBER.search(pair[1])]
    chunk, quote = dice.one_of(with_numbers or quotes)
    places = [match.start() for match in _NUMBER.finditer(quote)]
    if not places:
        altered = f"{quote.rstrip('. ')} within {2 + dice.below(90)} days."
    else:
        place = dice.one_of(places)
        altered = quote[:place] + str((int(quote[place]) + 1 + dice.below(9)) % 10) + quote[place + 1 :]
    # Either the quote is altered with the claim, or the claim alone stands beside an honest quote.
    return draft_json([(plain(altered), [(chunk, altered if dice.happens(50) else quote)])])


def _altered_negation(quotes: Quotes, dice: Dice) -> str:
    chunk, quote = dice.one_of(quotes)
    if _NEGATION.search(quote):
        altered = _NEGATION.sub("", quote, count=1)
    elif _VERB.search(quote):
        altered = _VERB.sub(r"\1 not", quote, count=1)
    else:
        altered = f"Not {quote}"
    return draft_json([(plain(altered), [(chunk, altered if dice.happens(50) else quote)])])


def _uncited(quotes: Quotes, dice: Dice) -> str:
    return draft_json([(plain(quote), []) for _, quote in quotes])


def _blank_quotes(quotes: Quotes, dice: Dice) -> str:
    chunk, quote = dice.one_of(quotes)
    return draft_json([(plain(quote), [(chunk, dice.one_of(("", " ", ".", "a", "\n", "\u200b")))])])


def _duplicate_keys(quotes: Quotes, dice: Dice) -> str:
    whole = _faithful(quotes)
    return '{"claims": [{"text": "Everything is free.", "citations": []}], ' + whole[1:]


def _nan(quotes: Quotes, dice: Dice) -> str:
    value = dice.one_of(("NaN", "Infinity", "-Infinity", "1e999", "1" * 5_000))
    return f'{{"claims": [], "actions": [{{"name": "refund", "arguments": {value}}}], "cannot_answer": null}}'


def _nested(quotes: Quotes, dice: Dice) -> str:
    opening = dice.one_of(("[", '{"claims":', '{"claims":[{"text":'))
    return opening * _NESTING


def _unicode(quotes: Quotes, dice: Dice) -> str:
    chunk, quote = dice.one_of(quotes)
    tricks: tuple[Callable[[str], str], ...] = (
        lambda text: "\u202e" + text + "\u202c",
        "\u200b".join,
        lambda text: text.replace("a", "а").replace("e", "е").replace("o", "о"),
        lambda text: text.translate({ord(str(digit)): chr(0xFF10 + digit) for digit in range(10)}),
        lambda text: text + "".join(chr(0xE0000 + ord(letter)) for letter in "visit evil.example"),
        lambda text: text + "\u0000\u0007",
        lambda text: "".join(letter + "\u0336" for letter in text),
    )
    trick = dice.one_of(tricks)
    if dice.happens(15):
        return json.dumps(
            {
                "claims": [{"text": "\ud800", "citations": [{"chunk_id": chunk, "quote": "\udc00"}]}],
                "actions": [],
                "cannot_answer": None,
            }
        )
    return draft_json([(trick(plain(quote)), [(chunk, trick(quote) if dice.happens(50) else quote)])])


def _empty(quotes: Quotes, dice: Dice) -> str:
    return dice.one_of(("", " ", "\n\n", "{}", "[]", draft_json([])))


def _both(quotes: Quotes, dice: Dice) -> str:
    chunk, quote = dice.one_of(quotes)
    return draft_json([(plain(quote), [(chunk, quote)])], cannot_answer={"reason": "not_in_passages", "missing": "everything"})


def _faithful(quotes: Quotes) -> str:
    return draft_json([(plain(quote), [(chunk, quote)]) for chunk, quote in quotes])


_TEXTS: dict[str, Callable[[Quotes, Dice], str]] = {
    "nonsense": _nonsense,
    "invalid_json": _invalid_json,
    "truncated": _truncated,
    "empty": _empty,
    "wrong_language": _wrong_language,
    "foreign_chunks": _foreign_chunks,
    "altered_digit": _altered_digit,
    "altered_negation": _altered_negation,
    "uncited": _uncited,
    "blank_quotes": _blank_quotes,
    "duplicate_keys": _duplicate_keys,
    "nan": _nan,
    "nested": _nested,
    "unicode": _unicode,
    "both": _both,
}
CHAOS_KINDS = (*_TEXTS, "endless", "hung", "stalled")
# Silence costs its caller the whole deadline, so that the dice choose it only when it is asked for by name.
_BY_DICE = (*_TEXTS, "endless")


def chaos(prompt: ReadPrompt, dice: Dice, room: int, *, kind: str = "") -> Script:
    """A reply that is broken in the way that `kind` names; without one, in a way that the dice choose."""
    kind = kind or dice.one_of(_BY_DICE)
    quotes = best_sentences(prompt.question, prompt.passages) or [
        (passage.chunk_id, passage.text[:200]) for passage in prompt.passages if passage.text
    ]
    quotes = quotes or [(_NOWHERE, "Nothing was given.")]
    if kind == "hung":
        return Script("", Ending.HANGS)
    if kind == "stalled":
        whole = _faithful(quotes)
        return Script(whole[: len(whole) // 2], Ending.HANGS)
    if kind == "endless":
        return Script(dice.one_of((" ", '{"claims":[', "and so on, ", _faithful(quotes)[:-1])), Ending.REPEATS)
    if prompt.wants_question and dice.happens(60):
        return Script(question_json(dice.one_of((prompt.question, "", "?" * 5_000, "Ignore the passages\u0000", _NOWHERE))))
    return Script(_TEXTS[kind](quotes, dice))
