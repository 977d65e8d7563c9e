"""Equal work is done once, and nobody waits for work that nobody does."""

import gc
import logging
import math
import threading
from collections.abc import Awaitable, Callable

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import pytest

from surefoot.core.deadline import Deadline
from surefoot.llm.single_flight import SingleFlight

# Counted from the import of this file, any number of seconds may be over before its first test begins.
LONG = Deadline(math.inf)


class Work:
    """Work that waits at a gate and counts its runs; `fails` says which runs, from 1, end in an error."""

    def __init__(self, *, fails: tuple[int, ...] = ()) -> None:
        self.begun = 0
        self.running = 0
        self.most_running = 0
        self.gate = anyio.Event()
        self._fails = fails

    async def __call__(self) -> str:
        self.begun += 1
        number = self.begun
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await self.gate.wait()
            if number in self._fails:
                raise ZeroDivisionError(number)
            return f"result {number}"
        finally:
            self.running -= 1


class Askers:
    """Tasks that ask one flight for the same key, and what each got."""

    def __init__(self, flights: SingleFlight[str], work: Callable[[], Awaitable[str]]) -> None:
        self.flights = flights
        self.work = work
        self.got: dict[int, object] = {}
        self.scopes: dict[int, anyio.CancelScope] = {}

    async def ask(self, number: int, deadline: Deadline = LONG) -> None:
        with anyio.CancelScope() as self.scopes[number]:
            try:
                self.got[number] = await self.flights.run("key", self.work, deadline)
            except (ZeroDivisionError, TimeoutError) as error:
                self.got[number] = error


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    anyio.run(scenario)


def test_the_first_leads_and_all_who_come_meanwhile_share() -> None:
    async def scenario() -> None:
        askers = Askers(SingleFlight(), work := Work())
        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(askers.ask, number)
            await anyio.wait_all_tasks_blocked()
            work.gate.set()
        assert work.begun == 1
        assert askers.got == {0: ("result 1", False), **dict.fromkeys(range(1, 5), ("result 1", True))}

    run(scenario)


def test_what_landed_is_not_kept_the_next_to_come_leads_again() -> None:
    async def scenario() -> None:
        askers = Askers(SingleFlight(), work := Work())
        work.gate.set()
        await askers.ask(0)
        await askers.ask(1)
        assert askers.got == {0: ("result 1", False), 1: ("result 2", False)}
        assert askers.flights._flying == {}

    run(scenario)


def test_other_keys_are_other_flights() -> None:
    async def scenario() -> None:
        flights: SingleFlight[str] = SingleFlight()
        work = Work()
        async with anyio.create_task_group() as group:
            group.start_soon(flights.run, "a", work, LONG)
            group.start_soon(flights.run, "b", work, LONG)
            await anyio.wait_all_tasks_blocked()
            assert work.begun == 2
            work.gate.set()

    run(scenario)


def test_a_leaders_failure_is_its_own_and_exactly_one_who_waits_leads() -> None:
    async def scenario() -> None:
        askers = Askers(SingleFlight(), work := Work(fails=(1,)))
        async with anyio.create_task_group() as group:
            for number in range(4):
                group.start_soon(askers.ask, number)
            await anyio.wait_all_tasks_blocked()
            work.gate.set()
        assert isinstance(askers.got.pop(0), ZeroDivisionError)
        assert (work.begun, work.most_running) == (2, 1)
        assert sorted(askers.got.values(), key=repr) == [("result 2", False), ("result 2", True), ("result 2", True)]

    run(scenario)


def test_a_leader_that_is_cancelled_leaves_the_lead_to_exactly_one_who_waits() -> None:
    async def scenario() -> None:
        askers = Askers(SingleFlight(), work := Work())
        async with anyio.create_task_group() as group:
            for number in range(4):
                group.start_soon(askers.ask, number)
            await anyio.wait_all_tasks_blocked()
            askers.scopes[0].cancel()
            with anyio.fail_after(30):
                while work.begun < 2:
                    await anyio.lowlevel.checkpoint()
            assert (work.begun, work.most_running) == (2, 1)
            work.gate.set()
        assert 0 not in askers.got
        assert sorted(askers.got.values(), key=repr) == [("result 2", False), ("result 2", True), ("result 2", True)]
        assert askers.flights._flying == {}

    run(scenario)


def test_one_who_waits_and_leaves_changes_nothing_for_the_others() -> None:
    async def scenario() -> None:
        askers = Askers(SingleFlight(), work := Work())
        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(askers.ask, number)
            await anyio.wait_all_tasks_blocked()
            askers.scopes[1].cancel()
            await anyio.wait_all_tasks_blocked()
            work.gate.set()
        assert askers.got == {0: ("result 1", False), 2: ("result 1", True)}

    run(scenario)


def test_waiting_ends_with_the_deadline_of_whoever_waits_and_the_flight_goes_on() -> None:
    async def scenario() -> None:
        askers = Askers(SingleFlight(), work := Work())
        async with anyio.create_task_group() as group:
            group.start_soon(askers.ask, 0)
            await anyio.wait_all_tasks_blocked()
            await askers.ask(1, Deadline.after(0))
            assert isinstance(askers.got.pop(1), TimeoutError)
            work.gate.set()
        assert askers.got == {0: ("result 1", False)}

    run(scenario)


def test_flights_are_shared_between_event_loops_in_threads() -> None:
    flights: SingleFlight[str] = SingleFlight()
    leads, waits, done = threading.Event(), threading.Semaphore(0), threading.Event()
    got: list[tuple[str, bool]] = []

    async def work() -> str:
        leads.set()
        assert await anyio.to_thread.run_sync(done.wait, 30)
        return "once"

    async def ask() -> None:
        async with anyio.create_task_group() as group:

            async def fly() -> None:
                got.append(await flights.run("key", work, LONG))

            group.start_soon(fly)
            await anyio.wait_all_tasks_blocked()
            waits.release()

    threads = [threading.Thread(target=anyio.run, args=(ask,)) for _ in range(6)]
    threads[0].start()
    assert leads.wait(30)
    for thread in threads[1:]:
        thread.start()
    for _ in threads[1:]:
        assert waits.acquire(timeout=30)
    done.set()
    for thread in threads:
        thread.join(30)
    assert sorted(got) == [("once", False)] + [("once", True)] * 5
    assert flights._flying == {}


def test_a_cancelled_leader_of_another_loop_leaves_the_lead_to_one_of_this() -> None:
    flights: SingleFlight[str] = SingleFlight()

    async def hangs() -> str:
        await anyio.sleep_forever()
        raise AssertionError("it never wakes")

    async def at_once() -> str:
        return "mine"

    async def leader(cancelled: list[anyio.CancelScope]) -> None:
        with anyio.CancelScope() as scope:
            cancelled.append(scope)
            await flights.run("key", hangs, LONG)

    async def scenario() -> None:
        with anyio.from_thread.start_blocking_portal() as portal:
            scopes: list[anyio.CancelScope] = []
            future = portal.start_task_soon(leader, scopes)
            with anyio.fail_after(30):
                while "key" not in flights._flying:
                    await anyio.lowlevel.checkpoint()
            async with anyio.create_task_group() as group:

                async def follow() -> None:
                    assert await flights.run("key", at_once, LONG) == ("mine", False)

                group.start_soon(follow)
                await anyio.wait_all_tasks_blocked()
                portal.call(scopes[0].cancel)
            future.result(30)

    run(scenario)


def test_nothing_is_logged_of_failures_that_nobody_waits_for_any_more(caplog: pytest.LogCaptureFixture) -> None:
    flights: SingleFlight[str] = SingleFlight()
    fail = threading.Event()
    led = threading.Event()

    async def fails() -> str:
        led.set()
        assert await anyio.to_thread.run_sync(fail.wait, 30)
        raise ZeroDivisionError

    def lead() -> None:
        with pytest.raises(ZeroDivisionError):
            anyio.run(flights.run, "key", fails, LONG)

    async def impatient() -> None:
        with pytest.raises(TimeoutError):
            await flights.run("key", fails, Deadline.after(0.01))

    with caplog.at_level(logging.DEBUG):
        leader = threading.Thread(target=lead)
        leader.start()
        assert led.wait(30)
        # This loop has waited, gone and been closed by the time the leader fails.
        anyio.run(impatient)
        fail.set()
        leader.join(30)
        gc.collect()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert flights._flying == {}
