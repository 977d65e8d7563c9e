"""Many processes hold one cap at once: committed and reserved holds together never pass it, and none is lost."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from surefoot.adapters.sql.store import SqlStore
from tests.faults.cap_child import MOST, MOST_OF_ACCOUNT, used

ROOT = Path(__file__).parents[2]
PROCESSES, THREADS, ROUNDS = 5, 10, 8
Child = subprocess.Popen[str]


@contextmanager
def _children(url: str) -> Iterator[list[Child]]:
    """Processes that began to press at the same moment; none outlives the block."""
    with ExitStack() as ends:
        children = []
        for number in range(PROCESSES):
            command = [sys.executable, "-m", "tests.faults.cap_child", url, f"p{number}", str(THREADS), str(ROUNDS)]
            child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            ends.enter_context(child)
            ends.callback(child.kill)
            children.append(child)
        for child in children:
            assert child.stdout is not None and child.stdout.readline() == "ready\n"
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        yield children


def _finished(child: Child) -> list[str]:
    said, _ = child.communicate()
    assert child.returncode == 0
    return said.splitlines()


def test_50_holders_of_5_processes_never_pass_a_cap_and_lose_no_hold(database_url: str) -> None:
    looks, most = 0, (0, 0)
    with closing(SqlStore(database_url)) as store, ThreadPoolExecutor(PROCESSES) as readers:
        with _children(database_url) as children:
            ends = [readers.submit(_finished, child) for child in children]
            while not all(end.done() for end in ends):
                now = used(store)
                assert now[0] <= MOST and now[1] <= MOST_OF_ACCOUNT
                looks, most = looks + 1, (max(most[0], now[0]), max(most[1], now[1]))
            said = [line.split() for end in ends for line in end.result()]
        end = used(store)
    told = {kind: {name for each, name, *_ in said if each == kind} for kind in ("full", "held", "committed", "released")}
    caps_of = {name: caps for kind, name, *caps in said if kind == "held"}
    kept = Counter(cap for name in told["committed"] for cap in caps_of[name])
    assert end == (kept["user"], kept["account"]) and kept["user"] <= MOST and kept["account"] <= MOST_OF_ACCOUNT
    # Whoever got in came out one way, and everybody got an answer.
    assert told["committed"] | told["released"] == told["held"] and not told["committed"] & told["released"]
    assert len(told["full"] | told["held"]) == len(told["full"]) + len(told["held"]) == PROCESSES * THREADS * ROUNDS
    # The rest says that something was at stake: more got in than there is room for at once, and others were turned away.
    assert len(told["held"]) > MOST_OF_ACCOUNT and len(told["full"]) > 0
    assert looks >= 2 and max(most) > 0
