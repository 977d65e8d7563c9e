"""How long simulate, apply and undo take, and how many commits a second the runs' ledger takes, against a bare transaction.

    python -m benchmarks.actions_speed [--rounds 300] [--threads 1 8] [--seconds 4] [--folder FOLDER] [--json]

The host lives in this process and keeps its state in a SQLite file of its own, so apply and undo hold one durable commit of the
host's beside ours. The shipped policy and schemas rule; the action is one that nobody approves. A bare transaction is one row,
committed durably on the same store, timed in every round beside the rest: its ratio is what holds between machines.
"""

import argparse
import json
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.measuring import Stopwatch, table
from surefoot.actions.facts import ActionFacts, RuleCalendar
from surefoot.actions.parts import ActionParts, Request
from surefoot.actions.registry import load_registry
from surefoot.actions.service import Actions
from surefoot.adapters.cedar_policy import CedarPolicy
from surefoot.adapters.python_host import PythonHost
from surefoot.adapters.sql.store import SqlStore
from surefoot.core.clock import FixedClock
from surefoot.domain.action_rules import NO_RULES
from surefoot.domain.actions import Env
from surefoot.domain.identity import TenantId, Viewer
from surefoot.domain.runs import RunState
from surefoot.governance.audit import AuditTrail
from surefoot.sample.host_app import SampleHostApp

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
TENANT = TenantId("bench")
PEOPLE = ("usr_nora01", "usr_felix01", "usr_sam001", "usr_ada001", "usr_jonas01", "usr_lucia01")
# After each of these points of a run one commit more has returned.
COMMITTED = frozenset({"proposed", "planned", "applying", "settled"})
STEPS = ("simulate", "apply", "undo")


class House:
    """The action plane on SQLite and a host in this process; `commits` counts those of the plane."""

    def __init__(self, folder: Path) -> None:
        self.store = SqlStore(f"sqlite:///{folder}/surefoot.db")
        self.store.migrate()
        self.clock = FixedClock(MOMENT)
        self._lock = threading.Lock()
        self.commits: Counter[str] = Counter()
        self._rows = 0
        with self.store.begin() as work:
            work.tenants.create(TENANT, now=MOMENT)
            work.commit()
        host = SampleHostApp(folder / "host.db", self.clock, tenant=TENANT)
        self.actions = Actions(
            ActionParts(
                store=self.store,
                registry=load_registry(),
                policy=CedarPolicy(),
                facts=ActionFacts(self.store, NO_RULES, lambda tenant: 0.0),
                hosts={"host_app": PythonHost(host.handlers, host.ledger, self.clock)},
                trail=AuditTrail(self.store, b"a key of the speed of the action plane"),
                clock=self.clock,
                calendar=RuleCalendar(NO_RULES),
                worker_id="bench",
                at=self._at,
            )
        )

    def _at(self, point: str) -> None:
        if point in COMMITTED:
            with self._lock:
                self.commits[point] += 1

    def bare(self) -> None:
        """One row, committed."""
        self._rows += 1
        with self.store.begin() as work:
            work.tenants.create(TenantId(f"t{self._rows}"), now=MOMENT)
            work.commit()

    def life(self, number: int, key: str, timed: Callable[[str, Callable[[], object]], None]) -> None:
        """One run simulated, applied and undone; each step is handed to `timed`."""
        maker = Viewer(TENANT, PEOPLE[number % len(PEOPLE)])
        fields = [{"name": "note", "value": f"Number {number}"}]
        arguments = {"user_id": maker.user, "form": "new_invoice", "fields": fields}
        request = Request("prefill_form", arguments, key, Env.PRODUCTION)
        runs: list[str] = []
        timed("simulate", lambda: runs.append(self.actions.propose(maker, request).run.run_id))
        timed("apply", lambda: self.actions.apply(maker, runs[0], wait=True))
        timed("undo", lambda: self.actions.undo(maker, runs[0], wait=True))
        state = self.actions.show(maker, runs[0]).run.state
        if state is not RunState.UNDONE:
            raise SystemExit(f"The run is {state}; nothing was measured.")


def one_after_another(house: House, name: str, rounds: int) -> dict[str, Stopwatch]:
    """Wall and CPU times of each step and of the bare transaction."""
    watches = {step: Stopwatch() for step in (*STEPS, "bare")}
    for number in range(rounds):
        # Time passes, so that the caps of a person's day do not fill up.
        house.clock.advance(timedelta(hours=1))
        house.life(number, f"{name}-{number}", lambda step, do: watches[step].time(do))
        watches["bare"].time(house.bare)
    return watches


def _untimed(step: str, do: Callable[[], object]) -> None:
    do()


def together(house: House, threads: int, seconds: float) -> dict[str, float]:
    """Lives and commits a second of so many threads."""
    house.commits.clear()
    # What ran before must not have filled the caps of these people's day.
    house.clock.advance(timedelta(days=2))
    lives, begin = [0] * threads, time.perf_counter()
    end = begin + seconds

    def run(mine: int) -> None:
        while time.perf_counter() < end:
            # Time stands still, so that no other thread's lease or plan expires; the caps of a day have room for so many lives.
            house.life(mine + lives[mine], f"{threads}-{mine}-{lives[mine]}", _untimed)
            lives[mine] += 1

    workers = [threading.Thread(target=run, args=(mine,)) for mine in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    took = time.perf_counter() - begin
    return {"threads": threads, "lives_per_second": sum(lives) / took, "commits_per_second": house.commits.total() / took}


def main() -> None:
    """Prints two tables, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--folder", type=Path, default=None, help="where to write; the disk that is measured")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        house = House(Path(folder))
        # The first lives compile what later ones reuse.
        one_after_another(house, "warm", 20)
        summaries = {name: watch.summary() for name, watch in one_after_another(house, "one", options.rounds).items()}
        bare = 1000 / summaries["bare"]["wall_ms_p50"]
        rates = [together(house, threads, options.seconds) for threads in options.threads]
        house.store.close()
    if options.json:
        print(json.dumps({"steps": summaries, "bare_per_second": bare, "rates": rates}))
        return
    rows = [
        [
            name,
            *(f"{told[figure]:.2f}" for figure in ("wall_ms_p50", "wall_ms_p95", "cpu_ms_p50", "cpu_ms_p95")),
            *(f"{told[each] / summaries['bare'][each]:.1f}" for each in ("wall_ms_p50", "wall_ms_p95")),
        ]
        for name, told in summaries.items()
    ]
    print(table(("step", "wall p50 ms", "wall p95 ms", "CPU p50 ms", "CPU p95 ms", "p50 / bare", "p95 / bare"), rows))
    lines = [
        [
            f"{each['threads']:.0f}",
            f"{each['lives_per_second']:.1f}",
            f"{each['commits_per_second']:.0f}",
            f"{each['commits_per_second'] / bare:.2f}",
        ]
        for each in rates
    ]
    print(f"\nbare transactions a second: {bare:.0f}\n")
    print(table(("threads", "lives a second", "commits a second", "commits / bare"), lines))


if __name__ == "__main__":
    main()
