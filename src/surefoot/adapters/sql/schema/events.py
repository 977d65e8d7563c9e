"""Events that wait to be delivered, and those that were."""

from sqlalchemy import JSON, Column, Index, Integer, PrimaryKeyConstraint, Table, Text

from surefoot.adapters.sql.schema.columns import KEY, METADATA, UtcDateTime

# A delivered event has no due_at, so the search for due ones never meets those that are done.
events = Table(
    "outgoing_events",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("event_id", KEY, nullable=False),
    Column("type", KEY, nullable=False),
    Column("subject", KEY, nullable=False),
    Column("time", UtcDateTime, nullable=False),
    Column("data", JSON, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", UtcDateTime),
    Column("delivered_at", UtcDateTime),
    Column("last_failure", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "event_id"),
    Index(None, "tenant_id", "due_at"),
    Index(None, "tenant_id", "delivered_at"),
    Index(None, "tenant_id", "time", "event_id"),
    Index(None, "tenant_id", "subject"),
)
