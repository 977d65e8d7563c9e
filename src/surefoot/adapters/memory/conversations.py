"""The ConversationRepository port in memory."""

from dataclasses import replace
from datetime import datetime

from surefoot.adapters.memory.tables import Transaction
from surefoot.core.errors import Conflict
from surefoot.domain.conversations import Conversation, ConversationId, Turn
from surefoot.domain.identity import TenantId


class MemoryConversations:
    """Conversations and their turns."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def create(self, tenant: TenantId, conversation: Conversation) -> None:
        with self._transaction.write():
            if conversation.conversation_id in self._transaction.read(tenant).conversations:
                raise Conflict
            self._transaction.table(tenant, "conversations")[conversation.conversation_id] = conversation

    def get(self, tenant: TenantId, conversation: ConversationId, viewer_hash: str) -> Conversation | None:
        found = self._transaction.read(tenant).conversations.get(conversation)
        return found if found is not None and found.viewer_hash == viewer_hash else None

    def of(self, tenant: TenantId, viewer_hash: str, *, limit: int) -> list[Conversation]:
        own = [each for each in self._transaction.read(tenant).conversations.values() if each.viewer_hash == viewer_hash]
        return sorted(own, key=lambda each: (each.updated_at, each.conversation_id), reverse=True)[: max(0, limit)]

    def add_turn(self, tenant: TenantId, conversation: ConversationId, turn: Turn) -> None:
        with self._transaction.write():
            tables = self._transaction.read(tenant)
            held, turns = tables.conversations.get(conversation), tables.turns.get(conversation, {})
            if held is None or turn.position in turns:
                raise Conflict
            self._transaction.table(tenant, "turns")[conversation] = {**turns, turn.position: turn}
            spoken_at = max(held.updated_at, turn.asked_at)
            self._transaction.table(tenant, "conversations")[conversation] = replace(held, updated_at=spoken_at)

    def turns(self, tenant: TenantId, conversation: ConversationId, *, last: int) -> list[Turn]:
        turns = self._transaction.read(tenant).turns.get(conversation, {})
        return [turns[position] for position in sorted(turns)[-last:]] if last > 0 else []

    def hand_over(self, tenant: TenantId, conversation: ConversationId, *, now: datetime) -> bool:
        with self._transaction.write():
            held = self._transaction.read(tenant).conversations.get(conversation)
            if held is None or held.handed_over_at is not None:
                return False
            self._transaction.table(tenant, "conversations")[conversation] = replace(held, handed_over_at=now)
            return True

    def delete(self, tenant: TenantId, conversation: ConversationId) -> None:
        with self._transaction.write():
            self._transaction.table(tenant, "conversations").pop(conversation, None)
            self._transaction.table(tenant, "turns").pop(conversation, None)
