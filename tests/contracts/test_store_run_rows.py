"""What every store promises about what belongs to a run: plan, approvals, decisions, attempts, receipt and caps."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from surefoot.core.errors import Conflict
from surefoot.domain.actions import Env
from surefoot.domain.runs import CapHold, PolicyDecision, PolicyEffect, Stage, Verdict
from surefoot.ports import Store, UnitOfWork
from tests.contracts.store_rows import (
    ACME,
    ELSEWHERE,
    NOW,
    approval,
    attempt,
    decision,
    hold,
    plan,
    receipt,
    run,
)

SANDBOX, PRODUCTION = Env.SANDBOX, Env.PRODUCTION
INSTANT = timedelta(microseconds=1)
SINCE = NOW - timedelta(days=7)
THREADS = 8


@pytest.fixture
def runs(store: Store) -> Store:
    """The store with runs a to f."""
    with store.begin() as work:
        for name in "abcdef":
            work.runs.create(ACME, run(name))
        work.commit()
    return store


def test_a_plan_comes_back_as_it_was_put(runs: Store) -> None:
    bare = plan("b", changes=(), preconditions=(), created_at=ELSEWHERE, cost_usd=1e-17, minutes_saved=0.0)
    with runs.begin() as work:
        work.runs.put_plan(ACME, plan("a"))
        work.runs.put_plan(ACME, bare)
        work.commit()
    with runs.begin() as work:
        found = work.runs.plan(ACME, "run_a")
        assert found == plan("a") and repr(found) == repr(plan("a"))
        assert work.runs.plan(ACME, "run_b") == bare
        assert work.runs.plan(ACME, "run_c") is None


def test_a_plan_takes_the_place_of_an_earlier_one_until_that_is_consumed(runs: Store) -> None:
    second = plan("a", digest="second", changes=())
    with runs.begin() as work:
        work.runs.put_plan(ACME, plan("a"))
        work.runs.put_plan(ACME, second)
        assert work.runs.plan(ACME, "run_a") == second
        assert work.runs.consume_plan(ACME, "run_a", now=NOW)
        work.commit()
    with runs.begin() as work, pytest.raises(Conflict):
        work.runs.put_plan(ACME, plan("a"))
    with runs.begin() as work:
        assert work.runs.plan(ACME, "run_a") == replace(second, consumed_at=NOW)


def test_a_plan_is_consumed_once_and_before_it_expires(runs: Store) -> None:
    with runs.begin() as work:
        for name in "ab":
            work.runs.put_plan(ACME, plan(name, expires_at=NOW))
        assert work.runs.consume_plan(ACME, "run_a", now=NOW) is False
        assert work.runs.consume_plan(ACME, "run_a", now=NOW - INSTANT) is True
        assert work.runs.consume_plan(ACME, "run_a", now=NOW - INSTANT) is False
        assert work.runs.consume_plan(ACME, "run_x", now=NOW) is False
        assert work.runs.plan(ACME, "run_a") == plan("a", expires_at=NOW, consumed_at=NOW - INSTANT)
        assert work.runs.plan(ACME, "run_b") == plan("b", expires_at=NOW)


def test_of_many_who_consume_a_plan_at_once_one_does(runs: Store) -> None:
    with runs.begin() as work:
        work.runs.put_plan(ACME, plan("a"))
        work.commit()

    def consume(_: int) -> bool:
        with runs.begin() as work:
            won = work.runs.consume_plan(ACME, "run_a", now=NOW)
            work.commit()
            return won

    with ThreadPoolExecutor(THREADS) as threads:
        assert list(threads.map(consume, range(THREADS))).count(True) == 1


def test_an_approver_speaks_once_on_each_plan(runs: Store) -> None:
    first, later = approval("a", "bea"), approval("a", "cay", at=NOW + INSTANT)
    with runs.begin() as work:
        assert work.runs.add_approval(ACME, later) is True
        assert work.runs.add_approval(ACME, first) is True
        assert work.runs.add_approval(ACME, replace(first, verdict=Verdict.REJECT, note="No!")) is False
        assert work.runs.add_approval(ACME, approval("a", "bea", digest="second", at=ELSEWHERE)) is True
        assert work.runs.add_approval(ACME, replace(approval("b"), verdict=Verdict.REJECT)) is True
        work.commit()
    with runs.begin() as work:
        assert work.runs.approvals(ACME, "run_a") == [approval("a", "bea", digest="second", at=ELSEWHERE), first, later]
        assert work.runs.approvals(ACME, "run_b") == [replace(approval("b"), verdict=Verdict.REJECT)]
        assert work.runs.approvals(ACME, "run_c") == []


def test_decisions_come_back_in_the_order_they_were_made(runs: Store) -> None:
    rows = [decision("a", stage) for stage in (Stage.SIMULATE, Stage.APPLY, Stage.APPROVE, Stage.APPLY)]
    rows.append(replace(rows[0], decision=PolicyDecision(PolicyEffect.ALLOW, ""), facts={}, at=ELSEWHERE))
    with runs.begin() as work:
        for row in (rows[0], decision("b"), *rows[1:]):
            work.runs.add_decision(ACME, row)
        work.commit()
    with runs.begin() as work:
        found = work.runs.decisions(ACME, "run_a")
        assert found == rows and repr(found[0].facts) == repr(rows[0].facts)
        assert work.runs.decisions(ACME, "run_b") == [decision("b")]
        assert work.runs.decisions(ACME, "run_c") == []


def test_decisions_added_at_once_are_all_kept(runs: Store) -> None:
    def add(number: int) -> None:
        with runs.begin() as work:
            work.runs.add_decision(ACME, decision("a", facts={"number": number}))
            work.commit()

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(add, range(THREADS)))
    with runs.begin() as work:
        assert sorted(str(row.facts["number"]) for row in work.runs.decisions(ACME, "run_a")) == [str(n) for n in range(THREADS)]


def test_an_attempt_is_begun_only_under_the_lease_it_was_given_for(runs: Store) -> None:
    until = NOW + timedelta(minutes=1)
    with runs.begin() as work:
        assert work.runs.begin_attempt(ACME, attempt("a", 1), "v", until=until) is False
        work.runs.enqueue(ACME, "run_a", due_at=NOW)
        assert work.runs.begin_attempt(ACME, attempt("a", 1), "v", until=until) is False
        assert work.runs.lease(ACME, "run_a", "v", now=NOW, until=until)
        assert work.runs.begin_attempt(ACME, attempt("a", 1), "w", until=until) is False
        assert work.runs.begin_attempt(ACME, attempt("a", 1), "v", until=until + INSTANT) is False
        assert work.runs.begin_attempt(ACME, replace(attempt("a", 1), at=until), "v", until=until) is False
        assert work.runs.attempts(ACME, "run_a") == []
        assert work.runs.begin_attempt(ACME, replace(attempt("a", 1), at=until - INSTANT), "v", until=until) is True
        assert [each.number for each in work.runs.attempts(ACME, "run_a")] == [1]
        work.commit()
    with runs.begin() as work, pytest.raises(Conflict):
        work.runs.begin_attempt(ACME, attempt("a", 1), "v", until=until)


def test_an_attempt_ends_with_what_came_of_it_and_another_is_as_it_was(runs: Store) -> None:
    with runs.begin() as work:
        for number in (1, 2):
            work.runs.add_attempt(ACME, replace(attempt("a", number, outcome="sent"), status=0))
        work.runs.end_attempt(ACME, replace(attempt("a", 2, outcome="done"), status=200))
        work.runs.end_attempt(ACME, attempt("a", 3, outcome="never begun"))
        found = [(each.number, each.outcome, each.status) for each in work.runs.attempts(ACME, "run_a")]
    assert found == [(1, "sent", 0), (2, "done", 200)]


def test_attempts_come_back_by_number_and_each_is_made_once(runs: Store) -> None:
    with runs.begin() as work:
        for row in (attempt("a", 10), attempt("a", 2), attempt("b", 1)):
            work.runs.add_attempt(ACME, row)
        work.commit()
    with runs.begin() as work, pytest.raises(Conflict):
        work.runs.add_attempt(ACME, attempt("a", 2, outcome="done"))
    with runs.begin() as work:
        assert work.runs.attempts(ACME, "run_a") == [attempt("a", 2), attempt("a", 10)]
        assert work.runs.attempts(ACME, "run_c") == []


def test_a_receipt_comes_back_as_it_was_put_and_takes_the_place_of_an_earlier_one(runs: Store) -> None:
    purged = receipt("a", after_etags=(), inverse=(), undo_handle="", undo_until=None, result={}, at=ELSEWHERE)
    with runs.begin() as work:
        for name in "ab":
            work.runs.put_receipt(ACME, receipt(name))
        work.commit()
    with runs.begin() as work:
        found = work.runs.receipt(ACME, "run_a")
        assert found == receipt("a") and repr(found) == repr(receipt("a"))
        work.runs.put_receipt(ACME, purged)
        assert work.runs.receipt(ACME, "run_a") == purged
        assert work.runs.receipt(ACME, "run_b") == receipt("b")
        assert work.runs.receipt(ACME, "run_c") is None


ORPHANS: dict[str, Callable[[UnitOfWork], object]] = {
    "plan": lambda work: work.runs.put_plan(ACME, plan("x")),
    "approval": lambda work: work.runs.add_approval(ACME, approval("x")),
    "decision": lambda work: work.runs.add_decision(ACME, decision("x")),
    "attempt": lambda work: work.runs.add_attempt(ACME, attempt("x", 1)),
    "receipt": lambda work: work.runs.put_receipt(ACME, receipt("x")),
    "hold": lambda work: work.runs.hold_caps(ACME, SANDBOX, "run_x", [hold()], now=NOW),
}


@pytest.mark.parametrize("kind", ORPHANS)
def test_nothing_belongs_to_a_run_that_is_not_there(store: Store, kind: str) -> None:
    with store.begin() as work, pytest.raises(Conflict):
        ORPHANS[kind](work)


def _used(work: UnitOfWork, key: str = "usr_1", *, cap: str = "nudges", env: Env = SANDBOX) -> int:
    return work.runs.cap_used(ACME, env, cap, key, since=SINCE)


def _held(work: UnitOfWork, name: str, *holds: CapHold, env: Env = SANDBOX, ago: timedelta = timedelta()) -> CapHold | None:
    return work.runs.hold_caps(ACME, env, f"run_{name}", holds or [hold(most=2)], now=NOW - ago)


def test_a_cap_is_held_until_it_is_full(runs: Store) -> None:
    with runs.begin() as work:
        assert [_held(work, name) for name in "abc"] == [None, None, hold(most=2)]
        assert _used(work) == 2
        assert _held(work, "c", hold(most=3)) is None


def test_a_cap_of_nothing_lets_nobody_in_and_no_caps_everybody(runs: Store) -> None:
    with runs.begin() as work:
        assert _held(work, "a", hold(most=0)) == hold(most=0)
        assert work.runs.hold_caps(ACME, SANDBOX, "run_a", [], now=NOW) is None
        assert _used(work) == 0


def test_a_cap_counts_its_own_environment_cap_and_key_alone(runs: Store) -> None:
    with runs.begin() as work:
        assert _held(work, "a", hold()) is None
        assert _held(work, "b", hold("usr_2"), hold(cap="offers")) is None
        assert _held(work, "c", hold(), env=PRODUCTION) is None
        assert [_held(work, "d", hold()), _held(work, "d", hold(), env=PRODUCTION)] == [hold(), hold()]
        counted = [_used(work), _used(work, "usr_2"), _used(work, cap="offers"), _used(work, env=PRODUCTION)]
        assert counted == [1] * 4
        assert _used(work, "usr_3") == 0 == _used(work, "usr_2", cap="offers")


def test_a_cap_counts_from_the_beginning_of_its_window_on(runs: Store) -> None:
    week = NOW - SINCE
    with runs.begin() as work:
        assert _held(work, "a", hold(since=ELSEWHERE), ago=week + INSTANT) is None
        assert _used(work) == 0
        assert _held(work, "b", hold(), ago=week) is None
        assert _used(work) == 1
        assert _held(work, "c", hold()) == hold()


def test_the_first_full_cap_is_named_and_nothing_stays_held_even_with_a_commit(runs: Store) -> None:
    wanted = [hold("usr_9"), hold("usr_2"), hold("usr_1")]
    with runs.begin() as work:
        assert _held(work, "a", *wanted[1:]) is None
        work.commit()
    with runs.begin() as work:
        assert _held(work, "b", *wanted) == wanted[1]
        work.commit()
    with runs.begin() as work:
        assert [_used(work, each.key) for each in wanted] == [0, 1, 1]


def test_a_run_holds_each_cap_and_key_once(runs: Store) -> None:
    with runs.begin() as work:
        assert _held(work, "a") is None
        work.commit()
    with runs.begin() as work, pytest.raises(Conflict):
        _held(work, "a")
    with runs.begin() as work, pytest.raises(Conflict):
        _held(work, "b", hold(most=9), hold(most=9))
    with runs.begin() as work:
        assert _used(work) == 1


def test_committed_holds_count_released_and_refunded_ones_do_not(runs: Store) -> None:
    with runs.begin() as work:
        for name in "abcd":
            assert _held(work, name, hold(most=9), hold("usr_2", most=9)) is None
        work.runs.settle_caps(ACME, "run_a", committed=True)
        work.runs.settle_caps(ACME, "run_b", committed=False)
        assert [_used(work), _used(work, "usr_2")] == [3, 3]
        work.runs.refund_caps(ACME, "run_a")
        assert [_used(work), _used(work, "usr_2")] == [2, 2]


def test_a_hold_moves_only_from_reserved_to_committed_to_refunded(runs: Store) -> None:
    with runs.begin() as work:
        for name in "abc":
            assert _held(work, name, hold(most=9)) is None
        work.runs.refund_caps(ACME, "run_a")
        assert _used(work) == 3
        work.runs.settle_caps(ACME, "run_a", committed=True)
        work.runs.settle_caps(ACME, "run_a", committed=False)
        assert _used(work) == 3
        work.runs.settle_caps(ACME, "run_b", committed=False)
        work.runs.settle_caps(ACME, "run_b", committed=True)
        work.runs.refund_caps(ACME, "run_x")
        assert _used(work) == 2


def test_of_many_holders_at_once_no_more_get_in_than_there_is_room_for(store: Store) -> None:
    with store.begin() as work:
        for number in range(THREADS * 2):
            work.runs.create(ACME, run(str(number)))
        work.commit()

    def take(number: int) -> bool:
        with store.begin() as work:
            # Not everybody names the caps in one order, and nobody waits in a circle for it.
            holds = [hold("usr_1", most=3), hold("usr_2", most=4)][:: 1 if number % 2 else -1]
            got = _held(work, str(number), *holds) is None
            work.commit()
            return got

    with ThreadPoolExecutor(THREADS) as threads:
        assert list(threads.map(take, range(THREADS * 2))).count(True) == 3
    with store.begin() as work:
        assert [_used(work), _used(work, "usr_2")] == [3, 3]
