"""What a model wrote, read as a Draft, whole or claim by claim while it streams; or what is wrong with it, in sentences."""

import json
import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from surefoot.core.errors import InvalidInput
from surefoot.core.strict_json import parse_json
from surefoot.domain.drafts import CannotAnswer, CannotAnswerReason, Draft, DraftCitation, DraftClaim, ProposedAction

LONGEST_DRAFT_CHARACTERS = 64_000
MOST_CLAIMS = 12
MOST_CITATIONS = 8
MOST_ACTIONS = 8
LONGEST_CLAIM_CHARACTERS = 2_000
LONGEST_QUOTE_CHARACTERS = 4_000
LONGEST_ARGUMENTS_CHARACTERS = 8_000
_LONGEST_NAME_CHARACTERS = 200
_LONGEST_MISSING_CHARACTERS = 1_000
_DEEPEST = 16
_MOST_VALUES = 4_000
_MOST_PROBLEMS = 5
_FENCED = re.compile(r"```[A-Za-z0-9]{0,12}[ \t]*\r?\n(.*?)(?:\r?\n[ \t]*)?```", re.DOTALL)
_OPENING = re.compile(r"\s*(?:```[A-Za-z0-9]{0,12}[ \t]*\r?\n\s*)?\{")
_LONGEST_OPENING_CHARACTERS = 200
_BLANK = " \t\r\n"


def _object(properties: Mapping[str, object]) -> dict[str, object]:
    return {"type": "object", "additionalProperties": False, "required": list(properties), "properties": dict(properties)}


def _array(items: Mapping[str, object]) -> dict[str, object]:
    return {"type": "array", "items": dict(items)}


_STRING: Mapping[str, object] = {"type": "string"}
_CLAIM = _object({"text": _STRING, "citations": _array(_object({"chunk_id": _STRING, "quote": _STRING}))})
_REASON: Mapping[str, object] = {"type": "string", "enum": [reason.value for reason in CannotAnswerReason]}
# Only what every provider's strict mode takes: no lengths, no defaults, all keys required.
DRAFT_SCHEMA: Mapping[str, object] = _object(
    {
        "claims": _array(_CLAIM),
        "actions": _array(_object({"name": _STRING, "arguments": _STRING})),
        "cannot_answer": {"anyOf": [{"type": "null"}, _object({"reason": _REASON, "missing": _STRING})]},
    }
)


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


_ChunkName = Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME_CHARACTERS)]


class _Citation(_Strict):
    chunk_id: _ChunkName
    quote: Annotated[str, Field(max_length=LONGEST_QUOTE_CHARACTERS)]


class _Claim(_Strict):
    text: Annotated[str, Field(max_length=LONGEST_CLAIM_CHARACTERS)]
    citations: Annotated[list[_Citation], Field(max_length=MOST_CITATIONS)]

    def as_claim(self) -> DraftClaim:
        return DraftClaim(self.text, tuple(DraftCitation(cited.chunk_id, cited.quote) for cited in self.citations))


class _Action(_Strict):
    name: Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME_CHARACTERS)]
    arguments: Annotated[str, Field(max_length=LONGEST_ARGUMENTS_CHARACTERS)]


class _CannotAnswer(_Strict):
    # Strict mode takes an enum's member alone; JSON has its value.
    reason: Annotated[CannotAnswerReason, Field(strict=False)]
    missing: Annotated[str, Field(max_length=_LONGEST_MISSING_CHARACTERS)]


class _Draft(_Strict):
    claims: Annotated[list[_Claim], Field(max_length=MOST_CLAIMS)]
    actions: Annotated[list[_Action], Field(max_length=MOST_ACTIONS)]
    cannot_answer: _CannotAnswer | None


def parse_draft(text: str) -> Draft | tuple[str, ...]:
    """The draft that the text is, else what is wrong with it: sentences fit to be sent back to the model, at most five.

    One Markdown fence around the JSON is taken off. Refused is everything that core.strict_json refuses, a key too many or
    too few, anything beyond the limits above, and a draft that neither claims nor proposes nor says why it cannot.
    """
    if len(text) > LONGEST_DRAFT_CHARACTERS:
        return (f"The reply has {len(text)} characters; write at most {LONGEST_DRAFT_CHARACTERS}.",)
    body = text.strip()
    fenced = _FENCED.fullmatch(body)
    try:
        read = _Draft.model_validate(_value(fenced[1] if fenced else body))
        actions = tuple(ProposedAction(action.name, _arguments(place, action)) for place, action in enumerate(read.actions))
    except InvalidInput as error:
        return (f"The reply is not the JSON that was asked for. {error}",)
    except ValidationError as error:
        return tuple(map(_sentence, error.errors(include_url=False, include_input=False)[:_MOST_PROBLEMS]))
    said = read.cannot_answer
    if said is None and not (read.claims or actions):
        return ("The reply has no claim; give at least one, or say in cannot_answer why there is none.",)
    if said is not None and read.claims:
        return ("The reply has claims and cannot_answer; give claims with cannot_answer null, or cannot_answer with no claims.",)
    return Draft(
        claims=tuple(claim.as_claim() for claim in read.claims),
        actions=actions,
        cannot_answer=None if said is None else CannotAnswer(said.reason, said.missing),
    )


def _value(text: str) -> Any:
    """The JSON text's value. Half a surrogate pair is passed on, so that it is refused where all other text is."""
    return parse_json(text.encode("utf-8", "surrogatepass"), max_depth=_DEEPEST, max_values=_MOST_VALUES)


def _arguments(place: int, action: _Action) -> Mapping[str, object]:
    try:
        value = _value(action.arguments)
    except InvalidInput as error:
        raise InvalidInput(f"actions[{place}].arguments is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidInput(f"actions[{place}].arguments must be a JSON object written as a string.")
    return value


def _sentence(error: Any) -> str:
    """Where and what, without what was there: a reply must not carry a model's words back to it."""
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{str(part)[:64]}" for part in error["loc"]).lstrip(".")
    return f"At {place or 'the top'}: {str(error['msg']).rstrip('.')}."


class _State(Enum):
    """What may come next in the text that is read as it arrives."""

    OPENING = auto()
    KEY = auto()
    COLON = auto()
    VALUE = auto()
    IN_KEY = auto()
    IN_VALUE = auto()
    IN_CLAIM = auto()
    CLAIM_OR_END = auto()
    CLAIM = auto()
    COMMA_OR_END_OF_CLAIMS = auto()
    COMMA_OR_END = auto()
    OVER = auto()


class ClaimStream:
    """Yields each claim of a draft as soon as its last character has arrived, in order; those of parse_draft for any draft
    that it takes. From the first thing on that no draft has, nothing more. Holds one claim at most. For one thread.
    """

    def __init__(self) -> None:
        self._state = _State.OPENING
        self._held: list[str] = []
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self._seen: set[str] = set()
        self._key = ""
        self._claims = 0
        self._characters = 0

    @property
    def is_over(self) -> bool:
        """Whether no further claim can come."""
        return self._state is _State.OVER

    def feed(self, text: str) -> list[DraftClaim]:
        """The claims that this piece of the text completes."""
        found: list[DraftClaim] = []
        for character in text:
            if self._state is _State.OVER:
                break
            self._characters += 1
            if self._characters > LONGEST_DRAFT_CHARACTERS:
                self._stop()
                break
            claim = self._take(character)
            if claim is not None:
                found.append(claim)
        return found

    def _stop(self) -> None:
        self._state = _State.OVER
        self._held.clear()

    def _take(self, character: str) -> DraftClaim | None:
        if self._state is _State.OPENING:
            self._open(character)
        elif self._state in (_State.IN_KEY, _State.IN_VALUE, _State.IN_CLAIM):
            return self._inside(character)
        elif character not in _BLANK:
            self._between(character)
        return None

    def _open(self, character: str) -> None:
        """Up to the first brace: white space and the opening of a fence."""
        self._held.append(character)
        if character == "{":
            if _OPENING.fullmatch("".join(self._held)):
                self._held.clear()
                self._state = _State.KEY
            else:
                self._stop()
        elif len(self._held) > _LONGEST_OPENING_CHARACTERS:
            # A long run of white space alone is nothing to hold.
            held = "".join(self._held).lstrip()
            self._held = list(held)
            if held and len(held) > _LONGEST_OPENING_CHARACTERS // 2:
                self._stop()

    def _between(self, character: str) -> None:
        """A character that is neither white space nor inside a key, a value or a claim."""
        state = self._state
        if state is _State.KEY and character == '"':
            self._begin(_State.IN_KEY, character)
        elif state is _State.COLON and character == ":":
            self._state = _State.VALUE
        elif state is _State.VALUE and self._key == "claims":
            self._state = _State.CLAIM_OR_END if character == "[" else _State.OVER
        elif state is _State.VALUE:
            self._begin(_State.IN_VALUE, character)
        elif state in (_State.CLAIM, _State.CLAIM_OR_END) and character == "{":
            self._begin(_State.IN_CLAIM, character)
        elif state in (_State.CLAIM_OR_END, _State.COMMA_OR_END_OF_CLAIMS) and character == "]":
            self._state = _State.COMMA_OR_END
        elif state is _State.COMMA_OR_END_OF_CLAIMS and character == ",":
            self._state = _State.CLAIM
        elif state is _State.COMMA_OR_END and character == ",":
            self._state = _State.KEY
        else:
            self._stop()

    def _begin(self, state: _State, character: str) -> None:
        self._state = state
        self._held = [character]
        self._in_string = character == '"'
        self._escaped = False
        self._depth = 1 if character in "{[" else 0

    def _inside(self, character: str) -> DraftClaim | None:
        """A further character of a key, a value or a claim; the claim when this one ends it."""
        if self._in_string:
            self._held.append(character)
            if self._escaped:
                self._escaped = False
            elif character == "\\":
                self._escaped = True
            elif character == '"':
                self._in_string = False
                if self._depth == 0:
                    self._end()
            return None
        if self._depth == 0 and character in ",}":
            # A bare word or number has no end of its own; what follows it says that it is over.
            self._end()
            if self._state is not _State.OVER:
                self._between(character)
            return None
        self._held.append(character)
        self._in_string = character == '"'
        self._depth += (character in "{[") - (character in "}]")
        return self._end() if self._depth == 0 and character in "}]" else None

    def _end(self) -> DraftClaim | None:
        """What was held is complete: a key is looked at, a value has to be JSON, a claim is read and handed out."""
        text, state = "".join(self._held), self._state
        self._held.clear()
        try:
            value = _value(text)
        except InvalidInput:
            self._stop()
            return None
        if state is _State.IN_VALUE:
            self._state = _State.COMMA_OR_END
            return None
        if state is _State.IN_KEY:
            if value in self._seen or value not in _Draft.model_fields:
                self._stop()
            else:
                self._seen.add(value)
                self._key, self._state = value, _State.COLON
            return None
        return self._claim(value)

    def _claim(self, value: Any) -> DraftClaim | None:
        try:
            claim = _Claim.model_validate(value)
        except ValidationError:
            self._stop()
            return None
        self._claims += 1
        if self._claims > MOST_CLAIMS:
            self._stop()
            return None
        self._state = _State.COMMA_OR_END_OF_CLAIMS
        return claim.as_claim()


def draft_text(draft: Draft) -> str:
    """The JSON of a draft, as a model would write it."""
    said = draft.cannot_answer
    return json.dumps(
        {
            "claims": [
                {"text": c.text, "citations": [{"chunk_id": q.chunk_id, "quote": q.quote} for q in c.citations]}
                for c in draft.claims
            ],
            "actions": [{"name": a.name, "arguments": json.dumps(dict(a.arguments))} for a in draft.actions],
            "cannot_answer": None if said is None else {"reason": said.reason.value, "missing": said.missing},
        },
        ensure_ascii=False,
    )
