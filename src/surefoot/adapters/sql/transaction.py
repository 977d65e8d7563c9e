"""One transaction that begins when it is first needed, as a reader, and becomes a writer at its first write."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from surefoot.adapters.sql.engine import Database
from surefoot.core.errors import Conflict


class Transaction:
    """Reads are of one moment until the first write; from then on they see the newest state and the transaction's own rows.

    A reader is never upgraded in place, which SQLite refuses when somebody else wrote meanwhile: it ends, having changed
    nothing, and a writer begins.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None
        self._writes = False
        self._failed = False
        # What needs doing once in a transaction, such as taking a row's lock; forgotten when the transaction ends.
        self.done: set[tuple[str, str]] = set()

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._database.dialect

    def read(self) -> Connection:
        """The connection to read with."""
        if self._connection is None:
            self._connection = self._database.read()
        return self._connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """The connection to write with. A write that fails half-way makes the whole transaction fail."""
        if not self._writes:
            self.close()
            self._connection = self._database.write()
            self._writes = True
        assert self._connection is not None
        try:
            yield self._connection
        except BaseException:
            self._failed = True
            raise

    def commit(self) -> None:
        """What was written is durable; the next call begins a new transaction. After a failed write it raises Conflict."""
        if self._failed:
            raise Conflict("A write of this unit of work failed; leave it and repeat all of it in a new one.")
        if self._connection is not None:
            self._connection.commit()
            self.close()

    def close(self) -> None:
        """Nothing is open; what was not committed is rolled back."""
        self.done.clear()
        connection, self._connection = self._connection, None
        wrote, self._writes = self._writes, False
        if connection is not None:
            self._database.finish(connection, wrote=wrote)
