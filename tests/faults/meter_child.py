"""Run as a process of its own by the meters' fault tests: its threads spend against one limit and say what they do."""

import os
import sys
import threading
from collections.abc import Iterable
from itertools import count
from random import Random

from surefoot.adapters.sql.store import SqlStore
from surefoot.domain.budgets import Account, Limit, MeterKey, Reservation, Spend
from tests.contracts.store_rows import ACME, NOW, meter

SURFACE = "help"
LIMITS = {meter(): Limit(40_000, None), meter(SURFACE): Limit(None, 4_000)}


def say(*words: object) -> None:
    """The line is with the parent, whatever happens to this process next."""
    os.write(1, f"{' '.join(map(str, words))}\n".encode())


class Spender:
    """Reserves and settles, one round after the other. Every step is said before it is taken and after it was."""

    def __init__(self, store: SqlStore, name: str, *, limited: bool) -> None:
        self._store = store
        self._name = name
        self._random = Random(name)
        own = meter(SURFACE, f"viewer-{name}")
        # Not every spender names its meters in the same order: the store must not rely on that.
        self._meters = tuple(self._random.sample([*LIMITS, own], 3))
        self._limits: dict[MeterKey, Limit] = dict(LIMITS) if limited else {}

    def spend(self, rounds: Iterable[int]) -> None:
        """One reservation a round, settled at once for no more than was reserved."""
        for number in rounds:
            amount = Spend(self._random.randint(50, 200), self._random.randint(5, 20))
            actual = Spend(self._random.randint(0, amount.nano_usd), self._random.randint(0, amount.tokens))
            self._spend_once(f"res_{self._name}_{number}", amount, actual)

    def _spend_once(self, name: str, amount: Spend, actual: Spend) -> None:
        held = Reservation(name, Account(SURFACE, self._name), amount, self._meters, NOW)
        say("reserving", name, amount.nano_usd, amount.tokens)
        with self._store.begin() as work:
            if work.meters.reserve(ACME, held, self._limits) is not None:
                say("denied", name)
                return
            # Its rows are this transaction's until it ends, so what is read here is what others meet: no overrun slips by.
            if any(state.share > 1 for state in work.meters.states(ACME, self._limits)):
                say("overrun", name)
            work.commit()
        say("settling", name, actual.nano_usd, actual.tokens)
        with self._store.begin() as work:
            assert work.meters.settle(ACME, name, actual) == held
            work.commit()
        say("settled", name)


def write_off(store: SqlStore) -> None:
    """Everything that expired is written off, and what of it was this process's doing is said."""
    with store.begin() as work:
        lost = work.meters.write_off(ACME, now=NOW)
        work.commit()
    for reservation in lost:
        say("written-off", reservation.reservation_id)


def main() -> None:
    """`meter_child URL NAME THREADS ROUNDS`, where 0 rounds are rounds without end and limit; or `meter_child URL writeoff`."""
    url, name, *rest = sys.argv[1:]
    store = SqlStore(url)
    store.check()
    say("ready")
    sys.stdin.readline()
    if name == "writeoff":
        write_off(store)
    else:
        threads, rounds = map(int, rest)
        spenders = [Spender(store, f"{name}-{number}", limited=rounds > 0) for number in range(threads)]
        running = [threading.Thread(target=each.spend, args=(range(rounds) if rounds else count(),)) for each in spenders]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
    store.close()


if __name__ == "__main__":
    main()
