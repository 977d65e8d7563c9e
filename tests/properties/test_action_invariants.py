"""The action plane's invariants under random schedules: people press buttons in any order, the host fails, the policy changes
its mind, and processes die at any named point. ACTIONS I1 to I9 hold at the end, in memory, on SQLite and on PostgreSQL.

SUREFOOT_SCHEDULES sets the number of schedules on the memory store (default 150). The mutants at the end show that the
schedules would notice.
"""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from threading import Thread

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from surefoot.actions import applying, delivering, planning, policing, settling
from surefoot.actions.applying import has_quorum
from surefoot.actions.policing import stage_of
from surefoot.actions.service import Actions
from surefoot.actions.viewing import cap_holds
from surefoot.adapters.memory.host import HostFault, MemoryHost
from surefoot.adapters.memory.store import MemoryStore
from surefoot.adapters.sql.store import SqlStore
from surefoot.core.clock import FixedClock
from surefoot.core.errors import SurefootError, UndoConflict
from surefoot.domain.actions import Env
from surefoot.domain.host_wire import Operation
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import (
    HostCall,
    HostReply,
    PolicyEffect,
    Run,
    RunKind,
    RunState,
    Stage,
)
from surefoot.governance.audit import Verified
from surefoot.ports import Store
from tests.contracts.databases import Postgres
from tests.unit.actions.acting import ADMIN, ANN, EVE, NOW, RESOURCE, TENANT, Acting, Killed, acting, person
from tests.unit.actions.declared import ARGUMENTS

SCHEDULES = int(os.environ.get("SUREFOOT_SCHEDULES", "150"))
BOB, CAT = person("bob", "approver"), person("cat", "approver")
CAP = 3
_HAPPENED = frozenset({RunState.APPLIED, RunState.UNDONE, RunState.FINAL})
_NEVER = frozenset({RunState.DENIED, RunState.SUGGESTED, RunState.REJECTED, RunState.EXPIRED, RunState.CANCELLED})
_OPERATIONS = ("apply", "undo")
FAULTS = (
    HostFault.REPLY_LOST,
    HostFault.ERROR_BEFORE,
    HostFault.HANG_THEN_EFFECT,
    HostFault.STALE,
    HostFault.REJECTED,
    HostFault.BUSY,
    HostFault.GARBAGE_AFTER,
    HostFault.ACCEPTED,
)
STEPS = (
    "propose",
    "propose",
    "agent",
    "approve",
    "approve",
    "apply",
    "apply",
    "wait",
    "undo",
    "redo",
    "cancel",
    "work",
    "later",
    "fault",
)
STEPS += ("policy", "expire", "switch", "reject", "take_up", "outside")
STEP = st.tuples(st.sampled_from(STEPS), st.integers(0, 1000))


class WatchedHost(MemoryHost):
    """A host that notices when a simulation changes anything (I9), and never says that there was no effect when there was one
    or when a copy of the call is still on its way: a host that knows deliveries answers such a call as it did before.
    """

    hung: frozenset[str] = frozenset()

    def _refused(self, fault: HostFault | None, call: HostCall) -> HostReply | None:
        if fault is HostFault.HANG_THEN_EFFECT:
            self.hung |= {call.run_id}
        is_answered = call.run_id in self.hung or self._ledger.of_run(call.run_id) is not None
        if fault in (HostFault.STALE, HostFault.REJECTED) and is_answered:
            return None
        return super()._refused(fault, call)

    def simulate(self, tenant: TenantId, call: HostCall) -> HostReply:
        before = self.state_hash(TENANT)
        reply = super().simulate(tenant, call)
        assert self.state_hash(TENANT) == before, "I9: a simulation changed the host"
        return reply


@dataclass
class Deaths:
    """Dies after so many named points, again and again, until it is told to live."""

    gaps: list[int] = field(default_factory=list)
    count: int = 0
    points: Counter[str] = field(default_factory=Counter)

    def __call__(self, point: str) -> None:
        if self.gaps:
            self.count += 1
            if self.count >= self.gaps[0]:
                self.gaps.pop(0)
                self.count = 0
                self.points[point] += 1
                raise Killed(point)


@dataclass
class Schedule:
    """One world under one schedule."""

    world: Acting
    deaths: Deaths
    outside: int | None = None
    workers: int = 0

    def run(self, steps: list[tuple[str, int]]) -> None:
        for name, number in steps:
            try:
                getattr(self, f"_{name}")(number)
            except SurefootError:
                # People press buttons that are not theirs to press; what matters is what stands in the end.
                pass
            except Killed:
                # Another process takes over, with nothing but the store and the host.
                self.workers += 1
                self.world.actions = Actions(replace(self.world.parts, worker_id=f"worker-{self.workers + 2}"))
                self.world.later(seconds=number % 90)
            assert self.world.cap_used() <= CAP, "I6: more than the cap lets through"

    def come_to_rest(self) -> None:
        """Nothing fails any more, and every run that had begun ends."""
        world = self.world
        self.deaths.gaps.clear()
        world.policy.errors, world.policy.effects = (), {}
        for queue in world.host._faults.values():
            queue.clear()
        world.host.let_late_effects_happen()
        for _ in range(16):
            world.work()
            world.later(minutes=5)

    def runs(self) -> list[Run]:
        with self.world.store.begin() as work:
            return work.runs.page(TENANT, env=None, states=frozenset(), maker="", after="", limit=1000)

    def _pick(self, number: int, *states: RunState) -> str:
        runs = [run for run in self.runs() if not states or run.state in states] or self.runs()
        return runs[number % len(runs)].run_id if runs else "run_none"

    def _propose(self, number: int, agent: str = "") -> None:
        user = f"usr_{('abc123', 'abc123', 'def456')[number % 3]}"
        arguments = {**ARGUMENTS, "user_id": user, "send_at": f"2026-12-{1 + number % 9:02}T09:00:00Z"}
        maker = (ANN, EVE)[number % 2]
        self.world.propose(maker, key=f"key-{number % 50}", arguments=arguments, agent=agent)

    def _agent(self, number: int) -> None:
        self._propose(number, "assistant")

    def _speak(self, number: int, *, yes: bool) -> None:
        run_id = self._pick(number, RunState.AWAITING_APPROVAL)
        approver = (BOB, CAT, ANN, EVE, person("assistant", "approver"))[number % 5]
        with self.world.store.begin() as work:
            plan = work.runs.plan(TENANT, run_id)
        speak = self.world.actions.approve if yes else self.world.actions.reject
        speak(approver, run_id, plan.digest if plan and number % 7 else "0" * 64)

    def _approve(self, number: int) -> None:
        self._speak(number, yes=True)

    def _reject(self, number: int) -> None:
        self._speak(number, yes=False)

    def _press(self, number: int, *, wait: bool) -> None:
        run_id = self._pick(number, RunState.PLANNED, RunState.APPROVED, RunState.SCHEDULED)
        maker = (ANN, EVE)[number % 2]
        self.world.actions.apply(maker, run_id, wait=wait, by_agent=number % 11 == 0)

    def _apply(self, number: int) -> None:
        self._press(number, wait=False)

    def _wait(self, number: int) -> None:
        self._press(number, wait=True)

    def _take_up(self, number: int) -> None:
        self.world.actions.take_up((ANN, EVE)[number % 2], self._pick(number, RunState.SUGGESTED))

    def _undo(self, number: int) -> None:
        self.world.actions.undo((ANN, EVE, ADMIN)[number % 3], self._pick(number, RunState.APPLIED), wait=bool(number % 2))

    def _redo(self, number: int) -> None:
        maker = (ANN, EVE)[number % 2]
        redo = self.world.actions.redo(maker, self._pick(number, RunState.UNDONE))
        self.world.actions.apply(maker, redo.run.run_id)

    def _cancel(self, number: int) -> None:
        if number % 3 == 0:
            self.world.actions.cancel(ADMIN, self._pick(number))

    def _work(self, number: int) -> None:
        self.world.work()

    def _later(self, number: int) -> None:
        self.world.later(seconds=(5, 40, 65, 400, 1000)[number % 5])

    def _fault(self, number: int) -> None:
        operation = (Operation.APPLY, Operation.APPLY, Operation.UNDO, Operation.SIMULATE)[number % 4]
        self.world.host.fail_next(FAULTS[number % len(FAULTS)], operation=operation, times=1 + number % 3)

    def _policy(self, number: int) -> None:
        effect = list(PolicyEffect)[number % 4]
        stage = list(Stage)[number // 4 % len(Stage)]
        self.world.policy.effects = {stage: effect} if number % 3 else {}
        self.world.policy.needs_approval = number % 5 < 2
        self.world.policy.errors = ("a fact is missing",) if number % 13 == 0 else ()

    def _expire(self, number: int) -> None:
        self.world.actions.expire_due(TENANT)

    def _switch(self, number: int) -> None:
        self.world.actions.switch(ADMIN, Env.PRODUCTION, "send_note", off=number % 4 == 0, reason="the test says so")

    def _outside(self, number: int) -> None:
        if number % 10 == 0:
            self.outside = number
            self.world.host.write_outside(TENANT, RESOURCE, {"outside": number})

    # What has to hold.

    def check(self) -> None:
        delivered = Counter(call.run_id for operation, call in self.world.host.calls if operation in _OPERATIONS)
        for run in self.runs():
            effects = self.world.host.effects(run.run_id)
            assert effects <= 1, f"I1: {run} had {effects} effects"
            assert (effects == 1) is (run.state in _HAPPENED), f"I1: {run} had {effects} effects"
            assert run.state not in (RunState.APPLYING, RunState.UNKNOWN), f"lost: {run}"
            if run.state in _NEVER:
                assert delivered[run.run_id] == 0, f"I5: {run} reached the host"
            if run.state in _HAPPENED:
                self._check_applied(run)
        assert isinstance(self.world.trail.verify(TENANT), Verified), "I7: the chain does not hold"

    def _check_applied(self, run: Run) -> None:
        spec = self.world.files.specs["send_note"]
        with self.world.store.begin() as work:
            plan, decisions = work.runs.plan(TENANT, run.run_id), work.runs.decisions(TENANT, run.run_id)
            approvals = work.runs.approvals(TENANT, run.run_id)
        assert plan is not None and plan.consumed_at is not None, f"I2: {run} has no consumed plan"
        assert {each.plan_digest for each in approvals} <= {plan.digest}, f"I2: {run} was approved as another plan"
        assert not {each.approver for each in approvals} & {run.maker, run.agent}, f"I3: {run} was approved by its maker"
        last = [record.decision for record in decisions if record.stage is stage_of(run)][-1]
        assert last.errors == () and last.effect is not PolicyEffect.DENY, f"I8: {run} was not allowed"
        if last.needs_approval and run.kind is not RunKind.UNDO:
            assert has_quorum(spec, plan, run, approvals, plan.consumed_at), f"I2: {run} has no quorum"

    def undo_everything(self) -> None:
        """I4: the newest first, every run that can be undone is; then the host is as it was."""
        for _ in range(200):
            with self.world.store.begin() as work:
                done = [
                    (receipt.at, run)
                    for run in self.runs()
                    if run.state is RunState.APPLIED and run.kind is not RunKind.UNDO
                    if (receipt := work.runs.receipt(TENANT, run.run_id)) is not None
                ]
            if not done:
                return
            self.world.actions.undo(ADMIN, self._last_at_host(done), wait=True)
        raise AssertionError("I4: there is always something left to undo")

    def undo_what_can_be(self) -> None:
        """Every applied run is tried; those that somebody wrote over since stay."""
        for run in self.runs():
            if run.state is RunState.APPLIED and run.kind is not RunKind.UNDO:
                with suppress(UndoConflict):
                    self.world.actions.undo(ADMIN, run.run_id, wait=True)

    def _last_at_host(self, done: list[tuple[object, Run]]) -> str:
        order = list(self.world.host._ledger.replies)
        known = {reply.run_id: order.index(key) for key, reply in self.world.host._ledger.replies.items()}
        return max((run for _, run in done), key=lambda run: known[run.run_id]).run_id


def _world(store: Store, deaths: Deaths) -> Acting:
    clock = FixedClock(NOW)
    return acting(
        ("x-action/caps/0/max", CAP),
        ("x-action/caps/0/key", ["tenant"]),
        ("x-action/undo", {"mode": "inverse", "window": "P30D", "conflict": "refuse"}),
        ("x-action/idempotency", {"natural_key": ["args.user_id", "args.send_at"]}),
        store=store,
        at=deaths,
        host=WatchedHost(kinds={"send_note": "note"}, clock=clock),
    )


def _held(store: Store, steps: list[tuple[str, int]], gaps: list[int]) -> Schedule:
    deaths = Deaths(list(gaps))
    schedule = Schedule(_world(store, deaths), deaths)
    untouched = schedule.world.host.state_hash(TENANT)
    schedule.run(steps)
    schedule.come_to_rest()
    schedule.check()
    if schedule.outside is not None:
        schedule.undo_what_can_be()
        document = schedule.world.host.document(TENANT, RESOURCE) or {}
        assert document.get("outside") == schedule.outside, "a later write was overwritten"
    else:
        schedule.undo_everything()
        assert schedule.world.host.state_hash(TENANT) == untouched, "I4: the host is not as it was"
        schedule.check()
    return schedule


@contextmanager
def _sqlite() -> Iterator[Store]:
    with TemporaryDirectory() as folder:
        shutil.copy(_template(), Path(folder) / "surefoot.db")
        store = SqlStore(f"sqlite:///{folder}/surefoot.db")
        try:
            yield store
        finally:
            store.close()


_TEMPLATES: list[TemporaryDirectory[str]] = []


def _template() -> Path:
    if not _TEMPLATES:
        _TEMPLATES.append(TemporaryDirectory())
        made = SqlStore(f"sqlite:///{_TEMPLATES[0].name}/surefoot.db")
        made.migrate()
        made.close()
    return Path(_TEMPLATES[0].name) / "surefoot.db"


QUICK = settings(max_examples=SCHEDULES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
SCHEDULED = given(st.lists(STEP, min_size=5, max_size=40), st.lists(st.integers(1, 25), max_size=12))


@QUICK
@SCHEDULED
@example([("propose", 0), ("wait", 0), ("undo", 0)], [])
def test_the_invariants_hold_whenever_processes_die(steps: list[tuple[str, int]], gaps: list[int]) -> None:
    _held(MemoryStore(), steps, gaps)


@settings(QUICK, max_examples=max(10, SCHEDULES // 10))
@SCHEDULED
def test_the_invariants_hold_on_sqlite(steps: list[tuple[str, int]], gaps: list[int]) -> None:
    with _sqlite() as store:
        _held(store, steps, gaps)


def _random_steps(seed: int) -> tuple[list[tuple[str, int]], list[int]]:
    random = Random(seed)
    steps = [(random.choice(STEPS), random.randrange(1001)) for _ in range(40)]
    return steps, [random.randrange(1, 25) for _ in range(12)]


@pytest.mark.parametrize("seed", range(12))
def test_the_invariants_hold_on_postgresql(seed: int, store_postgres: Postgres) -> None:
    with store_postgres.database() as url:
        store = SqlStore(url)
        try:
            _held(store, *_random_steps(seed))
        finally:
            store.close()


def test_the_schedules_come_to_every_state_and_die_at_every_point() -> None:
    states: set[RunState] = set()
    points: Counter[str] = Counter()
    for seed in range(SCHEDULES):
        steps, gaps = _random_steps(seed)
        schedule = _held(MemoryStore(), steps, gaps)
        states |= {run.state for run in schedule.runs()}
        points += schedule.deaths.points
    assert {RunState.DENIED, RunState.SUGGESTED, RunState.EXPIRED, RunState.CANCELLED, RunState.STALE, RunState.FAILED} <= states
    assert {RunState.APPLIED, RunState.UNDONE} <= states
    wanted = {"proposed", "simulated", "planned:before-commit", "apply:policy-asked", "applying:before-commit", "applying"}
    assert wanted | {"leased", "calling", "called", "settled:before-commit", "settled"} <= points.keys()


@pytest.mark.parametrize("store_kind", ["memory", "sqlite"])
def test_of_fifty_presses_at_once_only_as_many_as_the_cap_has_room_for_go_through(store_kind: str) -> None:
    with _opened(store_kind) as store:
        world = _world(store, Deaths())
        planned = []
        for number in range(50):
            arguments = {**ARGUMENTS, "user_id": f"usr_abc1{number:02}"}
            planned.append(world.propose(arguments=arguments).run.run_id)

        def press(run_id: str) -> None:
            world.actions.apply(ANN, run_id, wait=True)

        threads = [Thread(target=press, args=(run_id,)) for run_id in planned]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        states = Counter(world.state(run_id) for run_id in planned)
        assert states == {RunState.APPLIED: CAP, RunState.DENIED: 50 - CAP}
        assert world.cap_used() == CAP


@contextmanager
def _opened(store_kind: str) -> Iterator[Store]:
    if store_kind == "memory":
        yield MemoryStore()
        return
    with _sqlite() as store:
        yield store


# Each mutant breaks one rule; the schedules have to find every one of them out.


def _another_delivery_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    count = iter(range(10**9))
    monkeypatch.setattr("surefoot.actions.calling.delivery_id", lambda tenant, run: f"dlv_{next(count)}")
    monkeypatch.setattr("surefoot.adapters.memory.host._Ledger.of_run", lambda self, run_id: None)


def _makers_approve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surefoot.actions.approvals.Approvals._check_person", lambda *_: None)


def _plans_are_not_consumed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surefoot.adapters.memory.runs.MemoryRuns.consume_plan", lambda *_, **__: True)


def _errors_are_overlooked(monkeypatch: pytest.MonkeyPatch) -> None:
    def decided(parts, tenant, spec, run, stage, asker):  # type: ignore[no-untyped-def]
        record = policing.decided(parts, tenant, spec, run, stage, asker)
        return replace(record, decision=replace(record.decision, effect=PolicyEffect.ALLOW))

    monkeypatch.setattr(applying, "decided", decided)
    monkeypatch.setattr(planning, "decided", decided)


def _caps_are_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "surefoot.actions.applying.cap_holds",
        lambda *args: tuple(replace(hold, most=10**6) for hold in cap_holds(*args)),
    )


def _failures_are_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost reply counts as a failure."""

    def unknown(parts, work, tenant, run, *, due_at, gives_up):  # type: ignore[no-untyped-def]
        return settling.failed(parts, work, tenant, run, "no answer")

    monkeypatch.setattr(delivering, "unknown", unknown)


def _queue_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surefoot.adapters.memory.runs.MemoryRuns.enqueue", lambda *_, **__: None)


def _inverses_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    _with_receipts(monkeypatch, inverse=())


def _undos_ignore_etags(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was applied cannot be told apart from what somebody wrote later."""
    _with_receipts(monkeypatch, after_etags=())


def _with_receipts(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    right = settling.receipt_of

    def receipt_of(run, plan, spec, reply, now):  # type: ignore[no-untyped-def]
        return replace(right(run, plan, spec, reply, now), **changes)

    monkeypatch.setattr(settling, "receipt_of", receipt_of)


Mutant = Callable[[pytest.MonkeyPatch], None]
MUTANTS: tuple[Mutant, ...] = (
    _another_delivery_each_time,
    _makers_approve,
    _plans_are_not_consumed,
    _errors_are_overlooked,
    _caps_are_not_held,
    _failures_are_guessed,
    _queue_is_forgotten,
    _inverses_are_lost,
    _undos_ignore_etags,
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__.strip("_"))
def test_a_broken_rule_is_found_out(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)
    for seed in range(400):
        try:
            _held(MemoryStore(), *_random_steps(seed))
        except (AssertionError, SurefootError):
            return
    raise AssertionError("No schedule noticed.")


def test_the_undo_window_of_the_world_is_longer_than_its_schedules() -> None:
    assert timedelta(seconds=1000) * 40 + timedelta(minutes=80) < timedelta(days=30)
