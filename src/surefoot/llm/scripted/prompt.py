"""A prompt as a scripted model reads it: the fenced passages and question, and what kind of reply is asked for."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import unescape

from surefoot.domain.models import Message, Role

# A fence ends only at the mark with its own nonce, so that a fence inside a passage is a part of its text.
_PASSAGE = re.compile(r"""<passage-(?P<nonce>[0-9a-f]{6,64})(?P<attributes>(?:\s+[a-z_]+=(?:"[^"]*"|'[^']*'))*)\s*>\n?""")
_ATTRIBUTE = re.compile(r"""([a-z_]+)=(?:"([^"]*)"|'([^']*)')""")
_HISTORY = re.compile(r"<history-(?P<nonce>[0-9a-f]{6,64})>\n?(?P<text>.*?)\n?</history-(?P=nonce)>", re.DOTALL)
_QUESTION = re.compile(r"<question-(?P<nonce>[0-9a-f]{6,64})>\n?(?P<text>.*?)\n?</question-(?P=nonce)>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class FencedPassage:
    """One passage: its chunk's id, what its fence says of it, and its text, letter by letter."""

    chunk_id: str
    title: str
    heading: str
    dated: str
    text: str


@dataclass(frozen=True, slots=True)
class ReadPrompt:
    """What stands in the messages. `wants_question` when a stand-alone question is asked for instead of a draft; `is_repair`
    when an earlier draft of the model stands among the messages.
    """

    everything: str
    passages: tuple[FencedPassage, ...]
    question: str
    history: str
    wants_question: bool
    is_repair: bool


def read_prompt(messages: Sequence[Message], schema: Mapping[str, object] | None = None) -> ReadPrompt:
    """The prompt taken apart. Without a fenced question, the last message of the user is the question."""
    everything = "\n\n".join(message.content for message in messages)
    passages = tuple(_passages(everything))
    asked = [match["text"] for match in _QUESTION.finditer(everything)]
    users = [message.content for message in messages if message.role is Role.USER]
    return ReadPrompt(
        everything=everything,
        passages=passages,
        question=(asked or users or [""])[-1].strip(),
        history="\n".join(match["text"] for match in _HISTORY.finditer(everything)),
        wants_question=_wants_question(schema, everything, has_passages=bool(passages)),
        is_repair=any(message.role is Role.ASSISTANT for message in messages),
    )


def _passages(text: str) -> list[FencedPassage]:
    found: list[FencedPassage] = []
    here = 0
    while (fence := _PASSAGE.search(text, here)) is not None:
        end = text.find(f"</passage-{fence['nonce']}>", fence.end())
        if end < 0:
            here = fence.end()
            continue
        about = {name: unescape(double or single) for name, double, single in _ATTRIBUTE.findall(fence["attributes"])}
        body = text[fence.end() : end]
        found.append(
            FencedPassage(
                chunk_id=about.get("id", ""),
                title=about.get("title", ""),
                heading=about.get("heading", ""),
                dated=about.get("dated", ""),
                text=body.removesuffix("\n"),
            )
        )
        here = end + 1
    return found


def _wants_question(schema: Mapping[str, object] | None, text: str, *, has_passages: bool) -> bool:
    """By the schema when there is one; else by the words of the prompt."""
    properties = (schema or {}).get("properties")
    if isinstance(properties, Mapping):
        return "question" in properties and "claims" not in properties
    return not has_passages and re.search(r'"question"|stand[- ]?alone', text, re.IGNORECASE) is not None
