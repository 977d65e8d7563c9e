"""The one table of rights, and the epoch that moves with it."""

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, Table

from surefoot.adapters.sql.schema.columns import KEY, METADATA

rights = Table(
    "document_rights",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("document_id", KEY, nullable=False),
    Column("principal", KEY, nullable=False),
    PrimaryKeyConstraint("tenant_id", "document_id", "principal"),
    Index(None, "tenant_id", "principal", "document_id"),
)

epochs = Table(
    "acl_epochs",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant_id"),
)
