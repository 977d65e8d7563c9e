"""Whose account a run counts for, and when each tenant's actions are reviewed."""

import sqlalchemy as sa
from alembic import op

from surefoot.adapters.sql.schema.columns import KEY, UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The column and the table exist; runs so far count for no account."""
    op.add_column("runs", sa.Column("account", KEY, nullable=False, server_default=""))
    op.create_table(
        "action_reviews",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("owner", KEY),
        sa.Column("leased_until", UtcDateTime),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_action_reviews"),
    )
