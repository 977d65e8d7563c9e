"""The cache of chunk vectors; on SQLite it lives in a file of its own."""

from sqlalchemy import Column, LargeBinary, PrimaryKeyConstraint, Table

from surefoot.adapters.sql.schema.columns import CACHE_METADATA, KEY

# A vector is its float32 values in little-endian order. The number in the name changes with the layout.
chunk_vectors = Table(
    "chunk_vectors_1",
    CACHE_METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("fingerprint", KEY, nullable=False),
    Column("text_hash", KEY, nullable=False),
    Column("vector", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant_id", "fingerprint", "text_hash"),
)
