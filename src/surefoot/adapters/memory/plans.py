"""What belongs to a run, in memory: its plan, who agreed, what the policy said, how the host was called and what it did."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from surefoot.adapters.memory.json_copy import json_copies, json_copy
from surefoot.adapters.memory.tables import Transaction
from surefoot.core.errors import Conflict
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import ENDED, Approval, Attempt, Change, DecisionRecord, Plan, Receipt


class MemoryPlans:
    """Plans, approvals, decisions, attempts and receipts."""

    _transaction: Transaction

    def put_plan(self, tenant: TenantId, plan: Plan) -> None:
        with self._transaction.write():
            self._known(tenant, plan.run_id)
            before = self.plan(tenant, plan.run_id)
            if before is not None and before.consumed_at is not None:
                raise Conflict
            self._transaction.table(tenant, "plans")[plan.run_id] = replace(plan, changes=_copies(plan.changes))

    def plan(self, tenant: TenantId, run_id: str) -> Plan | None:
        return self._transaction.read(tenant).plans.get(run_id)

    def consume_plan(self, tenant: TenantId, run_id: str, *, now: datetime) -> bool:
        with self._transaction.write():
            plan = self.plan(tenant, run_id)
            if plan is None or plan.consumed_at is not None or plan.expires_at <= now:
                return False
            self._transaction.table(tenant, "plans")[run_id] = replace(plan, consumed_at=now)
            return True

    def add_approval(self, tenant: TenantId, approval: Approval) -> bool:
        with self._transaction.write():
            self._known(tenant, approval.run_id)
            place = (approval.run_id, approval.plan_digest, approval.approver)
            if place in self._transaction.read(tenant).approvals:
                return False
            self._transaction.table(tenant, "approvals")[place] = approval
            return True

    def approvals(self, tenant: TenantId, run_id: str) -> list[Approval]:
        found = (each for each in self._transaction.read(tenant).approvals.values() if each.run_id == run_id)
        return sorted(found, key=lambda each: (each.at, each.plan_digest, each.approver))

    def add_decision(self, tenant: TenantId, record: DecisionRecord) -> None:
        with self._transaction.write():
            self._known(tenant, record.run_id)
            before = self._transaction.read(tenant).decisions.get(record.run_id, ())
            kept = replace(record, facts=json_copy(record.facts))
            self._transaction.table(tenant, "decisions")[record.run_id] = (*before, kept)

    def decisions(self, tenant: TenantId, run_id: str) -> list[DecisionRecord]:
        return list(self._transaction.read(tenant).decisions.get(run_id, ()))

    def begin_attempt(self, tenant: TenantId, attempt: Attempt, owner: str, *, until: datetime) -> bool:
        with self._transaction.write():
            row = self._transaction.read(tenant).run_queue.get(attempt.run_id)
            if row is None or (row.owner, row.leased_until) != (owner, until) or until <= attempt.at:
                return False
            self.add_attempt(tenant, attempt)
            return True

    def end_attempt(self, tenant: TenantId, attempt: Attempt) -> None:
        with self._transaction.write():
            place = (attempt.run_id, attempt.number)
            begun = self._transaction.read(tenant).attempts.get(place)
            if begun is not None:
                ended = replace(begun, outcome=attempt.outcome, status=attempt.status)
                self._transaction.table(tenant, "attempts")[place] = ended

    def add_attempt(self, tenant: TenantId, attempt: Attempt) -> None:
        with self._transaction.write():
            self._known(tenant, attempt.run_id)
            place = (attempt.run_id, attempt.number)
            if place in self._transaction.read(tenant).attempts:
                raise Conflict
            self._transaction.table(tenant, "attempts")[place] = attempt

    def attempts(self, tenant: TenantId, run_id: str) -> list[Attempt]:
        found = (each for each in self._transaction.read(tenant).attempts.values() if each.run_id == run_id)
        return sorted(found, key=lambda each: each.number)

    def prune_attempts(self, tenant: TenantId, *, before: datetime, limit: int) -> int:
        with self._transaction.write():
            runs, attempts = self._transaction.read(tenant).runs, self._transaction.read(tenant).attempts.items()
            old = [(each.at, place) for place, each in attempts if each.at < before and runs[each.run_id].state in ENDED]
            gone = sorted(old)[: max(0, limit)]
            for _, place in gone:
                del self._transaction.table(tenant, "attempts")[place]
            return len(gone)

    def put_receipt(self, tenant: TenantId, receipt: Receipt) -> None:
        with self._transaction.write():
            self._known(tenant, receipt.run_id)
            kept = replace(receipt, inverse=_copies(receipt.inverse), result=json_copy(receipt.result))
            self._transaction.table(tenant, "receipts")[receipt.run_id] = kept

    def receipt(self, tenant: TenantId, run_id: str) -> Receipt | None:
        return self._transaction.read(tenant).receipts.get(run_id)

    def _known(self, tenant: TenantId, run_id: str) -> None:
        """Raises Conflict when there is no such run, as a foreign key does."""
        if run_id not in self._transaction.read(tenant).runs:
            raise Conflict


def _copies(changes: Iterable[Change]) -> tuple[Change, ...]:
    return tuple(
        replace(change, forward=json_copies(change.forward), backward=json_copies(change.backward)) for change in changes
    )
