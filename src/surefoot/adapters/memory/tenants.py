"""The TenantRepository port in memory."""

from dataclasses import replace
from datetime import datetime

from surefoot.adapters.memory.tables import Transaction
from surefoot.core.errors import Conflict
from surefoot.domain.identity import TenantId
from surefoot.domain.keys import Issuer, ServerKey


class MemoryTenants:
    """Tenants, their server keys and their issuers."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def create(self, tenant: TenantId, *, now: datetime) -> bool:
        with self._transaction.write():
            if self.exists(tenant):
                return False
            self._transaction.change(tenant, created_at=now)
            return True

    def exists(self, tenant: TenantId) -> bool:
        return self._transaction.read(tenant).created_at is not None

    def all(self) -> list[TenantId]:
        return sorted(tenant for tenant, tables in self._transaction.world().items() if tables.created_at is not None)

    def add_key(self, tenant: TenantId, key: ServerKey) -> None:
        _same_tenant(tenant, key.tenant)
        with self._transaction.write():
            keys = self._transaction.table(tenant, "keys")
            if key.key_id in keys:
                raise Conflict
            keys[key.key_id] = key

    def keys(self, tenant: TenantId) -> list[ServerKey]:
        return sorted(self._transaction.read(tenant).keys.values(), key=lambda key: (key.created_at, key.key_id))

    def revoke_key(self, tenant: TenantId, key_id: str, *, now: datetime) -> bool:
        with self._transaction.write():
            key = self._transaction.read(tenant).keys.get(key_id)
            if key is None or key.revoked_at is not None:
                return False
            self._transaction.table(tenant, "keys")[key_id] = replace(key, revoked_at=now)
            return True

    def put_issuer(self, tenant: TenantId, issuer: Issuer) -> None:
        _same_tenant(tenant, issuer.tenant)
        with self._transaction.write():
            self._transaction.table(tenant, "issuers")[issuer.issuer] = issuer

    def issuers(self, tenant: TenantId) -> list[Issuer]:
        return sorted(self._transaction.read(tenant).issuers.values(), key=lambda issuer: issuer.issuer)


def _same_tenant(tenant: TenantId, other: TenantId) -> None:
    if tenant != other:
        raise ValueError(f"The object belongs to tenant {other!r}, not to {tenant!r}.")
