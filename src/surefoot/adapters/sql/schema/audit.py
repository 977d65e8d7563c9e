"""The audit chain: rows are added, and of those only the details ever go."""

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, Table, Text

from surefoot.adapters.sql.schema.columns import KEY, METADATA, JsonText, UtcDateTime

# A place and a predecessor are each taken once, so that two writers cannot fork the chain.
audit_rows = Table(
    "audit_rows",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("prev_hash", KEY, nullable=False),
    Column("hash", KEY, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("what", KEY, nullable=False),
    Column("subject", KEY, nullable=False),
    Column("details_hash", KEY, nullable=False),
    Column("details", JsonText),
    PrimaryKeyConstraint("tenant_id", "seq"),
    Index(None, "tenant_id", "prev_hash", unique=True),
    Index(None, "tenant_id", "subject"),
)
