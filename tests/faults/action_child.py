"""Run as a process of its own by the proofs of actions: forks a process for each job, which acts on a real store and may die.

Whatever is dear to import is imported here once; a fork opens its own store, host and connections, so that nothing of a killed
one lives on. A job is a line of JSON on standard input (see Job); what happened comes back in lines, the last of them
`ended <exit status>`, which is -9 after SIGKILL.
"""

import json
import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from surefoot.actions.facts import ActionFacts, RuleCalendar
from surefoot.actions.parts import ActionParts, Request, RunView
from surefoot.actions.registry import load_registry
from surefoot.actions.service import Actions
from surefoot.adapters.cedar_policy import CedarPolicy
from surefoot.adapters.python_host import PythonHost
from surefoot.adapters.sql.store import SqlStore
from surefoot.adapters.webhook_host import WebhookHost
from surefoot.core.clock import FixedClock
from surefoot.core.errors import SurefootError
from surefoot.domain.action_rules import NO_RULES
from surefoot.domain.actions import Env
from surefoot.domain.identity import Principal, TenantId, Viewer
from surefoot.domain.runs import RunState
from surefoot.governance.audit import AuditTrail
from surefoot.ports import HostApp, Store
from surefoot.sample.host_app import SampleHostApp
from tests.contracts.store_rows import NOW, chunks, document

MAKER, APPROVER = "usr_nora01", "usr_felix01"
SECRET = "whsec_" + "c3VyZWZvb3QtcHJvb2ZzLW9mLWFjdGlvbnMtMDAwMQ=="
AUDIT_KEY = b"a key of the proofs of the action plane"
EVIDENCE = document("evidence")
CITATION = chunks(EVIDENCE)[0].chunk_id
_READY = frozenset({RunState.PLANNED, RunState.APPROVED})
_LEASE_OVER = timedelta(seconds=61)


@dataclass(frozen=True, slots=True)
class Job:
    """What one forked process does. `host` is the base URL of the host, or the file of one in this very process. It dies at the
    `dies_at`-th named point, or after `lives_seconds`. `outside` is a resource of the host into which somebody writes between
    the plan and the press, so that the plan is stale.
    """

    what: str
    url: str
    host: str
    host_file: str
    tenant: str
    key: str = ""
    action: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    waits: bool = False
    checks_first: bool = False
    outside: str = ""
    undoes: bool = True
    worker: str = "w"
    seconds_later: int = 0
    dies_at: int = 0
    lives_seconds: float = 0.0
    # For many at once: so many processes, each with so many threads, which begin together.
    runs: tuple[str, ...] = ()
    processes: int = 0
    threads: int = 0


def say(line: str) -> None:
    """The line is with the parent, whatever happens to this process next."""
    os.write(1, f"{line}\n".encode())


class Points:
    """Says each named point as it is come to, and dies at the one that was told."""

    def __init__(self, dies_at: int) -> None:
        self._left = dies_at

    def __call__(self, point: str) -> None:
        say(f"at {point}")
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def viewer(tenant: str, user: str, *roles: str) -> Viewer:
    """A signed-in person."""
    own = (("account_id", "acc_fernhill1"), ("user_id", "usr_nora01"))
    return Viewer(TenantId(tenant), user, frozenset(Principal(f"role:{role}") for role in roles), context=own)


def seed(store: Store, tenant: str) -> None:
    """The tenant exists and has the passage that the proofs' requests rest on."""
    with store.begin() as work:
        work.tenants.create(TenantId(tenant), now=NOW)
        work.documents.replace(TenantId(tenant), EVIDENCE, chunks(EVIDENCE))
        work.commit()


class Shared:
    """What every fork uses and none changes: the shipped actions and the shipped policy."""

    def __init__(self) -> None:
        self.registry = load_registry()
        self.policy = CedarPolicy()

    def parts(self, store: Store, host: HostApp, clock: FixedClock, *, worker: str, **more: Any) -> ActionParts:
        """The action plane as bootstrap puts it together, on this store and host."""
        return ActionParts(
            store=store,
            registry=self.registry,
            policy=self.policy,
            facts=ActionFacts(store, NO_RULES, lambda tenant: 0.0),
            hosts={"host_app": host},
            trail=AuditTrail(store, AUDIT_KEY),
            clock=clock,
            calendar=RuleCalendar(NO_RULES),
            worker_id=worker,
            **more,
        )


@contextmanager
def _opened(job: Job, shared: Shared, clock: FixedClock, at: Callable[[str], None]) -> Iterator[Actions]:
    with ExitStack() as held:
        store = SqlStore(job.url)
        held.callback(store.close)
        host: HostApp
        if job.host.startswith("http"):
            host = WebhookHost(job.host, "HOST_SECRET", clock, offline=False, environ={"HOST_SECRET": SECRET})
        else:
            own = SampleHostApp(Path(job.host), clock, tenant=TenantId(job.tenant))
            held.callback(own.close)
            host = PythonHost(own.handlers, own.ledger, clock)
        checks = frozenset({"host_app"}) if job.checks_first else frozenset[str]()
        yield Actions(shared.parts(store, host, clock, worker=f"{job.worker}:{os.getpid()}", check_first=checks, at=at))


def live(job: Job, actions: Actions) -> None:
    """Proposes, has it approved, applies and undoes, under keys of its own: whatever was done before is gone on with."""
    maker = viewer(job.tenant, MAKER)
    request = Request(job.action, job.arguments, job.key, Env.PRODUCTION, citations=(CITATION,))
    shown = actions.propose(maker, request)
    run_id = shown.run.run_id
    say(f"proposed {run_id}")
    if shown.run.state is RunState.AWAITING_APPROVAL:
        assert shown.plan is not None
        shown = actions.approve(viewer(job.tenant, APPROVER, "approver"), run_id, shown.plan.digest)
        say(f"approved {run_id}")
    if shown.run.state in _READY:
        if job.outside:
            _write_outside(job)
        shown = _applied(job, actions, run_id)
    if shown.run.state is RunState.STALE:
        shown = _succeeded(job, actions, shown)
        run_id = shown.run.run_id
    if shown.run.state in (RunState.APPLIED, RunState.UNDONE):
        say(f"applied {run_id}")
    if shown.run.state is RunState.APPLIED and job.undoes:
        undo = actions.undo(maker, run_id, key=f"{job.key}-undo", wait=job.waits)
        if not job.waits:
            work(job, actions)
            undo = actions.show(maker, undo.run.run_id)
        shown = actions.show(maker, run_id)
        say(f"undo {undo.run.state}")
    say(f"stands {shown.run.state}")


def _applied(job: Job, actions: Actions, run_id: str) -> RunView:
    maker = viewer(job.tenant, MAKER)
    shown = actions.apply(maker, run_id, wait=job.waits)
    if job.waits:
        return shown
    work(job, actions)
    return actions.show(maker, run_id)


def _succeeded(job: Job, actions: Actions, shown: RunView) -> RunView:
    """The run that took the place of a stale one, applied; it waits for its maker when the worker was not sure."""
    successor = actions.show(viewer(job.tenant, MAKER), shown.successor)
    return _applied(job, actions, successor.run.run_id) if successor.run.state in _READY else successor


def _write_outside(job: Job) -> None:
    host = SampleHostApp(Path(job.host_file), FixedClock(NOW), tenant=TenantId(job.tenant))
    host.write_outside(job.outside, {**(host.state()[job.outside]), "seen": job.key})
    host.close()


def work(job: Job, actions: Actions) -> None:
    """No run of the tenant is due."""
    while actions.worker.run_once(TenantId(job.tenant)):
        pass


def recover(job: Job, actions: Actions, clock: FixedClock) -> None:
    """What another process had begun goes on, without anybody asking for it: leases run out, and pauses pass."""
    for _ in range(3):
        clock.advance(_LEASE_OVER)
        work(job, actions)
    say("recovered")


def press(job: Job, actions: Actions, number: int) -> None:
    """The thread of this number applies its share of the runs, each of which is another thread's share too."""
    share = [run_id for place, run_id in enumerate(job.runs) if number in _threads_of(place, job)]
    for run_id in share:
        _told(lambda run_id=run_id: actions.apply(viewer(job.tenant, MAKER), run_id, wait=job.waits))  # type: ignore[misc]
    _told(lambda: work(job, actions))


def _threads_of(place: int, job: Job) -> tuple[int, int]:
    """Two threads, of two processes."""
    return place % job.threads, (place + job.threads // job.processes) % job.threads


def wish(job: Job, actions: Actions, number: int) -> None:
    """The thread of this number wants what all want, under a key of its own, and presses when it may."""
    maker = viewer(job.tenant, MAKER)
    request = Request(job.action, job.arguments, f"{job.key}-{number}", Env.PRODUCTION, citations=(CITATION,))

    def ask() -> None:
        shown = actions.propose(maker, request)
        if shown.run.state in _READY:
            actions.apply(maker, shown.run.run_id, wait=job.waits)

    _told(ask)
    _told(lambda: work(job, actions))


def _told(step: Callable[[], object]) -> None:
    """What may be refused to one of many is said."""
    try:
        step()
    except SurefootError as error:
        say(f"refused {type(error).__name__} {error}")


def crowd(job: Job, shared: Shared, worker: int, there: int, gate: int) -> None:
    """One process of many: it says that it is there, and its threads begin when the gate is closed at its other end."""
    own = replace(job, worker=f"w{worker}")
    each = {"press": press, "wish": wish}[job.what]
    count = job.threads // job.processes
    with _opened(own, shared, FixedClock(NOW), lambda point: None) as actions:
        threads = [
            threading.Thread(target=each, args=(own, actions, number)) for number in range(worker * count, (worker + 1) * count)
        ]
        os.write(there, b".")
        os.read(gate, 1)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def propose(job: Job, actions: Actions) -> None:
    """So many wishes as the job has threads, simulated and not pressed."""
    for number in range(job.threads):
        request = Request(job.action, job.arguments, f"{job.key}-{number}", Env.PRODUCTION, citations=(CITATION,))
        say(f"proposed {actions.propose(viewer(job.tenant, MAKER), request).run.run_id}")


def perform(job: Job, shared: Shared) -> None:
    """The job is done."""
    clock = FixedClock(NOW + timedelta(seconds=job.seconds_later))
    with _opened(job, shared, clock, Points(job.dies_at)) as actions:
        if job.what == "recover":
            recover(job, actions, clock)
        else:
            {"live": live, "propose": propose}[job.what](job, actions)


def _fork(do: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            do()
        except BaseException:  # noqa: BLE001  the last edge of a forked process
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return pid


def _ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _crowded(job: Job, shared: Shared) -> int:
    arrivals, there = os.pipe()
    gate, opener = os.pipe()

    def one(worker: int) -> None:
        os.close(opener)
        crowd(job, shared, worker, there, gate)

    pids = [_fork(partial(one, worker)) for worker in range(job.processes)]
    os.close(there)
    for _ in pids:
        os.read(arrivals, 1)
    for end in (opener, gate, arrivals):
        os.close(end)
    return max(abs(_ended(pid)) for pid in pids)


def _forked(job: Job, shared: Shared) -> int:
    if job.processes:
        return _crowded(job, shared)
    pid = _fork(lambda: perform(job, shared))
    if job.lives_seconds:
        handle = os.pidfd_open(pid)
        is_over, _, _ = select.select([handle], [], [], job.lives_seconds)
        os.close(handle)
        if not is_over:
            os.kill(pid, signal.SIGKILL)
    return _ended(pid)


def _warm(shared: Shared) -> None:
    """What a first life imports and compiles is there, so that a fork need not: an undisturbed one in a folder of its own, and
    a call that nobody takes.
    """
    with TemporaryDirectory() as folder:
        url, file = f"sqlite:///{folder}/warm.db", f"{folder}/host.db"
        with closing(SqlStore(url)) as store:
            store.migrate()
            seed(store, "warm")
        feature = {"account_id": "acc_fernhill1", "feature": "automatic_tax"}
        job = Job("live", url, file, file, "warm", key="key", action="enable_feature", arguments=feature)
        clock = FixedClock(NOW)
        with _opened(job, shared, clock, lambda point: None) as actions:
            live(job, actions)
        nobody = replace(job, host="http://127.0.0.1:9", key="other", arguments={**feature, "feature": "customer_portal"})
        with _opened(nobody, shared, clock, lambda point: None) as actions:
            live(nobody, actions)


def main() -> None:
    """Forks for each line until there are no more."""
    shared = Shared()
    _warm(shared)
    say("ready")
    for line in sys.stdin:
        told = json.loads(line)
        job = Job(**{**told, "runs": tuple(told.get("runs", ()))})
        say(f"ended {_forked(job, shared)}")


if __name__ == "__main__":
    main()
