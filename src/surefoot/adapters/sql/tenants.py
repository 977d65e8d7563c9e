"""The TenantRepository port."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from surefoot.adapters.sql.schema.columns import TENANT, UtcDateTime
from surefoot.adapters.sql.schema.tenants import issuers, server_keys, tenants
from surefoot.adapters.sql.transaction import Transaction
from surefoot.adapters.sql.upsert import inserting
from surefoot.domain.identity import TenantId
from surefoot.domain.keys import Issuer, Scope, ServerKey

_EXISTS = select(tenants.c.tenant_id).where(tenants.c.tenant_id == TENANT)
_ALL = select(tenants.c.tenant_id).order_by(tenants.c.tenant_id)
_KEYS = select(server_keys).where(server_keys.c.tenant_id == TENANT).order_by(server_keys.c.created_at, server_keys.c.key_id)
_REVOKE = (
    update(server_keys)
    .where(server_keys.c.tenant_id == TENANT, server_keys.c.key_id == bindparam("key"), server_keys.c.revoked_at.is_(None))
    .values(revoked_at=bindparam("now", type_=UtcDateTime()))
    .returning(server_keys.c.key_id)
)
_ISSUERS = select(issuers).where(issuers.c.tenant_id == TENANT).order_by(issuers.c.issuer)


class SqlTenants:
    """Tenants, their server keys and their issuers."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def create(self, tenant: TenantId, *, now: datetime) -> bool:
        new = inserting(tenants, self._transaction.dialect).on_conflict_do_nothing().returning(tenants.c.tenant_id)
        with self._transaction.write() as connection:
            return connection.execute(new, {"tenant_id": tenant, "created_at": now}).one_or_none() is not None

    def exists(self, tenant: TenantId) -> bool:
        return self._transaction.read().execute(_EXISTS, {"tenant": tenant}).one_or_none() is not None

    def all(self) -> list[TenantId]:
        return [TenantId(tenant) for tenant in self._transaction.read().execute(_ALL).scalars()]

    def add_key(self, tenant: TenantId, key: ServerKey) -> None:
        _same_tenant(tenant, key.tenant)
        row = {
            "tenant_id": tenant,
            "key_id": key.key_id,
            "secret_sha256": key.secret_sha256,
            "scopes": sorted(scope.value for scope in key.scopes),
            "label": key.label,
            "created_at": key.created_at,
            "revoked_at": key.revoked_at,
        }
        with self._transaction.write() as connection:
            connection.execute(insert(server_keys), row)

    def keys(self, tenant: TenantId) -> list[ServerKey]:
        rows = self._transaction.read().execute(_KEYS, {"tenant": tenant}).mappings()
        return [
            ServerKey(
                key_id=row["key_id"],
                tenant=TenantId(row["tenant_id"]),
                secret_sha256=row["secret_sha256"],
                scopes=frozenset(Scope(scope) for scope in row["scopes"]),
                label=row["label"],
                created_at=row["created_at"],
                revoked_at=row["revoked_at"],
            )
            for row in rows
        ]

    def revoke_key(self, tenant: TenantId, key_id: str, *, now: datetime) -> bool:
        with self._transaction.write() as connection:
            return connection.execute(_REVOKE, {"tenant": tenant, "key": key_id, "now": now}).one_or_none() is not None

    def put_issuer(self, tenant: TenantId, issuer: Issuer) -> None:
        _same_tenant(tenant, issuer.tenant)
        keys: Mapping[str, Any] = {kid: dict(key) for kid, key in issuer.keys.items()}
        fields = {"algorithm": issuer.algorithm, "audience": issuer.audience, "keys": keys}
        new = inserting(issuers, self._transaction.dialect)
        statement = new.on_conflict_do_update(
            index_elements=["tenant_id", "issuer"], set_={name: new.excluded[name] for name in fields}
        )
        with self._transaction.write() as connection:
            connection.execute(statement, {"tenant_id": tenant, "issuer": issuer.issuer, **fields})

    def issuers(self, tenant: TenantId) -> list[Issuer]:
        rows = self._transaction.read().execute(_ISSUERS, {"tenant": tenant}).mappings()
        return [Issuer(TenantId(row["tenant_id"]), row["issuer"], row["algorithm"], row["audience"], row["keys"]) for row in rows]


def _same_tenant(tenant: TenantId, other: TenantId) -> None:
    if tenant != other:
        raise ValueError(f"The object belongs to tenant {other!r}, not to {tenant!r}.")
