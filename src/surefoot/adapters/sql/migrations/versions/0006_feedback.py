"""Viewers' words, live samples, and the trace id by which replies, runs, audit rows and events are found together."""

import json

import sqlalchemy as sa
from alembic import op

from surefoot.adapters.sql.schema.columns import KEY, UtcDateTime

revision = "0006"
down_revision = "0004"
branch_labels = None
depends_on = None

_BATCH_ROWS = 1000


def upgrade() -> None:
    """The tables and columns exist, and every reply recorded so far is found by its trace id."""
    _feedback()
    _live_samples()
    op.add_column("replies", sa.Column("trace_id", KEY, nullable=False, server_default=""))
    _fill_trace_ids()
    op.create_index("ix_replies_tenant_id_trace_id", "replies", ["tenant_id", "trace_id"])
    op.add_column("runs", sa.Column("trace_id", KEY, nullable=False, server_default=""))
    op.add_column("runs", sa.Column("surface", KEY, nullable=False, server_default=""))
    op.create_index("ix_runs_tenant_id_trace_id", "runs", ["tenant_id", "trace_id"])
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("audit_rows", "subject", type_=KEY)
    op.create_index("ix_audit_rows_tenant_id_subject", "audit_rows", ["tenant_id", "subject"])
    op.create_index("ix_outgoing_events_tenant_id_subject", "outgoing_events", ["tenant_id", "subject"])


def _feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("reply_id", KEY, nullable=False),
        sa.Column("viewer_hash", KEY, nullable=False),
        sa.Column("opinion", KEY, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "reply_id", name="pk_feedback"),
    )


def _live_samples() -> None:
    op.create_table(
        "live_samples",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("reply_id", KEY, nullable=False),
        sa.Column("viewer_hash", KEY, nullable=False),
        sa.Column("asked_at", UtcDateTime, nullable=False),
        sa.Column("keep_until", UtcDateTime, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "reply_id", name="pk_live_samples"),
    )
    op.create_index("ix_live_samples_tenant_id_viewer_hash", "live_samples", ["tenant_id", "viewer_hash"])
    op.create_index("ix_live_samples_tenant_id_keep_until", "live_samples", ["tenant_id", "keep_until"])


def _fill_trace_ids() -> None:
    """Read here and not by the database's own JSON functions, which refuse texts that a record may hold."""
    connection = op.get_bind()
    replies = sa.table("replies", sa.column("tenant_id"), sa.column("reply_id"), sa.column("record"), sa.column("trace_id"))
    name = sa.tuple_(replies.c.tenant_id, replies.c.reply_id)
    fill = (
        sa.update(replies)
        .where(replies.c.tenant_id == sa.bindparam("tenant"), replies.c.reply_id == sa.bindparam("reply"))
        .values(trace_id=sa.bindparam("trace"))
    )
    after = ("", "")
    while True:
        page = sa.select(replies.c.tenant_id, replies.c.reply_id, replies.c.record).where(name > after)
        rows = connection.execute(page.order_by(replies.c.tenant_id, replies.c.reply_id).limit(_BATCH_ROWS)).all()
        if not rows:
            return
        found = [
            {"tenant": row.tenant_id, "reply": row.reply_id, "trace": json.loads(row.record).get("trace_id") or ""}
            for row in rows
        ]
        connection.execute(fill, found)
        after = (rows[-1].tenant_id, rows[-1].reply_id)
