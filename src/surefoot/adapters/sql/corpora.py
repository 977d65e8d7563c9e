"""The CorpusRepository port: compare-and-swap and lease are each one statement, never read-then-write."""

from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Executable, bindparam, delete, or_, select, true, update

from surefoot.adapters.sql.access import EPOCH
from surefoot.adapters.sql.schema.columns import TENANT, UtcDateTime
from surefoot.adapters.sql.schema.corpora import corpora, leases
from surefoot.adapters.sql.transaction import Transaction
from surefoot.adapters.sql.upsert import inserting
from surefoot.core.errors import Conflict, WriterBusy
from surefoot.domain.corpora import EMPTY_CORPUS, CorpusState
from surefoot.domain.identity import TenantId

_FIELDS = ("generation", "encoder_fingerprint", "index_fingerprint", "documents", "chunks", "published_at")
_MOMENT = select(EPOCH.label("epoch")).subquery("moment")
_ROW = select(*(corpora.c[name] for name in _FIELDS)).where(corpora.c.tenant_id == TENANT).subquery("published")
_STATE = select(_MOMENT.c.epoch, *_ROW.c).select_from(_MOMENT.outerjoin(_ROW, true()))
_PUBLISH = (
    update(corpora)
    .where(corpora.c.tenant_id == TENANT, corpora.c.generation == bindparam("expected"))
    .values({name: bindparam(f"new_{name}", type_=corpora.c[name].type) for name in _FIELDS})
    .returning(corpora.c.generation)
)
_HOLDER = select(leases.c.owner, leases.c.expires_at).where(leases.c.tenant_id == TENANT)
_RELEASE = delete(leases).where(leases.c.tenant_id == TENANT, leases.c.owner == bindparam("owner"))


@cache
def _publish_first(dialect: str) -> Executable:
    """The tenant's first publication: the row appears, or, if it is there, must still be at generation 0."""
    new = {name: bindparam(f"new_{name}", type_=corpora.c[name].type) for name in _FIELDS}
    statement = inserting(corpora, dialect).values(tenant_id=TENANT, **new)
    return statement.on_conflict_do_update(
        index_elements=["tenant_id"],
        set_={name: statement.excluded[name] for name in _FIELDS},
        where=corpora.c.generation == 0,
    ).returning(corpora.c.generation)


@cache
def _lease(dialect: str) -> Executable:
    """The lease is taken when it is free, run out, or the owner's already."""
    statement = inserting(leases, dialect).values(
        tenant_id=TENANT, owner=bindparam("owner"), expires_at=bindparam("until", type_=UtcDateTime())
    )
    free = leases.c.expires_at <= bindparam("now", type_=UtcDateTime())
    return statement.on_conflict_do_update(
        index_elements=["tenant_id"],
        set_={"owner": statement.excluded.owner, "expires_at": statement.excluded.expires_at},
        where=or_(leases.c.owner == statement.excluded.owner, free),
    ).returning(leases.c.owner)


class SqlCorpora:
    """The published state of each corpus and the lease on writing it."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def state(self, tenant: TenantId) -> CorpusState:
        epoch, generation, *rest = self._transaction.read().execute(_STATE, {"tenant": tenant}).one()
        if generation is None:
            generation, *rest = (getattr(EMPTY_CORPUS, name) for name in _FIELDS)
        return CorpusState(generation, epoch, *rest)

    def publish(self, tenant: TenantId, *, expected_generation: int, state: CorpusState) -> None:
        values: dict[str, Any] = {f"new_{name}": getattr(state, name) for name in _FIELDS}
        values["tenant"] = tenant
        statement: Executable = _publish_first(self._transaction.dialect)
        if expected_generation != EMPTY_CORPUS.generation:
            statement, values["expected"] = _PUBLISH, expected_generation
        with self._transaction.write() as connection:
            published = connection.execute(statement, values).one_or_none()
        if published is None:
            raise Conflict(f"The corpus of {tenant!r} is not at generation {expected_generation} any more; start again.")

    def lease(self, tenant: TenantId, owner: str, *, now: datetime, ttl_seconds: int) -> None:
        values = {"tenant": tenant, "owner": owner, "now": now, "until": now + timedelta(seconds=ttl_seconds)}
        with self._transaction.write() as connection:
            if connection.execute(_lease(self._transaction.dialect), values).one_or_none() is not None:
                return
            holder = connection.execute(_HOLDER, {"tenant": tenant}).one_or_none()
        wait = 1 if holder is None else max(1, round((holder.expires_at - now).total_seconds()))
        raise WriterBusy(retry_after_seconds=wait)

    def release(self, tenant: TenantId, owner: str) -> None:
        with self._transaction.write() as connection:
            connection.execute(_RELEASE, {"tenant": tenant, "owner": owner})
