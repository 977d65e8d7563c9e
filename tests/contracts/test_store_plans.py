"""What is asked often is found by an index, however many rows a tenant has."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from surefoot.adapters.sql.store import SqlStore
from surefoot.domain.actions import Env
from surefoot.domain.budgets import Limit, MeterKey, Period, Spend
from surefoot.domain.runs import RunState
from surefoot.ports import UnitOfWork
from tests.contracts import store_rows
from tests.contracts.store_rows import ACME, NOW, attempt, meter, reservation, run, sample, verdict

LATER = NOW + timedelta(days=1)
LONG_AGO = MeterKey("", "", Period.MONTH, datetime(2020, 1, 1, tzinfo=UTC))

QUERIES: dict[str, Callable[[SqlStore, UnitOfWork], object]] = {
    "runs by trace": lambda _, work: work.runs.by_trace(ACME, "trace"),
    "replies by trace": lambda store, _: store.replies.by_trace(ACME, "trace", limit=9),
    "audit by subject": lambda _, work: work.audit.about(ACME, ["run_a"]),
    "events by subject": lambda _, work: work.events.about(ACME, ["run_a"]),
    "attempts": lambda _, work: work.runs.attempts(ACME, "run_a"),
    "runs by state": lambda _, work: _page(work),
    "caps": lambda _, work: work.runs.cap_used(ACME, Env.SANDBOX, "nudges", "usr_1", since=NOW),
    "due runs": lambda _, work: work.runs.lease_due(ACME, "worker", now=LATER, until=LATER),
    "due events": lambda _, work: work.events.due(ACME, now=LATER, limit=1),
    "feedback": lambda _, work: work.feedback.of(ACME, ["ans_1"]),
    "meters": lambda _, work: work.meters.states(ACME, {meter(): Limit(), meter("help", "viewer-1"): Limit()}),
    "known meters": lambda _, work: work.meters.known(ACME, since=NOW),
    "standing verdicts": lambda _, work: work.verdicts.all(),
    "swept samples": lambda _, work: work.samples.sweep(ACME, now=NOW + timedelta(days=99), limit=9),
    "samples of a viewer": lambda _, work: work.samples.forget(ACME, "viewer-1"),
    "pruned events": lambda _, work: work.events.prune(ACME, before=LATER, limit=9),
    "pruned meters": lambda _, work: work.meters.prune(ACME, before=NOW, limit=9),
    "pruned attempts": lambda _, work: work.runs.prune_attempts(ACME, before=LATER, limit=9),
    "pruned verdicts": lambda _, work: work.verdicts.prune(ACME, before=LATER, limit=9),
}
# Open reservations are few: each lives for two minutes.
_READ_WHOLE = ("reservations",)


def _page(work: UnitOfWork) -> object:
    return work.runs.page(ACME, env=None, states=frozenset({RunState.UNKNOWN}), maker="", after="", limit=9)


@pytest.fixture
def filled(database_url: str) -> Iterator[SqlStore]:
    """A row of every kind that something is looked up among, so that what deletes does."""
    store = SqlStore(database_url)
    with store.begin() as work:
        work.runs.create(ACME, run("a", RunState.FAILED))
        work.runs.add_attempt(ACME, attempt("a", 1))
        work.events.add(ACME, store_rows.event("a"))
        work.events.delivered(ACME, "evt_a", now=NOW)
        work.meters.reserve(ACME, reservation("a", Spend(1, 1), LONG_AGO), {})
        work.meters.settle(ACME, "res_a", Spend(1, 1))
        work.meters.mark_crossed(ACME, LONG_AGO, "warn")
        work.samples.add(ACME, sample(1))
        for name in "ab":
            work.verdicts.put(ACME, verdict(name), now=NOW)
        work.commit()
    yield store
    store.close()


@contextmanager
def _explained() -> Iterator[list[str]]:
    """The plan of every statement that the block sends."""
    plans: list[str] = []

    def explain(connection: Connection, _: Any, statement: str, values: Any, __: Any, many: bool) -> None:
        if not statement.startswith(("SELECT", "UPDATE", "DELETE", "WITH")) or "pg_" in statement:
            return
        cursor = connection.connection.driver_connection.cursor()  # type: ignore[union-attr]
        if connection.dialect.name == "postgresql":
            # The tables are too small for an index to pay; told not to read them whole, the planner shows whether it must.
            cursor.execute("SET LOCAL enable_seqscan = off")
        kind = "EXPLAIN" if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
        cursor.execute(f"{kind} {statement}", values[0] if many else values)
        plans.append("\n".join(str(row[-1]) for row in cursor.fetchall()))

    event.listen(Engine, "before_cursor_execute", explain)
    try:
        yield plans
    finally:
        event.remove(Engine, "before_cursor_execute", explain)


def _whole(plan: str) -> list[str]:
    """The lines that read a whole table, or in SQLite all of one tenant's rows in it."""
    lines = [line for line in plan.splitlines() if not any(name in line for name in _READ_WHOLE)]
    wanted = re.compile(r"Seq Scan on|^SCAN (?!anon_|tenants)|USING (COVERING )?INDEX \S+ \(tenant_id=\?\)$")
    return [line for line in lines if wanted.search(line) and "of_tenant" not in line]


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_it_is_found_without_reading_what_is_not_asked_for(filled: SqlStore, name: str) -> None:
    with _explained() as plans, filled.begin() as work:
        QUERIES[name](filled, work)
    assert plans and [_whole(plan) for plan in plans] == [[]] * len(plans), plans
