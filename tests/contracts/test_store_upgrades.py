"""A database of any earlier Surefoot, with rows in every table, comes to the newest schema and loses nothing."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, Boolean, Connection, DateTime, Float, Integer, MetaData, Table, create_engine, func, insert, select
from sqlalchemy.types import TypeEngine

from surefoot.adapters.sql.engine import parse_url
from surefoot.adapters.sql.migration import HEAD, VERSION_TABLE
from surefoot.adapters.sql.schema import METADATA
from surefoot.adapters.sql.store import SqlStore

ROWS_EACH = 3
Rows = dict[str, list[dict[str, object]]]


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "surefoot.adapters.sql:migrations")
    config.set_main_option("path_separator", "os")
    return config


@cache
def _revisions() -> tuple[str, ...]:
    """Every revision, oldest first."""
    found = ScriptDirectory.from_config(_config()).walk_revisions()
    return tuple(reversed([script.revision for script in found]))


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = create_engine(parse_url(url))
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def _tables(connection: Connection) -> list[Table]:
    """What is there, each table after those it refers to."""
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != VERSION_TABLE]


def _value(name: str, kind: TypeEngine[object], number: int) -> object:
    """Columns of one name have one value in one row, so that what refers to a row finds it. Every text is JSON too."""
    if isinstance(kind, Boolean):
        return number % 2 == 0
    if isinstance(kind, DateTime):
        moment = datetime(2026, 5, 31, 23, 59, 59, 123456 + number, tzinfo=UTC)
        return moment if kind.timezone else moment.replace(tzinfo=None)
    if isinstance(kind, Float):
        return number / 3
    if isinstance(kind, Integer):
        return number
    if isinstance(kind, JSON):
        return {"n": [number, "ü🦶"]}
    return f'{{"trace_id": "{name} {number} — ü🦶"}}'


def _filled(connection: Connection) -> Rows:
    """Every table has rows; returns them as they are read back."""
    for table in _tables(connection):
        rows = [{c.name: _value(c.name, c.type, number) for c in table.columns} for number in range(ROWS_EACH)]
        connection.execute(insert(table), rows)
    return {table.name: _read(connection, table) for table in _tables(connection)}


def _read(connection: Connection, table: Table) -> list[dict[str, object]]:
    rows = connection.execute(select(table).order_by(*table.primary_key.columns))
    return [dict(row._mapping) for row in rows]


@pytest.mark.parametrize("revision", _revisions()[:-1])
def test_no_row_of_an_earlier_revision_is_lost_or_changed(empty_database_url: str, revision: str) -> None:
    with _connected(empty_database_url) as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        before = _filled(connection)
    with closing(SqlStore(empty_database_url)) as store:
        store.migrate()
        store.migrate()
    with _connected(empty_database_url) as connection:
        tables = {table.name: table for table in _tables(connection)}
        assert METADATA.tables.keys() <= tables.keys()
        for name, rows in before.items():
            assert len(rows) == ROWS_EACH
            after = [{column: row[column] for column in rows[0]} for row in _read(connection, tables[name])]
            assert after == rows, name
        new = [table for name, table in tables.items() if name in METADATA.tables and name not in before]
        assert [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in new] == [0] * len(new)


def test_revisions_are_one_line_in_the_order_of_their_numbers() -> None:
    script = ScriptDirectory.from_config(_config())
    assert script.get_bases() == [_revisions()[0]] and script.get_heads() == [HEAD]
    assert list(_revisions()) == sorted(_revisions()) and len(set(_revisions())) == len(_revisions())
    assert not [each.revision for each in script.walk_revisions() if each.is_branch_point or each.is_merge_point]
    for each in script.walk_revisions():
        assert Path(each.path).name.startswith(f"{each.revision}_")


def test_no_revision_has_a_way_back_that_nobody_would_have_tried() -> None:
    script = ScriptDirectory.from_config(_config())
    assert not [each.revision for each in script.walk_revisions() if hasattr(each.module, "downgrade")]
