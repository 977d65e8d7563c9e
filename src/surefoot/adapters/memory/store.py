"""The Store port in memory: real transactions, nothing on disk. For tests and trials."""

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self

import numpy as np

from surefoot.adapters.memory.access import MemoryAccess
from surefoot.adapters.memory.audit import MemoryAudit
from surefoot.adapters.memory.conversations import MemoryConversations
from surefoot.adapters.memory.corpora import MemoryCorpora
from surefoot.adapters.memory.documents import MemoryDocuments
from surefoot.adapters.memory.events import MemoryEvents
from surefoot.adapters.memory.meters import MemoryMeters
from surefoot.adapters.memory.quality import MemoryFeedback, MemorySamples
from surefoot.adapters.memory.runs import MemoryRuns
from surefoot.adapters.memory.tables import Disk, Transaction
from surefoot.adapters.memory.tenants import MemoryTenants
from surefoot.adapters.memory.verdicts import MemoryVerdicts
from surefoot.core.errors import Conflict, StoreUnavailable
from surefoot.domain.identity import TenantId
from surefoot.domain.ledger import reply_record
from surefoot.domain.replies import Reply
from surefoot.ports import Vectors


class MemoryStore:
    """Everything but the index, until the process ends. Safe from many threads."""

    def __init__(self) -> None:
        self._disk = Disk()
        self.vectors = MemoryVectors()
        self.replies = MemoryReplyLedger()

    def begin(self) -> "MemoryUnitOfWork":
        return MemoryUnitOfWork(self._disk)

    def migrate(self) -> None:
        """There is no schema to bring up to date."""

    def check(self) -> None:
        if self._disk.closed:
            raise StoreUnavailable("The memory store is closed; make a new one.")

    def close(self) -> None:
        """Further calls are refused."""
        self._disk.closed = True
        self.replies.close()


class MemoryUnitOfWork:
    """One transaction over every repository; reads before the first write are of one moment."""

    def __init__(self, disk: Disk) -> None:
        self._transaction = Transaction(disk)
        self.access = MemoryAccess(self._transaction)
        self.documents = MemoryDocuments(self._transaction, self.access)
        self.corpora = MemoryCorpora(self._transaction)
        self.tenants = MemoryTenants(self._transaction)
        self.meters = MemoryMeters(self._transaction)
        self.events = MemoryEvents(self._transaction)
        self.conversations = MemoryConversations(self._transaction)
        self.runs = MemoryRuns(self._transaction)
        self.audit = MemoryAudit(self._transaction)
        self.verdicts = MemoryVerdicts(self._transaction)
        self.feedback = MemoryFeedback(self._transaction)
        self.samples = MemorySamples(self._transaction)

    def commit(self) -> None:
        self._transaction.commit()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._transaction.close()


class MemoryVectors:
    """Vectors by tenant, encoder and text."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._vectors: dict[TenantId, dict[tuple[str, str], Vectors]] = {}

    def get(self, tenant: TenantId, fingerprint: str, text_hashes: Sequence[str]) -> Mapping[str, Vectors]:
        with self._lock:
            known = self._vectors.get(tenant, {})
            return {each: known[fingerprint, each] for each in text_hashes if (fingerprint, each) in known}

    def put(self, tenant: TenantId, fingerprint: str, vectors: Mapping[str, Vectors]) -> None:
        with self._lock:
            known = self._vectors.setdefault(tenant, {})
            for text_hash, vector in vectors.items():
                kept = np.array(vector, dtype=np.float32)
                kept.setflags(write=False)
                known[fingerprint, text_hash] = kept

    def forget(self, tenant: TenantId, text_hashes: Iterable[str]) -> None:
        gone = frozenset(text_hashes)
        with self._lock:
            known = self._vectors.get(tenant, {})
            self._vectors[tenant] = {key: vector for key, vector in known.items() if key[1] not in gone}

    def keep_only(self, tenant: TenantId, fingerprint: str, text_hashes: frozenset[str]) -> int:
        with self._lock:
            known = self._vectors.get(tenant, {})
            kept = {key: vector for key, vector in known.items() if key[0] == fingerprint and key[1] in text_hashes}
            self._vectors[tenant] = kept
            return len(known) - len(kept)


class MemoryReplyLedger:
    """Every reply given, as the JSON text it would have on disk."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: dict[TenantId, dict[str, str]] = {}
        self._closed = False

    def append(self, tenant: TenantId, viewer_hash: str, reply: Reply) -> None:
        record = json.dumps(reply_record(reply, viewer_hash), allow_nan=False)
        with self._lock:
            if self._closed:
                raise StoreUnavailable("The ledger is closed; open the store again.")
            records = self._records.setdefault(tenant, {})
            if reply.reply_id in records:
                raise Conflict
            records[reply.reply_id] = record

    def get(self, tenant: TenantId, reply_id: str) -> Mapping[str, object] | None:
        with self._lock:
            record = self._records.get(tenant, {}).get(reply_id)
        return None if record is None else json.loads(record)

    def by_trace(self, tenant: TenantId, trace_id: str, *, limit: int) -> list[Mapping[str, object]]:
        with self._lock:
            records = [json.loads(record) for _, record in sorted(self._records.get(tenant, {}).items())]
        return [record for record in records if trace_id and record["trace_id"] == trace_id][: max(0, limit)]

    def count(self, tenant: TenantId) -> int:
        with self._lock:
            return len(self._records.get(tenant, {}))

    def close(self) -> None:
        """Later appends are refused."""
        with self._lock:
            self._closed = True
