"""The receiver kit and a running service: a call that is taken on, finished later by the host, and told by a signed callback."""

import base64
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from surefoot.actions.parts import Request
from surefoot.actions.service import Actions
from surefoot.adapters.webhook_host import WebhookHost
from surefoot.api.app import create_app
from surefoot.core.clock import FixedClock
from surefoot.core.errors import DeliveryFailed, InvalidInput, NotFound
from surefoot.core.settings import Settings
from surefoot.domain.actions import Arguments, Env
from surefoot.domain.handling import Finished, HandlerContext, HandlerReply, StoredReply
from surefoot.domain.identity import Viewer
from surefoot.domain.resource_actions import Outcome, ResourceAction, Workspace
from surefoot.domain.runs import Change, HostAccepted, HostCall, HostRejected, RunState
from surefoot.receiver.app import Receiver
from surefoot.receiver.callbacks import CallbackSender
from surefoot.receiver.deliveries import SqliteDeliveries, SqliteDocuments
from tests.api.world import ACME, NOW, HashingEncoder, add_tenant, compose
from tests.contracts.host_server import serve

OLD, NEW, STRANGE = ("whsec_" + base64.b64encode(letter * 32).decode() for letter in (b"o", b"n", b"x"))
NORA = Viewer(ACME, "nora", context=(("user_id", "usr_nora01"),))


def pin(arguments: Arguments, workspace: Workspace, call: HostCall) -> Outcome:
    """Pins a page."""
    workspace.write(f"shortcut/{arguments['user_id']}:{arguments['page']}", {"page": arguments["page"]})
    return Outcome("Pins a page.")


class Slow:
    """Takes the call on, keeps it, and does it when the product comes to it."""

    def __init__(self, at_once: ResourceAction[sqlite3.Connection]) -> None:
        self._at_once = at_once
        self._waiting: list[HandlerContext[sqlite3.Connection]] = []

    def simulate(self, arguments: Arguments, context: HandlerContext[sqlite3.Connection]) -> HandlerReply:
        return self._at_once.simulate(arguments, context)

    def apply(self, arguments: Arguments, context: HandlerContext[sqlite3.Connection]) -> HandlerReply:
        self._waiting.append(context)
        return HostAccepted()

    def undo(self, changes: Sequence[Change], handle: str, context: HandlerContext[sqlite3.Connection]) -> HandlerReply:
        return self._at_once.undo(changes, handle, context)

    def later(self, transaction: sqlite3.Connection) -> Finished:
        context = replace(self._waiting.pop(), transaction=transaction)
        reply = self._at_once.apply(context.call.arguments, context)
        assert not isinstance(reply, HostAccepted)
        return reply


class House:
    """A product with a slow action, and the service that asks it."""

    def __init__(self, folder: Path, held: ExitStack) -> None:
        self.clock = FixedClock(NOW)
        self.documents, self.ledger = SqliteDocuments(), SqliteDeliveries(folder / "host.db", self.clock)
        held.callback(self.ledger.close)
        self.slow = Slow(ResourceAction(self.documents, pin))
        self.receiver = Receiver(f"{OLD} {NEW}", {"pin_shortcut": self.slow}, self.ledger, self.clock)
        host = WebhookHost(
            held.enter_context(serve(self.receiver)), "SECRET", self.clock, offline=True, environ={"SECRET": f"{OLD} {NEW}"}
        )
        made = compose(Settings(offline=True, events_seconds=0, actions_seconds=0), self.clock, HashingEncoder())
        add_tenant(made, ACME)
        parts = replace(made.actions._parts, hosts={"host_app": host}, callback_secrets={"host_app": lambda: f"{OLD} {NEW}"})
        self.actions = Actions(parts)
        self.url = held.enter_context(serve(create_app(replace(made, actions=self.actions))))

    def applied(self) -> str:
        wanted = Request("pin_shortcut", {"user_id": "usr_nora01", "page": "payouts"}, "key-1", Env.PRODUCTION)
        run_id = self.actions.propose(NORA, wanted).run.run_id
        return self.actions.apply(NORA, run_id, wait=True).run.run_id

    def finished(self, run_id: str) -> StoredReply:
        delivery = self.actions.show(NORA, run_id).attempts[-1].delivery_id
        return self.receiver.finish(delivery, run_id, self.slow.later)

    def sender(self, secrets: str = NEW, host: str = "host_app", url: str = "") -> CallbackSender:
        return CallbackSender(url or self.url, host, secrets, self.clock)

    def state(self, run_id: str) -> RunState:
        return self.actions.show(NORA, run_id).run.state


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with ExitStack() as held:
        yield House(tmp_path, held)


def test_a_call_that_takes_long_is_finished_once_told_and_undone_exactly(house: House) -> None:
    with house.ledger.preview() as connection:
        before = house.documents.state_hash(connection, ACME, Env.PRODUCTION)
    run_id = house.applied()
    assert house.state(run_id) is RunState.APPLYING
    assert house.actions.show(NORA, run_id).attempts[-1].status == 202
    finished = house.finished(run_id)
    assert house.finished(run_id) == finished, "what is finished is not done again"
    assert [house.sender().send(Env.PRODUCTION, finished) for _ in range(2)] == [200, 200]
    view = house.actions.show(NORA, run_id)
    assert view.run.state is RunState.APPLIED and view.receipt is not None
    undo = house.actions.undo(NORA, run_id, wait=True)
    assert undo.run.state is RunState.APPLIED
    with house.ledger.preview() as connection:
        assert house.documents.state_hash(connection, ACME, Env.PRODUCTION) == before


def test_a_callback_that_never_comes_is_made_up_for_by_asking(house: House) -> None:
    run_id = house.applied()
    house.finished(run_id)
    house.clock.advance(timedelta(seconds=2))
    assert house.actions.worker.run_once(ACME)
    assert house.state(run_id) is RunState.APPLIED


def test_while_it_is_at_work_the_host_says_so(house: House) -> None:
    run_id = house.applied()
    for _ in range(3):
        house.clock.advance(timedelta(minutes=5))
        house.actions.worker.run_once(ACME)
    view = house.actions.show(NORA, run_id)
    assert view.run.state is RunState.APPLYING
    assert [each.outcome for each in view.attempts] == ["accepted"] * 4


def test_what_contradicts_is_told_as_a_409_and_a_refusal_is_a_failure_to_deliver(house: House) -> None:
    run_id = house.applied()
    finished = house.finished(run_id)
    with pytest.raises(DeliveryFailed, match="401"):
        house.sender(STRANGE).send(Env.PRODUCTION, finished)
    with pytest.raises(DeliveryFailed, match="401"):
        house.sender(host="nobody").send(Env.PRODUCTION, finished)
    with pytest.raises(DeliveryFailed, match="404"):
        house.sender().send(Env.SANDBOX, finished)
    assert house.state(run_id) is RunState.APPLYING
    house.sender(OLD).send(Env.PRODUCTION, finished)
    refused = replace(finished, status=422, body=b'{"detail": "No.", "code": "rejected"}')
    assert house.sender().send(Env.PRODUCTION, refused) == 409
    assert house.state(run_id) is RunState.APPLIED


def test_a_service_that_is_away_is_a_failure_to_deliver(house: House) -> None:
    finished = house.finished(house.applied())
    with pytest.raises(DeliveryFailed, match="did not answer"):
        house.sender(url="http://127.0.0.1:1").send(Env.PRODUCTION, finished)


@pytest.mark.parametrize("url", ["", "ftp://a.example", "https://", "https://a.example/?x=1", "assistant.example"])
def test_a_sender_needs_a_base_url(url: str) -> None:
    with pytest.raises(InvalidInput):
        CallbackSender(url, "host_app", OLD)


def test_a_finish_that_refuses_leaves_nothing_behind(house: House) -> None:
    run_id = house.applied()
    delivery = house.actions.show(NORA, run_id).attempts[-1].delivery_id

    def half_done(transaction: sqlite3.Connection) -> Finished:
        house.documents.write(transaction, ACME, Env.PRODUCTION, "shortcut/half", {"page": "x"})
        return HostRejected("The page is gone.", 422)

    house.sender().send(Env.PRODUCTION, house.receiver.finish(delivery, run_id, half_done))
    assert house.state(run_id) is RunState.FAILED
    with house.ledger.preview() as connection:
        assert house.documents.read(connection, ACME, Env.PRODUCTION, "shortcut/half") is None


def test_only_what_was_accepted_is_finished(house: House) -> None:
    run_id = house.applied()
    for delivery, run in (("dlv_other", run_id), ("dlv_other", "run_other")):
        with pytest.raises(NotFound):
            house.receiver.finish(delivery, run, house.slow.later)
