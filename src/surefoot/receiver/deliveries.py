"""Deliveries and documents in the host's own SQLite file: what an action did and how it was answered commit together."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock

from surefoot.core.clock import Clock, SystemClock
from surefoot.core.errors import InvalidInput, StoreUnavailable
from surefoot.core.strict_json import parse_json
from surefoot.domain.actions import Env
from surefoot.domain.canonical import canonical
from surefoot.domain.handling import DeliveryInProgress, StoredReply
from surefoot.domain.identity import TenantId
from surefoot.domain.json_patch import etag_of
from surefoot.domain.resource_actions import Document

_BUSY_SECONDS = 5.0
_RETRY_AFTER_SECONDS = 1
LEAST_KEEP_DAYS = 30
# More than come in at a time, so that a long backlog is worked off, and few enough that no delivery waits for it.
_FORGOTTEN_AT_ONCE = 10
_SCHEMA = """
CREATE TABLE IF NOT EXISTS surefoot_deliveries (
  delivery_id TEXT PRIMARY KEY, run_id TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL, operation TEXT NOT NULL,
  fingerprint TEXT NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL, answered_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS surefoot_deliveries_answered_at ON surefoot_deliveries (answered_at) WHERE status <> 202;
CREATE TABLE IF NOT EXISTS surefoot_documents (
  tenant TEXT NOT NULL, env TEXT NOT NULL, resource TEXT NOT NULL, document BLOB NOT NULL,
  PRIMARY KEY (tenant, env, resource)
) WITHOUT ROWID;
"""
_FORGET = """
DELETE FROM surefoot_deliveries WHERE delivery_id IN (
  SELECT delivery_id FROM surefoot_deliveries WHERE answered_at < ? AND status <> 202 ORDER BY answered_at LIMIT ?
)
"""
_COLUMNS = "delivery_id, run_id, tenant, operation, fingerprint, status, body"


class SqliteDeliveries:
    """A DeliveryLedger whose transactions are those of one SQLite file, which several processes may share.

    Handlers get the open connection: they write through it, and neither commit nor roll back. Replies are kept for
    `keep_days`: with each new one a few older ones go, so the table grows with what is delivered in that time and no further.
    A delivery that was accepted and is not finished stays, however old it is.
    """

    def __init__(self, path: Path, clock: Clock | None = None, *, keep_days: int = 400) -> None:
        """Raises InvalidInput for fewer than 30 days: within them an assistant may be down and then send a delivery again."""
        if keep_days < LEAST_KEEP_DAYS:
            raise InvalidInput(f"keep_days is {keep_days!r}; keep replies for {LEAST_KEEP_DAYS} days or more.")
        self._path = path
        self._keep = timedelta(days=keep_days)
        self._clock = clock or SystemClock()
        self._lock = Lock()
        self._working: dict[str, str] = {}
        self._idle: list[sqlite3.Connection] = []
        self._is_made = False

    @contextmanager
    def open(self, delivery_id: str, run_id: str) -> Iterator["_SqliteOpening"]:
        """See DeliveryLedger. Another process that has the file for longer than 5 s makes it StoreUnavailable."""
        with self._lock:
            if delivery_id in self._working or run_id in self._working.values():
                raise DeliveryInProgress(retry_after_seconds=_RETRY_AFTER_SECONDS)
            self._working[delivery_id] = run_id
        try:
            with self._transaction("IMMEDIATE") as connection:
                stored = _reply(connection, "delivery_id = ?", delivery_id) or _reply(connection, "run_id = ?", run_id)
                connection.execute("SAVEPOINT handler")
                now = self._clock.now()
                opening = _SqliteOpening(connection, stored, now, now - self._keep)
                yield opening
                connection.commit()
        finally:
            with self._lock:
                del self._working[delivery_id]

    @contextmanager
    def preview(self) -> Iterator[sqlite3.Connection]:
        """See DeliveryLedger."""
        with self._transaction("DEFERRED") as connection:
            yield connection

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """A transaction of the host itself, beside every delivery; committed when the block ends, rolled back when it raises."""
        with self._transaction("IMMEDIATE") as connection:
            yield connection
            connection.commit()

    def of_run(self, run_id: str) -> StoredReply | None:
        """See DeliveryLedger. Waits for the write lock, so that a delivery that another process is just committing is seen."""
        with self._lock:
            if run_id in self._working.values():
                raise DeliveryInProgress(retry_after_seconds=_RETRY_AFTER_SECONDS)
        with self._transaction("IMMEDIATE") as connection:
            return _reply(connection, "run_id = ?", run_id)

    def close(self) -> None:
        """No idle connection is open."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _transaction(self, kind: str) -> Iterator[sqlite3.Connection]:
        """A connection in a transaction; whatever is not committed when the block ends is rolled back."""
        connection = self._connection()
        try:
            try:
                connection.execute(f"BEGIN {kind}")
            except sqlite3.OperationalError as error:
                raise StoreUnavailable(f"The host's file is busy: {error}.", retry_after_seconds=_RETRY_AFTER_SECONDS) from error
            yield connection
        finally:
            connection.rollback()
            with self._lock:
                self._idle.append(connection)

    def _connection(self) -> sqlite3.Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            # Autocommit, because transactions are begun and ended here in so many words.
            connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            if not self._is_made:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(_SCHEMA)
                self._is_made = True
            connection.execute("PRAGMA synchronous = FULL")
            return connection


@dataclass
class _SqliteOpening:
    """See Opening."""

    transaction: sqlite3.Connection
    stored: StoredReply | None
    now: datetime
    forgets_before: datetime

    def discard(self) -> None:
        self.transaction.execute("ROLLBACK TO handler")

    def keep(self, reply: StoredReply) -> None:
        values = (reply.delivery_id, reply.run_id, reply.tenant, reply.operation, reply.fingerprint, reply.status, reply.body)
        self.transaction.execute(
            f"INSERT INTO surefoot_deliveries ({_COLUMNS}, answered_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608  constants
            "ON CONFLICT (delivery_id) DO UPDATE SET status = excluded.status, body = excluded.body, "
            "answered_at = excluded.answered_at",
            (*values, self.now.isoformat()),
        )
        self.transaction.execute(_FORGET, (self.forgets_before.isoformat(), _FORGOTTEN_AT_ONCE))


class SqliteDocuments:
    """Resources as JSON documents in the same file. For hosts that keep their state elsewhere this is the pattern to follow."""

    def read(self, transaction: sqlite3.Connection, tenant: TenantId, env: Env, resource: str) -> Document | None:
        """See Resources."""
        row = transaction.execute(
            "SELECT document FROM surefoot_documents WHERE tenant = ? AND env = ? AND resource = ?", (tenant, env.value, resource)
        ).fetchone()
        if row is None:
            return None
        document: Document = parse_json(row[0])
        return document

    def write(
        self, transaction: sqlite3.Connection, tenant: TenantId, env: Env, resource: str, document: Document | None
    ) -> None:
        """See Resources."""
        place = (tenant, env.value, resource)
        if document is None:
            transaction.execute("DELETE FROM surefoot_documents WHERE tenant = ? AND env = ? AND resource = ?", place)
        else:
            transaction.execute(
                "INSERT INTO surefoot_documents VALUES (?, ?, ?, ?) "
                "ON CONFLICT (tenant, env, resource) DO UPDATE SET document = excluded.document",
                (*place, canonical(document)),
            )

    def all(self, transaction: sqlite3.Connection, tenant: TenantId, env: Env) -> dict[str, Document]:
        """Every document of the tenant and environment, by resource in their order."""
        rows = transaction.execute(
            "SELECT resource, document FROM surefoot_documents WHERE tenant = ? AND env = ? ORDER BY resource",
            (tenant, env.value),
        )
        return {resource: parse_json(document) for resource, document in rows}

    def state_hash(self, transaction: sqlite3.Connection, tenant: TenantId, env: Env) -> str:
        """A fingerprint of all of them."""
        return etag_of(self.all(transaction, tenant, env))


def _reply(connection: sqlite3.Connection, condition: str, value: str) -> StoredReply | None:
    row = connection.execute(f"SELECT {_COLUMNS} FROM surefoot_deliveries WHERE {condition}", (value,)).fetchone()  # noqa: S608
    return None if row is None else StoredReply(*row)
