"""What is spent and reserved, by meter, and the reservations that are open."""

from sqlalchemy import JSON, BigInteger, Column, Index, PrimaryKeyConstraint, Table

from surefoot.adapters.sql.schema.columns import KEY, METADATA, UtcDateTime

meters = Table(
    "meters",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("surface", KEY, nullable=False),
    Column("viewer_hash", KEY, nullable=False),
    Column("period", KEY, nullable=False),
    Column("period_start", UtcDateTime, nullable=False),
    Column("spent_nano_usd", BigInteger, nullable=False),
    Column("spent_tokens", BigInteger, nullable=False),
    Column("reserved_nano_usd", BigInteger, nullable=False),
    Column("reserved_tokens", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant_id", "surface", "viewer_hash", "period", "period_start"),
    Index(None, "tenant_id", "period_start"),
)

# The meters are a JSON list of [surface, viewer hash, period, start]: they are read with the reservation and never searched.
reservations = Table(
    "reservations",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("reservation_id", KEY, nullable=False),
    Column("surface", KEY, nullable=False),
    Column("viewer_hash", KEY, nullable=False),
    Column("nano_usd", BigInteger, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("meters", JSON, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("tenant_id", "reservation_id"),
    Index(None, "tenant_id", "expires_at"),
)

crossings = Table(
    "meter_crossings",
    METADATA,
    Column("tenant_id", KEY, nullable=False),
    Column("surface", KEY, nullable=False),
    Column("viewer_hash", KEY, nullable=False),
    Column("period", KEY, nullable=False),
    Column("period_start", UtcDateTime, nullable=False),
    Column("level", KEY, nullable=False),
    PrimaryKeyConstraint("tenant_id", "surface", "viewer_hash", "period", "period_start", "level"),
    Index(None, "tenant_id", "period_start"),
)
