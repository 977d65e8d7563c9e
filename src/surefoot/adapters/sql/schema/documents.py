"""Documents, the chunks they are cut into, and which document replaces which."""

from sqlalchemy import JSON, Boolean, Column, ForeignKeyConstraint, Index, Integer, PrimaryKeyConstraint, Table, Text

from surefoot.adapters.sql.schema.columns import KEY, METADATA, UtcDateTime

# The text comes last: SQLite then reads the other columns without touching the overflow pages of a long document.
documents = Table(
    "documents",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("document_id", KEY, nullable=False),
    Column("uri", KEY, nullable=False),
    Column("source", KEY, nullable=False),
    Column("title", Text, nullable=False),
    Column("content_hash", KEY, nullable=False),
    Column("locale", KEY, nullable=False),
    Column("trust", KEY, nullable=False),
    Column("updated_at", UtcDateTime),
    Column("valid_until", UtcDateTime),
    Column("supersedes", JSON, nullable=False),
    Column("meta", JSON, nullable=False),
    Column("ingested_at", UtcDateTime, nullable=False),
    Column("text", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "document_id"),
    Index(None, "tenant_id", "source", "document_id", "content_hash"),
)

# A chunk's row repeats what it shares with its document: reading ten chunks is ten look-ups and nothing else.
chunks = Table(
    "chunks",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("chunk_id", KEY, nullable=False),
    Column("document_id", KEY, nullable=False),
    Column("uri", KEY, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("start_char", Integer, nullable=False),
    Column("end_char", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("heading", Text, nullable=False),
    Column("path", JSON, nullable=False),
    Column("anchor", Text, nullable=False),
    Column("page_number", Integer),
    Column("token_count", Integer, nullable=False),
    Column("locale", KEY, nullable=False),
    Column("trust", KEY, nullable=False),
    Column("updated_at", UtcDateTime),
    Column("valid_until", UtcDateTime),
    Column("heading_indexed", Boolean, nullable=False),
    PrimaryKeyConstraint("tenant_id", "chunk_id"),
    ForeignKeyConstraint(["tenant_id", "document_id"], ["documents.tenant_id", "documents.document_id"], ondelete="CASCADE"),
    Index(None, "tenant_id", "document_id", "ordinal"),
)

supersessions = Table(
    "supersessions",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("document_id", KEY, nullable=False),
    Column("position", Integer, nullable=False),
    Column("superseded_uri", KEY, nullable=False),
    PrimaryKeyConstraint("tenant_id", "document_id", "position"),
    ForeignKeyConstraint(["tenant_id", "document_id"], ["documents.tenant_id", "documents.document_id"], ondelete="CASCADE"),
    Index(None, "tenant_id", "superseded_uri", "document_id"),
)
