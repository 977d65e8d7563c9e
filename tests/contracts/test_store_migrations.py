"""The schema: reached from nothing, by many at once, equal to the metadata, and cheap to ask about."""

import json
import logging
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, text

from surefoot.adapters.sql.engine import parse_url
from surefoot.adapters.sql.migration import HEAD
from surefoot.adapters.sql.schema import CACHE_METADATA, METADATA
from surefoot.adapters.sql.store import SqlStore
from surefoot.core.errors import StoreUnavailable
from tests.contracts.store_rows import ACME

_START = """
import json, sys
from surefoot.adapters.sql.store import SqlStore
store = SqlStore(sys.argv[1])
store.migrate()
store.check()
store.close()
print(json.dumps([name for name in ("alembic", "mako") if name in sys.modules]))
"""


def _migrate(url: str) -> None:
    with closing(SqlStore(url)) as store:
        store.migrate()


def _start_process(url: str) -> list[str]:
    """Which of the modules that only an upgrade needs a fresh process imported to start on this database."""
    done = subprocess.run([sys.executable, "-c", _START, url], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    imported: list[str] = json.loads(done.stdout)
    return imported


def _shape(connection: Connection) -> dict[str, object]:
    """Keys, indexes and foreign keys of every table, which Alembic's comparison passes over in part."""
    found = inspect(connection)
    return {
        table: (
            found.get_pk_constraint(table)["constrained_columns"],
            sorted(
                (str(index["name"]), index["column_names"], index["unique"], _condition(index.get("dialect_options", {})))
                for index in found.get_indexes(table)
            ),
            sorted((str(key["name"]), key["constrained_columns"], key["options"]) for key in found.get_foreign_keys(table)),
            [(column["name"], column["nullable"], repr(column["type"])) for column in found.get_columns(table)],
        )
        for table in sorted(METADATA.tables)
    }


def _condition(options: Mapping[str, object]) -> str:
    """Which rows a partial index holds."""
    return next((str(value) for name, value in options.items() if name.endswith("_where")), "")


def test_the_migrated_schema_is_the_metadata(empty_database_url: str) -> None:
    _migrate(empty_database_url)
    engine = create_engine(parse_url(empty_database_url))
    with engine.connect() as connection:
        theirs = {"compare_type": True, "include_name": lambda name, kind, _: kind != "table" or name in METADATA.tables}
        assert compare_metadata(MigrationContext.configure(connection, opts=theirs), METADATA) == []
        migrated = _shape(connection)
    with engine.begin() as connection:
        METADATA.drop_all(connection)
        METADATA.create_all(connection)
        assert _shape(connection) == migrated
    engine.dispose()


def test_the_packaged_head_is_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", "surefoot.adapters.sql:migrations")
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_a_start_on_a_migrated_database_does_not_import_alembic(empty_database_url: str) -> None:
    assert "alembic" in _start_process(empty_database_url)
    assert _start_process(empty_database_url) == []


def test_several_processes_may_migrate_an_empty_database_at_once(empty_database_url: str) -> None:
    with ThreadPoolExecutor(3) as starts:
        list(starts.map(_start_process, [empty_database_url] * 3))
    _migrate(empty_database_url)


def test_several_stores_of_one_process_may_migrate_at_once(empty_database_url: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(_migrate, [empty_database_url] * 4))


def test_a_database_of_a_newer_surefoot_is_left_alone(empty_database_url: str) -> None:
    _migrate(empty_database_url)
    engine = create_engine(parse_url(empty_database_url))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreUnavailable, match="9999"):
        _migrate(empty_database_url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"
    engine.dispose()


def test_a_database_that_was_never_migrated_says_what_to_run(empty_database_url: str) -> None:
    store = SqlStore(empty_database_url)
    with store.begin() as work, pytest.raises(StoreUnavailable, match="surefoot init"):
        work.tenants.all()
    store.close()


def test_migrating_leaves_the_applications_logging_as_it_was(empty_database_url: str) -> None:
    root, mine = logging.getLogger(), logging.getLogger("somebody.else")
    before = (list(root.handlers), root.level, mine.disabled)
    _migrate(empty_database_url)
    assert (list(root.handlers), root.level, mine.disabled) == before


def test_the_cache_is_made_again_when_it_is_lost(empty_database_url: str) -> None:
    _migrate(empty_database_url)
    engine = create_engine(parse_url(empty_database_url))
    if engine.dialect.name == "sqlite":
        Path(engine.url.database or "").with_name("cache.db").unlink()
    else:
        with engine.begin() as connection:
            CACHE_METADATA.drop_all(connection)
    engine.dispose()
    with closing(SqlStore(empty_database_url)) as store:
        store.migrate()
        assert store.vectors.get(ACME, "encoder", ["x"]) == {}
