"""Tenants, their server keys and the issuers of their viewer tokens."""

from sqlalchemy import JSON, Column, PrimaryKeyConstraint, Table, Text

from surefoot.adapters.sql.schema.columns import KEY, METADATA, UtcDateTime

tenants = Table(
    "tenants",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("tenant_id"),
)

server_keys = Table(
    "server_keys",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("key_id", KEY, nullable=False),
    Column("secret_sha256", KEY, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("label", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    PrimaryKeyConstraint("tenant_id", "key_id"),
)

issuers = Table(
    "issuers",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("issuer", KEY, nullable=False),
    Column("algorithm", KEY, nullable=False),
    Column("audience", KEY, nullable=False),
    Column("keys", JSON, nullable=False),
    PrimaryKeyConstraint("tenant_id", "issuer"),
)
