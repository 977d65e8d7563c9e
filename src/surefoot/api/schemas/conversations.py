"""Conversations, their turns, and the handover to a person."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, JsonValue, StringConstraints

from surefoot.api.schemas.texts import Sent, Shown, without_nul
from surefoot.assistant.handover import Handover
from surefoot.domain.conversations import Conversation, Turn

LONGEST_NOTE_CHARACTERS = 2_000

_CONVERSATION: dict[str, JsonValue] = {
    "conversation_id": "cnv_0195a0c2f3a47d0e8f5b6c7d8e9f0a1b",
    "surface": "help",
    "started_at": "2026-03-01T12:00:00Z",
    "updated_at": "2026-03-01T12:04:00Z",
    "handed_over_at": None,
}
_TURN: dict[str, JsonValue] = {
    "position": 1,
    "reply_id": "ans_0195a0c2f3a47d0e8f5b6c7d8e9f0a1c",
    "question": "And by bank transfer?",
    "searched": "How long does a refund take by bank transfer?",
    "outcome": "answer",
    "shown": ["Bank transfers take 10 business days."],
    "asked_at": "2026-03-01T12:04:00Z",
}


class NewConversation(Sent):
    """Where the conversation is held."""

    surface: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")] = Field(
        "help", description="Where it is held; models.toml declares the surfaces besides `help`."
    )

    model_config = ConfigDict(json_schema_extra={"examples": [{}, {"surface": "help"}]})


class ShownConversation(Shown):
    """A conversation of the viewer."""

    conversation_id: str
    surface: str
    started_at: datetime
    updated_at: datetime
    handed_over_at: datetime | None = Field(description="When a person was asked to take over; null when none was.")

    model_config = ConfigDict(json_schema_extra={"examples": [_CONVERSATION]})

    @classmethod
    def of(cls, conversation: Conversation) -> "ShownConversation":
        return cls(**{name: getattr(conversation, name) for name in cls.model_fields})


class ShownConversations(Shown):
    """The viewer's conversations, the one last spoken in first."""

    conversations: list[ShownConversation]

    model_config = ConfigDict(json_schema_extra={"examples": [{"conversations": [_CONVERSATION]}]})


class ShownTurn(Shown):
    """One question and what came of it."""

    position: int
    reply_id: str
    question: str
    searched: str = Field(description="What was searched for: the question made to stand alone.")
    outcome: str = Field(description="`answer`, or the reason of the refusal.")
    shown: list[str] = Field(description="The claims; empty once the viewer may not read one of their documents any more.")
    asked_at: datetime

    @classmethod
    def of(cls, turn: Turn) -> "ShownTurn":
        return cls(
            position=turn.position,
            reply_id=turn.reply_id,
            question=turn.question,
            searched=turn.standalone_question,
            outcome=turn.outcome,
            shown=list(turn.shown),
            asked_at=turn.asked_at,
        )


class ShownHistory(Shown):
    """A conversation and its last turns, in order."""

    conversation: ShownConversation
    turns: list[ShownTurn]

    model_config = ConfigDict(json_schema_extra={"examples": [{"conversation": _CONVERSATION, "turns": [_TURN]}]})


class HandoverRequest(Sent):
    """What the viewer wants to say to the person who takes over."""

    note: Annotated[
        str, StringConstraints(strip_whitespace=True, max_length=LONGEST_NOTE_CHARACTERS), AfterValidator(without_nul)
    ] = ""

    model_config = ConfigDict(json_schema_extra={"examples": [{}, {"note": "I need this before Friday."}]})


class ShownHandover(Shown):
    """That a person was asked to take over."""

    conversation_id: str
    event_id: str = Field(description="The event with the packet; the receiver of the tenant's events gets it.")
    handed_over_at: datetime
    is_first: bool = Field(description="False when it was asked for before: nothing more was sent.")

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "conversation_id": _CONVERSATION["conversation_id"],
                    "event_id": "evt_3f6c1d2e4b5a69788796a5b4",
                    "handed_over_at": "2026-03-01T12:05:00Z",
                    "is_first": True,
                }
            ]
        }
    )

    @classmethod
    def of(cls, handover: Handover) -> "ShownHandover":
        return cls(**{name: getattr(handover, name) for name in cls.model_fields})
