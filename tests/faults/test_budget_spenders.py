"""Many processes spend against one limit: it is never passed, and what was settled is counted once, whoever dies meanwhile."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from random import Random

from sqlalchemy import create_engine, make_url, text

from surefoot.adapters.sql.engine import parse_url
from surefoot.adapters.sql.store import SqlStore
from surefoot.domain.budgets import NOTHING_SPENT, Limit, MeterState, Reservation, Spend
from tests.contracts.store_rows import ACME, NOW, TODAY, meter
from tests.faults.meter_child import LIMITS, SURFACE

ROOT = Path(__file__).parents[2]
PROCESSES = 4
Child = subprocess.Popen[str]


class Log:
    """What the children said, by kind of line: the ids, and the amounts where the line has one."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.ids: dict[str, list[str]] = {}
        self.amounts: dict[str, dict[str, Spend]] = {}
        for line in lines:
            kind, name, *numbers = line.split()
            self.ids.setdefault(kind, []).append(name)
            if numbers:
                self.amounts.setdefault(kind, {})[name] = Spend(*map(int, numbers))

    def of(self, kind: str) -> set[str]:
        names = self.ids.get(kind, [])
        assert len(names) == len(set(names)), f"{kind} was said twice of one reservation"
        return set(names)


@contextmanager
def _children(url: str, *commands: Sequence[object]) -> Iterator[list[Child]]:
    """A child for each command; they begin together, and none outlives the block."""
    with ExitStack() as ends:
        children = []
        for command in commands:
            line = [sys.executable, "-m", "tests.faults.meter_child", url, *map(str, command)]
            child = subprocess.Popen(line, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
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


def _total(amounts: Iterator[Spend]) -> Spend:
    return sum(amounts, start=NOTHING_SPENT)


def _states(store: SqlStore) -> tuple[list[MeterState], list[Reservation]]:
    """The two shared meters and all open reservations, of one moment."""
    with store.begin() as work:
        return work.meters.states(ACME, LIMITS), work.meters.open_reservations(ACME)


def _assert_within_limits(states: Sequence[MeterState]) -> None:
    for state in states:
        used = state.spent + state.reserved
        assert state.limit.nano_usd is None or used.nano_usd <= state.limit.nano_usd, state
        assert state.limit.tokens is None or used.tokens <= state.limit.tokens, state


def _finished(child: Child) -> list[str]:
    said, _ = child.communicate()
    assert child.returncode == 0
    return said.splitlines()


def test_64_spenders_of_4_processes_never_pass_a_limit_and_every_settlement_counts_once(database_url: str) -> None:
    samples, busy = 0, 0
    with closing(SqlStore(database_url)) as store, ThreadPoolExecutor(PROCESSES) as readers:
        with _children(database_url, *((f"p{number}", 16, 12) for number in range(PROCESSES))) as children:
            ends = [readers.submit(_finished, child) for child in children]
            while not all(end.done() for end in ends):
                states, held = _states(store)
                _assert_within_limits(states)
                assert all(state.reserved == _total(each.amount for each in held) for state in states)
                samples, busy = samples + 1, busy + bool(held)
            log = Log([line for end in ends for line in end.result()])
        states, held = _states(store)
        with store.begin() as work:
            personal = [key for key in work.meters.known(ACME, since=TODAY) if key.viewer_hash]
            by_viewer = work.meters.states(ACME, {key: Limit() for key in personal})
    spent = _total(log.amounts["settling"][name] for name in log.of("settled"))
    assert log.of("overrun") == set()
    assert held == []
    assert [(state.spent, state.reserved) for state in states] == [(spent, NOTHING_SPENT)] * 2
    assert _total(state.spent for state in by_viewer) == spent
    _assert_within_limits(states)
    # The rest says that something was at stake. Three processes alone stay under the limit and all four together do not.
    assert {key.viewer_hash.split("-")[1] for key in personal} == {f"p{number}" for number in range(PROCESSES)}
    assert len(log.of("denied")) > 0
    assert samples >= 2 and busy >= 1


def _until_killed(child: Child, lines: int) -> list[str]:
    """What the child said before it was killed, which is once it has said so many lines."""
    assert child.stdout is not None
    said = [child.stdout.readline() for _ in range(lines)]
    child.kill()
    said += child.stdout.readlines()
    return [line for line in said if line.endswith("\n")]


def _await_the_dead(url: str) -> None:
    """No server process works for a killed child any more: a commit that was sent before the kill is done or never will be."""
    if make_url(url).get_backend_name() == "sqlite":
        return
    engine = create_engine(parse_url(url))
    others = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'spender'")
    alive = 1
    while alive:
        with engine.connect() as connection:
            alive = connection.execute(others).scalar_one()
    engine.dispose()


def test_killed_spenders_lose_no_settlement_and_their_reservations_are_written_off_once(database_url: str) -> None:
    random = Random(7)
    url = database_url
    if make_url(url).get_backend_name() == "postgresql":
        marked = make_url(url).update_query_dict({"application_name": "spender"})
        url = marked.render_as_string(hide_password=False)
    lines: list[str] = []
    with closing(SqlStore(database_url)) as store, ThreadPoolExecutor(PROCESSES) as readers:
        for wave in range(2):
            with _children(url, *((f"w{wave}p{number}", 8, 0) for number in range(3))) as children:
                deaths = [readers.submit(_until_killed, child, random.randint(1, 200)) for child in children]
                lines += [line for death in deaths for line in death.result()]
        _await_the_dead(database_url)
        log, (states, left) = Log(lines), _states(store)
        still_open = {reservation.reservation_id for reservation in left}
        # A settlement under way at the kill was committed or not, and the reservation tells which.
        settled = log.of("settling") - still_open
        assert log.of("settled") <= settled
        spent = _total(log.amounts["settling"][name] for name in settled)
        held = _total(log.amounts["reserving"][name] for name in still_open)
        assert [(state.spent, state.reserved) for state in states] == [(spent, held)] * 2
        assert len(log.of("settled")) > 0 and len(left) > 0

        with _children(url, *[("writeoff",)] * 2) as children:
            off = Log([line for end in [readers.submit(_finished, child) for child in children] for line in end.result()])
        assert off.of("written-off") == still_open
        states, left = _states(store)
        assert left == [] and [(state.spent, state.reserved) for state in states] == [(spent + held, NOTHING_SPENT)] * 2
        with store.begin() as work:
            assert work.meters.write_off(ACME, now=NOW) == []
            assert all(work.meters.settle(ACME, name, Spend(1, 1)) is None for name in still_open | settled)
            assert work.meters.states(ACME, {meter(SURFACE): Limit()})[0].spent == spent + held
