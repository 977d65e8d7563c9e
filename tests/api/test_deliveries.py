"""Events leave while the service runs, and nothing about them ends or holds up the service."""

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime

import anyio
import pytest

from surefoot.adapters.memory.encoder import HashingEncoder
from surefoot.adapters.memory.sink import MemorySink
from surefoot.adapters.memory.store import MemoryStore
from surefoot.api.app import create_app
from surefoot.api.deliveries import deliver_while_running
from surefoot.core.clock import FixedClock
from surefoot.core.errors import StoreUnavailable
from surefoot.core.settings import Settings
from surefoot.domain.events import OutgoingEvent
from surefoot.domain.identity import TenantId
from surefoot.governance.courier import Courier
from tests.api.world import ACME, Client, add_tenant, compose, serve

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
# A round follows the one before at once, so that no test waits for a clock.
NO_PAUSE = 0.0
PATIENCE_SECONDS = 30


class Rounds(Courier):
    """A courier whose rounds go as the script says; the script's end is waited for."""

    def __init__(self, *script: Callable[[], int]) -> None:
        super().__init__(MemoryStore(), MemorySink(), FixedClock(NOW))
        self._script = list(script)
        self.done = threading.Event()

    def deliver_due(self, limit: int = 50) -> int:
        if not self._script:
            self.done.set()
            return 0
        return self._script.pop(0)()


def fail(error: Exception) -> Callable[[], int]:
    def round_() -> int:
        raise error

    return round_


def run_until_done(courier: Rounds) -> None:
    async def main() -> None:
        with anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: deliver_while_running(courier, every_seconds=NO_PAUSE))
                await anyio.to_thread.run_sync(courier.done.wait)
                tasks.cancel_scope.cancel()

    anyio.run(main)


def test_a_database_that_does_not_answer_is_told_once_until_it_answers_again(caplog: pytest.LogCaptureFixture) -> None:
    down = fail(StoreUnavailable("The database is away."))
    run_until_done(Rounds(down, down, down, lambda: 1, down, down))
    told = [record.message for record in caplog.records if "database is away" in record.message]
    assert len(told) == 2


def test_a_round_that_meets_a_bug_is_logged_and_the_next_one_runs(caplog: pytest.LogCaptureFixture) -> None:
    run_until_done(Rounds(fail(KeyError("bug")), lambda: 1))
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert caplog.records[0].exc_info is not None


def test_the_end_waits_for_no_receiver_and_begins_no_further_event() -> None:
    store, clock = MemoryStore(), FixedClock(NOW)
    begun, released = threading.Event(), threading.Event()

    class Hanging(MemorySink):
        def deliver(self, tenant: TenantId, event: OutgoingEvent) -> None:
            begun.set()
            released.wait(PATIENCE_SECONDS)
            super().deliver(tenant, event)

    with store.begin() as work:
        work.tenants.create(ACME, now=NOW)
        for name in ("evt_1", "evt_2"):
            work.events.add(ACME, OutgoingEvent(name, "surefoot.test", "", NOW, {}))
        work.commit()
    sink = Hanging()
    courier = Courier(store, sink, clock)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: deliver_while_running(courier, every_seconds=NO_PAUSE))
            await anyio.to_thread.run_sync(begun.wait)
            tasks.cancel_scope.cancel()
        assert sink.ids_of(ACME) == [], "the task ended while the receiver still hung"
        released.set()

    anyio.run(main)
    assert courier.deliver_due() == 0
    assert sink.ids_of(ACME) in ([], ["evt_1"])


class Telling(MemorySink):
    """Tells when it is first asked about a tenant."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()

    def has_receiver(self, tenant: TenantId) -> bool:
        self.asked.set()
        return super().has_receiver(tenant)


def served(sink: Telling, events_seconds: float) -> AbstractContextManager[Client]:
    """A running app whose events go to this sink."""
    clock = FixedClock(NOW)
    surefoot = compose(Settings(offline=True, events_seconds=events_seconds), clock, HashingEncoder())
    add_tenant(surefoot, ACME)
    return serve(create_app(replace(surefoot, courier=Courier(surefoot.store, sink, clock))))


def test_a_serving_app_delivers_from_its_start_on() -> None:
    sink = Telling()
    with served(sink, 3600.0) as client:
        assert sink.asked.wait(PATIENCE_SECONDS)
        assert client.get("/healthz").status_code == 200


def test_an_app_told_to_deliver_nothing_delivers_nothing() -> None:
    sink = Telling()
    with served(sink, 0.0) as client:
        assert [client.get("/healthz").status_code for _ in range(20)] == [200] * 20
    assert not sink.asked.is_set()
