"""The ConversationRepository port."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, select, update

from surefoot.adapters.sql.schema.columns import TENANT, UtcDateTime
from surefoot.adapters.sql.schema.conversations import conversations, turns
from surefoot.adapters.sql.transaction import Transaction
from surefoot.domain.conversations import Conversation, ConversationId, Turn
from surefoot.domain.identity import TenantId

_CONVERSATION = tuple(column for column in conversations.c if column.name != "tenant_id")
_TURN = tuple(column for column in turns.c if column.name not in ("tenant_id", "conversation_id"))
_NAMED = (conversations.c.tenant_id == TENANT, conversations.c.conversation_id == bindparam("conversation"))
_OWN = conversations.c.viewer_hash == bindparam("viewer")
_GET = select(*_CONVERSATION).where(*_NAMED, _OWN)
_OF = (
    select(*_CONVERSATION)
    .where(conversations.c.tenant_id == TENANT, _OWN)
    .order_by(conversations.c.updated_at.desc(), conversations.c.conversation_id.desc())
    .limit(bindparam("most"))
)
# A turn that was asked before the last one, by another machine's clock, does not turn the conversation back.
_SPOKEN = (
    update(conversations)
    .where(*_NAMED, conversations.c.updated_at < bindparam("asked", type_=UtcDateTime()))
    .values(updated_at=bindparam("asked", type_=UtcDateTime()))
)
_LAST_TURNS = (
    select(*_TURN)
    .where(turns.c.tenant_id == TENANT, turns.c.conversation_id == bindparam("conversation"))
    .order_by(turns.c.position.desc())
    .limit(bindparam("most"))
)
_HAND_OVER = (
    update(conversations)
    .where(*_NAMED, conversations.c.handed_over_at.is_(None))
    .values(handed_over_at=bindparam("now", type_=UtcDateTime()))
    .returning(conversations.c.conversation_id)
)
# The turns go with it: their foreign key says so.
_DELETE = delete(conversations).where(*_NAMED)


class SqlConversations:
    """Conversations and their turns."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def create(self, tenant: TenantId, conversation: Conversation) -> None:
        with self._transaction.write() as connection:
            connection.execute(insert(conversations), {"tenant_id": tenant, **asdict(conversation)})

    def get(self, tenant: TenantId, conversation: ConversationId, viewer_hash: str) -> Conversation | None:
        values = {"tenant": tenant, "conversation": conversation, "viewer": viewer_hash}
        row = self._transaction.read().execute(_GET, values).one_or_none()
        return None if row is None else Conversation(*row)

    def of(self, tenant: TenantId, viewer_hash: str, *, limit: int) -> list[Conversation]:
        values = {"tenant": tenant, "viewer": viewer_hash, "most": max(0, limit)}
        return [Conversation(*row) for row in self._transaction.read().execute(_OF, values)]

    def add_turn(self, tenant: TenantId, conversation: ConversationId, turn: Turn) -> None:
        row = {"tenant_id": tenant, "conversation_id": conversation, **asdict(turn)}
        with self._transaction.write() as connection:
            connection.execute(insert(turns), row)
            connection.execute(_SPOKEN, {"tenant": tenant, "conversation": conversation, "asked": turn.asked_at})

    def turns(self, tenant: TenantId, conversation: ConversationId, *, last: int) -> list[Turn]:
        values = {"tenant": tenant, "conversation": conversation, "most": max(0, last)}
        newest_first = self._transaction.read().execute(_LAST_TURNS, values).all()
        return [_turn(row) for row in reversed(newest_first)]

    def hand_over(self, tenant: TenantId, conversation: ConversationId, *, now: datetime) -> bool:
        values = {"tenant": tenant, "conversation": conversation, "now": now}
        with self._transaction.write() as connection:
            return connection.execute(_HAND_OVER, values).one_or_none() is not None

    def delete(self, tenant: TenantId, conversation: ConversationId) -> None:
        with self._transaction.write() as connection:
            connection.execute(_DELETE, {"tenant": tenant, "conversation": conversation})


def _turn(row: Row[Any]) -> Turn:
    fields = row._asdict()
    return Turn(**{**fields, "shown": tuple(fields["shown"]), "documents": tuple(fields["documents"])})
