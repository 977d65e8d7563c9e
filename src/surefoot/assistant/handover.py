"""Handing a conversation over to a person: everything they need to go on, written with the fact that they were asked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from surefoot.assistant.conversation import MOST_TURNS_SHOWN, Conversations
from surefoot.core.clock import Clock
from surefoot.core.errors import NotFound
from surefoot.core.ids import derived_id
from surefoot.domain.conversations import Conversation, ConversationId, Turn
from surefoot.domain.documents import ChunkId
from surefoot.domain.events import OutgoingEvent
from surefoot.domain.identity import Viewer, viewer_hash
from surefoot.ports import Store
from surefoot.retrieval.access import still_readable

EVENT_TYPE = "surefoot.conversation.handed_over"


@dataclass(frozen=True, slots=True)
class Handover:
    """That a person was asked to take over: by which event, and when. `is_first` is False when it was asked for before."""

    conversation_id: ConversationId
    event_id: str
    handed_over_at: datetime
    is_first: bool


@dataclass(frozen=True, slots=True)
class _Tried:
    """A source of a reply: a citation, or one of the closest places of a refusal."""

    chunk_id: ChunkId
    part: str


class Handovers:
    """Hands conversations over, each once. Safe from many threads."""

    def __init__(self, store: Store, clock: Clock, conversations: Conversations) -> None:
        self._store = store
        self._clock = clock
        self._conversations = conversations

    def hand_over(self, viewer: Viewer, conversation_id: str, note: str = "") -> Handover:
        """The conversation is handed over, and its packet waits to be delivered, both or neither.

        Asked again, it says when that was and sends nothing more. Raises NotFound for a conversation that is not the viewer's.
        """
        conversation = self._conversations.get(viewer, conversation_id)
        if conversation.handed_over_at is not None:
            return _fact(conversation, conversation.handed_over_at, is_first=False)
        turns = self._conversations.history(viewer, conversation_id, last=MOST_TURNS_SHOWN)
        now = self._clock.now()
        data = packet(viewer, conversation, turns, self._sources(viewer, turns), note=note, now=now)
        event = OutgoingEvent(_event_id(conversation), EVENT_TYPE, conversation.conversation_id, now, data)
        with self._store.begin() as work:
            if work.conversations.hand_over(viewer.tenant, conversation.conversation_id, now=now):
                work.events.add(viewer.tenant, event)
                work.commit()
                return _fact(conversation, now, is_first=True)
        # Another call was faster, or the conversation was deleted under our hands: what stands now is the answer.
        standing = self._conversations.get(viewer, conversation_id)
        if standing.handed_over_at is None:
            raise NotFound
        return _fact(standing, standing.handed_over_at, is_first=False)

    def _sources(self, viewer: Viewer, turns: Sequence[Turn]) -> Mapping[str, list[dict[str, object]]]:
        """By reply: the places that it cited or came closest to, those which exist and the viewer may read now."""
        tried = {turn.reply_id: self._tried(viewer, turn) for turn in turns}
        wanted = sorted({one.chunk_id for places in tried.values() for one in places})
        with self._store.begin() as work:
            chunks = work.documents.chunks(viewer.tenant, wanted)
        readable = still_readable(self._store, viewer, {chunk.document_id for chunk in chunks.values()})
        return {
            reply: [
                {
                    "part": one.part,
                    "chunk_id": one.chunk_id,
                    "document_id": chunk.document_id,
                    "uri": chunk.uri,
                    "title": chunk.title,
                    "heading": chunk.heading,
                }
                for one in places
                if (chunk := chunks.get(one.chunk_id)) is not None and chunk.document_id in readable
            ]
            for reply, places in tried.items()
        }

    def _tried(self, viewer: Viewer, turn: Turn) -> list[_Tried]:
        record = self._store.replies.get(viewer.tenant, turn.reply_id)
        if record is None or record.get("viewer_hash") != viewer_hash(viewer):
            return []
        return list(dict.fromkeys((*_places(record, "citations", "cited"), *_places(record, "closest", "closest"))))


def packet(
    viewer: Viewer,
    conversation: Conversation,
    turns: Sequence[Turn],
    sources: Mapping[str, list[dict[str, object]]],
    *,
    note: str,
    now: datetime,
) -> dict[str, object]:
    """What the person is given, as plain JSON. Of the viewer it has only what the host's own token said."""
    refusals = [turn.outcome for turn in turns if turn.outcome != "answer"]
    return {
        "conversation_id": conversation.conversation_id,
        "surface": conversation.surface,
        "started_at": conversation.started_at.isoformat(),
        "handed_over_at": now.isoformat(),
        "viewer": {"user": viewer.user, "plan": viewer.plan, "region": viewer.region, "locale": viewer.locale},
        "note": note,
        "reason": refusals[-1] if refusals else None,
        "turns": [
            {
                "position": turn.position,
                "reply_id": turn.reply_id,
                "asked_at": turn.asked_at.isoformat(),
                "question": turn.question,
                "searched": turn.standalone_question,
                "outcome": turn.outcome,
                "shown": list(turn.shown),
                "sources": sources.get(turn.reply_id, []),
            }
            for turn in turns
        ],
    }


def _places(record: Mapping[str, object], field: str, part: str) -> Iterator[_Tried]:
    places = record.get(field)
    for place in places if isinstance(places, list) else ():
        yield _Tried(ChunkId(str(place["chunk_id"])), part)


def _event_id(conversation: Conversation) -> str:
    return derived_id("evt", "handed over", conversation.conversation_id)


def _fact(conversation: Conversation, moment: datetime, *, is_first: bool) -> Handover:
    return Handover(conversation.conversation_id, _event_id(conversation), moment, is_first)
