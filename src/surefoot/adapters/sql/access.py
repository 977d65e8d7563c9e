"""The AccessRepository port. Rights that are equal have equal epochs; every change of them moves the tenant's epoch."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Delete, Executable, Select, bindparam, delete, func, insert, select, true, update

from surefoot.adapters.sql.schema.access import epochs, rights
from surefoot.adapters.sql.schema.columns import TENANT, one_of
from surefoot.adapters.sql.transaction import Transaction
from surefoot.adapters.sql.upsert import inserting
from surefoot.domain.documents import DocumentId
from surefoot.domain.identity import Principal, TenantId
from surefoot.ports import AccessSnapshot

EPOCH = func.coalesce(select(epochs.c.epoch).where(epochs.c.tenant_id == TENANT).scalar_subquery(), 0)
_PRINCIPALS = select(rights.c.principal).where(rights.c.tenant_id == TENANT, rights.c.document_id == bindparam("document"))
_MOVE = update(epochs).where(epochs.c.tenant_id == TENANT).values(epoch=epochs.c.epoch + 1)
_LOCK = select(epochs.c.epoch).where(epochs.c.tenant_id == TENANT).with_for_update()
_IN_USE = select(rights.c.principal).where(rights.c.tenant_id == TENANT).distinct()
_ADD = insert(rights)


@cache
def _of(dialect: str) -> Select[Any]:
    return select(rights.c.document_id, rights.c.principal).where(
        rights.c.tenant_id == TENANT, one_of(rights.c.document_id, "ids", dialect)
    )


@cache
def _readable(dialect: str) -> Select[Any]:
    """Epoch and documents in one statement, so of one moment at every isolation level."""
    own = (
        select(rights.c.document_id)
        .where(rights.c.tenant_id == TENANT, one_of(rights.c.principal, "principals", dialect))
        .distinct()
        .subquery("own")
    )
    moment = select(EPOCH.label("epoch")).subquery("moment")
    return select(moment.c.epoch, own.c.document_id).select_from(moment.outerjoin(own, true()))


@cache
def _remove(dialect: str) -> Delete:
    return delete(rights).where(rights.c.tenant_id == TENANT, one_of(rights.c.document_id, "ids", dialect))


@cache
def _first_epoch(dialect: str) -> Executable:
    return inserting(epochs, dialect).values(tenant_id=TENANT, epoch=0).on_conflict_do_nothing()


class SqlAccess:
    """Who may read what."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def of(self, tenant: TenantId, documents: Sequence[DocumentId]) -> Mapping[DocumentId, frozenset[Principal]]:
        found: dict[DocumentId, set[Principal]] = {}
        rows = self._transaction.read().execute(_of(self._transaction.dialect), {"tenant": tenant, "ids": documents})
        for document, principal in rows:
            found.setdefault(document, set()).add(principal)
        return {document: frozenset(principals) for document, principals in found.items()}

    def put(self, tenant: TenantId, document: DocumentId, principals: frozenset[Principal]) -> bool:
        with self._transaction.write() as connection:
            self._hold(connection, tenant)
            before = frozenset(connection.execute(_PRINCIPALS, {"tenant": tenant, "document": document}).scalars())
            if before == principals:
                return False
            if before:
                connection.execute(_remove(self._transaction.dialect), {"tenant": tenant, "ids": [document]})
            if principals:
                rows = [{"tenant_id": tenant, "document_id": document, "principal": each} for each in sorted(principals)]
                connection.execute(_ADD, rows)
            self._move(connection, tenant)
            return True

    def readable(self, tenant: TenantId, principals: frozenset[Principal]) -> AccessSnapshot:
        values = {"tenant": tenant, "principals": sorted(principals)}
        rows = self._transaction.read().execute(_readable(self._transaction.dialect), values).all()
        return AccessSnapshot(rows[0][0], frozenset(DocumentId(row[1]) for row in rows if row[1] is not None))

    def in_use(self, tenant: TenantId) -> frozenset[Principal]:
        return frozenset(map(Principal, self._transaction.read().execute(_IN_USE, {"tenant": tenant}).scalars()))

    def remove(self, tenant: TenantId, documents: Sequence[DocumentId]) -> None:
        """The documents have no rights any more; the epoch moves when that is a change."""
        with self._transaction.write() as connection:
            self._hold(connection, tenant)
            if connection.execute(_remove(self._transaction.dialect), {"tenant": tenant, "ids": documents}).rowcount:
                self._move(connection, tenant)

    def _hold(self, connection: Connection, tenant: TenantId) -> None:
        """This transaction alone changes the tenant's rights until it ends: compare and change cannot be interleaved."""
        if ("rights held", tenant) in self._transaction.done:
            return
        connection.execute(_first_epoch(self._transaction.dialect), {"tenant": tenant})
        if self._transaction.dialect == "postgresql":
            connection.execute(_LOCK, {"tenant": tenant})
        self._transaction.done.add(("rights held", tenant))

    def _move(self, connection: Connection, tenant: TenantId) -> None:
        """The epoch is another than before this transaction. Once is enough, for nobody else sees what lies between."""
        if ("epoch moved", tenant) not in self._transaction.done:
            connection.execute(_MOVE, {"tenant": tenant})
            self._transaction.done.add(("epoch moved", tenant))
