"""The indexes by which a trace is found also hold its order, without which SQLite reads all of a tenant's rows to have it."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ORDERED = (("replies", "reply_id"), ("runs", "run_id"))


def upgrade() -> None:
    """What belongs to a trace is read in order by one index."""
    for table, identifier in _ORDERED:
        op.drop_index(f"ix_{table}_tenant_id_trace_id", table)
        op.create_index(f"ix_{table}_tenant_id_trace_id_{identifier}", table, ["tenant_id", "trace_id", identifier])
