"""Run as a process of its own by the caps' fault test: its threads hold one cap and give it back, and say what they do."""

import os
import sys
import threading
from random import Random

from surefoot.adapters.sql.store import SqlStore
from surefoot.domain.actions import Env
from tests.contracts.store_rows import ACME, NOW, hold, run

MOST, MOST_OF_ACCOUNT = 5, 9
SINCE = hold().since


def say(*words: object) -> None:
    """The line is with the parent, whatever happens to this process next."""
    os.write(1, f"{' '.join(map(str, words))}\n".encode())


def used(store: SqlStore) -> tuple[int, int]:
    """What is held of the user's cap and of the account's, of one moment."""
    with store.begin() as work:
        runs = work.runs
        return (
            runs.cap_used(ACME, Env.SANDBOX, "user", "usr_1", since=SINCE),
            runs.cap_used(ACME, Env.SANDBOX, "account", "acc_1", since=SINCE),
        )


class Holder:
    """Presses the button, one run after the other; a fifth of the runs that get in stay in."""

    def __init__(self, store: SqlStore, name: str) -> None:
        self._store = store
        self._name = name
        self._random = Random(name)

    def press(self, rounds: int) -> None:
        """So many runs; each is said to be full, or held and then committed or released."""
        for number in range(rounds):
            name = f"{self._name}_{number}"
            with self._store.begin() as work:
                work.runs.create(ACME, run(name))
                work.commit()
            if self._holds(name):
                committed = self._random.random() < 0.2
                with self._store.begin() as work:
                    work.runs.settle_caps(ACME, f"run_{name}", committed=committed)
                    work.commit()
                say("committed" if committed else "released", name)

    def _holds(self, name: str) -> bool:
        # A tenth asks for the account alone, and not all name the caps in one order: the store must not rely on it.
        caps = [hold("usr_1", cap="user", most=MOST), hold("acc_1", cap="account", most=MOST_OF_ACCOUNT)]
        self._random.shuffle(caps)
        wanted = caps if self._random.random() < 0.9 else [cap for cap in caps if cap.cap_id == "account"]
        with self._store.begin() as work:
            full = work.runs.hold_caps(ACME, Env.SANDBOX, f"run_{name}", wanted, now=NOW)
            if full is not None:
                say("full", name, full.cap_id)
                return False
            work.commit()
        say("held", name, *(cap.cap_id for cap in wanted))
        return True


def main() -> None:
    """`cap_child URL NAME THREADS ROUNDS`. Begins when a line comes in."""
    url, name, *numbers = sys.argv[1:]
    threads, rounds = map(int, numbers)
    store = SqlStore(url)
    store.check()
    say("ready")
    sys.stdin.readline()
    holders = [Holder(store, f"{name}_{number}") for number in range(threads)]
    running = [threading.Thread(target=each.press, args=(rounds,)) for each in holders]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    store.close()


if __name__ == "__main__":
    main()
