"""A house with one host and one store, in which processes that act are killed; and what must be true of it afterwards."""

import json
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url, text

from surefoot.actions.arguments import cap_keys
from surefoot.actions.registry import load_registry
from surefoot.adapters.sql.engine import parse_url
from surefoot.adapters.sql.store import SqlStore
from surefoot.core.clock import FixedClock
from surefoot.domain.actions import ActionSpec, Arguments, Env
from surefoot.domain.identity import TenantId
from surefoot.domain.json_patch import etag_of
from surefoot.domain.runs import Run, RunKind, RunState, Stage
from surefoot.governance.audit import AuditTrail, Verified
from surefoot.sample.host_app import SampleHostApp, serve_host_app
from surefoot.sample.tenant import TENANT
from tests.contracts.store_rows import NOW
from tests.faults.action_child import AUDIT_KEY, MAKER, SECRET, Job, seed

ROOT = Path(__file__).parents[2]
KILLED = -9
FEATURES = (
    *("automatic_tax", "payment_reminders", "customer_portal", "plan_changes_in_portal", "show_usage_in_portal"),
    *("two_factor_required", "daily_chat_summary"),
)
PAGES = ("invoices", "new_invoice", "customers")
ACCOUNT = "acc_fernhill1"
# A tenant's caps let through at least so many runs, so no run of a life is refused for them.
LIVES_A_TENANT = 8
_HAPPENED = frozenset({RunState.APPLIED, RunState.UNDONE, RunState.FINAL})
_UNSETTLED = frozenset({RunState.APPLYING, RunState.UNKNOWN, RunState.NEEDS_HUMAN})
# By now leases have run out, and whoever was proposing has had their time; signatures are not too old yet.
RECOVERED_SECONDS = 200
_DEAD_NAME = "actor"
_EFFECTS = """
CREATE TABLE effects (n INTEGER PRIMARY KEY, tenant TEXT NOT NULL, resource TEXT NOT NULL);
CREATE TRIGGER effect_insert AFTER INSERT ON surefoot_documents BEGIN
  INSERT INTO effects (tenant, resource) VALUES (NEW.tenant, NEW.resource); END;
CREATE TRIGGER effect_update AFTER UPDATE ON surefoot_documents BEGIN
  INSERT INTO effects (tenant, resource) VALUES (NEW.tenant, NEW.resource); END;
CREATE TRIGGER effect_delete AFTER DELETE ON surefoot_documents BEGIN
  INSERT INTO effects (tenant, resource) VALUES (OLD.tenant, OLD.resource); END;
"""


@dataclass(frozen=True, slots=True)
class Way:
    """How a life goes: over HTTP or with the host in the same process, with the host's answer awaited or a worker at it."""

    name: str
    action: str = "enable_feature"
    waits: bool = False
    in_process: bool = False
    checks_first: bool = False
    outside: str = ""


WAYS = (
    Way("worker"),
    Way("waits", waits=True),
    Way("stale", action="pin_shortcut", outside=f"user/{MAKER}"),
    Way("checks", in_process=True, checks_first=True),
)


@dataclass
class Ended:
    """What a process said, and how it ended."""

    lines: list[str]
    status: int

    @property
    def points(self) -> list[str]:
        return [line.removeprefix("at ") for line in self.lines if line.startswith("at ")]

    def said(self, word: str) -> list[str]:
        """The rest of every line that begins with the word."""
        return [line.partition(" ")[2] for line in self.lines if line.partition(" ")[0] == word]


@dataclass
class Life:
    """One wish from proposal to undo, under keys of its own."""

    job: Job
    resource: str
    documents: dict[str, Any]
    effects_before: int


@dataclass
class Tally:
    """What many kills came to; `wrong` says what must not be, each with the point at which the process died."""

    kills: Counter[str] = field(default_factory=Counter)
    survived: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: list[str] = field(default_factory=list)


class House:
    """One database, one host, one process that forks those who act. Lives go one after the other."""

    def __init__(self, url: str, folder: Path, held: ExitStack, tenant: TenantId) -> None:
        self.url = _marked(url)
        self.store = held.enter_context(closing(SqlStore(url)))
        self.clock = FixedClock(NOW)
        self.host_file = folder / "host.db"
        self.host = held.enter_context(closing(SampleHostApp(self.host_file, self.clock, tenant=tenant)))
        with closing(sqlite3.connect(self.host_file)) as connection:
            connection.executescript(_EFFECTS)
        self.address = held.enter_context(serve_host_app(self.host, SECRET))
        self.trail = AuditTrail(self.store, AUDIT_KEY)
        self._registry = load_registry()
        self._child = held.enter_context(_child())
        self._tenant, self._lives = "", 0
        self._tenant_host = self.host

    def begin(self, way: Way, number: int, held: ExitStack) -> Life:
        """A new wish, for which there is room in the caps; every so often in a new tenant."""
        if self._lives % LIVES_A_TENANT == 0:
            self._tenant = f"t{self._lives // LIVES_A_TENANT}"
            seed(self.store, self._tenant)
            self._tenant_host = held.enter_context(
                closing(SampleHostApp(self.host_file, self.clock, tenant=TenantId(self._tenant)))
            )
        self._lives += 1
        resource, arguments = wish(way.action, number)
        job = Job(
            what="live",
            url=self.url,
            host=str(self.host_file) if way.in_process else self.address,
            host_file=str(self.host_file),
            tenant=self._tenant,
            key=f"key-{self._lives}",
            action=way.action,
            arguments=arguments,
            waits=way.waits,
            checks_first=way.checks_first,
            outside=way.outside,
        )
        return Life(job, resource, self._tenant_host.state(), self.effects(self._tenant, resource))

    def do(self, job: Job) -> Ended:
        """The job, done or died over."""
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.write(json.dumps(asdict(job)) + "\n")
        self._child.stdin.flush()
        lines: list[str] = []
        for line in self._child.stdout:
            if line.startswith("ended "):
                return Ended(lines, int(line.split()[1]))
            lines.append(line.rstrip("\n"))
        raise AssertionError("The process that forks the others is gone.")

    def survive(self, life: Life, tally: Tally, *, dies_at: int = 0, lives_seconds: float = 0.0) -> Ended:
        """The life is begun and killed; what it had begun goes on by itself; then whoever wished asks again. All of it is
        checked, and what is wrong is told to the tally.
        """
        dead = self.do(replace(life.job, dies_at=dies_at, lives_seconds=lives_seconds))
        point = dead.points[-1] if dead.points else "nothing"
        if dead.status == KILLED:
            tally.kills[f"after {point}" if lives_seconds else point] += 1
            self._await_the_dead()
        else:
            tally.survived += 1
        told = f"{life.job.tenant} {life.job.key} {life.job.action}, died at {point}"
        begun = self._unsettled(life)
        after = self.do(replace(life.job, what="recover", worker="r"))
        wrong = self._wrong(life, dead, begun, tally)
        again = self.do(replace(life.job, seconds_later=RECOVERED_SECONDS))
        if after.status or again.status or (dead.status not in (0, KILLED)):
            wrong.append(f"ended with {dead.status}, {after.status}, {again.status}")
        wrong += self._wrong(life, again, [], tally)
        wrong += self._wrong_at_end(life, again)
        tally.wrong += [f"{told}: {each}" for each in wrong]
        return dead

    # What must be true.

    def _wrong(self, life: Life, said: Ended, begun: list[str], tally: Tally) -> list[str]:
        """What is wrong once nothing is due any more."""
        runs = self._runs(life)
        wrong = [f"{run.run_id} is still {run.state}" for run in runs if run.state in _UNSETTLED]
        happened = [run for run in runs if run.state in _HAPPENED]
        effects = self.effects(self._tenant, life.resource) - life.effects_before
        # The outside writer of a stale life writes another resource than the one the action changes.
        if effects > len(happened):
            tally.doubled += effects - len(happened)
            wrong.append(f"{effects} effects of {len(happened)} runs")
        if effects < len(happened):
            tally.lost += len(happened) - effects
            wrong.append(f"{effects} effects of {len(happened)} runs")
        lost = [run_id for run_id in (*said.said("applied"), *begun) if run_id not in {run.run_id for run in happened}]
        if lost and not life.job.outside:
            tally.lost += len(lost)
            wrong.append(f"lost: {lost}")
        if "applied" in said.said("undo") and not any(run.kind is RunKind.UNDO for run in happened):
            tally.lost += 1
            wrong.append("lost: an undo")
        wrong += [each for run in runs for each in self._wrong_row(run)]
        wrong += self._wrong_host(life, happened)
        return wrong + self._wrong_caps() + self._wrong_chain()

    def _wrong_row(self, run: Run) -> list[str]:
        tenant = TenantId(self._tenant)
        with self.store.begin() as work:
            plan, decisions = work.runs.plan(tenant, run.run_id), work.runs.decisions(tenant, run.run_id)
            approvals = work.runs.approvals(tenant, run.run_id)
        is_consumed = plan is not None and plan.consumed_at is not None
        was_sent = run.state in _HAPPENED or run.state in (RunState.STALE, RunState.FAILED)
        wrong = []
        if is_consumed != was_sent:
            wrong.append(f"{run.run_id} is {run.state} and its plan is {'' if is_consumed else 'not '}consumed")
        if any(plan is None or each.plan_digest != plan.digest for each in approvals):
            wrong.append(f"{run.run_id} was approved as another plan")
        stage = Stage.UNDO if run.kind is RunKind.UNDO else Stage.APPLY
        if was_sent and not any(each.stage is stage and not each.decision.errors for each in decisions):
            wrong.append(f"{run.run_id} has no decision at {stage}")
        if was_sent and run.kind is RunKind.APPLY and run.action == "enable_feature" and not approvals:
            wrong.append(f"{run.run_id} was never approved")
        return wrong

    def _wrong_host(self, life: Life, happened: list[Run]) -> list[str]:
        """Whether the host's state is the one before, or the one before with exactly this effect."""
        is_there = any(run.state is RunState.APPLIED and run.kind is RunKind.APPLY for run in happened)
        now, before = self._tenant_host.state(), dict(life.documents)
        wrong = []
        if (now.get(life.resource) != before.get(life.resource)) != is_there:
            wrong.append(f"the host has {now.get(life.resource)} although the runs say {is_there}")
        for each in (life.resource, life.job.outside):
            now.pop(each, None)
            before.pop(each, None)
        return wrong if etag_of(now) == etag_of(before) else [*wrong, "the host's other state has changed"]

    def _wrong_caps(self) -> list[str]:
        tenant = TenantId(self._tenant)
        done = [run for run in self.runs_of(tenant) if run.kind is RunKind.APPLY and run.state in _HAPPENED]
        wrong = []
        for action in ("enable_feature", "pin_shortcut"):
            spec = self._registry.get(action)
            used, most = cap_used(self.store, tenant, spec, wish(action, 0)[1])
            count = sum(run.action == action for run in done)
            if used > most or used != count:
                wrong.append(f"{used} of {most} of the caps of {action} are used by {count} runs")
        return wrong

    def _wrong_chain(self) -> list[str]:
        tenant = TenantId(self._tenant)
        verified = self.trail.verify(tenant)
        # A chain without rows is right only where nothing has happened yet.
        is_right = isinstance(verified, Verified) and (verified.count > 0) is bool(self.runs_of(tenant))
        return [] if is_right else [f"the audit chain: {verified}"]

    def _wrong_at_end(self, life: Life, again: Ended) -> list[str]:
        if again.said("stands") != ["undone"]:
            return [f"in the end it stands {again.said('stands')}"]
        expected = dict(life.documents)
        if life.job.outside:
            # Written by somebody else, and never to be put back.
            expected[life.job.outside] = self._tenant_host.state()[life.job.outside]
            if expected[life.job.outside].get("seen") != life.job.key:
                return ["a later write of somebody else was overwritten"]
        is_same = etag_of(expected) == self._tenant_host.state_hash()
        effects = self.effects(self._tenant, life.resource) - life.effects_before
        return ([] if is_same else ["the undo did not restore the host's state hash"]) + (
            [] if effects == 2 else [f"{effects} effects instead of one and its undo"]
        )

    # What stands where.

    def runs_of(self, tenant: TenantId) -> list[Run]:
        """Every run of the tenant, newest first."""
        with self.store.begin() as work:
            return work.runs.page(tenant, env=None, states=frozenset(), maker="", after="", limit=1000)

    def _runs(self, life: Life) -> list[Run]:
        """The runs of this life: those of its keys, and the successor of one that went stale."""
        keys = {life.job.key, f"{life.job.key}-undo"}
        runs = self.runs_of(TenantId(self._tenant))
        own = [run for run in runs if run.idem_key in keys]
        return own + [run for run in runs if run.idem_key in {each.run_id for each in own} and run not in own]

    def _unsettled(self, life: Life) -> list[str]:
        return [run.run_id for run in self._runs(life) if run.state in (RunState.APPLYING, RunState.UNKNOWN)]

    def effects(self, tenant: str, resource: str) -> int:
        """How often the host has written the resource, by a count of its own."""
        with self.host.ledger.preview() as connection:
            counted = "SELECT count(*) FROM effects WHERE tenant = ? AND resource = ?"
            return int(connection.execute(counted, (tenant, resource)).fetchone()[0])

    def _await_the_dead(self) -> None:
        """No server process works for a killed child any more: a commit sent before the kill is done or never will be."""
        if make_url(self.url).get_backend_name() == "sqlite":
            return
        engine = create_engine(parse_url(self.url))
        others = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = :name AND pid <> pg_backend_pid()")
        with engine.connect() as connection:
            while connection.execute(others, {"name": _DEAD_NAME}).scalar_one():
                connection.rollback()
        engine.dispose()


def cap_used(store: SqlStore, tenant: TenantId, spec: ActionSpec, arguments: Arguments) -> tuple[int, int]:
    """How much of the action's first cap is used, reserved holds included, and how much there may be."""
    first = cap_keys(spec, arguments, tenant=tenant, account=tenant, user=MAKER)[0]
    with store.begin() as work:
        used = work.runs.cap_used(tenant, Env.PRODUCTION, first.cap.id, first.key, since=NOW - timedelta(days=7))
    return used, first.cap.max


def wish(action: str, number: int) -> tuple[str, dict[str, Any]]:
    """What the action changes at the host, and the arguments that ask for it."""
    if action == "enable_feature":
        feature = FEATURES[number % len(FEATURES)]
        return f"feature/{ACCOUNT}:{feature}", {"account_id": ACCOUNT, "feature": feature}
    page = PAGES[number % len(PAGES)]
    return f"shortcut/{MAKER}:{page}", {"user_id": MAKER, "page": page}


def _marked(url: str) -> str:
    if make_url(url).get_backend_name() == "sqlite":
        return url
    return make_url(url).update_query_dict({"application_name": _DEAD_NAME}).render_as_string(hide_password=False)


@contextmanager
def _child() -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.faults.action_child"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdin is not None
        # It warms itself up by a life of its own, of which it tells too.
        assert "ready\n" in iter(child.stdout.readline, "")
        yield child
        child.stdin.close()


@contextmanager
def house(url: str, folder: Path, tenant: TenantId = TENANT) -> Iterator[House]:
    """A house on this migrated database, whose host keeps its file in the folder; nothing of it outlives the block."""
    with ExitStack() as held:
        yield House(url, folder, held, tenant)
