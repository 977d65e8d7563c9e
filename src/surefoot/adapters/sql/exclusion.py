"""What one transaction at a time may do, where no row says so yet."""

from collections.abc import Iterable

from sqlalchemy import BigInteger, Connection, bindparam, func, select

from surefoot.core.ids import digest

_TAKE = select(func.pg_advisory_xact_lock(bindparam("name", type_=BigInteger)))


def exclude(connection: Connection, names: Iterable[tuple[str, ...]]) -> None:
    """Every other transaction that excludes one of these names waits until this one, which must be a writer, ends.

    SQLite has one writer at a time, so nothing is left to do there. PostgreSQL's advisory locks are numbers: two names that
    share one wait for each other without need, which is slower and not wrong. They are taken in one order, so that two
    transactions never wait in a circle.
    """
    if connection.dialect.name != "postgresql":
        return
    for number in sorted({int.from_bytes(bytes.fromhex(digest(*name)[:16]), signed=True) for name in names}):
        connection.execute(_TAKE, {"name": number})
