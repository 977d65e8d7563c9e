"""The Store port on SQLAlchemy Core: SQLite files to begin with, PostgreSQL for servers, one adapter for both."""

from pathlib import Path

from sqlalchemy import URL, text

from surefoot.adapters.sql.engine import Database, parse_url
from surefoot.adapters.sql.migration import make_cache, migrate
from surefoot.adapters.sql.replies import SqlReplyLedger
from surefoot.adapters.sql.unit_of_work import SqlUnitOfWork
from surefoot.adapters.sql.vectors import SqlVectors
from surefoot.core.errors import InvalidSettings

_CACHE_FILE = "cache.db"


class SqlStore:
    """Truth and ledger in one database, committed with full durability; the vector cache beside it, where speed matters more.

    `cache_url` is by default a file `cache.db` beside the SQLite file, or the same PostgreSQL database. Nothing connects
    before the first call. Safe from many threads and over forks.
    """

    def __init__(self, url: str, *, cache_url: str | None = None) -> None:
        main = parse_url(url)
        cache = _cache_beside(main) if cache_url is None else parse_url(cache_url)
        if main.get_backend_name() == "sqlite" and main.database == cache.database:
            raise InvalidSettings(f"database_url and the vector cache are the same file {main.database!r}; rename the database.")
        self._main = Database(main, durable=True)
        self._cache = Database(cache, durable=False)
        self.vectors = SqlVectors(self._cache)
        self.replies = SqlReplyLedger(self._main)

    def begin(self) -> SqlUnitOfWork:
        return SqlUnitOfWork(self._main)

    def migrate(self) -> None:
        migrate(self._main)
        make_cache(self._cache)

    def check(self) -> None:
        connection = self._main.read()
        try:
            # A file that is not a database says so only when its first page is read.
            probe = "SELECT count(*) FROM sqlite_master" if self._main.dialect == "sqlite" else "SELECT 1"
            connection.execute(text(probe)).scalar_one()
        finally:
            self._main.finish(connection, wrote=False)

    def close(self) -> None:
        """Appends under way are committed, later ones refused, and this process holds no connection."""
        self.replies.close()
        self._main.close()
        self._cache.close()


def _cache_beside(main: URL) -> URL:
    if main.get_backend_name() != "sqlite":
        return main
    return main.set(database=str(Path(main.database or "").with_name(_CACHE_FILE)))
