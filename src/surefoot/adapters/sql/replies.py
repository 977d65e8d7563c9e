"""The ReplyLedger port: appends of many threads share one durable commit."""

import json
import os
import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from sqlalchemy import bindparam, func, insert, select

from surefoot.adapters.sql.engine import Database
from surefoot.adapters.sql.schema.columns import TENANT
from surefoot.adapters.sql.schema.replies import replies
from surefoot.adapters.sql.transaction import Transaction
from surefoot.core.errors import StoreUnavailable
from surefoot.domain.identity import TenantId
from surefoot.domain.ledger import reply_record
from surefoot.domain.replies import Reply

_MOST_ROWS = 1000
_APPEND = insert(replies)
_GET = select(replies.c.record).where(replies.c.tenant_id == TENANT, replies.c.reply_id == bindparam("reply"))
_BY_TRACE = (
    select(replies.c.record)
    .where(replies.c.tenant_id == TENANT, replies.c.trace_id == bindparam("trace"), replies.c.trace_id != "")
    .order_by(replies.c.reply_id)
    .limit(bindparam("most"))
)
_COUNT = select(func.count()).select_from(replies).where(replies.c.tenant_id == TENANT)

Row = dict[str, Any]


class GroupCommit:
    """Rows wait in a queue; one thread commits all that wait, so that a disk flush is shared by everyone who came.

    The thread starts with the first row and belongs to the process that made this object.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[tuple[Row, Future[None]]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def append(self, row: Row) -> None:
        """The row is durable. Raises what its own insert or the shared commit raised."""
        done: Future[None] = Future()
        with self._changed:
            if self._closed:
                raise StoreUnavailable("The ledger is closed; open the store again.")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="surefoot-ledger", daemon=True)
                self._thread.start()
            self._waiting.append((row, done))
            self._changed.notify()
        done.result()

    def close(self) -> None:
        """What waits is committed and the thread has ended; later appends are refused."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST_ROWS))]
            self._settle(batch)

    def _settle(self, batch: list[tuple[Row, Future[None]]]) -> None:
        """Every caller of the batch has its answer. An outage is everyone's; any other failure is looked for row by row, so
        that one bad row fails alone.
        """
        try:
            self._commit([row for row, _ in batch])
        except StoreUnavailable as error:
            for _, done in batch:
                # Each caller raises an exception of its own: a shared one would collect the tracebacks of all threads.
                done.set_exception(StoreUnavailable(str(error)))
        except Exception as error:  # noqa: BLE001 - the outermost edge of this thread: whatever it is, a caller waits for it.
            if len(batch) == 1:
                batch[0][1].set_exception(error)
            else:
                for each in batch:
                    self._settle([each])
        else:
            for _, done in batch:
                done.set_result(None)

    def _commit(self, rows: list[Row]) -> None:
        transaction = Transaction(self._database)
        try:
            with transaction.write() as connection:
                connection.execute(_APPEND, rows)
            transaction.commit()
        finally:
            transaction.close()


class SqlReplyLedger:
    """Every reply given, append-only. Appending waits for other writers: call it outside a unit of work that has written."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # A forked process finds no entry under its own id and starts a writer of its own.
        self._writers: dict[int, GroupCommit] = {}

    def append(self, tenant: TenantId, viewer_hash: str, reply: Reply) -> None:
        record = json.dumps(reply_record(reply, viewer_hash), allow_nan=False, separators=(",", ":"))
        row = {
            "tenant_id": tenant,
            "reply_id": reply.reply_id,
            "asked_at": reply.asked_at,
            "viewer_hash": viewer_hash,
            "record": record,
            "trace_id": reply.trace_id,
        }
        pid = os.getpid()
        writer = self._writers.get(pid) or self._writers.setdefault(pid, GroupCommit(self._database))
        writer.append(row)

    def get(self, tenant: TenantId, reply_id: str) -> Mapping[str, object] | None:
        found = self._one(_GET, {"tenant": tenant, "reply": reply_id})
        return None if found is None else json.loads(found)

    def by_trace(self, tenant: TenantId, trace_id: str, *, limit: int) -> list[Mapping[str, object]]:
        transaction = Transaction(self._database)
        try:
            values = {"tenant": tenant, "trace": trace_id, "most": max(0, limit)}
            return [json.loads(row.record) for row in transaction.read().execute(_BY_TRACE, values)]
        finally:
            transaction.close()

    def count(self, tenant: TenantId) -> int:
        return int(self._one(_COUNT, {"tenant": tenant}))

    def close(self) -> None:
        """Every append that was begun has been answered; later ones are refused."""
        pid = os.getpid()
        self._writers.setdefault(pid, GroupCommit(self._database)).close()

    def _one(self, statement: Any, values: dict[str, str]) -> Any:
        transaction = Transaction(self._database)
        try:
            return transaction.read().execute(statement, values).scalar_one_or_none()
        finally:
            transaction.close()
