"""Many spenders in several processes on one database never pass a limit, and a killed one loses no settlement."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Thread

import psycopg

from surefoot.adapters.sql.store import SqlStore
from surefoot.domain.budgets import MeterState, Spend
from surefoot.governance.budgets import CROSSED
from tests.faults.budget_child import ACME, NOW, budgets_on

ROOT = Path(__file__).parents[2]
PROCESSES, THREADS = 4, 16
Child = subprocess.Popen[str]


@contextmanager
def children(url: str, limit: int, *, times: int) -> Iterator[list[Child]]:
    """Processes that began to spend at the same moment; none is left afterwards."""
    with ExitStack() as held:
        started = []
        for first in range(0, PROCESSES * THREADS, THREADS):
            numbers = [str(number) for number in (limit, first, THREADS, times)]
            command = [sys.executable, "-m", "tests.faults.budget_child", url, *numbers]
            child = held.enter_context(subprocess.Popen(command, cwd=ROOT, stdin=-1, stdout=-1, text=True))
            held.callback(child.kill)
            started.append(child)
        for child in started:
            assert child.stdout is not None and child.stdout.readline() == "ready\n"
        for child in started:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        yield started


def everything(store: SqlStore, limit: int) -> MeterState:
    """The tenant's meter of the month; the viewers' meters hold the same together and each at most half the limit."""
    report = budgets_on(store, limit).report(ACME)
    whole, viewers = report.meters[0].state, [m.state for m in report.meters if m.state.key.viewer_hash]
    assert whole.spent + whole.reserved == sum((each.spent + each.reserved for each in viewers), Spend())
    assert all((each.spent + each.reserved).nano_usd <= limit // 2 for each in viewers)
    return whole


def await_orphans(url: str) -> None:
    """No server process works on for a client that was killed; until then one may still commit what it had received."""
    if url.startswith("postgresql"):
        others = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        with psycopg.connect(url, autocommit=True) as connection:
            while connection.execute(others).fetchone():
                pass


def test_64_spenders_in_several_processes_never_pass_a_limit_and_lose_no_settlement(database_url: str) -> None:
    limit, said = 60_000, list[str]()
    with closing(SqlStore(database_url)) as store:
        with children(database_url, limit, times=8) as spenders:
            readers = [Thread(target=lambda c=child: said.extend(c.stdout.read().splitlines())) for child in spenders]
            for reader in readers:
                reader.start()
            looks = 0
            while any(reader.is_alive() for reader in readers):
                seen = everything(store, limit)
                assert (seen.spent + seen.reserved).nano_usd <= limit
                looks += 1
            assert [child.wait() for child in spenders] == [0] * PROCESSES
        settled = [int(line.split()[1]) for line in said if line.startswith("settled")]
        end = everything(store, limit)
        assert looks > 0 and len(said) == PROCESSES * THREADS * 8 and 0 < len(settled) < len(said)
        assert (end.spent, end.reserved) == (Spend(sum(settled), len(settled)), Spend())
        events = budgets_on(store, limit).report(ACME, events=1_000).events
        crossings = [(each.data["viewer_hash"], each.data["level"]) for each in events if each.type == CROSSED]
        assert len(crossings) == len(set(crossings)) and {("", "warn"), ("", "small_only")} <= set(crossings)


def test_killed_spenders_lose_no_settlement_and_what_they_held_is_written_off_once(database_url: str) -> None:
    limit = 10**12
    with closing(SqlStore(database_url)) as store:
        with children(database_url, limit, times=0) as spenders:
            said = [child.stdout.readline() for child in spenders for _ in range(40) if child.stdout]
            for child in spenders:
                child.kill()
            said += [line for child in spenders if child.stdout for line in child.stdout.read().splitlines(keepends=True)]
        await_orphans(database_url)
        settled = [int(line.split()[1]) for line in said if line.endswith("\n")]
        left = everything(store, limit)
        # At most the one settlement that each thread had under way was committed without being said.
        assert len(settled) <= left.spent.tokens <= len(settled) + PROCESSES * THREADS
        assert sum(settled) <= left.spent.nano_usd
        open_reservations = budgets_on(store, limit).report(ACME).open_reservations
        assert len(open_reservations) == left.reserved.tokens <= PROCESSES * THREADS

        later = budgets_on(store, limit, NOW + timedelta(minutes=2))
        assert later.write_off(ACME) == list(open_reservations) and later.write_off(ACME) == []
        end = everything(store, limit)
        assert (end.spent, end.reserved) == (left.spent + left.reserved, Spend())
