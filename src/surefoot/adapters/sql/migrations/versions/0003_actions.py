"""The tables of the action plane: runs and what belongs to them, caps, the queue, switches, and the audit chain."""

import sqlalchemy as sa
from alembic import op

from surefoot.adapters.sql.schema.columns import KEY, UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# As they were when the tables were made; a later list is a later migration.
_IS_LIVE = sa.text(
    "natural_key <> '' AND state IN ('applied', 'applying', 'approved', 'awaiting_approval', 'needs_human', "
    "'planned', 'proposed', 'scheduled', 'suggested', 'unknown')"
)
_REVERSES = sa.text("reverses <> '' AND state NOT IN ('cancelled', 'denied', 'expired', 'failed', 'rejected', 'stale')")


def upgrade() -> None:
    """The tables exist."""
    _runs()
    _plans()
    _approvals()
    _decisions()
    _attempts()
    _receipts()
    _cap_holds()
    _queue()
    _switches()
    _autonomy()
    _audit()
    _indexes()


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("env", KEY, nullable=False),
        sa.Column("kind", KEY, nullable=False),
        sa.Column("action", KEY, nullable=False),
        sa.Column("action_version", KEY, nullable=False),
        sa.Column("schema_hash", KEY, nullable=False),
        sa.Column("maker", KEY, nullable=False),
        sa.Column("arguments", sa.Text, nullable=False),
        sa.Column("arguments_hash", KEY, nullable=False),
        sa.Column("idem_scope", KEY, nullable=False),
        sa.Column("idem_key", KEY, nullable=False),
        sa.Column("idem_fingerprint", KEY, nullable=False),
        sa.Column("natural_key", KEY, nullable=False),
        sa.Column("state", KEY, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("deadline", UtcDateTime, nullable=False),
        sa.Column("agent", KEY, nullable=False),
        sa.Column("reverses", KEY, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("citations", sa.Text, nullable=False),
        sa.Column("not_before", UtcDateTime),
        sa.Column("undone_by", KEY, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "run_id", name="pk_runs"),
    )


def _plans() -> None:
    op.create_table(
        "run_plans",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("changes", sa.Text, nullable=False),
        sa.Column("preconditions", sa.Text, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("cost_usd", sa.Double, nullable=False),
        sa.Column("minutes_saved", sa.Double, nullable=False),
        sa.Column("digest", KEY, nullable=False),
        sa.Column("policy_version", KEY, nullable=False),
        sa.Column("connector_version", KEY, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("consumed_at", UtcDateTime),
        sa.PrimaryKeyConstraint("tenant_id", "run_id", name="pk_run_plans"),
        _of_run("run_plans"),
    )


def _approvals() -> None:
    op.create_table(
        "run_approvals",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("plan_digest", KEY, nullable=False),
        sa.Column("approver", KEY, nullable=False),
        sa.Column("verdict", KEY, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "run_id", "plan_digest", "approver", name="pk_run_approvals"),
        _of_run("run_approvals"),
    )


def _decisions() -> None:
    op.create_table(
        "run_decisions",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("stage", KEY, nullable=False),
        sa.Column("effect", KEY, nullable=False),
        sa.Column("policy_hash", KEY, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("errors", sa.Text, nullable=False),
        sa.Column("needs_approval", sa.Boolean, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "run_id", "number", name="pk_run_decisions"),
        _of_run("run_decisions"),
    )


def _attempts() -> None:
    op.create_table(
        "run_attempts",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("delivery_id", KEY, nullable=False),
        sa.Column("operation", KEY, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("body_hash", KEY, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "run_id", "number", name="pk_run_attempts"),
        _of_run("run_attempts"),
    )


def _receipts() -> None:
    op.create_table(
        "run_receipts",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("after_etags", sa.Text, nullable=False),
        sa.Column("inverse", sa.Text, nullable=False),
        sa.Column("undo_handle", sa.Text, nullable=False),
        sa.Column("undo_until", UtcDateTime),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "run_id", name="pk_run_receipts"),
        _of_run("run_receipts"),
    )


def _cap_holds() -> None:
    op.create_table(
        "cap_holds",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("cap_id", KEY, nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("env", KEY, nullable=False),
        sa.Column("held_at", UtcDateTime, nullable=False),
        sa.Column("state", KEY, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "run_id", "cap_id", "key", name="pk_cap_holds"),
        _of_run("cap_holds"),
    )


def _queue() -> None:
    op.create_table(
        "run_queue",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("owner", KEY),
        sa.Column("leased_until", UtcDateTime),
        sa.PrimaryKeyConstraint("tenant_id", "run_id", name="pk_run_queue"),
        _of_run("run_queue"),
    )


def _switches() -> None:
    op.create_table(
        "action_switches",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("env", KEY, nullable=False),
        sa.Column("action", KEY, nullable=False),
        sa.Column("is_off", sa.Boolean, nullable=False),
        sa.Column("by", KEY, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "env", "action", name="pk_action_switches"),
    )


def _autonomy() -> None:
    op.create_table(
        "action_autonomy",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("action", KEY, nullable=False),
        sa.Column("level", KEY, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "action", name="pk_action_autonomy"),
    )


def _audit() -> None:
    op.create_table(
        "audit_rows",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("prev_hash", KEY, nullable=False),
        sa.Column("hash", KEY, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("what", KEY, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("details_hash", KEY, nullable=False),
        sa.Column("details", sa.Text),
        sa.PrimaryKeyConstraint("tenant_id", "seq", name="pk_audit_rows"),
    )


def _of_run(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["tenant_id", "run_id"], ["runs.tenant_id", "runs.run_id"], name=f"fk_{table}_runs")


def _indexes() -> None:
    op.create_index("ix_runs_idempotency", "runs", ["tenant_id", "env", "idem_scope", "idem_key"], unique=True)
    op.create_index(
        "ix_runs_natural_key",
        "runs",
        ["tenant_id", "env", "natural_key"],
        unique=True,
        sqlite_where=_IS_LIVE,
        postgresql_where=_IS_LIVE,
    )
    op.create_index(
        "ix_runs_reverses", "runs", ["tenant_id", "reverses"], unique=True, sqlite_where=_REVERSES, postgresql_where=_REVERSES
    )
    op.create_index("ix_runs_tenant_id_maker_run_id", "runs", ["tenant_id", "maker", "run_id"])
    op.create_index("ix_runs_tenant_id_state_run_id", "runs", ["tenant_id", "state", "run_id"])
    op.create_index(
        "ix_cap_holds_tenant_id_env_cap_id_key_held_at", "cap_holds", ["tenant_id", "env", "cap_id", "key", "held_at"]
    )
    op.create_index("ix_run_queue_tenant_id_due_at_run_id", "run_queue", ["tenant_id", "due_at", "run_id"])
    op.create_index("ix_audit_rows_tenant_id_prev_hash", "audit_rows", ["tenant_id", "prev_hash"], unique=True)
