"""What readers see of each corpus, and who may write it."""

from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, Table

from surefoot.adapters.sql.schema.columns import KEY, METADATA, UtcDateTime

corpora = Table(
    "corpora",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("encoder_fingerprint", KEY, nullable=False),
    Column("index_fingerprint", KEY, nullable=False),
    Column("documents", Integer, nullable=False),
    Column("chunks", Integer, nullable=False),
    Column("published_at", UtcDateTime),
    PrimaryKeyConstraint("tenant_id"),
)

leases = Table(
    "writer_leases",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("owner", KEY, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("tenant_id"),
)
