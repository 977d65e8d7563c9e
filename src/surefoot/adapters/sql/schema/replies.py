"""The ledger of replies: rows are added, never changed."""

from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, Text

from surefoot.adapters.sql.schema.columns import KEY, METADATA, UtcDateTime

# The record is text, not a JSON column: it is kept as it was written, to the byte, and never searched by its parts: what it
# is found by has a column.
replies = Table(
    "replies",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("reply_id", KEY, nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("viewer_hash", KEY, nullable=False),
    Column("record", Text, nullable=False),
    Column("trace_id", KEY, nullable=False, server_default=""),
    PrimaryKeyConstraint("tenant_id", "reply_id"),
    Index(None, "tenant_id", "trace_id", "reply_id"),
)
