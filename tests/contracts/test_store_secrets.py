"""A database's password and its data are in no error and no log line."""

import logging
import traceback
from contextlib import closing

import pytest
from sqlalchemy import create_engine, make_url, text

from surefoot.adapters.sql.engine import parse_url
from surefoot.adapters.sql.store import SqlStore
from surefoot.core.errors import InvalidSettings, StoreUnavailable, SurefootError
from tests.contracts.databases import Postgres
from tests.contracts.store_rows import ACME, chunks, document

PASSWORD = "hunter-2-canary"


def _all_said(error: BaseException, caplog: pytest.LogCaptureFixture) -> str:
    """Every word that could reach a log: the error with all its causes, and the log itself."""
    return "".join(traceback.format_exception(error)) + caplog.text


def test_a_wrong_password_is_an_outage_that_does_not_repeat_it(
    store_postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    store_postgres.demand_password("locked", "the right one")
    url = make_url(store_postgres.url("postgres"))
    right = SqlStore(url.set(username="locked", password="the right one").render_as_string(hide_password=False))
    right.check()
    right.close()
    wrong = SqlStore(url.set(username="locked", password=PASSWORD).render_as_string(hide_password=False))
    with pytest.raises(StoreUnavailable, match="password authentication failed") as error:
        wrong.check()
    assert PASSWORD not in _all_said(error.value, caplog) + repr(wrong)
    wrong.close()


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://bob:{PASSWORD}@127.0.0.1:1/surefoot",
        f"postgresql+psycopg://127.0.0.1:1/surefoot?password={PASSWORD}",
        f"postgresql://bob:{PASSWORD}@/surefoot?host=/nowhere",
    ],
)
def test_an_unreachable_server_is_an_outage_that_names_the_place_only(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    store = SqlStore(url)
    for call in (store.check, store.migrate, lambda: store.vectors.forget(ACME, ["x"]), lambda: store.replies.count(ACME)):
        with pytest.raises(StoreUnavailable, match="'surefoot'") as error:
            call()
        assert PASSWORD not in _all_said(error.value, caplog)
    store.close()


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://bob:{PASSWORD}@host/db",
        f"bob:{PASSWORD}",
        f"postgresql://bob:{PASSWORD}@host:port/db",
        f"postgresql://bob:a@{PASSWORD}@host/db",
    ],
)
def test_a_url_that_cannot_be_used_is_not_repeated(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InvalidSettings) as error:
        SqlStore(url)
    assert PASSWORD not in _all_said(error.value, caplog)


def test_a_failing_statement_does_not_repeat_its_data(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    store = SqlStore(database_url)
    row = document("a", text=f"{PASSWORD}.")
    with store.begin() as work, pytest.raises(SurefootError) as error:
        work.documents.replace(ACME, row, chunks(row, 1) * 2)
    assert PASSWORD not in _all_said(error.value, caplog)
    store.close()


def test_a_statement_that_does_not_fit_the_tables_does_not_repeat_its_data_either(
    empty_database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with closing(SqlStore(empty_database_url)) as store:
        store.migrate()
        engine = create_engine(parse_url(empty_database_url))
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE documents RENAME COLUMN title TO heading"))
        engine.dispose()
        row = document("a", text=f"{PASSWORD}.")
        with store.begin() as work, pytest.raises(Exception, match="title") as error:
            work.documents.replace(ACME, row, [])
        assert PASSWORD not in _all_said(error.value, caplog)
