"""Viewers' words on replies, and live samples."""

from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, Text

from surefoot.adapters.sql.schema.columns import KEY, METADATA, JsonText, UtcDateTime

feedback = Table(
    "feedback",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("reply_id", KEY, nullable=False),
    Column("viewer_hash", KEY, nullable=False),
    Column("opinion", KEY, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("comment", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "reply_id"),
)

live_samples = Table(
    "live_samples",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("reply_id", KEY, nullable=False),
    Column("viewer_hash", KEY, nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("keep_until", UtcDateTime, nullable=False),
    Column("record", JsonText, nullable=False),
    PrimaryKeyConstraint("tenant_id", "reply_id"),
    Index(None, "tenant_id", "viewer_hash"),
    Index(None, "tenant_id", "keep_until"),
)
