"""What belongs to a run: its plan, who agreed, what the policy said, how the host was called and what it did."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Executable, Row, Table, bindparam, delete, func, insert, select, update

from surefoot.adapters.sql.schema.columns import KEY, TENANT, UtcDateTime
from surefoot.adapters.sql.schema.runs import approvals, attempts, decisions, plans, receipts, run_queue, runs
from surefoot.adapters.sql.transaction import Transaction
from surefoot.adapters.sql.upsert import inserting
from surefoot.core.errors import Conflict
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import (
    ENDED,
    Approval,
    Attempt,
    Change,
    DecisionRecord,
    Plan,
    PolicyDecision,
    PolicyEffect,
    PolicyReason,
    Precondition,
    Receipt,
    Stage,
    Verdict,
)

_RUN: BindParameter[str] = bindparam("run", type_=KEY)


def _of(table: Table) -> tuple[Any, ...]:
    return table.c.tenant_id == TENANT, table.c.run_id == _RUN


def _columns(table: Table) -> list[Any]:
    return [column for column in table.c if column.name != "tenant_id"]


_PLAN = select(*_columns(plans)).where(*_of(plans))
_CONSUME = (
    update(plans)
    .where(*_of(plans), plans.c.consumed_at.is_(None), plans.c.expires_at > bindparam("now", type_=UtcDateTime()))
    .values(consumed_at=bindparam("now", type_=UtcDateTime()))
)
_APPROVALS = (
    select(*_columns(approvals)).where(*_of(approvals)).order_by(approvals.c.at, approvals.c.plan_digest, approvals.c.approver)
)
# Held by whoever numbers a row of the run, so that two transactions never choose one number.
_LOCK_RUN = select(runs.c.run_id).where(*_of(runs)).with_for_update(key_share=True)
_NEXT = select(func.coalesce(func.max(decisions.c.number), 0) + 1).where(*_of(decisions))
_DECISIONS = select(*_columns(decisions)).where(*_of(decisions)).order_by(decisions.c.number)
_ATTEMPTS = select(*_columns(attempts)).where(*_of(attempts)).order_by(attempts.c.number)
# A write, so that nobody takes the lease away before the attempt it protects is committed.
_HOLD_LEASE = (
    update(run_queue)
    .where(
        *_of(run_queue),
        run_queue.c.owner == bindparam("worker"),
        run_queue.c.leased_until == bindparam("until", type_=UtcDateTime()),
        run_queue.c.leased_until > bindparam("now", type_=UtcDateTime()),
    )
    .values(owner=bindparam("worker"))
)
_END_ATTEMPT = (
    update(attempts)
    .where(*_of(attempts), attempts.c.number == bindparam("at_number"))
    .values(outcome=bindparam("now_outcome"), status=bindparam("now_status"))
)
_ATTEMPT = (attempts.c.run_id, attempts.c.number)
_OF_ENDED = (
    select(*_ATTEMPT)
    .join(runs, (runs.c.tenant_id == attempts.c.tenant_id) & (runs.c.run_id == attempts.c.run_id))
    .where(
        attempts.c.tenant_id == TENANT,
        attempts.c.at < bindparam("before", type_=UtcDateTime()),
        runs.c.state.in_(sorted(state.value for state in ENDED)),
    )
    .order_by(attempts.c.at, *_ATTEMPT)
    .limit(bindparam("most"))
)
# Without its run's state: a run that has ended stays as it is. One row each: given a list, SQLite would read all of the tenant's.
_PRUNE_ATTEMPTS = delete(attempts).where(*_of(attempts), attempts.c.number == bindparam("its_number"))
_RECEIPT = select(*_columns(receipts)).where(*_of(receipts))


@cache
def _put_plan(dialect: str) -> Executable:
    """A consumed plan stays as it is; then no row is returned."""
    new = inserting(plans, dialect)
    put = {column.name: new.excluded[column.name] for column in plans.c if column.name not in ("tenant_id", "run_id")}
    return new.on_conflict_do_update(
        index_elements=["tenant_id", "run_id"], set_=put, where=plans.c.consumed_at.is_(None)
    ).returning(plans.c.run_id)


@cache
def _approve(dialect: str) -> Executable:
    return inserting(approvals, dialect).on_conflict_do_nothing().returning(approvals.c.approver)


@cache
def _put_receipt(dialect: str) -> Executable:
    new = inserting(receipts, dialect)
    put = {column.name: new.excluded[column.name] for column in receipts.c if column.name not in ("tenant_id", "run_id")}
    return new.on_conflict_do_update(index_elements=["tenant_id", "run_id"], set_=put)


class SqlPlans:
    """Plans, approvals, decisions, attempts and receipts."""

    _transaction: Transaction

    def put_plan(self, tenant: TenantId, plan: Plan) -> None:
        row = _values(tenant, plan)
        row |= {"changes": _written(plan.changes), "preconditions": _etags(plan.preconditions)}
        with self._transaction.write() as connection:
            if connection.execute(_put_plan(self._transaction.dialect), row).one_or_none() is None:
                raise Conflict

    def plan(self, tenant: TenantId, run_id: str) -> Plan | None:
        row = self._transaction.read().execute(_PLAN, {"tenant": tenant, "run": run_id}).one_or_none()
        if row is None:
            return None
        values = row._asdict()
        return Plan(**values | {"changes": _changes(row.changes), "preconditions": _preconditions(row.preconditions)})

    def consume_plan(self, tenant: TenantId, run_id: str, *, now: datetime) -> bool:
        with self._transaction.write() as connection:
            return connection.execute(_CONSUME, {"tenant": tenant, "run": run_id, "now": now}).rowcount == 1

    def add_approval(self, tenant: TenantId, approval: Approval) -> bool:
        row = _values(tenant, approval) | {"verdict": approval.verdict.value}
        with self._transaction.write() as connection:
            return connection.execute(_approve(self._transaction.dialect), row).one_or_none() is not None

    def approvals(self, tenant: TenantId, run_id: str) -> list[Approval]:
        rows = self._transaction.read().execute(_APPROVALS, {"tenant": tenant, "run": run_id})
        return [Approval(**row._asdict() | {"verdict": Verdict(row.verdict)}) for row in rows]

    def add_decision(self, tenant: TenantId, record: DecisionRecord) -> None:
        decision, of_run = record.decision, {"tenant": tenant, "run": record.run_id}
        with self._transaction.write() as connection:
            if connection.execute(_LOCK_RUN, of_run).one_or_none() is None:
                raise Conflict
            row = {
                "tenant_id": tenant,
                "run_id": record.run_id,
                "number": connection.execute(_NEXT, of_run).scalar_one(),
                "stage": record.stage.value,
                "effect": decision.effect.value,
                "policy_hash": decision.policy_hash,
                "reasons": [[each.rule, each.reason, each.remedy] for each in decision.reasons],
                "errors": list(decision.errors),
                "needs_approval": decision.needs_approval,
                "facts": dict(record.facts),
                "at": record.at,
            }
            connection.execute(insert(decisions), row)

    def decisions(self, tenant: TenantId, run_id: str) -> list[DecisionRecord]:
        rows = self._transaction.read().execute(_DECISIONS, {"tenant": tenant, "run": run_id})
        return [_decision(row) for row in rows]

    def begin_attempt(self, tenant: TenantId, attempt: Attempt, owner: str, *, until: datetime) -> bool:
        lease = {"tenant": tenant, "run": attempt.run_id, "worker": owner, "until": until, "now": attempt.at}
        with self._transaction.write() as connection:
            if connection.execute(_HOLD_LEASE, lease).rowcount != 1:
                return False
            connection.execute(insert(attempts), _values(tenant, attempt))
            return True

    def end_attempt(self, tenant: TenantId, attempt: Attempt) -> None:
        named = {"tenant": tenant, "run": attempt.run_id, "at_number": attempt.number}
        with self._transaction.write() as connection:
            connection.execute(_END_ATTEMPT, named | {"now_outcome": attempt.outcome, "now_status": attempt.status})

    def add_attempt(self, tenant: TenantId, attempt: Attempt) -> None:
        with self._transaction.write() as connection:
            connection.execute(insert(attempts), _values(tenant, attempt))

    def attempts(self, tenant: TenantId, run_id: str) -> list[Attempt]:
        rows = self._transaction.read().execute(_ATTEMPTS, {"tenant": tenant, "run": run_id})
        return [Attempt(**row._asdict()) for row in rows]

    def prune_attempts(self, tenant: TenantId, *, before: datetime, limit: int) -> int:
        values = {"tenant": tenant, "before": before, "most": max(0, limit)}
        rows = self._transaction.read().execute(_OF_ENDED, values)
        found = [{"tenant": tenant, "run": run_id, "its_number": number} for run_id, number in rows]
        if not found:
            return 0
        with self._transaction.write() as connection:
            return connection.execute(_PRUNE_ATTEMPTS, found).rowcount

    def put_receipt(self, tenant: TenantId, receipt: Receipt) -> None:
        row = _values(tenant, receipt)
        row |= {"after_etags": _etags(receipt.after_etags), "inverse": _written(receipt.inverse), "result": dict(receipt.result)}
        with self._transaction.write() as connection:
            connection.execute(_put_receipt(self._transaction.dialect), row)

    def receipt(self, tenant: TenantId, run_id: str) -> Receipt | None:
        row = self._transaction.read().execute(_RECEIPT, {"tenant": tenant, "run": run_id}).one_or_none()
        if row is None:
            return None
        values = row._asdict()
        return Receipt(**values | {"after_etags": _preconditions(row.after_etags), "inverse": _changes(row.inverse)})


def _values(tenant: TenantId, row: Plan | Approval | Attempt | Receipt) -> dict[str, Any]:
    """The columns have the names of the fields."""
    return {"tenant_id": tenant, **{field.name: getattr(row, field.name) for field in fields(row)}}


def _written(changes: Iterable[Change]) -> list[list[Any]]:
    return [[change.resource, [*map(dict, change.forward)], [*map(dict, change.backward)]] for change in changes]


def _changes(written: Sequence[Any]) -> tuple[Change, ...]:
    return tuple(Change(resource, tuple(forward), tuple(backward)) for resource, forward, backward in written)


def _etags(preconditions: Iterable[Precondition]) -> list[list[str]]:
    return [[each.resource, each.etag] for each in preconditions]


def _preconditions(written: Sequence[Any]) -> tuple[Precondition, ...]:
    return tuple(Precondition(resource, etag) for resource, etag in written)


def _decision(row: Row[Any]) -> DecisionRecord:
    reasons = tuple(PolicyReason(*each) for each in row.reasons)
    decision = PolicyDecision(PolicyEffect(row.effect), row.policy_hash, reasons, tuple(row.errors), row.needs_approval)
    return DecisionRecord(row.run_id, Stage(row.stage), decision, row.facts, row.at)
