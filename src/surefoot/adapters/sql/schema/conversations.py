"""Conversations and their turns."""

from sqlalchemy import JSON, Column, ForeignKeyConstraint, Index, Integer, PrimaryKeyConstraint, Table, Text

from surefoot.adapters.sql.schema.columns import KEY, METADATA, UtcDateTime

conversations = Table(
    "conversations",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("conversation_id", KEY, nullable=False),
    Column("viewer_hash", KEY, nullable=False),
    Column("surface", KEY, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("handed_over_at", UtcDateTime),
    PrimaryKeyConstraint("tenant_id", "conversation_id"),
    Index(None, "tenant_id", "viewer_hash", "updated_at"),
)

turns = Table(
    "turns",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("conversation_id", KEY, nullable=False),
    Column("position", Integer, nullable=False),
    Column("reply_id", KEY, nullable=False),
    Column("question", Text, nullable=False),
    Column("standalone_question", Text, nullable=False),
    Column("outcome", KEY, nullable=False),
    Column("shown", JSON, nullable=False),
    Column("documents", JSON, nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("tenant_id", "conversation_id", "position"),
    ForeignKeyConstraint(
        ["tenant_id", "conversation_id"], ["conversations.tenant_id", "conversations.conversation_id"], ondelete="CASCADE"
    ),
)
