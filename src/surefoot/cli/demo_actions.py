"""The part of `surefoot demo` about actions: each button pressed for real, on the sample product's own backend."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

from surefoot.actions.parts import Request, RunView
from surefoot.actions.playbook_file import filled_in
from surefoot.actions.playbook_parts import PlaybookView
from surefoot.bootstrap import Surefoot
from surefoot.cli.context import print_line
from surefoot.cli.runs import print_run
from surefoot.core.errors import SurefootError
from surefoot.core.ids import new_id
from surefoot.domain.actions import Arguments, Env
from surefoot.domain.documents import ChunkId
from surefoot.domain.identity import Viewer
from surefoot.governance.audit import Broken, Verified
from surefoot.sample.tenant import TENANT, people
from surefoot.sample.workplace import SampleHost

_PIN: Arguments = {"user_id": "usr_nora01", "page": "payouts"}
_FEATURE: Arguments = {"account_id": "acc_fernhill1", "feature": "automatic_tax"}
_ACCOUNTING: Arguments = {"user_id": "usr_nora01", "account_id": "acc_fernhill1", "data_region": "eu"}
_WISH = "Pin the payouts page to my sidebar"
_SHORTCUT = "shortcut/usr_nora01:payouts"
_OTHER_SHORTCUT = "shortcut/usr_nora01:webhooks"


@dataclass(slots=True)
class ActionsShown:
    """What the demo did, for `--json`: each step with the run it ended in, and what was expected to hold."""

    steps: list[dict[str, object]] = field(default_factory=list)

    @property
    def as_expected(self) -> bool:
        """Whether every step ended as it should."""
        return all(step["as_expected"] for step in self.steps)


class _Walk:
    def __init__(self, surefoot: Surefoot, host: SampleHost, *, quiet: bool) -> None:
        self._surefoot = surefoot
        self._host = host
        self._quiet = quiet
        known = people()
        self.nora, self.mira = known["nora"].viewer(), known["mira"].viewer()
        self.shown = ActionsShown()

    def title(self, text: str) -> None:
        """A line above what follows."""
        self.say(f"\n{text}")

    def say(self, text: str) -> None:
        """A line, unless only data is wanted."""
        if not self._quiet:
            print_line(text)

    def run(self, step: str, view: RunView, expected: str) -> RunView:
        """The run as it stands after a step: in full when it is a preview, else what is new."""
        if step == "preview" and not self._quiet:
            print_run(view)
        elif not self._quiet:
            print_line(f"  {view.run.run_id}: {view.run.kind} {view.run.action} is {view.run.state}")
            for attempt in view.attempts:
                print_line(f"  call {attempt.number} ({attempt.operation}): {attempt.outcome} {attempt.status}")
        self.note(step, view.run.run_id, view.run.state.value, expected)
        return view

    def playbook(self, step: str, view: PlaybookView, expected: str) -> PlaybookView:
        """The playbook as it stands after a step: each of its runs in a line."""
        self.say(f"  {view.parent.run_id}: {view.parent.kind} {view.parent.action} is {view.outcome} {view.why}".rstrip())
        for number, each in enumerate(view.steps, 1):
            summary = f": {each.plan.summary}" if each.plan and each.plan.summary else ""
            self.say(f"  {number}. {each.run.kind} {each.run.action} is {each.run.state}{summary}")
        self.note(step, view.parent.run_id, view.outcome.value, expected)
        return view

    def note(self, step: str, run_id: str, ended: str, expected: str) -> None:
        """How a step ended."""
        self.shown.steps.append({"step": step, "run_id": run_id, "ended": ended, "as_expected": ended == expected})

    def propose(self, action: str, arguments: Arguments, *, citations: tuple[ChunkId, ...] = ()) -> RunView:
        """Nora's wish, previewed."""
        key = new_id("key", self._surefoot.clock.now())
        wanted = Request(action, arguments, key, Env.PRODUCTION, reason="Nora asked for it.", citations=citations)
        return self._surefoot.actions.propose(self.nora, wanted)

    def refused(self, step: str, press: Callable[[], RunView], expected: str) -> None:
        """A press that is refused, and why."""
        try:
            view = press()
        except SurefootError as error:
            self.say(f"  refused [{error.code}] {error}")
            self.note(step, "", error.code, expected)
        else:
            self.run(step, view, expected)


def show_actions(surefoot: Surefoot, host: SampleHost, *, quiet: bool) -> ActionsShown:
    """Preview, apply, press again, undo; two people; a stale plan; the audit chain before and after a changed byte."""
    walk = _Walk(surefoot, host, quiet=quiet)
    _apply_and_undo(walk, surefoot, host)
    _two_people(walk, surefoot, host)
    _stale(walk, surefoot, host)
    _playbook(walk, surefoot, host)
    _audit(walk, surefoot)
    return walk.shown


def _apply_and_undo(walk: _Walk, surefoot: Surefoot, host: SampleHost) -> None:
    walk.title(f"Something to do. Nora writes: {_WISH}")
    reply = surefoot.ask.ask(walk.nora, _WISH)
    for offered in reply.actions:
        walk.say(f"  offered: {offered.title} ({offered.risk} risk). {offered.reason}")
        walk.say(f"  from her session: {dict(offered.arguments)}; she chooses: {', '.join(offered.missing) or 'nothing'}")
    walk.note("offered", "", ", ".join(offered.action for offered in reply.actions), "pin_shortcut")
    walk.title("The preview; nothing has changed yet")
    before = host.state_hash()
    run_id = walk.run("preview", walk.propose("pin_shortcut", _PIN), "planned").run.run_id
    walk.note("nothing changed", run_id, str(host.state_hash() == before), "True")
    walk.title("Pressed")
    walk.run("apply", surefoot.actions.apply(walk.nora, run_id, wait=True), "applied")
    walk.say(f"  Pennyfern now has {_SHORTCUT}: {host.state().get(_SHORTCUT)}")
    walk.title("Pressed again: nothing new")
    calls = len(surefoot.actions.show(walk.nora, run_id).attempts)
    again = surefoot.actions.apply(walk.nora, run_id, wait=True)
    walk.say(f"  {run_id} is {again.run.state}; the host was called {len(again.attempts)} time.")
    walk.note("a second press", run_id, str(len(again.attempts) - calls), "0")
    walk.title("Undone")
    undo = surefoot.actions.undo(walk.nora, run_id, wait=True)
    walk.run("undo", undo, "applied")
    restored = host.state_hash() == before
    walk.say(f"  Pennyfern's state is {'the same as before, to the byte' if restored else 'NOT as before'}.")
    walk.note("restored", undo.run.run_id, str(restored), "True")


def _two_people(walk: _Walk, surefoot: Surefoot, host: SampleHost) -> None:
    walk.title("A change that needs a second person, and the passage it rests on")
    proposed = walk.propose(
        "enable_feature", _FEATURE, citations=_evidence(surefoot, walk.nora, "How do I switch on automatic tax?")
    )
    view = walk.run("preview", proposed, "awaiting_approval")
    run_id, digest = view.run.run_id, view.plan.digest if view.plan else ""
    walk.title("Nora cannot approve her own")
    walk.refused("approving one's own", lambda: surefoot.actions.approve(walk.nora, run_id, digest), "run_not_allowed")
    walk.title("Mira approves exactly this plan, and Nora applies it")
    walk.run("approve", surefoot.actions.approve(walk.mira, run_id, digest, "Checked with tax."), "approved")
    walk.run("apply", surefoot.actions.apply(walk.nora, run_id, wait=True), "applied")
    surefoot.actions.undo(walk.nora, run_id, wait=True)


def _stale(walk: _Walk, surefoot: Surefoot, host: SampleHost) -> None:
    walk.title("A plan that the world has moved away from")
    run_id = walk.run("preview", walk.propose("pin_shortcut", {**_PIN, "page": "webhooks"}), "planned").run.run_id
    theirs = {"label": "webhooks", "page": "webhooks", "position": 1, "user_id": "usr_nora01"}
    host.app.write_outside(_OTHER_SHORTCUT, theirs)
    walk.say("  Meanwhile somebody pins the same page in the product itself. Pressed:")
    walk.run("apply a stale plan", surefoot.actions.apply(walk.nora, run_id, wait=True), "stale")
    host.app.write_outside(_OTHER_SHORTCUT, None)


def _playbook(walk: _Walk, surefoot: Surefoot, host: SampleHost) -> None:
    walk.title("Three steps that belong together, previewed as one")
    playbooks, deliver, before = surefoot.actions.playbooks, surefoot.actions.worker.deliver, host.state_hash()
    wanted = filled_in(surefoot.registry.playbook("set_up_accounting"), _ACCOUNTING)
    key, cited = new_id("key", surefoot.clock.now()), _evidence(surefoot, walk.nora, "How do I connect the accounting system?")
    view = walk.playbook(
        "preview of a playbook", playbooks.preview(walk.nora, wanted, key, Env.PRODUCTION, citations=cited), "previewed"
    )
    run_id, digest = view.parent.run_id, view.plan.digest if view.plan else ""
    walk.title("Mira approves all of it by one digest, and Nora applies it")
    playbooks.approve(walk.mira, run_id, digest)
    walk.playbook("apply a playbook", playbooks.apply(walk.nora, run_id, deliver=deliver), "applied")
    walk.title("Undone as a whole, the last step first")
    walk.playbook("undo a playbook", playbooks.undo(walk.nora, run_id, deliver=deliver), "applied")
    walk.note("playbook restored", run_id, str(host.state_hash() == before), "True")
    walk.say(f"  Pennyfern's state is {'as before' if host.state_hash() == before else 'NOT as before'}.")


def _audit(walk: _Walk, surefoot: Surefoot) -> None:
    walk.title("The audit chain, before and after one changed byte")
    mark = surefoot.audit.checkpoint(TENANT, now=surefoot.clock.now())
    held = surefoot.audit.verify(TENANT, [mark])
    assert isinstance(held, Verified), held
    walk.say(f"  {held.count} rows hold, {held.checkpoints} checkpoint met.")
    path = surefoot.settings.data_dir / "surefoot.db"
    with sqlite3.connect(path) as database:
        where = (TENANT, held.count // 2)
        actor = database.execute("SELECT actor FROM audit_rows WHERE tenant_id = ? AND seq = ?", where).fetchone()[0]
        database.execute("UPDATE audit_rows SET actor = ? WHERE tenant_id = ? AND seq = ?", (actor[:-1] + "?", *where))
    database.close()
    found = surefoot.audit.verify(TENANT, [mark])
    walk.say(f"  {found.message if isinstance(found, Broken) else 'NOT SEEN'}")
    walk.note("a changed byte is seen", "", "broken" if isinstance(found, Broken) else "held", "broken")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE audit_rows SET actor = ? WHERE tenant_id = ? AND seq = ?", (actor, *where))
    database.close()


def _evidence(surefoot: Surefoot, viewer: Viewer, question: str) -> tuple[ChunkId, ...]:
    """The best passage about it that the viewer may read."""
    found = surefoot.searcher.search(viewer, question, limit=1)
    return tuple(passage.chunk.chunk_id for passage in found.passages)
