"""Run as a process of its own by the store's fault tests: writes, says on stdout where it is, and is killed there."""

import os
import sys
import threading

from surefoot.adapters.sql.store import SqlStore
from tests.contracts.store_rows import ACME, NOW, answer, chunks, document
from tests.faults.store_units import write_one


def say(line: str) -> None:
    """The line is with the parent, whatever happens to this process next."""
    os.write(1, f"{line}\n".encode())


def write_units(store: SqlStore, stop_at: str) -> None:
    """Three units are committed; the fourth stops for ever at the named point."""

    def wait_there(point: str) -> None:
        if point == stop_at:
            say(point)
            sys.stdin.read()

    for number in (1, 2, 3, 4):
        with store.begin() as work:
            write_one(work, number, wait_there if number == 4 else lambda point: None)
            work.commit()
        say(f"committed {number}")


def append_for_ever(store: SqlStore) -> None:
    """Eight threads append without end and say each id once its append has returned."""

    def run(thread: int) -> None:
        number = 0
        while True:
            store.replies.append(ACME, "viewer", answer(f"ans_{thread}_{number}"))
            say(f"ans_{thread}_{number}")
            number += 1

    for thread in range(8):
        threading.Thread(target=run, args=(thread,), daemon=True).start()
    sys.stdin.read()


def fork_and_append(store: SqlStore) -> None:
    """Parent and child both use the store that the parent had opened before the fork."""
    store.replies.append(ACME, "viewer", answer("ans_before"))
    with store.begin() as work:
        work.tenants.create(ACME, now=NOW)
        work.commit()
    child = os.fork()
    who = "parent" if child else "child"
    store.replies.append(ACME, "viewer", answer(f"ans_{who}"))
    with store.begin() as work:
        row = document(who)
        work.documents.replace(ACME, row, chunks(row))
        work.commit()
    if not child:
        store.close()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    say(f"child ended with {os.waitstatus_to_exitcode(status)}")
    store.replies.append(ACME, "viewer", answer("ans_after"))
    store.close()


def main() -> None:
    """`store_child URL units POINT | appends | fork`."""
    url, kind, *rest = sys.argv[1:]
    store = SqlStore(url)
    store.migrate()
    if kind == "units":
        write_units(store, *rest)
    elif kind == "appends":
        append_for_ever(store)
    else:
        fork_and_append(store)


if __name__ == "__main__":
    main()
