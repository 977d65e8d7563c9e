"""The AccessRepository port in memory."""

from collections.abc import Iterable, Mapping, Sequence

from surefoot.adapters.memory.tables import Transaction
from surefoot.domain.documents import DocumentId
from surefoot.domain.identity import Principal, TenantId
from surefoot.ports import AccessSnapshot

_NOBODY: frozenset[Principal] = frozenset()


class MemoryAccess:
    """Who may read what."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def of(self, tenant: TenantId, documents: Sequence[DocumentId]) -> Mapping[DocumentId, frozenset[Principal]]:
        rights = self._transaction.read(tenant).rights
        return {document: rights[document] for document in documents if document in rights}

    def put(self, tenant: TenantId, document: DocumentId, principals: frozenset[Principal]) -> bool:
        with self._transaction.write():
            if self._transaction.read(tenant).rights.get(document, _NOBODY) == principals:
                return False
            rights = self._transaction.table(tenant, "rights")
            if principals:
                rights[document] = principals
            else:
                del rights[document]
            self._move(tenant)
            return True

    def readable(self, tenant: TenantId, principals: frozenset[Principal]) -> AccessSnapshot:
        tables = self._transaction.read(tenant)
        own = (document for document, theirs in tables.rights.items() if not theirs.isdisjoint(principals))
        return AccessSnapshot(tables.epoch, frozenset(own))

    def in_use(self, tenant: TenantId) -> frozenset[Principal]:
        return frozenset[Principal]().union(*self._transaction.read(tenant).rights.values())

    def remove(self, tenant: TenantId, documents: Iterable[DocumentId]) -> None:
        """The documents have no rights any more; the epoch moves when that is a change."""
        with self._transaction.write():
            gone = frozenset(documents) & self._transaction.read(tenant).rights.keys()
            for document in gone:
                del self._transaction.table(tenant, "rights")[document]
            if gone:
                self._move(tenant)

    def _move(self, tenant: TenantId) -> None:
        self._transaction.change(tenant, epoch=self._transaction.read(tenant).epoch + 1)
