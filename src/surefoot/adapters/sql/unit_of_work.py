"""The UnitOfWork port: every repository over one transaction."""

from types import TracebackType
from typing import Self

from surefoot.adapters.sql.access import SqlAccess
from surefoot.adapters.sql.audit import SqlAudit
from surefoot.adapters.sql.conversations import SqlConversations
from surefoot.adapters.sql.corpora import SqlCorpora
from surefoot.adapters.sql.documents import SqlDocuments
from surefoot.adapters.sql.engine import Database
from surefoot.adapters.sql.events import SqlEvents
from surefoot.adapters.sql.meters import SqlMeters
from surefoot.adapters.sql.quality import SqlFeedback, SqlSamples
from surefoot.adapters.sql.runs import SqlRuns
from surefoot.adapters.sql.tenants import SqlTenants
from surefoot.adapters.sql.transaction import Transaction
from surefoot.adapters.sql.verdicts import SqlVerdicts


class SqlUnitOfWork:
    """One transaction over every repository; reads before the first write are of one moment."""

    def __init__(self, database: Database) -> None:
        self._transaction = Transaction(database)
        self.access = SqlAccess(self._transaction)
        self.documents = SqlDocuments(self._transaction, self.access)
        self.corpora = SqlCorpora(self._transaction)
        self.tenants = SqlTenants(self._transaction)
        self.meters = SqlMeters(self._transaction)
        self.events = SqlEvents(self._transaction)
        self.conversations = SqlConversations(self._transaction)
        self.runs = SqlRuns(self._transaction)
        self.audit = SqlAudit(self._transaction)
        self.verdicts = SqlVerdicts(self._transaction)
        self.feedback = SqlFeedback(self._transaction)
        self.samples = SqlSamples(self._transaction)

    def commit(self) -> None:
        self._transaction.commit()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._transaction.close()
