"""The MeterRepository port: what must not be interleaved is one statement each, never read-then-write.

Every call takes its meters in one order, so that two transactions on PostgreSQL never wait for each other in a circle.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, Row, and_, bindparam, delete, exists, select, update

from surefoot.adapters.sql.schema.columns import TENANT, UtcDateTime, one_of
from surefoot.adapters.sql.schema.meters import crossings, meters, reservations
from surefoot.adapters.sql.transaction import Transaction
from surefoot.adapters.sql.upsert import inserting
from surefoot.domain.budgets import (
    NOTHING_SPENT,
    Account,
    Limit,
    Limits,
    MeterKey,
    MeterState,
    Period,
    Reservation,
    Spend,
    is_of_earlier_month,
)
from surefoot.domain.identity import TenantId

_UNLIMITED = Limit()
# The most that a column can hold, so that no limit and a limit are one statement.
_NO_LIMIT = 2**63 - 1

_KEY = (meters.c.surface, meters.c.viewer_hash, meters.c.period, meters.c.period_start)
_COUNTS = (meters.c.spent_nano_usd, meters.c.spent_tokens, meters.c.reserved_nano_usd, meters.c.reserved_tokens)
_KNOWN = select(*_KEY).where(meters.c.tenant_id == TENANT, meters.c.period_start >= bindparam("since", type_=UtcDateTime()))
_MOVE = (
    update(meters)
    .where(meters.c.tenant_id == TENANT, *(column == bindparam(f"meter_{column.name}", type_=column.type) for column in _KEY))
    .values({column: column + bindparam(f"more_{column.name}", type_=column.type) for column in _COUNTS})
)
_RESERVATION = tuple(column for column in reservations.c if column.name != "tenant_id")
_OPEN = (
    select(*_RESERVATION)
    .where(reservations.c.tenant_id == TENANT)
    .order_by(reservations.c.expires_at, reservations.c.reservation_id)
)
# A row that another transaction is just settling is passed over: it is settled, or the next write-off finds it again.
_EXPIRED = _OPEN.where(reservations.c.expires_at <= bindparam("now", type_=UtcDateTime())).with_for_update(skip_locked=True)
_SETTLE = (
    delete(reservations)
    .where(reservations.c.tenant_id == TENANT, reservations.c.reservation_id == bindparam("reservation"))
    .returning(*_RESERVATION)
)

# Of an earlier month, so that what is over is one range of an index, whatever the period.
_MONTH = bindparam("month", type_=UtcDateTime())
_OVER = (
    meters.c.tenant_id == TENANT,
    meters.c.period_start < _MONTH,
    meters.c.reserved_nano_usd == 0,
    meters.c.reserved_tokens == 0,
)
_OLDEST = select(*_KEY).where(*_OVER).order_by(meters.c.period_start, *_KEY[:3]).limit(bindparam("most"))
# One row each: given a list of keys, SQLite would read all of the tenant's rows to find them.
_PRUNE = delete(meters).where(*_OVER, *(column == bindparam(f"its_{column.name}", type_=column.type) for column in _KEY))
_CROSSING = (crossings.c.surface, crossings.c.viewer_hash, crossings.c.period, crossings.c.period_start)
_WITHOUT_METER = ~exists().where(
    meters.c.tenant_id == crossings.c.tenant_id, *(mine == its for mine, its in zip(_KEY, _CROSSING, strict=True))
)
_TOLD = (
    select(*_CROSSING, crossings.c.level)
    .where(crossings.c.tenant_id == TENANT, crossings.c.period_start < _MONTH, _WITHOUT_METER)
    .order_by(crossings.c.period_start)
    .limit(bindparam("most"))
)
_ITS = tuple(f"its_{column.name}" for column in (*_CROSSING, crossings.c.level))
_FORGET = delete(crossings).where(
    crossings.c.tenant_id == TENANT,
    *(column == bindparam(f"its_{column.name}", type_=column.type) for column in (*_CROSSING, crossings.c.level)),
    _WITHOUT_METER,
)


@cache
def _states(dialect: str) -> Executable:
    """Every meter of these surfaces, viewers and periods, more than are asked for: given a list of whole keys, SQLite would read
    all of the tenant's meters.
    """
    names = (meters.c.surface, meters.c.viewer_hash, meters.c.period)
    since, until = (bindparam(name, type_=UtcDateTime()) for name in ("since", "until"))
    return select(*_KEY, *_COUNTS).where(
        meters.c.tenant_id == TENANT,
        *(one_of(column, f"of_{column.name}", dialect) for column in names),
        meters.c.period_start.between(since, until),
    )


@cache
def _hold(dialect: str) -> Executable:
    """The amount is reserved if spent + reserved + amount stays within both limits; returns a row only then.

    The row appears with the amount if it was absent, so the caller first compares the amount alone with the limits.
    """
    new = inserting(meters, dialect)
    used = {unit: meters.c[f"spent_{unit}"] + meters.c[f"reserved_{unit}"] for unit in ("nano_usd", "tokens")}
    return new.on_conflict_do_update(
        index_elements=["tenant_id", *(column.name for column in _KEY)],
        set_={f"reserved_{unit}": meters.c[f"reserved_{unit}"] + new.excluded[f"reserved_{unit}"] for unit in used},
        where=and_(
            *(amount + new.excluded[f"reserved_{unit}"] <= bindparam(f"most_{unit}") for unit, amount in used.items()),
        ),
    ).returning(meters.c.tenant_id)


@cache
def _reserve(dialect: str) -> Executable:
    return inserting(reservations, dialect)


@cache
def _remove(dialect: str) -> Executable:
    return delete(reservations).where(reservations.c.tenant_id == TENANT, one_of(reservations.c.reservation_id, "ids", dialect))


@cache
def _cross(dialect: str) -> Executable:
    return inserting(crossings, dialect).on_conflict_do_nothing().returning(crossings.c.level)


class SqlMeters:
    """What is spent and reserved, and the reservations that are open."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def reserve(self, tenant: TenantId, reservation: Reservation, limits: Limits) -> MeterKey | None:
        amount = reservation.amount
        with self._transaction.write() as connection:
            wanted = _in_order(reservation.meters)
            held = [each for each in wanted if self._held(connection, tenant, each, amount, limits.get(each, _UNLIMITED))]
            if len(held) < len(wanted):
                # Given back here, so that nothing stays held even if the caller commits what else it wrote.
                for meter in held:
                    _move(connection, tenant, meter, reserved=_negative(amount))
                return next(meter for meter in reservation.meters if meter not in held)
            connection.execute(_reserve(self._transaction.dialect), _row(tenant, reservation))
            return None

    def settle(self, tenant: TenantId, reservation_id: str, actual: Spend) -> Reservation | None:
        with self._transaction.write() as connection:
            row = connection.execute(_SETTLE, {"tenant": tenant, "reservation": reservation_id}).one_or_none()
            if row is None:
                return None
            reservation = _reservation(row)
            for meter in _in_order(reservation.meters):
                _move(connection, tenant, meter, reserved=_negative(reservation.amount), spent=actual)
            return reservation

    def write_off(self, tenant: TenantId, *, now: datetime) -> list[Reservation]:
        with self._transaction.write() as connection:
            expired = [_reservation(row) for row in connection.execute(_EXPIRED, {"tenant": tenant, "now": now})]
            if not expired:
                return []
            ids = [reservation.reservation_id for reservation in expired]
            connection.execute(_remove(self._transaction.dialect), {"tenant": tenant, "ids": ids})
            lost: dict[MeterKey, Spend] = {}
            for reservation in expired:
                for meter in frozenset(reservation.meters):
                    lost[meter] = lost.get(meter, NOTHING_SPENT) + reservation.amount
            for meter in _in_order(lost):
                _move(connection, tenant, meter, reserved=_negative(lost[meter]), spent=lost[meter])
            return expired

    def states(self, tenant: TenantId, limits: Limits) -> list[MeterState]:
        found: dict[MeterKey, tuple[Spend, Spend]] = {}
        if limits:
            starts = [meter.period_start for meter in limits]
            values = {
                "tenant": tenant,
                "of_surface": list({meter.surface for meter in limits}),
                "of_viewer_hash": list({meter.viewer_hash for meter in limits}),
                "of_period": list({meter.period.value for meter in limits}),
                "since": min(starts),
                "until": max(starts),
            }
            for row in self._transaction.read().execute(_states(self._transaction.dialect), values):
                spent, reserved = Spend(row.spent_nano_usd, row.spent_tokens), Spend(row.reserved_nano_usd, row.reserved_tokens)
                found[_meter(row[: len(_KEY)])] = spent, reserved
        unused = (NOTHING_SPENT, NOTHING_SPENT)
        return [MeterState(meter, limit, *found.get(meter, unused)) for meter, limit in limits.items()]

    def known(self, tenant: TenantId, *, since: datetime) -> list[MeterKey]:
        # Ordered here: asked for an order, SQLite reads all meters there ever were by the index that has it.
        rows = self._transaction.read().execute(_KNOWN, {"tenant": tenant, "since": since})
        return [_meter(row) for row in sorted(map(tuple, rows))]

    def open_reservations(self, tenant: TenantId) -> list[Reservation]:
        return [_reservation(row) for row in self._transaction.read().execute(_OPEN, {"tenant": tenant})]

    def mark_crossed(self, tenant: TenantId, meter: MeterKey, level: str) -> bool:
        surface, viewer_hash, period, period_start = _values(meter)
        row = {
            "tenant_id": tenant,
            "surface": surface,
            "viewer_hash": viewer_hash,
            "period": period,
            "period_start": period_start,
            "level": level,
        }
        with self._transaction.write() as connection:
            return connection.execute(_cross(self._transaction.dialect), row).one_or_none() is not None

    def prune(self, tenant: TenantId, *, before: datetime, limit: int) -> int:
        values = {"tenant": tenant, "month": Period.MONTH.start(before)}
        most = max(0, limit)
        # A reservation of nothing counts on its meters all the same, when it is settled.
        held = {
            _values(meter)
            for each in self.open_reservations(tenant)
            for meter in each.meters
            if is_of_earlier_month(meter, before)
        }
        found = self._transaction.read().execute(_OLDEST, {**values, "most": most + len(held)}).all()
        over = [key for key in map(tuple, found) if key not in held][:most]
        gone = 0
        if over:
            with self._transaction.write() as connection:
                gone = connection.execute(_PRUNE, [{**values, **dict(zip(_ITS, key, strict=False))} for key in over]).rowcount
        told = self._transaction.read().execute(_TOLD, {**values, "most": most}).all()
        if told:
            with self._transaction.write() as connection:
                gone += connection.execute(
                    _FORGET, [{"tenant": tenant, **dict(zip(_ITS, key, strict=True))} for key in told]
                ).rowcount
        return gone

    def _held(self, connection: Connection, tenant: TenantId, meter: MeterKey, amount: Spend, limit: Limit) -> bool:
        """Whether the amount is reserved on the meter now."""
        most_nano_usd = _NO_LIMIT if limit.nano_usd is None else limit.nano_usd
        most_tokens = _NO_LIMIT if limit.tokens is None else limit.tokens
        if amount.nano_usd > most_nano_usd or amount.tokens > most_tokens:
            return False
        surface, viewer_hash, period, period_start = _values(meter)
        values = {
            "tenant_id": tenant,
            "surface": surface,
            "viewer_hash": viewer_hash,
            "period": period,
            "period_start": period_start,
            "spent_nano_usd": 0,
            "spent_tokens": 0,
            "reserved_nano_usd": amount.nano_usd,
            "reserved_tokens": amount.tokens,
            "most_nano_usd": most_nano_usd,
            "most_tokens": most_tokens,
        }
        return connection.execute(_hold(self._transaction.dialect), values).one_or_none() is not None


def _move(connection: Connection, tenant: TenantId, meter: MeterKey, *, reserved: Spend, spent: Spend = NOTHING_SPENT) -> None:
    """The meter counts so much more, or less."""
    values: dict[str, Any] = {f"meter_{column.name}": value for column, value in zip(_KEY, _values(meter), strict=True)}
    more = (spent.nano_usd, spent.tokens, reserved.nano_usd, reserved.tokens)
    values |= {f"more_{column.name}": value for column, value in zip(_COUNTS, more, strict=True)}
    connection.execute(_MOVE, {"tenant": tenant, **values})


def _negative(amount: Spend) -> Spend:
    return Spend(-amount.nano_usd, -amount.tokens)


def _in_order(keys: Iterable[MeterKey]) -> list[MeterKey]:
    """Each meter once, in the order in which every transaction takes them: the tenant's own last, for everybody wants it and
    its row is locked until the transaction ends.
    """
    return sorted(frozenset(keys), key=_values, reverse=True)


def _values(meter: MeterKey) -> tuple[str, str, str, datetime]:
    return meter.surface, meter.viewer_hash, meter.period.value, meter.period_start


def _meter(values: Sequence[Any]) -> MeterKey:
    surface, viewer_hash, period, period_start = values
    return MeterKey(surface, viewer_hash, Period(period), period_start)


def _row(tenant: TenantId, reservation: Reservation) -> dict[str, Any]:
    return {
        "tenant_id": tenant,
        "reservation_id": reservation.reservation_id,
        "surface": reservation.account.surface,
        "viewer_hash": reservation.account.viewer_hash,
        "nano_usd": reservation.amount.nano_usd,
        "tokens": reservation.amount.tokens,
        "meters": [[*_values(meter)[:3], meter.period_start.isoformat()] for meter in reservation.meters],
        "expires_at": reservation.expires_at,
    }


def _reservation(row: Row[Any]) -> Reservation:
    held_on = (
        MeterKey(surface, viewer, Period(period), datetime.fromisoformat(at)) for surface, viewer, period, at in row.meters
    )
    account, amount = Account(row.surface, row.viewer_hash), Spend(row.nano_usd, row.tokens)
    return Reservation(row.reservation_id, account, amount, tuple(held_on), row.expires_at)
