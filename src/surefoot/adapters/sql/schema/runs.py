"""Runs and what belongs to them. JSON is text here: a digest binds it, so it must come back as it was written."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from surefoot.adapters.sql.schema.columns import KEY, METADATA, JsonText, UtcDateTime
from surefoot.domain.runs import GAVE_UP, LIVE


def _of_run() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant_id", "run_id"], ["runs.tenant_id", "runs.run_id"])


def _states(states: frozenset[str]) -> str:
    return ", ".join(f"'{state}'" for state in sorted(states))


# Both are conditions of unique indexes, so what is live and what gave up is in the schema: another list needs a migration.
# Statements repeat them to the letter, for only then does a database look the rows up in those indexes.
IS_LIVE = text(f"natural_key <> '' AND state IN ({_states(LIVE)})")
REVERSES = text(f"reverses <> '' AND state NOT IN ({_states(GAVE_UP)})")

runs = Table(
    "runs",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("run_id", KEY, nullable=False),
    Column("env", KEY, nullable=False),
    Column("kind", KEY, nullable=False),
    Column("action", KEY, nullable=False),
    Column("action_version", KEY, nullable=False),
    Column("schema_hash", KEY, nullable=False),
    Column("maker", KEY, nullable=False),
    Column("arguments", JsonText, nullable=False),
    Column("arguments_hash", KEY, nullable=False),
    Column("idem_scope", KEY, nullable=False),
    Column("idem_key", KEY, nullable=False),
    Column("idem_fingerprint", KEY, nullable=False),
    Column("natural_key", KEY, nullable=False),
    Column("state", KEY, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("deadline", UtcDateTime, nullable=False),
    Column("agent", KEY, nullable=False),
    Column("reverses", KEY, nullable=False),
    Column("reason", Text, nullable=False),
    Column("citations", JsonText, nullable=False),
    Column("not_before", UtcDateTime),
    Column("undone_by", KEY, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("account", KEY, nullable=False, server_default=""),
    Column("trace_id", KEY, nullable=False, server_default=""),
    Column("surface", KEY, nullable=False, server_default=""),
    PrimaryKeyConstraint("tenant_id", "run_id"),
    Index("ix_runs_idempotency", "tenant_id", "env", "idem_scope", "idem_key", unique=True),
    Index(
        "ix_runs_natural_key",
        "tenant_id",
        "env",
        "natural_key",
        unique=True,
        sqlite_where=IS_LIVE,
        postgresql_where=IS_LIVE,
    ),
    Index("ix_runs_reverses", "tenant_id", "reverses", unique=True, sqlite_where=REVERSES, postgresql_where=REVERSES),
    Index(None, "tenant_id", "maker", "run_id"),
    Index(None, "tenant_id", "state", "run_id"),
    Index(None, "tenant_id", "trace_id", "run_id"),
)

plans = Table(
    "run_plans",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("run_id", KEY, nullable=False),
    Column("changes", JsonText, nullable=False),
    Column("preconditions", JsonText, nullable=False),
    Column("summary", Text, nullable=False),
    Column("cost_usd", Double, nullable=False),
    Column("minutes_saved", Double, nullable=False),
    Column("digest", KEY, nullable=False),
    Column("policy_version", KEY, nullable=False),
    Column("connector_version", KEY, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("consumed_at", UtcDateTime),
    PrimaryKeyConstraint("tenant_id", "run_id"),
    _of_run(),
)

approvals = Table(
    "run_approvals",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("run_id", KEY, nullable=False),
    Column("plan_digest", KEY, nullable=False),
    Column("approver", KEY, nullable=False),
    Column("verdict", KEY, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("note", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "run_id", "plan_digest", "approver"),
    _of_run(),
)

decisions = Table(
    "run_decisions",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("run_id", KEY, nullable=False),
    Column("number", Integer, nullable=False),
    Column("stage", KEY, nullable=False),
    Column("effect", KEY, nullable=False),
    Column("policy_hash", KEY, nullable=False),
    Column("reasons", JsonText, nullable=False),
    Column("errors", JsonText, nullable=False),
    Column("needs_approval", Boolean, nullable=False),
    Column("facts", JsonText, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("tenant_id", "run_id", "number"),
    _of_run(),
)

attempts = Table(
    "run_attempts",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("run_id", KEY, nullable=False),
    Column("number", Integer, nullable=False),
    Column("delivery_id", KEY, nullable=False),
    Column("operation", KEY, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("body_hash", KEY, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("tenant_id", "run_id", "number"),
    _of_run(),
    Index(None, "tenant_id", "at"),
)

receipts = Table(
    "run_receipts",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("run_id", KEY, nullable=False),
    Column("after_etags", JsonText, nullable=False),
    Column("inverse", JsonText, nullable=False),
    Column("undo_handle", Text, nullable=False),
    Column("undo_until", UtcDateTime),
    Column("result", JsonText, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("tenant_id", "run_id"),
    _of_run(),
)

# A released hold stays as a row: the ledger says what was held and given back.
cap_holds = Table(
    "cap_holds",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("run_id", KEY, nullable=False),
    Column("cap_id", KEY, nullable=False),
    Column("key", KEY, nullable=False),
    Column("env", KEY, nullable=False),
    Column("held_at", UtcDateTime, nullable=False),
    Column("state", KEY, nullable=False),
    PrimaryKeyConstraint("tenant_id", "run_id", "cap_id", "key"),
    _of_run(),
    Index(None, "tenant_id", "env", "cap_id", "key", "held_at"),
)

run_queue = Table(
    "run_queue",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("run_id", KEY, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("owner", KEY),
    Column("leased_until", UtcDateTime),
    PrimaryKeyConstraint("tenant_id", "run_id"),
    _of_run(),
    Index(None, "tenant_id", "due_at", "run_id"),
)

switches = Table(
    "action_switches",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("env", KEY, nullable=False),
    Column("action", KEY, nullable=False),
    Column("is_off", Boolean, nullable=False),
    Column("by", KEY, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("tenant_id", "env", "action"),
)

autonomy = Table(
    "action_autonomy",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("action", KEY, nullable=False),
    Column("level", KEY, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("tenant_id", "action"),
)

reviews = Table(
    "action_reviews",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("owner", KEY),
    Column("leased_until", UtcDateTime),
    PrimaryKeyConstraint("tenant_id"),
)
