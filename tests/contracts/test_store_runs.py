"""What every store promises about runs: which of them can be there beside one another, how they change, and who works on them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.exc import StatementError

from surefoot.core.errors import Conflict
from surefoot.domain.actions import AutonomyLevel, Env
from surefoot.domain.runs import GAVE_UP, LIVE, Run, RunKind, RunState
from surefoot.ports import Store, UnitOfWork
from tests.contracts.store_rows import ACME, ELSEWHERE, GLOBEX, NOW, TRICKY, run

SANDBOX, PRODUCTION = Env.SANDBOX, Env.PRODUCTION
LATER = NOW + timedelta(minutes=1)
INSTANT = timedelta(microseconds=1)
THREADS = 8


def _created(store: Store, *rows: Run) -> None:
    with store.begin() as work:
        for row in rows:
            assert work.runs.create(ACME, row) is None
        work.commit()


def _ids(
    work: UnitOfWork, env: Env | None = None, *states: RunState, maker: str = "", after: str = "", limit: int = 99
) -> list[str]:
    found = work.runs.page(ACME, env=env, states=frozenset(states), maker=maker, after=after, limit=limit)
    return [each.run_id for each in found]


def test_a_run_comes_back_with_all_its_fields(store: Store) -> None:
    full = run(
        "a",
        RunState.SCHEDULED,
        env=PRODUCTION,
        kind=RunKind.UNDO,
        arguments=TRICKY,
        natural_key="nudge of ünï, week 23",
        deadline=ELSEWHERE,
        agent="assistant",
        reverses="run_0",
        reason="You asked — 🦶.",
        citations=("chk_2", "chk_1"),
        not_before=LATER,
        undone_by="run_9",
        version=7,
    )
    _created(store, full, run("b"))
    with store.begin() as work:
        found = work.runs.get(ACME, "run_a")
        assert found == full == work.runs.by_key(ACME, PRODUCTION, "viewer:ann", "key of a")
        assert found is not None and list(found.arguments) == list(TRICKY) and repr(found.arguments) == repr(TRICKY)
        assert work.runs.get(ACME, "run_b") == run("b")
        assert work.runs.get(ACME, "run_x") is None is work.runs.get(GLOBEX, "run_a")


def test_what_the_caller_does_to_the_arguments_later_does_not_reach_the_run(store: Store) -> None:
    arguments: dict[str, object] = {"to": ["ann"]}
    _created(store, run("a", arguments=arguments))
    arguments["to"] = ["everyone"]
    with store.begin() as work:
        assert work.runs.get(ACME, "run_a") == run("a", arguments={"to": ["ann"]})


def test_arguments_that_are_no_json_are_refused(store: Store) -> None:
    with store.begin() as work, pytest.raises((ValueError, StatementError), match="not JSON compliant"):
        work.runs.create(ACME, run("a", arguments={"amount": float("nan")}))


def test_a_run_left_without_commit_was_never_there(store: Store) -> None:
    with store.begin() as work:
        work.runs.create(ACME, run("a"))
    with store.begin() as work:
        assert work.runs.get(ACME, "run_a") is None


def test_an_idempotency_key_leads_to_its_one_run_whatever_became_of_it(store: Store) -> None:
    for number, state in enumerate(RunState):
        first = run(f"{number}_1", state, idem_key=state.value)
        with store.begin() as work:
            assert work.runs.create(ACME, first) is None
            assert work.runs.create(ACME, run(f"{number}_2", idem_key=state.value, arguments={})) == first
            assert work.runs.get(ACME, f"run_{number}_2") is None


def test_an_idempotency_key_counts_within_its_environment_and_scope(store: Store) -> None:
    first = run("a", idem_key="k")
    others = [replace(run("b", idem_key="k"), env=PRODUCTION), run("c", idem_key="k", idem_scope="viewer:bea")]
    _created(store, first, *others)
    with store.begin() as work:
        assert work.runs.by_key(ACME, SANDBOX, "viewer:ann", "k") == first
        assert work.runs.by_key(ACME, PRODUCTION, "viewer:ann", "k") == others[0]
        assert work.runs.by_key(ACME, SANDBOX, "viewer:bea", "k") == others[1]
        assert work.runs.by_key(ACME, PRODUCTION, "viewer:bea", "k") is None is work.runs.by_key(ACME, SANDBOX, "", "k")


def test_the_same_run_again_is_itself_in_the_way(store: Store) -> None:
    _created(store, run("a"))
    with store.begin() as work:
        assert work.runs.create(ACME, run("a")) == run("a")


def test_a_run_id_is_given_once(store: Store) -> None:
    _created(store, run("a"))
    with store.begin() as work, pytest.raises(Conflict):
        work.runs.create(ACME, run("a", idem_key="another"))


@pytest.mark.parametrize("state", RunState)
def test_a_natural_key_is_taken_exactly_while_its_run_is_live(store: Store, state: RunState) -> None:
    first, second = run("a", state, natural_key="n"), run("b", natural_key="n")
    _created(store, first)
    with store.begin() as work:
        assert work.runs.create(ACME, second) == (first if state in LIVE else None)


def test_a_natural_key_binds_neither_another_environment_nor_runs_without_one_nor_dead_ones(store: Store) -> None:
    first = run("a", natural_key="n")
    _created(
        store, first, run("b"), run("c"), run("d", natural_key="n", env=PRODUCTION), run("e", RunState.FAILED, natural_key="n")
    )
    with store.begin() as work:
        assert work.runs.create(ACME, run("f", natural_key="n")) == first


@pytest.mark.parametrize("state", RunState)
def test_a_run_is_reversed_once_unless_that_came_to_nothing(store: Store, state: RunState) -> None:
    first, second = run("u", state, reverses="run_a"), run("v", reverses="run_a")
    _created(store, run("a", RunState.APPLIED), first)
    with store.begin() as work:
        assert work.runs.create(ACME, second) == (None if state in GAVE_UP else first)
        assert work.runs.create(ACME, run("w", reverses="run_b")) is None


def test_what_stands_in_the_way_is_looked_for_by_key_then_by_nature_then_by_what_it_reverses(store: Store) -> None:
    rows = [run("a", idem_key="k"), run("b", natural_key="n"), run("c", reverses="run_0")]
    _created(store, *rows)
    wanted = run("d", idem_key="k", natural_key="n", reverses="run_0")
    with store.begin() as work:
        assert work.runs.create(ACME, wanted) == rows[0]
        assert work.runs.create(ACME, replace(wanted, idem_key="free")) == rows[1]
        assert work.runs.create(ACME, replace(wanted, idem_key="free", natural_key="")) == rows[2]
        work.commit()
    with store.begin() as work:
        assert _ids(work) == ["run_c", "run_b", "run_a"]


def test_of_many_who_create_one_intent_at_once_one_does_and_all_others_are_led_to_it(store: Store) -> None:
    def press(number: int) -> Run | None:
        with store.begin() as work:
            found = work.runs.create(ACME, run(str(number), idem_key="k", natural_key="n"))
            work.commit()
            return found

    with ThreadPoolExecutor(THREADS) as threads:
        found = list(threads.map(press, range(THREADS)))
    with store.begin() as work:
        (only,) = work.runs.page(ACME, env=None, states=frozenset(), maker="", after="", limit=99)
    assert sorted(found, key=str) == sorted([None, *[only] * (THREADS - 1)], key=str)


def test_a_page_is_newest_first_and_goes_on_after_its_last_run(store: Store) -> None:
    _created(store, *(run(name) for name in ("b", "a", "d", "C")))
    with store.begin() as work:
        assert _ids(work) == ["run_d", "run_b", "run_a", "run_C"]
        assert _ids(work, limit=2) == ["run_d", "run_b"]
        assert _ids(work, limit=2, after="run_b") == ["run_a", "run_C"]
        assert _ids(work, after="run_C") == [] == _ids(work, limit=0)


def test_a_page_holds_only_runs_of_the_environment_states_and_maker_asked_for(store: Store) -> None:
    _created(
        store,
        run("a", RunState.APPLIED),
        run("b", RunState.FAILED, maker="bea"),
        run("c", RunState.APPLIED, env=PRODUCTION),
        run("d", RunState.UNKNOWN, maker="bea", env=PRODUCTION),
    )
    with store.begin() as work:
        assert _ids(work, PRODUCTION) == ["run_d", "run_c"]
        assert _ids(work, None, RunState.APPLIED, RunState.FAILED) == ["run_c", "run_b", "run_a"]
        assert _ids(work, maker="bea") == ["run_d", "run_b"]
        assert _ids(work, PRODUCTION, RunState.UNKNOWN, maker="bea") == ["run_d"]
        assert _ids(work, SANDBOX, RunState.UNKNOWN) == [] == _ids(work, maker="Bea")


def test_a_swap_makes_the_row_as_given_and_counts_its_version(store: Store) -> None:
    _created(store, run("a"), run("b"))
    changed = run("a", RunState.APPLIED, undone_by="run_u", not_before=LATER, arguments=TRICKY, citations=("c",), reason="R")
    with store.begin() as work:
        assert work.runs.swap(ACME, changed) is True
        work.commit()
    with store.begin() as work:
        assert work.runs.get(ACME, "run_a") == replace(changed, version=2)
        assert work.runs.get(ACME, "run_b") == run("b")


def test_a_swap_of_another_version_changes_nothing(store: Store) -> None:
    _created(store, run("a", version=2))
    with store.begin() as work:
        for version in (1, 3):
            assert work.runs.swap(ACME, run("a", RunState.DENIED, version=version)) is False
        assert work.runs.swap(ACME, run("x", version=2)) is False
        assert work.runs.get(ACME, "run_a") == run("a", version=2)


def test_of_many_swaps_at_once_one_counts(store: Store) -> None:
    _created(store, run("a"))

    def swap(number: int) -> bool:
        with store.begin() as work:
            held = work.runs.get(ACME, "run_a")
            assert held is not None
            won = held.version == 1 and work.runs.swap(ACME, replace(held, undone_by=str(number)))
            work.commit()
            return won

    with ThreadPoolExecutor(THREADS) as threads:
        won = list(threads.map(swap, range(THREADS)))
    with store.begin() as work:
        assert work.runs.get(ACME, "run_a") == run("a", undone_by=str(won.index(True)), version=2)
    assert won.count(True) == 1


def test_a_swap_back_to_life_beside_a_live_twin_is_a_conflict(store: Store) -> None:
    _created(store, run("a", RunState.EXPIRED, natural_key="n"), run("b", natural_key="n"))
    with store.begin() as work:
        with pytest.raises(Conflict):
            work.runs.swap(ACME, run("a", RunState.PLANNED, natural_key="n"))
        with pytest.raises(Conflict):
            work.commit()


def test_a_run_that_ends_frees_its_natural_key(store: Store) -> None:
    _created(store, run("a", natural_key="n"))
    with store.begin() as work:
        assert work.runs.swap(ACME, run("a", RunState.UNDONE, natural_key="n"))
        assert work.runs.create(ACME, run("b", natural_key="n")) is None


def _queued(store: Store, **due: int) -> None:
    """Runs of these names wait from so many microseconds after NOW on."""
    _created(store, *(run(name) for name in due))
    with store.begin() as work:
        for name, wait in due.items():
            work.runs.enqueue(ACME, f"run_{name}", due_at=NOW + wait * INSTANT)
        work.commit()


def _leased(store: Store, owner: str, *, at: int = 0, seconds: int = 60) -> str | None:
    now = NOW + at * INSTANT
    with store.begin() as work:
        found = work.runs.lease_due(ACME, owner, now=now, until=now + timedelta(seconds=seconds))
        work.commit()
    return None if found is None else found.run_id


def test_the_run_that_has_waited_longest_is_leased_first_and_none_before_it_is_due(store: Store) -> None:
    _queued(store, c=0, b=-5, d=3, a=0)
    assert [_leased(store, "w") for _ in range(4)] == ["run_b", "run_a", "run_c", None]
    assert [_leased(store, "w", at=2), _leased(store, "w", at=3)] == [None, "run_d"]


def test_a_leased_run_is_found_again_only_when_the_lease_is_over(store: Store) -> None:
    _queued(store, a=0)
    assert [_leased(store, owner, at=at) for owner, at in (("v", 0), ("v", 1), ("w", 59_999_999))] == ["run_a", None, None]
    assert _leased(store, "w", at=60_000_000) == "run_a"


def test_a_lease_left_without_commit_was_not_given(store: Store) -> None:
    _queued(store, a=0)
    with store.begin() as work:
        assert work.runs.lease_due(ACME, "v", now=NOW, until=LATER) == run("a")
    assert _leased(store, "w") == "run_a"


def test_a_run_given_back_waits_until_its_new_moment(store: Store) -> None:
    _queued(store, a=0)
    _leased(store, "v")
    with store.begin() as work:
        assert work.runs.postpone(ACME, "run_a", "v", due_at=LATER) is True
        work.commit()
    assert [_leased(store, "w", at=59_999_999), _leased(store, "w", at=60_000_000)] == [None, "run_a"]


def test_only_the_owner_of_the_lease_gives_a_run_back(store: Store) -> None:
    _queued(store, a=0, b=10**9)
    with store.begin() as work:
        assert work.runs.postpone(ACME, "run_a", "v", due_at=LATER) is False
        assert work.runs.lease_due(ACME, "v", now=NOW, until=LATER) == run("a")
        assert work.runs.postpone(ACME, "run_a", "w", due_at=LATER) is False
        assert work.runs.lease_due(ACME, "w", now=LATER, until=LATER + INSTANT) == run("a")
        assert work.runs.postpone(ACME, "run_a", "v", due_at=LATER) is False
        assert work.runs.postpone(ACME, "run_a", "w", due_at=LATER) is True
        assert work.runs.postpone(ACME, "run_a", "w", due_at=LATER) is False
        assert [work.runs.postpone(ACME, each, "", due_at=NOW) for each in ("run_a", "run_b", "run_x")] == [False] * 3


def test_a_run_waits_once_from_its_last_moment_on_and_whoever_has_it_keeps_it(store: Store) -> None:
    _queued(store, a=0)
    with store.begin() as work:
        work.runs.enqueue(ACME, "run_a", due_at=LATER)
        assert work.runs.lease_due(ACME, "v", now=NOW, until=LATER) is None
        work.runs.enqueue(ACME, "run_a", due_at=NOW)
        assert work.runs.lease_due(ACME, "v", now=NOW, until=LATER) == run("a")
        work.runs.enqueue(ACME, "run_a", due_at=NOW)
        assert work.runs.lease_due(ACME, "w", now=NOW, until=LATER) is None
        assert work.runs.postpone(ACME, "run_a", "v", due_at=LATER) is True


def test_a_run_taken_off_the_queue_waits_no_more(store: Store) -> None:
    _queued(store, a=0, b=1)
    with store.begin() as work:
        for name in ("run_a", "run_a", "run_x"):
            work.runs.dequeue(ACME, name)
        work.commit()
    assert [_leased(store, "w", at=9), _leased(store, "w", at=9)] == ["run_b", None]


def test_only_a_known_run_waits(store: Store) -> None:
    with store.begin() as work, pytest.raises(Conflict):
        work.runs.enqueue(ACME, "run_x", due_at=NOW)


def test_many_workers_at_once_get_each_run_once(store: Store) -> None:
    names = [f"{number:02}" for number in range(20)]
    _queued(store, **dict.fromkeys(names, 0))

    def work_off(worker: int) -> list[str]:
        got = []
        while (run_id := _leased(store, f"worker {worker}")) is not None:
            got.append(run_id)
        return got

    with ThreadPoolExecutor(THREADS) as threads:
        got = list(threads.map(work_off, range(THREADS)))
    # A worker that meets only rows which others are just taking may leave early, so what is left is taken here.
    got.append(work_off(THREADS))
    assert sorted(each for worker in got for each in worker) == [f"run_{name}" for name in names]


def test_a_switch_is_per_environment_and_action_or_for_all(store: Store) -> None:
    def off(work: UnitOfWork, env: Env, action: str, reason: str, *, off: bool = True) -> None:
        work.runs.set_switch(ACME, env, action, off=off, by="ann", reason=reason, now=NOW)

    with store.begin() as work:
        assert work.runs.switched_off(ACME, SANDBOX, "nudge") is None
        off(work, SANDBOX, "nudge", "Too many complaints.")
        assert work.runs.switched_off(ACME, SANDBOX, "nudge") == "Too many complaints."
        assert [work.runs.switched_off(ACME, *each) for each in ((SANDBOX, "pin"), (PRODUCTION, "nudge"))] == [None, None]
        off(work, SANDBOX, "*", "An incident.")
        assert [work.runs.switched_off(ACME, SANDBOX, each) for each in ("nudge", "pin")] == [
            "Too many complaints.",
            "An incident.",
        ]
        assert work.runs.switched_off(ACME, PRODUCTION, "pin") is None
        off(work, SANDBOX, "nudge", "", off=False)
        assert work.runs.switched_off(ACME, SANDBOX, "nudge") == "An incident."
        off(work, SANDBOX, "*", "", off=False)
        assert work.runs.switched_off(ACME, SANDBOX, "nudge") is None
        off(work, SANDBOX, "nudge", "")
        assert work.runs.switched_off(ACME, SANDBOX, "nudge") == ""


def test_autonomy_is_what_was_last_set(store: Store) -> None:
    with store.begin() as work:
        assert work.runs.autonomy(ACME, "nudge") is None
        for level in (AutonomyLevel.UNATTENDED, AutonomyLevel.SUGGEST):
            work.runs.set_autonomy(ACME, "nudge", level, reason="Evidence.", now=NOW)
            assert work.runs.autonomy(ACME, "nudge") is level
        assert work.runs.autonomy(ACME, "pin") is None


def test_a_waiting_run_is_leased_by_name_while_nobody_has_it(store: Store) -> None:
    _created(store, run("a"), run("b"))
    with store.begin() as work:
        assert work.runs.lease(ACME, "run_a", "v", now=NOW, until=LATER) is False, "it does not wait"
        work.runs.enqueue(ACME, "run_a", due_at=NOW)
        assert work.runs.lease(ACME, "run_a", "v", now=NOW, until=LATER) is True
        assert work.runs.lease(ACME, "run_a", "w", now=LATER - INSTANT, until=LATER) is False
        assert work.runs.lease_due(ACME, "w", now=LATER - INSTANT, until=LATER) is None
        assert work.runs.lease(ACME, "run_a", "w", now=LATER, until=LATER + INSTANT) is True


def test_a_tenants_actions_are_reviewed_by_one_at_a_time_and_when_it_is_due(store: Store) -> None:
    with store.begin() as work:
        assert work.runs.lease_review(ACME, "v", now=NOW, until=LATER) is True
        assert work.runs.lease_review(ACME, "w", now=LATER - INSTANT, until=LATER) is False
        assert work.runs.lease_review(GLOBEX, "w", now=NOW, until=LATER) is True
        assert work.runs.lease_review(ACME, "w", now=LATER, until=LATER + INSTANT) is True, "v died"
        work.runs.end_review(ACME, "v", due_at=NOW)
        assert work.runs.lease_review(ACME, "v", now=LATER, until=LATER) is False, "v has not the lease any more"
        work.runs.end_review(ACME, "w", due_at=LATER + INSTANT)
        assert work.runs.lease_review(ACME, "v", now=LATER, until=LATER) is False
        assert work.runs.lease_review(ACME, "v", now=LATER + INSTANT, until=LATER + 2 * INSTANT) is True
        work.commit()


def test_of_many_who_would_review_at_once_one_does(store: Store) -> None:
    def lease(number: int) -> bool:
        with store.begin() as work:
            won = work.runs.lease_review(ACME, f"worker {number}", now=NOW, until=LATER)
            work.commit()
        return won

    with ThreadPoolExecutor(THREADS) as threads:
        assert sum(threads.map(lease, range(THREADS))) == 1
