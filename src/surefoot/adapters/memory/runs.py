"""The RunRepository port in memory."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime

from surefoot.adapters.memory.caps import MemoryCaps
from surefoot.adapters.memory.json_copy import json_copy
from surefoot.adapters.memory.plans import MemoryPlans
from surefoot.adapters.memory.tables import Transaction, WaitingRun
from surefoot.core.errors import Conflict
from surefoot.domain.actions import AutonomyLevel, Env
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import GAVE_UP, LIVE, Run, RunState


class MemoryRuns(MemoryPlans, MemoryCaps):
    """Runs, and which of them wait for a worker; what belongs to a run is in the classes above."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def create(self, tenant: TenantId, run: Run) -> Run | None:
        with self._transaction.write():
            in_the_way = next(_in_the_way(run, self._transaction.read(tenant).runs.values()), None)
            if in_the_way is not None:
                return in_the_way
            if self.get(tenant, run.run_id) is not None:
                raise Conflict
            self._transaction.table(tenant, "runs")[run.run_id] = replace(run, arguments=json_copy(run.arguments))
            return None

    def get(self, tenant: TenantId, run_id: str) -> Run | None:
        return self._transaction.read(tenant).runs.get(run_id)

    def by_key(self, tenant: TenantId, env: Env, scope: str, key: str) -> Run | None:
        wanted = (env, scope, key)
        return next((run for run in self._transaction.read(tenant).runs.values() if _key(run) == wanted), None)

    def page(
        self, tenant: TenantId, *, env: Env | None, states: frozenset[RunState], maker: str, after: str, limit: int
    ) -> list[Run]:
        found = (
            run
            for run in self._transaction.read(tenant).runs.values()
            if (env is None or run.env == env)
            and (not states or run.state in states)
            and (not maker or run.maker == maker)
            and (not after or run.run_id < after)
        )
        return sorted(found, key=lambda run: run.run_id, reverse=True)[: max(0, limit)]

    def by_trace(self, tenant: TenantId, trace_id: str) -> list[Run]:
        found = (run for run in self._transaction.read(tenant).runs.values() if trace_id and run.trace_id == trace_id)
        return sorted(found, key=lambda run: run.run_id)

    def swap(self, tenant: TenantId, run: Run) -> bool:
        with self._transaction.write():
            held = self.get(tenant, run.run_id)
            if held is None or held.version != run.version:
                return False
            others = [each for each in self._transaction.read(tenant).runs.values() if each.run_id != run.run_id]
            if next(_in_the_way(run, others), None) is not None:
                raise Conflict
            changed = replace(run, arguments=json_copy(run.arguments), version=run.version + 1)
            self._transaction.table(tenant, "runs")[run.run_id] = changed
            return True

    def enqueue(self, tenant: TenantId, run_id: str, *, due_at: datetime) -> None:
        with self._transaction.write():
            self._known(tenant, run_id)
            queue = self._transaction.table(tenant, "run_queue")
            queue[run_id] = replace(queue.get(run_id, WaitingRun(due_at)), due_at=due_at)

    def lease_due(self, tenant: TenantId, owner: str, *, now: datetime, until: datetime) -> Run | None:
        with self._transaction.write():
            waiting = self._transaction.read(tenant).run_queue.items()
            due = [(row.due_at, run_id) for run_id, row in waiting if row.due_at <= now and _is_free(row, now)]
            if not due:
                return None
            due_at, run_id = min(due)
            self._transaction.table(tenant, "run_queue")[run_id] = WaitingRun(due_at, owner, until)
            return self.get(tenant, run_id)

    def lease(self, tenant: TenantId, run_id: str, owner: str, *, now: datetime, until: datetime) -> bool:
        with self._transaction.write():
            row = self._transaction.read(tenant).run_queue.get(run_id)
            if row is None or not _is_free(row, now):
                return False
            self._transaction.table(tenant, "run_queue")[run_id] = WaitingRun(row.due_at, owner, until)
            return True

    def postpone(self, tenant: TenantId, run_id: str, owner: str, *, due_at: datetime) -> bool:
        with self._transaction.write():
            row = self._transaction.read(tenant).run_queue.get(run_id)
            if row is None or row.leased_until is None or row.owner != owner:
                return False
            self._transaction.table(tenant, "run_queue")[run_id] = WaitingRun(due_at)
            return True

    def dequeue(self, tenant: TenantId, run_id: str) -> None:
        with self._transaction.write():
            self._transaction.table(tenant, "run_queue").pop(run_id, None)

    def set_switch(self, tenant: TenantId, env: Env, action: str, *, off: bool, by: str, reason: str, now: datetime) -> None:
        with self._transaction.write():
            switches = self._transaction.table(tenant, "switches")
            if off:
                switches[env, action] = reason
            else:
                switches.pop((env, action), None)

    def switched_off(self, tenant: TenantId, env: Env, action: str) -> str | None:
        switches = self._transaction.read(tenant).switches
        return switches.get((env, action), switches.get((env, "*")))

    def set_autonomy(self, tenant: TenantId, action: str, level: AutonomyLevel, *, reason: str, now: datetime) -> None:
        with self._transaction.write():
            self._transaction.table(tenant, "autonomy")[action] = level

    def autonomy(self, tenant: TenantId, action: str) -> AutonomyLevel | None:
        return self._transaction.read(tenant).autonomy.get(action)

    def lease_review(self, tenant: TenantId, owner: str, *, now: datetime, until: datetime) -> bool:
        with self._transaction.write():
            row = self._transaction.read(tenant).review or WaitingRun(now)
            if row.due_at > now or not _is_free(row, now):
                return False
            self._transaction.change(tenant, review=WaitingRun(row.due_at, owner, until))
            return True

    def end_review(self, tenant: TenantId, owner: str, *, due_at: datetime) -> None:
        with self._transaction.write():
            row = self._transaction.read(tenant).review
            if row is not None and row.leased_until is not None and row.owner == owner:
                self._transaction.change(tenant, review=WaitingRun(due_at))


def _in_the_way(run: Run, others: Collection[Run]) -> Iterator[Run]:
    """The runs beside which this one cannot be, in the order of the rules that say so."""
    yield from (each for each in others if _key(each) == _key(run))
    if run.natural_key and run.state in LIVE:
        same = (each for each in others if (each.env, each.natural_key) == (run.env, run.natural_key))
        yield from (each for each in same if each.state in LIVE)
    if run.reverses and run.state not in GAVE_UP:
        yield from (each for each in others if each.reverses == run.reverses and each.state not in GAVE_UP)


def _key(run: Run) -> tuple[Env, str, str]:
    return run.env, run.idem_scope, run.idem_key


def _is_free(row: WaitingRun, now: datetime) -> bool:
    return row.leased_until is None or row.leased_until <= now
