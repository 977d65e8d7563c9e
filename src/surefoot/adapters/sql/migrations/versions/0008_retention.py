"""The indexes by which old rows are found."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_OLDEST_FIRST = (
    ("outgoing_events", "delivered_at"),
    ("meter_crossings", "period_start"),
    ("run_attempts", "at"),
    ("verdicts", "put_at"),
)


def upgrade() -> None:
    """Of each tenant, the oldest rows of these tables are found without reading the others."""
    for table, moment in _OLDEST_FIRST:
        op.create_index(f"ix_{table}_tenant_id_{moment}", table, ["tenant_id", moment])
