"""The host in memory fails as hosts do, and its state shows what really happened."""

from datetime import UTC, datetime

import pytest

from surefoot.adapters.memory.host import HostFault, MemoryHost
from surefoot.core.clock import FixedClock
from surefoot.domain.actions import Env
from surefoot.domain.host_wire import Operation
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import HostCall, HostDone, HostNever, HostRejected, HostStale, HostUnknown

ACME = TenantId("acme")
CALL = HostCall(
    "dlv_1", "run_1", Env.PRODUCTION, "nudge", "1.0.0", "/assistant/actions/nudge", {"user_id": "usr_nora01"}, (), 5.0, "nora"
)


@pytest.fixture
def host() -> MemoryHost:
    return MemoryHost(kinds={"nudge": "nudge"}, clock=FixedClock(datetime(2026, 6, 1, tzinfo=UTC)))


@pytest.mark.parametrize(
    ("fault", "effects", "status"),
    [
        (HostFault.REPLY_LOST, 1, HostDone),
        (HostFault.GARBAGE_AFTER, 1, HostDone),
        (HostFault.ERROR_BEFORE, 0, HostNever),
        (HostFault.HANG, 0, HostNever),
        (HostFault.HANG_THEN_EFFECT, 0, HostNever),
        (HostFault.BUSY, 0, HostNever),
    ],
)
def test_an_undecided_fault_tells_nothing_and_the_status_tells_all(
    host: MemoryHost, fault: HostFault, effects: int, status: type[object]
) -> None:
    host.fail_next(fault)
    assert isinstance(host.apply(ACME, CALL), HostUnknown)
    assert host.effects("run_1") == effects
    assert isinstance(host.status(ACME, CALL), status)
    assert isinstance(host.apply(ACME, CALL), HostDone)
    host.let_late_effects_happen()
    assert host.effects("run_1") == 1


def test_what_hung_may_have_its_effect_after_the_status_said_never(host: MemoryHost) -> None:
    host.fail_next(HostFault.HANG_THEN_EFFECT)
    host.apply(ACME, CALL)
    assert host.status(ACME, CALL) == HostNever()
    host.let_late_effects_happen()
    assert host.effects("run_1") == 1 and isinstance(host.status(ACME, CALL), HostDone)


@pytest.mark.parametrize(("fault", "reply"), [(HostFault.STALE, HostStale), (HostFault.REJECTED, HostRejected)])
def test_a_decided_fault_has_no_effect(host: MemoryHost, fault: HostFault, reply: type[object]) -> None:
    host.fail_next(fault)
    assert isinstance(host.apply(ACME, CALL), reply)
    assert host.effects("run_1") == 0


def test_a_host_without_idempotency_shows_two_effects(host: MemoryHost) -> None:
    host.fail_next(HostFault.DUPLICATE)
    host.apply(ACME, CALL)
    document = host.document(ACME, "nudge/usr_nora01")
    assert document is not None and document["nudge"] == {"count": 2, "arguments": {"user_id": "usr_nora01"}}
    assert host.effects("run_1") == 2


def test_faults_are_queued_for_their_own_operation(host: MemoryHost) -> None:
    host.fail_next(HostFault.HANG, operation=Operation.SIMULATE)
    host.fail_next(HostFault.HANG, times=2)
    assert isinstance(host.simulate(ACME, CALL), HostUnknown) and isinstance(host.simulate(ACME, CALL), HostDone)
    assert [type(host.apply(ACME, CALL)) for _ in range(3)] == [HostUnknown, HostUnknown, HostDone]
    assert [operation for operation, _ in host.calls] == ["simulate", "simulate", "apply", "apply", "apply"]
