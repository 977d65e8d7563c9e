"""Meters against a plain dictionary: whatever is reserved, settled, left and written off in whatever order."""

from dataclasses import dataclass
from datetime import timedelta
from itertools import count

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from surefoot.domain.budgets import NOTHING_SPENT, Limit, MeterKey, Reservation, Spend
from surefoot.domain.identity import TenantId
from surefoot.ports import Store
from tests.contracts.store_rows import NOW, meter, reservation

LIMITS = {
    meter(): Limit(300, None),
    meter("help"): Limit(200, 40),
    meter("", "viewer-1"): Limit(None, 25),
    meter("help", "viewer-1"): Limit(),
}
METERS = st.lists(st.sampled_from(list(LIMITS)), min_size=1, max_size=4, unique=True)
AMOUNTS = st.builds(Spend, st.integers(0, 120), st.integers(0, 15))
SETTINGS = settings(max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass
class Counted:
    """What the dictionary says of one meter."""

    spent: Spend = NOTHING_SPENT
    reserved: Spend = NOTHING_SPENT


class Meters(RuleBasedStateMachine):
    """Every run is a tenant of its own in one store, so that a run costs no database."""

    def __init__(self, store: Store, tenant: TenantId) -> None:
        super().__init__()
        self._store = store
        self._tenant = tenant
        self._now = NOW
        self._counted = {key: Counted() for key in LIMITS}
        self._open: dict[str, Reservation] = {}
        self._closed: list[str] = []
        self._numbers = count()

    @rule(keys=METERS, amount=AMOUNTS, seconds=st.integers(0, 30), commits=st.booleans())
    def reserve(self, keys: list[MeterKey], amount: Spend, seconds: int, commits: bool) -> None:
        wanted = reservation(f"{next(self._numbers):03}", amount, *keys, expires_at=self._now + timedelta(seconds=seconds))
        full = next((key for key in keys if not self._fits(key, amount)), None)
        with self._store.begin() as work:
            assert work.meters.reserve(self._tenant, wanted, LIMITS) == full
            if commits:
                work.commit()
        if commits and full is None:
            self._open[wanted.reservation_id] = wanted
            for key in keys:
                self._counted[key].reserved += amount

    @precondition(lambda self: self._open)
    @rule(data=st.data(), share=st.floats(0, 1))
    def settle(self, data: st.DataObject, share: float) -> None:
        held = self._open[data.draw(st.sampled_from(sorted(self._open)))]
        actual = Spend(int(held.amount.nano_usd * share), int(held.amount.tokens * share))
        with self._store.begin() as work:
            assert work.meters.settle(self._tenant, held.reservation_id, actual) == held
            work.commit()
        self._close(held, actual)

    @precondition(lambda self: self._closed)
    @rule(data=st.data())
    def settle_again(self, data: st.DataObject) -> None:
        with self._store.begin() as work:
            name = data.draw(st.sampled_from(self._closed))
            assert work.meters.settle(self._tenant, name, Spend(1, 1)) is None
            work.commit()

    @rule(seconds=st.integers(0, 20))
    def write_off(self, seconds: int) -> None:
        self._now += timedelta(seconds=seconds)
        expired = [held for held in self._open.values() if held.expires_at <= self._now]
        with self._store.begin() as work:
            lost = work.meters.write_off(self._tenant, now=self._now)
            work.commit()
        assert lost == sorted(expired, key=lambda held: (held.expires_at, held.reservation_id))
        for held in expired:
            self._close(held, held.amount)

    @invariant()
    def the_store_counts_as_the_dictionary_does_and_within_the_limits(self) -> None:
        with self._store.begin() as work:
            states = work.meters.states(self._tenant, LIMITS)
            held = work.meters.open_reservations(self._tenant)
        assert {state.key: Counted(state.spent, state.reserved) for state in states} == self._counted
        assert {each.reservation_id: each for each in held} == self._open
        assert all(self._fits(key, NOTHING_SPENT) for key in LIMITS)

    def _fits(self, key: MeterKey, amount: Spend) -> bool:
        used, limit = self._counted[key].spent + self._counted[key].reserved + amount, LIMITS[key]
        return used.nano_usd <= (limit.nano_usd or 10**9) and used.tokens <= (limit.tokens or 10**9)

    def _close(self, held: Reservation, actual: Spend) -> None:
        del self._open[held.reservation_id]
        self._closed.append(held.reservation_id)
        for key in held.meters:
            counted = self._counted[key]
            before = counted.reserved
            counted.reserved = Spend(before.nano_usd - held.amount.nano_usd, before.tokens - held.amount.tokens)
            counted.spent += actual


def test_meters_count_as_a_dictionary_does_whatever_happens_in_whatever_order(store: Store) -> None:
    runs = count()

    def machine() -> Meters:
        return Meters(store, TenantId(f"run-{next(runs)}"))

    run_state_machine_as_test(machine, settings=SETTINGS)
    assert next(runs) > 1
