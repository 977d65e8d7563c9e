"""Brings a database to the newest schema, by as many processes at once as may start together."""

import time

from sqlalchemy import Connection, inspect, text

from surefoot.adapters.sql.engine import WAIT_SECONDS, Database
from surefoot.adapters.sql.schema.columns import CACHE_METADATA
from surefoot.core.errors import StoreUnavailable

# The newest revision, repeated here so that a start on a migrated database need not import Alembic; a test keeps it true.
HEAD = "0009"
VERSION_TABLE = "alembic_version"
# PostgreSQL's advisory locks are numbers that applications choose; these bytes spell "surefoot".
_LOCK = int.from_bytes(b"surefoot", "big")
_PAUSE_SECONDS = 0.01


def migrate(database: Database) -> None:
    """The tables are those of HEAD. Raises StoreUnavailable when a newer Surefoot has migrated the database."""
    _use_wal(database)
    if _revision(database) == HEAD:
        return
    connection = database.write()
    try:
        _alone(connection)
        # Another process may have come first while this one waited; only what is read inside the lock counts.
        if _revision_at(connection) != HEAD:
            _upgrade(connection, database.place)
        connection.commit()
    finally:
        database.finish(connection, wrote=True)


def make_cache(database: Database) -> None:
    """The cache's table exists. It is never migrated: another layout is another table."""
    _use_wal(database)
    connection = database.read()
    try:
        if set(CACHE_METADATA.tables) <= set(inspect(connection).get_table_names()):
            return
    finally:
        database.finish(connection, wrote=False)
    connection = database.write()
    try:
        _alone(connection)
        CACHE_METADATA.create_all(connection)
        connection.commit()
    finally:
        database.finish(connection, wrote=True)


def _upgrade(connection: Connection, place: str) -> None:
    # Imported late: it takes as long as everything else of a start together.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", "surefoot.adapters.sql:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, HEAD)
    except CommandError:
        revision = _revision_at(connection)
        raise StoreUnavailable(f"{place} is at revision {revision!r}, which this Surefoot does not know; upgrade it.") from None


def _revision(database: Database) -> str | None:
    connection = database.read()
    try:
        return _revision_at(connection)
    finally:
        database.finish(connection, wrote=False)


def _revision_at(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one_or_none()  # noqa: S608
    return found


def _alone(connection: Connection) -> None:
    """No other process changes the schema until this transaction ends; SQLite's write lock says so already."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def _use_wal(database: Database) -> None:
    """The SQLite file is in WAL mode, which it remembers. The switch ignores SQLite's own waiting, so it is repeated here."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            database.wal()
            return
        except StoreUnavailable as error:
            if error.retry_after_seconds is None or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_SECONDS)
