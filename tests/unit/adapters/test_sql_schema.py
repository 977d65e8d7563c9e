"""Rules of the tables that need no database."""

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

from surefoot.adapters.sql.engine import parse_url, place
from surefoot.adapters.sql.schema import CACHE_METADATA, METADATA
from surefoot.adapters.sql.schema.columns import UtcDateTime
from surefoot.adapters.sql.store import SqlStore
from surefoot.core.errors import InvalidSettings

TABLES = [*METADATA.sorted_tables, *CACHE_METADATA.sorted_tables]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_tenant_leads_every_key_and_every_index(table: Table) -> None:
    keys = [list(table.primary_key.columns)] + [list(index.columns) for index in table.indexes]
    assert [column.name for column in (key[0] for key in keys)] == ["tenant_id"] * len(keys)
    for foreign in table.foreign_key_constraints:
        pairs = [(element.parent.name, element.column.name) for element in foreign.elements]
        assert pairs[0] == ("tenant_id", "tenant_id")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_keys_compare_by_code_point_whatever_the_servers_locale(table: Table) -> None:
    keyed = {*table.primary_key.columns, *(column for index in table.indexes for column in index.columns)}
    types = {column.name: column.type.compile(postgresql.dialect()) for column in keyed}
    texts = {name: kind for name, kind in types.items() if kind.startswith("TEXT")}
    assert "tenant_id" in texts
    assert texts == dict.fromkeys(texts, 'TEXT COLLATE "C"')


def test_the_walk_over_the_tables_finds_them() -> None:
    assert {"documents", "chunks", "document_rights", "corpora", "tenants", "replies"} <= {table.name for table in TABLES}


def test_a_naive_moment_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        UtcDateTime().process_bind_param(datetime(2026, 1, 1), sqlite.dialect())  # noqa: DTZ001
    with pytest.raises(ValueError, match="no time zone"):
        UtcDateTime().process_bind_param(datetime(2026, 1, 1), postgresql.dialect())  # noqa: DTZ001


def test_constructing_a_store_touches_nothing(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'surefoot.db'}")
    assert list(tmp_path.iterdir()) == []
    store.close()


def test_the_cache_is_a_file_beside_the_database(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'surefoot.db'}")
    store.migrate()
    store.close()
    assert {path.name for path in tmp_path.iterdir()} == {"surefoot.db", "cache.db"}


@pytest.mark.parametrize(
    "url", ["", "nonsense", "sqlite://", "sqlite:///:memory:", "mysql://h/d", "sqlite:///file:x?mode=memory&uri=true"]
)
def test_a_url_of_no_documented_form_is_refused(url: str) -> None:
    with pytest.raises(InvalidSettings, match="database_url"):
        parse_url(url)


def test_a_database_named_like_its_cache_is_refused() -> None:
    with pytest.raises(InvalidSettings, match=r"cache\.db"):
        SqlStore("sqlite:////data/cache.db")


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_spelling_of_postgresql_means_one_driver(scheme: str) -> None:
    url = parse_url(f"{scheme}://bob:secret@db.example:5433/surefoot")
    assert url.drivername == "postgresql+psycopg"
    assert place(url) == "The PostgreSQL database 'surefoot' at db.example:5433"


def test_importing_the_store_starts_no_thread_and_no_alembic() -> None:
    code = (
        "import sys, threading; import surefoot.adapters.sql.store; "
        "assert threading.active_count() == 1 and 'alembic' not in sys.modules and 'psycopg' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
