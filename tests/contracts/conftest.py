"""The stores that every store contract runs on. A test that asks for `store` runs on each of them."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from surefoot.adapters.memory.store import MemoryStore
from surefoot.adapters.sql.store import SqlStore
from surefoot.ports import Store
from tests.contracts.databases import Postgres, postgres_server

STORE_KINDS = ("memory", "sqlite", "postgresql")
DATABASE_KINDS = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def store_postgres() -> Iterator[Postgres]:
    """One real PostgreSQL server for the whole run, started when a test first asks for it."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def store_sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy, so that each test need not run the migrations."""
    path = tmp_path_factory.mktemp("store-template") / "surefoot.db"
    store = SqlStore(f"sqlite:///{path}")
    store.migrate()
    store.close()
    return path


@pytest.fixture(params=DATABASE_KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated database of this test's own, of each dialect."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("store_sqlite_template"), tmp_path / "surefoot.db")
        yield f"sqlite:///{tmp_path / 'surefoot.db'}"
        return
    with request.getfixturevalue("store_postgres").database() as url:
        yield url


@pytest.fixture(params=DATABASE_KINDS)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables, of each dialect."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'surefoot.db'}"
        return
    with request.getfixturevalue("store_postgres").empty_database() as url:
        yield url


@pytest.fixture
def open_database(database_url: str) -> Iterator[Callable[[], Store]]:
    """Opens one more store on this test's database, as another process would; all are closed at the end."""
    with ExitStack() as opened:

        def another() -> Store:
            store = SqlStore(database_url)
            opened.callback(store.close)
            store.migrate()
            return store

        yield another


@pytest.fixture(params=STORE_KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty, migrated store of each kind."""
    with ExitStack() as held:
        if request.param == "memory":
            opened: Store = MemoryStore()
        elif request.param == "sqlite":
            shutil.copy(request.getfixturevalue("store_sqlite_template"), tmp_path / "surefoot.db")
            opened = SqlStore(f"sqlite:///{tmp_path / 'surefoot.db'}")
        else:
            url = held.enter_context(request.getfixturevalue("store_postgres").database())
            opened = SqlStore(url)
        held.callback(opened.close)
        opened.migrate()
        yield opened
