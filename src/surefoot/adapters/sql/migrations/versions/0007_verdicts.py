"""What the evals said of each tenant."""

import sqlalchemy as sa
from alembic import op

from surefoot.adapters.sql.schema.columns import KEY, UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The table exists."""
    op.create_table(
        "verdicts",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("place", sa.BigInteger, nullable=False),
        sa.Column("verdict_id", KEY, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("colour", KEY, nullable=False),
        sa.Column("decided_at", UtcDateTime, nullable=False),
        sa.Column("put_at", UtcDateTime, nullable=False),
        sa.Column("cleared_at", UtcDateTime),
        sa.Column("record", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "place", name="pk_verdicts"),
    )
    op.create_index("ix_verdicts_tenant_id_verdict_id", "verdicts", ["tenant_id", "verdict_id"], unique=True)
