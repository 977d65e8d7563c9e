"""Conversations: the turns of one viewer, and the packet with which a person takes over."""

from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from surefoot.domain.documents import DocumentId

ConversationId = NewType("ConversationId", str)


@dataclass(frozen=True, slots=True)
class Turn:
    """One question of a conversation and what came of it. `standalone_question` is what was searched for. `outcome` is
    `answer` or the reason of the refusal; `shown` are the claims' texts, to be used again only while the viewer may still
    read every one of `documents`.
    """

    position: int
    reply_id: str
    question: str
    standalone_question: str
    outcome: str
    shown: tuple[str, ...]
    documents: tuple[DocumentId, ...]
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Conversation:
    """A run of turns of one verified viewer (by hash) on one surface. `handed_over_at` is set once a person was asked for."""

    conversation_id: ConversationId
    viewer_hash: str
    surface: str
    started_at: datetime
    updated_at: datetime
    handed_over_at: datetime | None = None
