"""The RunRepository port. The rules that keep a run from being there twice are unique indexes, so no race passes them."""

from dataclasses import fields
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Executable, Row, bindparam, select, update

from surefoot.adapters.sql.caps import SqlCaps
from surefoot.adapters.sql.plans import SqlPlans
from surefoot.adapters.sql.run_queue import SqlRunQueue
from surefoot.adapters.sql.schema.columns import TENANT
from surefoot.adapters.sql.schema.runs import IS_LIVE, REVERSES, runs
from surefoot.adapters.sql.switches import SqlSwitches
from surefoot.adapters.sql.transaction import Transaction
from surefoot.adapters.sql.upsert import inserting
from surefoot.core.errors import Conflict
from surefoot.domain.actions import Env
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import GAVE_UP, LIVE, Run, RunKind, RunState

_RUN = tuple(column for column in runs.c if column.name != "tenant_id")
_ALL = select(*_RUN).where(runs.c.tenant_id == TENANT)
_GET = _ALL.where(runs.c.run_id == bindparam("run"))
_BY_KEY = _ALL.where(
    runs.c.env == bindparam("env"), runs.c.idem_scope == bindparam("scope"), runs.c.idem_key == bindparam("idem")
)
_BY_TRACE = _ALL.where(runs.c.trace_id == bindparam("trace"), runs.c.trace_id != "").order_by(runs.c.run_id)
_LIVE_ONE = _ALL.where(runs.c.env == bindparam("env"), runs.c.natural_key == bindparam("natural"), IS_LIVE)
_REVERSING = _ALL.where(runs.c.reverses == bindparam("reverses"), REVERSES)
_SWAP = (
    update(runs)
    .where(runs.c.tenant_id == TENANT, runs.c.run_id == bindparam("run"), runs.c.version == bindparam("seen"))
    .values({column: bindparam(f"new_{column.name}", type_=column.type) for column in _RUN if column.name != "run_id"})
)


@cache
def _create(dialect: str) -> Executable:
    return inserting(runs, dialect).on_conflict_do_nothing().returning(runs.c.run_id)


class SqlRuns(SqlPlans, SqlCaps, SqlRunQueue, SqlSwitches):
    """Runs; what belongs to a run, its caps, the queue and the switches are in the classes above."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def create(self, tenant: TenantId, run: Run) -> Run | None:
        with self._transaction.write() as connection:
            row = {"tenant_id": tenant, **_values(run)}
            if connection.execute(_create(self._transaction.dialect), row).one_or_none() is not None:
                return None
            key = {"env": run.env.value, "scope": run.idem_scope, "idem": run.idem_key}
            rules: list[tuple[Executable, dict[str, str]]] = [(_BY_KEY, key)]
            if run.state in LIVE:
                rules.append((_LIVE_ONE, {"env": run.env.value, "natural": run.natural_key}))
            if run.state not in GAVE_UP:
                rules.append((_REVERSING, {"reverses": run.reverses}))
            for rule, values in rules:
                in_the_way = connection.execute(rule, {"tenant": tenant, **values}).one_or_none()
                if in_the_way is not None:
                    return _run(in_the_way)
            # The id was given before, or what stood in the way has moved on since.
            raise Conflict

    def get(self, tenant: TenantId, run_id: str) -> Run | None:
        row = self._transaction.read().execute(_GET, {"tenant": tenant, "run": run_id}).one_or_none()
        return None if row is None else _run(row)

    def by_key(self, tenant: TenantId, env: Env, scope: str, key: str) -> Run | None:
        values = {"tenant": tenant, "env": env.value, "scope": scope, "idem": key}
        row = self._transaction.read().execute(_BY_KEY, values).one_or_none()
        return None if row is None else _run(row)

    def page(
        self, tenant: TenantId, *, env: Env | None, states: frozenset[RunState], maker: str, after: str, limit: int
    ) -> list[Run]:
        wanted = _ALL
        if env is not None:
            wanted = wanted.where(runs.c.env == env.value)
        if states:
            wanted = wanted.where(runs.c.state.in_(sorted(state.value for state in states)))
        if maker:
            wanted = wanted.where(runs.c.maker == maker)
        if after:
            wanted = wanted.where(runs.c.run_id < after)
        newest_first = wanted.order_by(runs.c.run_id.desc()).limit(max(0, limit))
        return [_run(row) for row in self._transaction.read().execute(newest_first, {"tenant": tenant})]

    def by_trace(self, tenant: TenantId, trace_id: str) -> list[Run]:
        rows = self._transaction.read().execute(_BY_TRACE, {"tenant": tenant, "trace": trace_id})
        return [_run(row) for row in rows]

    def swap(self, tenant: TenantId, run: Run) -> bool:
        values = {f"new_{name}": value for name, value in _values(run).items() if name != "run_id"}
        values |= {"tenant": tenant, "run": run.run_id, "seen": run.version, "new_version": run.version + 1}
        with self._transaction.write() as connection:
            return connection.execute(_SWAP, values).rowcount == 1

    def lease_due(self, tenant: TenantId, owner: str, *, now: datetime, until: datetime) -> Run | None:
        run_id = self._lease(tenant, owner, now, until)
        return None if run_id is None else self.get(tenant, run_id)


def _values(run: Run) -> dict[str, Any]:
    """The columns have the names of the fields."""
    values = {field.name: getattr(run, field.name) for field in fields(run)}
    words = {"env": run.env.value, "kind": run.kind.value, "state": run.state.value}
    return values | words | {"arguments": dict(run.arguments), "citations": list(run.citations)}


def _run(row: Row[Any]) -> Run:
    words = {"env": Env(row.env), "kind": RunKind(row.kind), "state": RunState(row.state)}
    return Run(**row._asdict() | words | {"citations": tuple(row.citations)})
