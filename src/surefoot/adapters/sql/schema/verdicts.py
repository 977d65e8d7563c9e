"""What the evals said of each tenant: rows are added; of the last one it is noted when somebody cleared it."""

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, Table, Text

from surefoot.adapters.sql.schema.columns import KEY, METADATA, UtcDateTime

# The record is the verdict's JSON as it was written; the columns beside it are for whoever looks with SQL.
verdicts = Table(
    "verdicts",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("place", BigInteger, nullable=False),
    Column("verdict_id", KEY, nullable=False),
    Column("run_id", KEY, nullable=False),
    Column("colour", KEY, nullable=False),
    Column("decided_at", UtcDateTime, nullable=False),
    Column("put_at", UtcDateTime, nullable=False),
    Column("cleared_at", UtcDateTime),
    Column("record", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "place"),
    Index(None, "tenant_id", "verdict_id", unique=True),
    Index(None, "tenant_id", "put_at"),
)
