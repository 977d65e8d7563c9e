"""What a scripted model is going to say, and in what manner."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from surefoot.llm.scripted.dice import Dice
from surefoot.llm.scripted.prompt import ReadPrompt

CHARACTERS_PER_TOKEN = 4


class Ending(StrEnum):
    """What comes after the text: nothing, the same text without end, or silence with the line held open."""

    DONE = "done"
    REPEATS = "repeats"
    HANGS = "hangs"


@dataclass(frozen=True, slots=True)
class Script:
    """A text and how it ends."""

    text: str
    ending: Ending = Ending.DONE


# From a prompt, dice and the room for output in characters to what is said.
Brain = Callable[[ReadPrompt, Dice, int], Script]


def draft_json(
    claims: Iterable[tuple[str, Sequence[tuple[str, str]]]],
    *,
    actions: Sequence[Mapping[str, str]] = (),
    cannot_answer: Mapping[str, str] | None = None,
) -> str:
    """A draft as JSON text: each claim with the chunk id and quote of each of its citations."""
    draft = {
        "claims": [
            {"text": text, "citations": [{"chunk_id": chunk_id, "quote": quote} for chunk_id, quote in citations]}
            for text, citations in claims
        ],
        "actions": list(actions),
        "cannot_answer": cannot_answer,
    }
    return json.dumps(draft, ensure_ascii=False)


def question_json(question: str) -> str:
    """A stand-alone question as JSON text."""
    return json.dumps({"question": question}, ensure_ascii=False)
