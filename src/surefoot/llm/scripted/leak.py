"""The leaking model: every field of its reply is a copy of its prompt, plain and encoded."""

import base64
import json
import urllib.parse
from collections.abc import Callable

from surefoot.llm.scripted.dice import Dice
from surefoot.llm.scripted.prompt import ReadPrompt
from surefoot.llm.scripted.script import Script, draft_json, question_json

ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "reversed": lambda text: text[::-1],
    "url": lambda text: urllib.parse.quote(text, safe=""),
}
# Each encoding once, as a claim; the other fields and the longer codes make it more.
_LEAST_COPIES = len(ENCODINGS)
# Longer names fail a draft as a whole, and with it the copies in its other fields.
_LONGEST_ID_CHARACTERS = 200
_LEAST_SLICE_CHARACTERS = 40


def leak(prompt: ReadPrompt, dice: Dice, room: int) -> Script:
    """As much of the prompt as there is room for: the whole of it, else a slice that the dice choose.

    About half of the claims cite a real passage with an exact quote, so that only their own text can give them away.
    """
    length = max(_LEAST_SLICE_CHARACTERS, room // _LEAST_COPIES)
    while True:
        text = _copies(prompt, _slice(prompt.everything, dice, length), dice)
        if len(text.encode()) <= room or length <= _LEAST_SLICE_CHARACTERS:
            return Script(text)
        length = length * 2 // 3


def _copies(prompt: ReadPrompt, part: str, dice: Dice) -> str:
    if prompt.wants_question:
        return question_json(part)
    real = [(passage.chunk_id, passage.text.strip()[:120]) for passage in prompt.passages if passage.text.strip()]
    claims = []
    for encode in ENCODINGS.values():
        copy = encode(part)
        citation = dice.one_of(real) if real and dice.happens(50) else (copy[:_LONGEST_ID_CHARACTERS], copy)
        claims.append((copy, [citation]))
    actions = [{"name": part[:_LONGEST_ID_CHARACTERS], "arguments": json.dumps({"copy": part})}]
    cannot_answer = {"reason": "not_in_passages", "missing": part} if dice.happens(20) else None
    return draft_json(claims, actions=actions, cannot_answer=cannot_answer)


def _slice(text: str, dice: Dice, length: int) -> str:
    if len(text) <= length:
        return text
    start = dice.below(len(text) - length + 1)
    return text[start : start + length]
