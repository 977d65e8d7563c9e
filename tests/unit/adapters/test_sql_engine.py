"""How SQLite is opened, and what its waiting ends in."""

from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from surefoot.adapters.sql import engine
from surefoot.adapters.sql.engine import Database, parse_url
from surefoot.adapters.sql.migration import migrate
from surefoot.core.errors import StoreUnavailable


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'surefoot.db'}"


def _pragma(connection: Connection, name: str) -> object:
    return connection.execute(text(f"PRAGMA {name}")).scalar_one()


@pytest.mark.parametrize(("durable", "synchronous"), [(True, 2), (False, 1)])
def test_truth_is_flushed_in_full_and_the_cache_is_not(url: str, durable: bool, synchronous: int) -> None:
    database = Database(parse_url(url), durable=durable)
    database.wal()
    connection = database.read()
    assert _pragma(connection, "synchronous") == synchronous
    assert _pragma(connection, "journal_mode") == "wal"
    assert _pragma(connection, "foreign_keys") == 1
    assert _pragma(connection, "secure_delete") == 1
    assert _pragma(connection, "busy_timeout") == engine.WAIT_SECONDS * 1000
    database.finish(connection, wrote=False)
    database.close()


def test_a_writer_of_the_same_process_that_waits_too_long_is_told_so(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "WAIT_SECONDS", 0)
    database = Database(parse_url(url), durable=True)
    writer = database.write()
    with pytest.raises(StoreUnavailable, match="was being written"):
        database.write()
    database.finish(writer, wrote=True)
    database.finish(database.write(), wrote=True)
    database.close()


def test_a_writer_of_another_process_that_waits_too_long_is_told_so(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "WAIT_SECONDS", 0)
    one, other = (Database(parse_url(url), durable=True) for _ in range(2))
    writer = one.write()
    for _ in range(2):
        # Twice, because a failed attempt must leave the queue of its own process free.
        with pytest.raises(StoreUnavailable, match="was being written"):
            other.write()
    one.finish(writer, wrote=True)
    other.finish(other.write(), wrote=True)
    one.close()
    other.close()


def test_a_file_that_is_no_database_is_an_outage_with_its_name(tmp_path: Path, url: str) -> None:
    (tmp_path / "surefoot.db").write_bytes(b"This is a text file, not a database. " * 100)
    database = Database(parse_url(url), durable=True)
    with pytest.raises(StoreUnavailable, match=r"surefoot\.db.*not a database"):
        migrate(database)
    database.close()


def test_a_folder_that_does_not_exist_is_an_outage_with_its_name(tmp_path: Path) -> None:
    database = Database(parse_url(f"sqlite:///{tmp_path / 'missing' / 'surefoot.db'}"), durable=True)
    with pytest.raises(StoreUnavailable, match=r"missing/surefoot\.db"):
        database.read()
    database.close()
