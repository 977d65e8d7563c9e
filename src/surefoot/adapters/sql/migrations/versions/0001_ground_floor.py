"""The first tables: documents and rights, corpora, tenants and the reply ledger."""

import sqlalchemy as sa
from alembic import op

from surefoot.adapters.sql.schema.columns import KEY, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The tables exist."""
    _documents()
    _chunks()
    _supersessions()
    _access()
    _corpora()
    _tenants()
    _replies()


def _documents() -> None:
    op.create_table(
        "documents",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("document_id", KEY, nullable=False),
        sa.Column("uri", KEY, nullable=False),
        sa.Column("source", KEY, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("content_hash", KEY, nullable=False),
        sa.Column("locale", KEY, nullable=False),
        sa.Column("trust", KEY, nullable=False),
        sa.Column("updated_at", UtcDateTime),
        sa.Column("valid_until", UtcDateTime),
        sa.Column("supersedes", sa.JSON, nullable=False),
        sa.Column("meta", sa.JSON, nullable=False),
        sa.Column("ingested_at", UtcDateTime, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "document_id", name="pk_documents"),
    )
    op.create_index(
        "ix_documents_tenant_id_source_document_id_content_hash",
        "documents",
        ["tenant_id", "source", "document_id", "content_hash"],
    )


def _chunks() -> None:
    op.create_table(
        "chunks",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("chunk_id", KEY, nullable=False),
        sa.Column("document_id", KEY, nullable=False),
        sa.Column("uri", KEY, nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("start_char", sa.Integer, nullable=False),
        sa.Column("end_char", sa.Integer, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("heading", sa.Text, nullable=False),
        sa.Column("path", sa.JSON, nullable=False),
        sa.Column("anchor", sa.Text, nullable=False),
        sa.Column("page_number", sa.Integer),
        sa.Column("token_count", sa.Integer, nullable=False),
        sa.Column("locale", KEY, nullable=False),
        sa.Column("trust", KEY, nullable=False),
        sa.Column("updated_at", UtcDateTime),
        sa.Column("valid_until", UtcDateTime),
        sa.Column("heading_indexed", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "chunk_id", name="pk_chunks"),
        _of_document("fk_chunks_documents"),
    )
    op.create_index("ix_chunks_tenant_id_document_id_ordinal", "chunks", ["tenant_id", "document_id", "ordinal"])


def _supersessions() -> None:
    op.create_table(
        "supersessions",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("document_id", KEY, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("superseded_uri", KEY, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "document_id", "position", name="pk_supersessions"),
        _of_document("fk_supersessions_documents"),
    )
    op.create_index(
        "ix_supersessions_tenant_id_superseded_uri_document_id",
        "supersessions",
        ["tenant_id", "superseded_uri", "document_id"],
    )


def _of_document(name: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "document_id"], ["documents.tenant_id", "documents.document_id"], name=name, ondelete="CASCADE"
    )


def _access() -> None:
    op.create_table(
        "document_rights",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("document_id", KEY, nullable=False),
        sa.Column("principal", KEY, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "document_id", "principal", name="pk_document_rights"),
    )
    op.create_index(
        "ix_document_rights_tenant_id_principal_document_id", "document_rights", ["tenant_id", "principal", "document_id"]
    )
    op.create_table(
        "acl_epochs",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_acl_epochs"),
    )


def _corpora() -> None:
    op.create_table(
        "corpora",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("encoder_fingerprint", KEY, nullable=False),
        sa.Column("index_fingerprint", KEY, nullable=False),
        sa.Column("documents", sa.Integer, nullable=False),
        sa.Column("chunks", sa.Integer, nullable=False),
        sa.Column("published_at", UtcDateTime),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_corpora"),
    )
    op.create_table(
        "writer_leases",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("owner", KEY, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_writer_leases"),
    )


def _tenants() -> None:
    op.create_table(
        "tenants",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_tenants"),
    )
    op.create_table(
        "server_keys",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("key_id", KEY, nullable=False),
        sa.Column("secret_sha256", KEY, nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("revoked_at", UtcDateTime),
        sa.PrimaryKeyConstraint("tenant_id", "key_id", name="pk_server_keys"),
    )
    op.create_table(
        "issuers",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("issuer", KEY, nullable=False),
        sa.Column("algorithm", KEY, nullable=False),
        sa.Column("audience", KEY, nullable=False),
        sa.Column("keys", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "issuer", name="pk_issuers"),
    )


def _replies() -> None:
    op.create_table(
        "replies",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("reply_id", KEY, nullable=False),
        sa.Column("asked_at", UtcDateTime, nullable=False),
        sa.Column("viewer_hash", KEY, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "reply_id", name="pk_replies"),
    )
