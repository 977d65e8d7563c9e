"""Conversations of verified viewers: what was asked, what came of it, and what of it may still be shown."""

from collections.abc import Sequence
from dataclasses import replace

from surefoot.assistant.answer import cited_documents
from surefoot.core.clock import Clock
from surefoot.core.errors import Conflict, NotFound
from surefoot.core.ids import new_id
from surefoot.domain.answers import Answer
from surefoot.domain.conversations import Conversation, ConversationId, Turn
from surefoot.domain.documents import DocumentId
from surefoot.domain.identity import Viewer, viewer_hash
from surefoot.domain.replies import Reply
from surefoot.ports import Store, UnitOfWork
from surefoot.retrieval.access import still_readable

# What a follow-up may lean on, and what a model is told of a conversation: what lies further back is not meant any more.
TURNS_USED = 6
MOST_TURNS_SHOWN = 100
MOST_CONVERSATIONS_LISTED = 100
# Two questions of one conversation may be answered at the same moment; each then takes the next free position.
_ATTEMPTS = 5


class Conversations:
    """Keeps conversations. Another viewer's conversation is not found, whoever they are. Safe from many threads."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def start(self, viewer: Viewer, surface: str = "help") -> Conversation:
        """A fresh conversation of this viewer, without turns."""
        now = self._clock.now()
        started = Conversation(ConversationId(new_id("cnv", now)), viewer_hash(viewer), surface, now, now)
        with self._store.begin() as work:
            work.conversations.create(viewer.tenant, started)
            work.commit()
        return started

    def get(self, viewer: Viewer, conversation_id: str) -> Conversation:
        """The viewer's conversation; NotFound when there is none of that id or it is somebody else's."""
        with self._store.begin() as work:
            return _own(work, viewer, conversation_id)

    def of(self, viewer: Viewer, *, limit: int = MOST_CONVERSATIONS_LISTED) -> list[Conversation]:
        """The viewer's conversations, the one last spoken in first."""
        with self._store.begin() as work:
            return work.conversations.of(viewer.tenant, viewer_hash(viewer), limit=limit)

    def history(self, viewer: Viewer, conversation_id: str, *, last: int = TURNS_USED) -> list[Turn]:
        """The last turns, in order, as far as the viewer may read what they stood on at this moment.

        A turn of which one document may not be read any more comes without what was shown, and with the question as it was
        asked: a rewritten one could repeat words of that document.
        """
        with self._store.begin() as work:
            own = _own(work, viewer, conversation_id)
            turns = work.conversations.turns(viewer.tenant, own.conversation_id, last=last)
        stood_on = {document for turn in turns for document in turn.documents}
        readable = still_readable(self._store, viewer, stood_on) if stood_on else frozenset()
        return [turn if readable.issuperset(turn.documents) else _withheld(turn) for turn in turns]

    def remember(self, viewer: Viewer, conversation_id: str, reply: Reply) -> Turn:
        """The reply is the conversation's last turn. NotFound when the conversation is not the viewer's."""
        for attempt in range(_ATTEMPTS):
            with self._store.begin() as work:
                own = _own(work, viewer, conversation_id)
                earlier = work.conversations.turns(viewer.tenant, own.conversation_id, last=TURNS_USED)
                turn = _turn(reply, earlier)
                try:
                    work.conversations.add_turn(viewer.tenant, own.conversation_id, turn)
                    work.commit()
                except Conflict:
                    if attempt == _ATTEMPTS - 1:
                        raise
                    continue
                return turn
        raise AssertionError("The loop above returns or raises.")

    def delete(self, viewer: Viewer, conversation_id: str) -> None:
        """The conversation and its turns are gone. NotFound when it is not the viewer's."""
        with self._store.begin() as work:
            own = _own(work, viewer, conversation_id)
            work.conversations.delete(viewer.tenant, own.conversation_id)
            work.commit()


def _own(work: UnitOfWork, viewer: Viewer, conversation_id: str) -> Conversation:
    found = work.conversations.get(viewer.tenant, ConversationId(conversation_id), viewer_hash(viewer))
    if found is None:
        raise NotFound
    return found


def _withheld(turn: Turn) -> Turn:
    return replace(turn, shown=(), standalone_question=turn.question)


def _turn(reply: Reply, earlier: Sequence[Turn]) -> Turn:
    """The reply as the next turn. A rewritten question carries words of earlier turns, so it stands on their documents too."""
    searched = reply.searched or reply.question
    documents: set[DocumentId] = set(cited_documents(reply.outcome))
    if searched != reply.question:
        documents.update(document for turn in earlier for document in turn.documents)
    return Turn(
        position=earlier[-1].position + 1 if earlier else 0,
        reply_id=reply.reply_id,
        question=reply.question,
        standalone_question=searched,
        outcome="answer" if isinstance(reply.outcome, Answer) else reply.outcome.reason.value,
        shown=tuple(claim.text for claim in reply.outcome.claims) if isinstance(reply.outcome, Answer) else (),
        documents=tuple(sorted(documents)),
        asked_at=reply.asked_at,
    )
