"""The tables of the model router: meters and reservations, outgoing events, conversations."""

import sqlalchemy as sa
from alembic import op

from surefoot.adapters.sql.schema.columns import KEY, UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The tables exist."""
    _meters()
    _reservations()
    _crossings()
    _events()
    _conversations()
    _turns()


def _meters() -> None:
    op.create_table(
        "meters",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("surface", KEY, nullable=False),
        sa.Column("viewer_hash", KEY, nullable=False),
        sa.Column("period", KEY, nullable=False),
        sa.Column("period_start", UtcDateTime, nullable=False),
        sa.Column("spent_nano_usd", sa.BigInteger, nullable=False),
        sa.Column("spent_tokens", sa.BigInteger, nullable=False),
        sa.Column("reserved_nano_usd", sa.BigInteger, nullable=False),
        sa.Column("reserved_tokens", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "surface", "viewer_hash", "period", "period_start", name="pk_meters"),
    )
    op.create_index("ix_meters_tenant_id_period_start", "meters", ["tenant_id", "period_start"])


def _reservations() -> None:
    op.create_table(
        "reservations",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("reservation_id", KEY, nullable=False),
        sa.Column("surface", KEY, nullable=False),
        sa.Column("viewer_hash", KEY, nullable=False),
        sa.Column("nano_usd", sa.BigInteger, nullable=False),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        sa.Column("meters", sa.JSON, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "reservation_id", name="pk_reservations"),
    )
    op.create_index("ix_reservations_tenant_id_expires_at", "reservations", ["tenant_id", "expires_at"])


def _crossings() -> None:
    op.create_table(
        "meter_crossings",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("surface", KEY, nullable=False),
        sa.Column("viewer_hash", KEY, nullable=False),
        sa.Column("period", KEY, nullable=False),
        sa.Column("period_start", UtcDateTime, nullable=False),
        sa.Column("level", KEY, nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant_id", "surface", "viewer_hash", "period", "period_start", "level", name="pk_meter_crossings"
        ),
    )


def _events() -> None:
    op.create_table(
        "outgoing_events",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("event_id", KEY, nullable=False),
        sa.Column("type", KEY, nullable=False),
        sa.Column("subject", KEY, nullable=False),
        sa.Column("time", UtcDateTime, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", UtcDateTime),
        sa.Column("delivered_at", UtcDateTime),
        sa.Column("last_failure", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "event_id", name="pk_outgoing_events"),
    )
    op.create_index("ix_outgoing_events_tenant_id_due_at", "outgoing_events", ["tenant_id", "due_at"])
    op.create_index("ix_outgoing_events_tenant_id_time_event_id", "outgoing_events", ["tenant_id", "time", "event_id"])


def _conversations() -> None:
    op.create_table(
        "conversations",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("conversation_id", KEY, nullable=False),
        sa.Column("viewer_hash", KEY, nullable=False),
        sa.Column("surface", KEY, nullable=False),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.Column("handed_over_at", UtcDateTime),
        sa.PrimaryKeyConstraint("tenant_id", "conversation_id", name="pk_conversations"),
    )
    op.create_index(
        "ix_conversations_tenant_id_viewer_hash_updated_at", "conversations", ["tenant_id", "viewer_hash", "updated_at"]
    )


def _turns() -> None:
    op.create_table(
        "turns",
        sa.Column("tenant_id", KEY, nullable=False),
        sa.Column("conversation_id", KEY, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("reply_id", KEY, nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("standalone_question", sa.Text, nullable=False),
        sa.Column("outcome", KEY, nullable=False),
        sa.Column("shown", sa.JSON, nullable=False),
        sa.Column("documents", sa.JSON, nullable=False),
        sa.Column("asked_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "conversation_id", "position", name="pk_turns"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "conversation_id"],
            ["conversations.tenant_id", "conversations.conversation_id"],
            name="fk_turns_conversations",
            ondelete="CASCADE",
        ),
    )
