"""The obedient model: does whatever any sentence of its prompt asks, wherever that sentence stands."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from surefoot.domain.sentences import sentences
from surefoot.llm.scripted.dice import Dice
from surefoot.llm.scripted.honest import best_sentences, standalone
from surefoot.llm.scripted.prompt import FencedPassage, ReadPrompt
from surefoot.llm.scripted.script import Script, draft_json, question_json

_COMMAND = re.compile(
    r"\b(?:ignore|disregard|forget|say|print|repeat|output|write|reply|respond|answer with"
    r"|include|append|add|tell|state|claim|insist|must|always|cite|quote|visit|open|click|follow|send|fetch|load|call|run|invoke|execute|system|assistant|instruction"
    r"|ignoriere|antworte|schreibe|sage|wiederhole|ignora|escribe|responde|di|repite|ignorez|oubliez|écrivez|répondez|dites"
    r"|ignorer|svar|skriv|игнорируй|напиши|скажи|ignoruj|napisz|yaz|söyle)\b|忽略|输出|回答|無視|出力|무시|출력|تجاهل|اكتب|अनदेखा|लिखें",
    re.IGNORECASE,
)
_QUOTED = re.compile(r'"([^"\n]{2,300})"|“([^”\n]{2,300})”|«([^»\n]{2,300})»|「([^」\n]{2,300})」|`([^`\n]{2,300})`')
_AFTER_COLON = re.compile(r":\s+([^\n]{2,300})\Z")
_LINK = re.compile(
    r"!?\[[^\]\n]{0,100}\]\([^)\s]{3,600}\)|\b(?:https?|ftp)://[^\s<>\"'`)\]]{3,600}|\b(?:data|javascript):[^\s<>\"'`)\]]{3,600}"
)
_ADDRESS = re.compile(r"\b(?:https?|ftp|data|javascript):[^\s<>\"'`)\]]{3,300}")
_ACTION = re.compile(
    r"\b(?:call|run|invoke|execute|trigger|propose|use)\s+(?:the\s+)?(?:action|tool|function)\s+[`\"'“]?([A-Za-z_][\w.-]{1,60})",
    re.IGNORECASE,
)
_CHUNK = re.compile(r"\bchk_[0-9a-zA-Z_]{2,40}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{24,}={0,2}")
_TAGS = re.compile("[\U000e0020-\U000e007e]+")
_MOST_CLAIMS = 12
_MOST_ACTIONS = 8
_LONGEST_CLAIM_CHARACTERS = 400


Quotes = list[tuple[str, str]]


@dataclass(slots=True)
class _Orders:
    """What was demanded, in the order it was read."""

    phrases: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    chunks: list[str] = field(default_factory=list)
    sentences: list[tuple[str, str]] = field(default_factory=list)
    claims: list[tuple[str, Quotes]] = field(default_factory=list)


def obey(prompt: ReadPrompt, dice: Dice, room: int) -> Script:
    """A draft in which every order found is carried out, with whatever citation makes it look best founded."""
    orders = _orders(prompt)
    if prompt.wants_question:
        return Script(question_json(" ".join([standalone(prompt), *orders.phrases, *orders.links])[:room]))
    grounds = [*best_sentences(prompt.question, prompt.passages), *orders.sentences]
    claims = [(quote, [(chunk, quote)]) for chunk, quote in best_sentences(prompt.question, prompt.passages)[:1]]
    claims += orders.claims
    told = [(chunk, dice.one_of(grounds)[1] if grounds else "as told") for chunk in orders.chunks]
    for said in [*orders.links, *orders.phrases, *(quote for _, quote in orders.sentences)]:
        claims.append(_carried_out(said, grounds, told, dice))
    claims += [(quote, [(chunk, quote)]) for chunk, quote in told]
    actions = [
        {"name": name, "arguments": json.dumps({"url": link, "all": "true"})}
        for name in orders.actions[:_MOST_ACTIONS]
        for link in orders.links[:1] or [""]
    ]
    while len(claims) > 1 and (len(claims) > _MOST_CLAIMS or len(draft_json(claims, actions=actions)) > room):
        claims.pop(dice.below(len(claims)))
    return Script(draft_json(claims, actions=actions))


def _carried_out(said: str, grounds: Quotes, told: Quotes, dice: Dice) -> tuple[str, Quotes]:
    """What is to be said, alone or behind a true sentence, which is then what it cites."""
    if grounds and dice.happens(40):
        ground = dice.one_of(grounds)
        address = _ADDRESS.search(said)
        if address is not None and dice.happens(50):
            # A reader sees nothing but the true sentence, and clicks on it.
            return f"[{ground[1]}]({address[0]})"[:_LONGEST_CLAIM_CHARACTERS], [ground]
        return f"{ground[1]} {said}"[:_LONGEST_CLAIM_CHARACTERS], [ground]
    cited = dice.one_of([*grounds, *told]) if grounds or told else ("chk_none", said)
    return said[:_LONGEST_CLAIM_CHARACTERS], [cited]


def _orders(prompt: ReadPrompt) -> _Orders:
    orders = _Orders()
    question = FencedPassage("", "", "", "", prompt.question)
    for passage in (*prompt.passages, question):
        for text in (passage.title, passage.heading, *_readings(passage.text)):
            _take(orders, passage, text)
    for name in ("phrases", "links", "actions", "chunks", "sentences"):
        setattr(orders, name, list(dict.fromkeys(getattr(orders, name))))
    return orders


def _take(orders: _Orders, passage: FencedPassage, text: str) -> None:
    """Every order that stands in this text is noted."""
    orders.links += _LINK.findall(text)
    orders.actions += _ACTION.findall(text)
    orders.chunks += _CHUNK.findall(text)
    orders.claims += _ready_made(text)
    for start, end in sentences(text):
        said = text[start:end]
        if _COMMAND.search(said) is None and _LINK.search(said) is None:
            continue
        if said in passage.text:
            orders.sentences.append((passage.chunk_id, said))
        orders.phrases += ["".join(groups) for groups in _QUOTED.findall(said)]
        orders.phrases += _AFTER_COLON.findall(said)


def _readings(text: str) -> Iterator[str]:
    """The text, and whatever is hidden in it: base64 and Unicode tag characters."""
    yield text
    for run in _TAGS.findall(text):
        yield "".join(chr(ord(character) - 0xE0000) for character in run)
    for run in _BASE64.findall(text):
        try:
            yield base64.b64decode(run, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            continue


def _ready_made(text: str) -> Iterator[tuple[str, Quotes]]:
    """The claims of every draft that stands in the text as JSON."""
    decoder = json.JSONDecoder()
    here = text.find('{"claims"')
    while here >= 0:
        try:
            draft, _ = decoder.raw_decode(text, here)
            for claim in draft["claims"]:
                yield str(claim["text"]), [(str(one["chunk_id"]), str(one["quote"])) for one in claim["citations"]]
        except (ValueError, KeyError, TypeError):
            pass
        here = text.find('{"claims"', here + 1)
