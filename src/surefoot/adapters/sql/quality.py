"""The FeedbackRepository and SampleRepository ports."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from functools import cache

from sqlalchemy import Executable, bindparam, delete, insert, select

from surefoot.adapters.sql.schema.columns import KEY, TENANT, UtcDateTime, one_of
from surefoot.adapters.sql.schema.quality import feedback, live_samples
from surefoot.adapters.sql.transaction import Transaction
from surefoot.adapters.sql.upsert import inserting
from surefoot.domain.feedback import Feedback, LiveSample, Opinion
from surefoot.domain.identity import TenantId

_NOW = bindparam("now", type_=UtcDateTime())
_WORD = (feedback.c.reply_id, feedback.c.viewer_hash, feedback.c.opinion, feedback.c.at, feedback.c.comment)
_SAMPLE = tuple(column for column in live_samples.c if column.name != "tenant_id")
_PAGE = (
    select(*_SAMPLE)
    .where(
        live_samples.c.tenant_id == TENANT,
        live_samples.c.asked_at >= bindparam("since", type_=UtcDateTime()),
        live_samples.c.keep_until > _NOW,
        live_samples.c.reply_id > bindparam("after", type_=KEY),
    )
    .order_by(live_samples.c.reply_id)
    .limit(bindparam("most"))
)
_FORGET = delete(live_samples).where(live_samples.c.tenant_id == TENANT, live_samples.c.viewer_hash == bindparam("viewer"))
_EXPIRED = (live_samples.c.tenant_id == TENANT, live_samples.c.keep_until <= _NOW)
_OLDEST_EXPIRED = (
    select(live_samples.c.reply_id)
    .where(*_EXPIRED)
    .order_by(live_samples.c.keep_until, live_samples.c.reply_id)
    .limit(bindparam("most"))
)
_ANY_OF = (
    select(live_samples.c.reply_id)
    .where(live_samples.c.tenant_id == TENANT, live_samples.c.viewer_hash == bindparam("viewer"))
    .limit(1)
)


@cache
def _put(dialect: str) -> Executable:
    new = inserting(feedback, dialect)
    put = {name: new.excluded[name] for name in ("viewer_hash", "opinion", "at", "comment")}
    return new.on_conflict_do_update(index_elements=["tenant_id", "reply_id"], set_=put)


@cache
def _of(dialect: str) -> Executable:
    wanted = one_of(feedback.c.reply_id, "replies", dialect)
    return select(*_WORD).where(feedback.c.tenant_id == TENANT, wanted).order_by(feedback.c.reply_id)


@cache
def _sweep(dialect: str) -> Executable:
    # By their ids alone: a sample's time never changes, and by it SQLite would read all the others that are over.
    return delete(live_samples).where(live_samples.c.tenant_id == TENANT, one_of(live_samples.c.reply_id, "ids", dialect))


class SqlFeedback:
    """Viewers' words by reply."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def put(self, tenant: TenantId, feedback: Feedback) -> None:
        row = {"tenant_id": tenant, **asdict(feedback), "opinion": feedback.opinion.value}
        with self._transaction.write() as connection:
            connection.execute(_put(self._transaction.dialect), row)

    def of(self, tenant: TenantId, replies: Sequence[str]) -> list[Feedback]:
        values = {"tenant": tenant, "replies": list(replies)}
        rows = self._transaction.read().execute(_of(self._transaction.dialect), values)
        return [Feedback(row.reply_id, row.viewer_hash, Opinion(row.opinion), row.at, row.comment) for row in rows]


class SqlSamples:
    """Live samples by reply. What deletes looks first, so that a look which finds nothing does not wait for other writers."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def add(self, tenant: TenantId, sample: LiveSample) -> None:
        row = {"tenant_id": tenant, **asdict(sample), "record": dict(sample.record)}
        with self._transaction.write() as connection:
            connection.execute(insert(live_samples), row)

    def page(self, tenant: TenantId, *, since: datetime, now: datetime, after: str, limit: int) -> list[LiveSample]:
        values = {"tenant": tenant, "since": since, "now": now, "after": after, "most": max(0, limit)}
        return [LiveSample(*row) for row in self._transaction.read().execute(_PAGE, values)]

    def forget(self, tenant: TenantId, viewer_hash: str) -> int:
        values = {"tenant": tenant, "viewer": viewer_hash}
        if self._transaction.read().execute(_ANY_OF, values).first() is None:
            return 0
        with self._transaction.write() as connection:
            return connection.execute(_FORGET, values).rowcount

    def sweep(self, tenant: TenantId, *, now: datetime, limit: int) -> int:
        values = {"tenant": tenant, "now": now, "most": max(0, limit)}
        found = self._transaction.read().execute(_OLDEST_EXPIRED, values).scalars().all()
        if not found:
            return 0
        with self._transaction.write() as connection:
            return connection.execute(_sweep(self._transaction.dialect), {"tenant": tenant, "ids": found}).rowcount
