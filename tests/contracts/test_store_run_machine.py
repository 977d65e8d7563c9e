"""Databases against the memory store: whatever is done to runs, caps and the queue in whatever order, they say the same."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from surefoot.adapters.memory.store import MemoryStore
from surefoot.core.errors import Conflict
from surefoot.domain.actions import Env
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import CapHold, RunState
from surefoot.ports import Store, UnitOfWork
from tests.contracts.store_rows import NOW, hold, run

NAMES = st.sampled_from("abcde")
ENVS = st.sampled_from(Env)
STATES = st.sampled_from(RunState)
WORKERS = st.sampled_from(("v", "w"))
SECONDS = st.integers(0, 20).map(lambda number: NOW + timedelta(seconds=number))
HOLDS = st.lists(st.builds(hold, st.sampled_from(("usr_1", "usr_2")), most=st.integers(1, 3), since=SECONDS), max_size=2)
SETTINGS = settings(max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Runs(RuleBasedStateMachine):
    """Every step is taken on both stores. Every machine is a tenant of its own in one database, so that it costs none."""

    def __init__(self, store: Store, tenant: TenantId) -> None:
        super().__init__()
        self._store = store
        self._reference = MemoryStore()
        self._tenant = tenant

    @rule(
        name=NAMES,
        state=STATES,
        env=ENVS,
        key=st.integers(0, 5),
        nature=st.sampled_from(("", "n", "m")),
        reverses=st.sampled_from(("", "run_a")),
    )
    def create(self, name: str, state: RunState, env: Env, key: int, nature: str, reverses: str) -> None:
        row = run(name, state, env=env, idem_key=str(key), natural_key=nature, reverses=reverses)
        self._both(lambda work: work.runs.create(self._tenant, row))

    @rule(name=NAMES, state=STATES, late=st.booleans())
    def swap(self, name: str, state: RunState, late: bool) -> None:
        def swap(work: UnitOfWork) -> object:
            held = work.runs.get(self._tenant, f"run_{name}")
            return held and work.runs.swap(self._tenant, replace(held, state=state, version=held.version - late))

        self._both(swap)

    @rule(name=NAMES, env=ENVS, holds=HOLDS, now=SECONDS)
    def hold(self, name: str, env: Env, holds: list[CapHold], now: datetime) -> None:
        self._both(lambda work: work.runs.hold_caps(self._tenant, env, f"run_{name}", holds, now=now))

    @rule(name=NAMES, committed=st.booleans())
    def settle(self, name: str, committed: bool) -> None:
        self._both(lambda work: work.runs.settle_caps(self._tenant, f"run_{name}", committed=committed))

    @rule(name=NAMES)
    def refund(self, name: str) -> None:
        self._both(lambda work: work.runs.refund_caps(self._tenant, f"run_{name}"))

    @rule(name=NAMES, due_at=SECONDS)
    def enqueue(self, name: str, due_at: datetime) -> None:
        self._both(lambda work: work.runs.enqueue(self._tenant, f"run_{name}", due_at=due_at))

    @rule(owner=WORKERS, now=SECONDS, until=SECONDS)
    def lease(self, owner: str, now: datetime, until: datetime) -> None:
        self._both(lambda work: work.runs.lease_due(self._tenant, owner, now=now, until=until))

    @rule(name=NAMES, owner=WORKERS, due_at=SECONDS)
    def postpone(self, name: str, owner: str, due_at: datetime) -> None:
        self._both(lambda work: work.runs.postpone(self._tenant, f"run_{name}", owner, due_at=due_at))

    @rule(name=NAMES)
    def dequeue(self, name: str) -> None:
        self._both(lambda work: work.runs.dequeue(self._tenant, f"run_{name}"))

    @invariant()
    def both_hold_the_same_runs_and_count_the_same(self) -> None:
        def everything(work: UnitOfWork) -> object:
            runs = work.runs.page(self._tenant, env=None, states=frozenset(), maker="", after="", limit=99)
            kinds = [(env, key) for env in Env for key in ("usr_1", "usr_2")]
            return runs, [work.runs.cap_used(self._tenant, env, "nudges", key, since=NOW) for env, key in kinds]

        self._both(everything)

    def _both(self, step: Callable[[UnitOfWork], object]) -> None:
        assert _outcome(self._store, step) == _outcome(self._reference, step)


def _outcome(store: Store, step: Callable[[UnitOfWork], object]) -> object:
    with store.begin() as work:
        try:
            said = step(work)
        except Conflict:
            return Conflict
        work.commit()
        return said


def test_databases_and_memory_agree_on_runs_caps_and_the_queue(open_database: Callable[[], Store]) -> None:
    store, tenants = open_database(), count()
    run_state_machine_as_test(lambda: Runs(store, TenantId(f"tenant-{next(tenants)}")), settings=SETTINGS)
