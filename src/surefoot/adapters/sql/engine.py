"""Connections: how each dialect is opened, and what its errors mean to a caller."""

import os
import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, make_url
from sqlalchemy.engine import ExceptionContext

from surefoot.core.errors import Conflict, InvalidInput, InvalidSettings, Overloaded, StoreUnavailable, SurefootError

WAIT_SECONDS = 30
_CONNECT_SECONDS = 5
_RETRY_SECONDS = 1
# PostgreSQL's codes for "another transaction came first": serialization failure and deadlock.
_RACES = ("40001", "40P01")
_LOCK_TIMEOUT = "55P03"
_FORMS = "sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"


def parse_url(text: str) -> URL:
    """The database URL with its driver settled; anything but the two documented forms raises InvalidSettings.

    The message never repeats the URL, which may hold a password.
    """
    try:
        url = make_url(text)
    except (exc.ArgumentError, ValueError):
        raise InvalidSettings(f"database_url is not a database URL; write {_FORMS}.") from None
    if "@" in (url.host or ""):
        # What looks like the host then holds the rest of a password, which no later message may show.
        raise InvalidSettings("The password in database_url holds an @; write it as %40.")
    name = url.drivername
    if name in ("sqlite", "sqlite+pysqlite"):
        if not url.database or url.database == ":memory:" or url.query.get("mode") == "memory":
            raise InvalidSettings("database_url names no file; write sqlite:///PATH.")
        return url.set(drivername="sqlite+pysqlite")
    if name in ("postgresql", "postgres", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    raise InvalidSettings(f"database_url has the unknown scheme {name!r}; write {_FORMS}.")


def place(url: URL) -> str:
    """Where the database is, in words, without user, password or options."""
    if url.get_backend_name() == "sqlite":
        return f"The SQLite database {url.database!r}"
    host = url.host or next(iter(url.normalized_query.get("host", ())), "localhost")
    return f"The PostgreSQL database {url.database!r} at {host}:{url.port or 5432}"


class _Pool:
    """The connections of one process: an engine seen as a reader and as a writer, and the queue of its writers."""

    def __init__(self, url: URL, *, durable: bool) -> None:
        sqlite = url.get_backend_name() == "sqlite"
        self.engine = _sqlite(url, durable=durable) if sqlite else _postgresql(url, durable=durable)
        event.listen(self.engine, "handle_error", _translator(place(url)))
        reading: dict[str, Any] = {} if sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self.reader = self.engine.execution_options(**reading)
        self.writer = self.engine.execution_options(surefoot_writes=True)
        # SQLite has one writer at a time and its own waiting polls with growing pauses; threads of one process queue here.
        self.queue: threading.Lock | None = threading.Lock() if sqlite else None


class Database:
    """One database, opened at first use, by each process for itself: connections never cross a fork."""

    def __init__(self, url: URL, *, durable: bool) -> None:
        self.url = url
        self.dialect = url.get_backend_name()
        self._durable = durable
        # Connections inherited over a fork stay in this map, unused: closing them here would end the parent's locks.
        self._pools: dict[int, _Pool] = {}
        self._closed = False

    @property
    def place(self) -> str:
        return place(self.url)

    def read(self) -> Connection:
        """A connection in a read transaction: all it reads is of one moment, and no writer waits for it or blocks it."""
        return self._begin(self._pool().reader)

    def write(self) -> Connection:
        """A connection in a write transaction that sees the newest state; give it back with `finish`.

        Raises StoreUnavailable when other writers take longer than WAIT_SECONDS.
        """
        pool = self._pool()
        if pool.queue is not None and not pool.queue.acquire(timeout=WAIT_SECONDS):
            raise _locked(self.place)
        try:
            connection = self._begin(pool.writer)
        except BaseException:
            if pool.queue is not None:
                pool.queue.release()
            raise
        return connection

    def wal(self) -> None:
        """The SQLite file is in WAL mode, which the file itself remembers; PostgreSQL has no such choice."""
        if self.dialect != "sqlite":
            return
        # Inside a transaction the pragma does nothing, so this one is never begun for SQLite.
        with self._pool().engine.connect().execution_options(surefoot_begins=False) as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")

    def finish(self, connection: Connection, *, wrote: bool) -> None:
        """The connection is free for others; what it did not commit is rolled back. `wrote` says which kind it was."""
        queue = self._pools[os.getpid()].queue if wrote else None
        try:
            if self._closed and not connection.invalidated:
                # Its pool is gone, so nobody would ever close what is given back to it.
                connection.detach()
            connection.close()
        finally:
            if queue is not None:
                queue.release()

    def close(self) -> None:
        """This process holds no connection any more; further calls raise StoreUnavailable."""
        self._closed = True
        pool = self._pools.get(os.getpid())
        if pool is not None:
            # The pool stays in the map, so that a unit of work still open in another thread can be finished.
            pool.engine.dispose()

    def _pool(self) -> _Pool:
        pid = os.getpid()
        pool = self._pools.get(pid)
        if pool is None:
            # setdefault is atomic, so that two threads that both come first share the pool that won.
            pool = self._pools.setdefault(pid, _Pool(self.url, durable=self._durable))
        return pool

    def _begin(self, engine: Engine) -> Connection:
        if self._closed:
            raise StoreUnavailable(f"{self.place} was closed by this process; make a new store.")
        try:
            connection = engine.connect()
        except exc.TimeoutError:
            raise Overloaded(f"{self.place}: every connection is in use.", retry_after_seconds=_RETRY_SECONDS) from None
        try:
            connection.begin()
        except BaseException:
            connection.close()
            raise
        return connection


def _sqlite(url: URL, *, durable: bool) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=16,
        max_overflow=-1,
        pool_use_lifo=True,
        connect_args={"timeout": WAIT_SECONDS, "cached_statements": 256},
    )
    synchronous = "FULL" if durable else "NORMAL"

    def on_connect(connection: Any, record: object) -> None:
        # The driver must not begin transactions by itself: a reader that writes later would deadlock on the upgrade.
        connection.isolation_level = None
        for setting in (f"synchronous={synchronous}", "foreign_keys=ON", "secure_delete=ON", "journal_size_limit=67108864"):
            connection.execute(f"PRAGMA {setting}")

    def on_begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get("surefoot_begins", True):
            connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("surefoot_writes", False) else "BEGIN")

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)
    return engine


def _postgresql(url: URL, *, durable: bool) -> Engine:
    options = f"-c timezone=UTC -c lock_timeout={WAIT_SECONDS}s" + ("" if durable else " -c synchronous_commit=off")
    given = url.normalized_query
    arguments: dict[str, Any] = {"options": " ".join([*given.get("options", ()), options])}
    if "connect_timeout" not in given:
        arguments["connect_timeout"] = _CONNECT_SECONDS
    if "application_name" not in given:
        arguments["application_name"] = "surefoot"
    return create_engine(
        url,
        hide_parameters=True,
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=10,
        pool_timeout=WAIT_SECONDS,
        pool_use_lifo=True,
        connect_args=arguments,
    )


def _translator(where: str) -> Callable[[ExceptionContext], SurefootError | None]:
    """A listener that gives each database error its place in the error tree; what is none of these is a bug and stays."""

    def translate(context: ExceptionContext) -> SurefootError | None:
        error = context.sqlalchemy_exception
        code = str(getattr(context.original_exception, "sqlstate", None) or "")
        if isinstance(error, exc.IntegrityError) or code in _RACES:
            return Conflict()
        if isinstance(error, exc.DataError):
            return InvalidInput(f"{where} cannot hold one of the values: {_first_line(context)}.")
        if code == _LOCK_TIMEOUT or "database is locked" in str(context.original_exception):
            return _locked(where)
        if code == "42P01" or "no such table" in str(context.original_exception):
            return StoreUnavailable(f"{where} has no tables of Surefoot yet; run `surefoot init`.")
        if isinstance(error, exc.OperationalError | exc.InterfaceError) or type(error) is exc.DatabaseError:
            return StoreUnavailable(f"{where} does not answer: {_first_line(context)}; `surefoot doctor` says what is wrong.")
        return None

    return translate


def _locked(where: str) -> StoreUnavailable:
    """The one outage that another try may find over: it says after how long."""
    return StoreUnavailable(f"{where} was being written for {WAIT_SECONDS} s; try again.", retry_after_seconds=_RETRY_SECONDS)


def _first_line(context: ExceptionContext) -> str:
    """The driver's own words without the lines that may quote data."""
    return (str(context.original_exception).strip().splitlines() or ["no reason given"])[0].rstrip(".")
