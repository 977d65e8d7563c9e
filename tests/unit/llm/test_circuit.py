"""The circuit: failures in a row open it, time lets one probe through, and only what was asked of it moves it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from surefoot.llm.circuit import Circuit, CircuitState, Permit


class Hands:
    """A monotonic clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def circuit(hands: Hands) -> Circuit:
    return Circuit(failures_to_open=3, open_seconds=30.0, monotonic=hands)


def permit(circuit: Circuit) -> Permit:
    given = circuit.enter()
    assert given is not None
    return given


def open_it(circuit: Circuit) -> None:
    for _ in range(3):
        circuit.failed(permit(circuit))


def test_it_opens_after_failures_in_a_row_and_not_before(circuit: Circuit) -> None:
    circuit.failed(permit(circuit))
    circuit.failed(permit(circuit))
    assert circuit.allows()
    circuit.failed(permit(circuit))
    assert not circuit.allows()
    assert circuit.enter() is None
    assert (circuit.health().state, circuit.health().failures_in_a_row) == (CircuitState.OPEN, 3)


def test_a_success_between_begins_the_row_again(circuit: Circuit) -> None:
    for _ in range(5):
        circuit.failed(permit(circuit))
        circuit.failed(permit(circuit))
        circuit.succeeded(permit(circuit))
    assert circuit.health().state is CircuitState.CLOSED


def test_an_open_circuit_says_when_it_lets_a_probe_through(circuit: Circuit, hands: Hands) -> None:
    open_it(circuit)
    hands.seconds += 12
    assert circuit.health().retry_in_seconds == 18.0
    hands.seconds += 18
    assert circuit.health().state is CircuitState.HALF_OPEN


def test_a_half_open_circuit_admits_one_probe_at_a_time(circuit: Circuit, hands: Hands) -> None:
    open_it(circuit)
    hands.seconds += 30
    assert circuit.allows()
    probe = permit(circuit)
    assert probe.is_probe
    assert not circuit.allows()
    assert circuit.enter() is None
    circuit.abandoned(probe)
    assert permit(circuit).is_probe


def test_a_probe_that_succeeds_closes_it(circuit: Circuit, hands: Hands) -> None:
    open_it(circuit)
    hands.seconds += 30
    circuit.succeeded(permit(circuit))
    assert circuit.health().state is CircuitState.CLOSED
    assert circuit.health().failures_in_a_row == 0
    assert not permit(circuit).is_probe


def test_a_probe_that_fails_opens_it_for_the_whole_time_again(circuit: Circuit, hands: Hands) -> None:
    open_it(circuit)
    hands.seconds += 30
    circuit.failed(permit(circuit))
    assert circuit.health().retry_in_seconds == 30.0


def test_calls_that_began_before_it_opened_and_end_afterwards_change_nothing(circuit: Circuit, hands: Hands) -> None:
    late = [permit(circuit) for _ in range(3)]
    open_it(circuit)
    hands.seconds += 20
    circuit.failed(late[0])
    circuit.succeeded(late[1])
    assert circuit.health().retry_in_seconds == 10.0
    hands.seconds += 10
    permit(circuit)
    circuit.abandoned(late[2])
    assert circuit.enter() is None, "a late call must not free the probe's place"


def test_looking_takes_no_permit(circuit: Circuit, hands: Hands) -> None:
    open_it(circuit)
    hands.seconds += 30
    assert all(circuit.allows() for _ in range(3))
    assert permit(circuit).is_probe


def test_of_many_threads_exactly_one_gets_the_probe(circuit: Circuit, hands: Hands) -> None:
    open_it(circuit)
    hands.seconds += 30
    with ThreadPoolExecutor(16) as pool:
        permits = list(pool.map(lambda _: circuit.enter(), range(400)))
    assert len([given for given in permits if given is not None]) == 1
