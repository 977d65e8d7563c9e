"""Events reach their receivers: at least once, in order, with pauses, and one tenant's trouble is nobody else's."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from threading import Thread

import pytest

from surefoot.adapters.memory.sink import MemorySink
from surefoot.adapters.memory.store import MemoryStore
from surefoot.adapters.sql.store import SqlStore
from surefoot.core.clock import FixedClock
from surefoot.core.errors import DeliveryFailed, OutboundRefused, ReceiverGone, StoreUnavailable
from surefoot.domain.events import OutgoingEvent
from surefoot.domain.identity import TenantId
from surefoot.governance.courier import CLAIM, GIVES_UP_AFTER, PAUSES, Courier
from surefoot.ports import Store

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ACME, GLOBEX, QUIET = TenantId("acme"), TenantId("globex"), TenantId("quiet")
SECOND = timedelta(seconds=1)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else SqlStore(f"sqlite:///{tmp_path / 'surefoot.db'}")
    made.migrate()
    with made.begin() as work:
        for tenant in (ACME, GLOBEX, QUIET):
            work.tenants.create(tenant, now=NOW)
        work.commit()
    yield made
    made.close()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink(without=frozenset({QUIET}))


@pytest.fixture
def courier(store: Store, sink: MemorySink, clock: FixedClock) -> Courier:
    return Courier(store, sink, clock)


def happen(store: Store, tenant: TenantId, *ids: str, at: datetime = NOW) -> None:
    with store.begin() as work:
        for place, event_id in enumerate(ids):
            time = at + timedelta(microseconds=place)
            work.events.add(tenant, OutgoingEvent(event_id, "surefoot.budget.crossed", "help", time, {"level": "warn"}))
        work.commit()


def readable(store: Store, tenant: TenantId) -> list[str]:
    with store.begin() as work:
        return [event.event_id for event in work.events.recent(tenant, limit=100)]


def test_what_is_due_is_delivered_once_and_in_order(courier: Courier, store: Store, sink: MemorySink, clock: FixedClock) -> None:
    happen(store, ACME, "evt_z", "evt_a", "evt_m")
    clock.advance(SECOND)
    assert courier.deliver_due() == 3
    assert sink.ids_of(ACME) == ["evt_z", "evt_a", "evt_m"]
    clock.advance(GIVES_UP_AFTER)
    assert courier.deliver_due() == 0
    assert len(sink.attempts) == 3
    assert len(readable(store, ACME)) == 3


def test_an_event_that_fails_is_tried_again_after_each_pause_and_no_sooner(
    courier: Courier, store: Store, sink: MemorySink, clock: FixedClock
) -> None:
    happen(store, ACME, "evt_1")
    sink.go_down(ACME)
    moments = []
    assert courier.deliver_due() == 0
    for attempts, pause in enumerate((*PAUSES, PAUSES[-1], PAUSES[-1]), start=1):
        assert len(sink.attempts) == attempts
        moments.append(clock.now())
        clock.advance(pause - timedelta(microseconds=1))
        assert courier.deliver_due() == 0
        assert len(sink.attempts) == attempts, f"the pause of {pause} was not kept"
        clock.advance(timedelta(microseconds=1))
        courier.deliver_due()
    waited = [int((later - sooner).total_seconds()) for sooner, later in pairwise(moments)]
    assert waited == [1, 5, 30, 300, 1_800, 7_200, 7_200]
    sink.come_back(ACME)
    clock.advance(PAUSES[-1])
    assert courier.deliver_due() == 1
    assert sink.ids_of(ACME) == ["evt_1"]


def test_later_events_wait_for_the_one_that_failed(courier: Courier, store: Store, sink: MemorySink, clock: FixedClock) -> None:
    happen(store, ACME, "evt_1", "evt_2", "evt_3")
    clock.advance(SECOND)
    sink.fail_next(ACME, DeliveryFailed("503"), DeliveryFailed("503"))
    assert [courier.deliver_due(), courier.deliver_due()] == [0, 0]
    clock.advance(PAUSES[0])
    happen(store, ACME, "evt_4", at=clock.now())
    assert courier.deliver_due() == 0
    clock.advance(PAUSES[1])
    assert courier.deliver_due() == 4
    assert sink.ids_of(ACME) == ["evt_1", "evt_2", "evt_3", "evt_4"]
    assert [event_id for _, event_id in sink.attempts] == ["evt_1", "evt_1", "evt_1", "evt_2", "evt_3", "evt_4"]


@pytest.mark.parametrize("failure", [DeliveryFailed("500"), OutboundRefused("private"), ReceiverGone("410")])
def test_one_tenants_failure_never_holds_up_another(
    courier: Courier, store: Store, sink: MemorySink, clock: FixedClock, failure: DeliveryFailed | OutboundRefused
) -> None:
    happen(store, ACME, "evt_1")
    happen(store, GLOBEX, "evt_2", "evt_3")
    clock.advance(SECOND)
    sink.fail_next(ACME, failure)
    assert courier.deliver_due() == 2
    assert sink.ids_of(GLOBEX) == ["evt_2", "evt_3"]


def test_tenants_take_turns_and_the_limit_is_each_tenants_own(
    courier: Courier, store: Store, sink: MemorySink, clock: FixedClock
) -> None:
    happen(store, ACME, "evt_a1", "evt_a2", "evt_a3")
    happen(store, GLOBEX, "evt_g1", "evt_g2", "evt_g3")
    clock.advance(SECOND)
    assert courier.deliver_due(limit=2) == 4
    assert [event_id for _, event_id in sink.attempts] == ["evt_a1", "evt_g1", "evt_a2", "evt_g2"]


def test_after_three_days_an_event_is_given_up_kept_and_the_next_one_sent(
    courier: Courier, store: Store, sink: MemorySink, clock: FixedClock
) -> None:
    happen(store, ACME, "evt_1")
    sink.go_down(ACME)
    while clock.now() <= NOW + GIVES_UP_AFTER:
        courier.deliver_due()
        clock.advance(PAUSES[-1])
    tried = len(sink.attempts)
    assert tried > GIVES_UP_AFTER / PAUSES[-1]
    sink.come_back(ACME)
    happen(store, ACME, "evt_2", at=clock.now())
    assert courier.deliver_due() == 1
    clock.advance(timedelta(days=400))
    assert courier.deliver_due() == 0
    assert sink.ids_of(ACME) == ["evt_2"]
    assert readable(store, ACME) == ["evt_2", "evt_1"]


def test_a_receiver_that_is_gone_is_not_asked_for_that_event_again(
    courier: Courier, store: Store, sink: MemorySink, clock: FixedClock
) -> None:
    happen(store, ACME, "evt_1", "evt_2")
    clock.advance(SECOND)
    sink.fail_next(ACME, ReceiverGone("410"))
    assert courier.deliver_due() == 1
    clock.advance(timedelta(days=1))
    assert courier.deliver_due() == 0
    assert [event_id for _, event_id in sink.attempts] == ["evt_1", "evt_2"]
    assert readable(store, ACME) == ["evt_2", "evt_1"]


def test_without_a_receiver_events_stay_readable_and_nothing_is_attempted(
    store: Store, clock: FixedClock, courier: Courier, sink: MemorySink
) -> None:
    happen(store, QUIET, "evt_old")
    clock.advance(GIVES_UP_AFTER + SECOND)
    happen(store, QUIET, "evt_young", at=clock.now())
    assert courier.deliver_due() == 0
    assert sink.attempts == []
    assert readable(store, QUIET) == ["evt_young", "evt_old"]
    named = MemorySink()
    assert Courier(store, named, clock).deliver_due() == 1
    assert named.ids_of(QUIET) == ["evt_young"], "a receiver named later gets what is young, not the past"


def test_a_courier_that_died_while_sending_leaves_its_event_to_another_after_the_claim(
    store: Store, clock: FixedClock, courier: Courier, sink: MemorySink
) -> None:
    class Dying(MemorySink):
        def deliver(self, tenant: TenantId, event: OutgoingEvent) -> None:
            raise KeyboardInterrupt

    happen(store, ACME, "evt_1", "evt_2")
    clock.advance(SECOND)
    with pytest.raises(KeyboardInterrupt):
        Courier(store, Dying(), clock).deliver_due()
    assert courier.deliver_due() == 0
    clock.advance(CLAIM)
    assert courier.deliver_due() == 2
    assert sink.ids_of(ACME) == ["evt_1", "evt_2"]


def test_couriers_side_by_side_send_each_event_once_and_in_order(store: Store, clock: FixedClock, sink: MemorySink) -> None:
    ids = [f"evt_{number:03}" for number in range(40)]
    happen(store, ACME, *ids)
    happen(store, GLOBEX, *ids)
    clock.advance(SECOND)
    couriers = [Courier(store, sink, clock) for _ in range(4)]
    threads = [Thread(target=courier.deliver_due) for courier in couriers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    couriers[0].deliver_due()
    assert sink.ids_of(ACME) == sink.ids_of(GLOBEX) == ids


def test_a_stopped_courier_begins_no_further_event(store: Store, clock: FixedClock) -> None:
    class Stopping(MemorySink):
        def deliver(self, tenant: TenantId, event: OutgoingEvent) -> None:
            super().deliver(tenant, event)
            courier.stop()

    stopping = Stopping()
    courier = Courier(store, stopping, clock)
    happen(store, ACME, "evt_1", "evt_2")
    happen(store, GLOBEX, "evt_3")
    clock.advance(SECOND)
    assert courier.deliver_due() == 1
    assert [event_id for _, event_id in stopping.attempts] == ["evt_1"]


def test_a_store_that_does_not_answer_is_the_callers_to_see(store: Store, courier: Courier) -> None:
    store.close()
    with pytest.raises(StoreUnavailable):
        courier.deliver_due()
