"""What every HostApp does: the one over HTTP (here: the receiver kit on loopback), the one in process and the one in memory."""

import base64
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi import FastAPI

from surefoot.adapters.memory.host import MemoryHost
from surefoot.adapters.python_host import PythonHost
from surefoot.adapters.webhook_host import WebhookHost
from surefoot.core.clock import FixedClock
from surefoot.domain.actions import Arguments, Env
from surefoot.domain.identity import TenantId
from surefoot.domain.json_patch import inverted
from surefoot.domain.resource_actions import Outcome, Refused, ResourceAction, Workspace
from surefoot.domain.runs import HostCall, HostDone, HostNever, HostRejected, HostStale, HostUnknown, Precondition
from surefoot.ports.actions import HostApp
from surefoot.receiver.app import Receiver, fastapi_router
from surefoot.receiver.deliveries import SqliteDeliveries, SqliteDocuments
from tests.contracts.host_server import serve

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ACME, OTHER = TenantId("acme"), TenantId("other")
SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()


def write_note(arguments: Arguments, workspace: Workspace, call: HostCall) -> Outcome:
    """The note has this text; an empty one is refused."""
    if not arguments["text"]:
        raise Refused("An empty note is none.")
    note = workspace.read("note/1") or {"edits": 0}
    edits = note["edits"]
    assert isinstance(edits, int)
    workspace.write("note/1", {"text": arguments["text"], "edits": edits + 1})
    return Outcome("Writes the note.", minutes_saved=2.0, cost_usd=0.5, result={"note_id": "1"})


def send_card(arguments: Arguments, workspace: Workspace, call: HostCall) -> Outcome:
    """A card is out; it cannot be unsent."""
    workspace.write(f"card/{call.run_id}", {"text": arguments["text"], "state": "sent"})
    return Outcome("Sends a card.", undo_handle=call.run_id)


def recall_card(handle: str, workspace: Workspace, call: HostCall) -> Outcome:
    """The card is recalled, and stays to be seen as that."""
    workspace.write(f"card/{handle}", {**(workspace.read(f"card/{handle}") or {}), "state": "recalled"})
    return Outcome("Recalls the card.")


@dataclass
class World:
    """A host and the view behind its back."""

    host: HostApp
    state: Callable[[], object]
    write_outside: Callable[[dict[str, object] | None], None]


@contextmanager
def memory_world(_: Path) -> Iterator[World]:
    host = MemoryHost({"write_note": write_note})
    yield World(host, lambda: host.document(ACME, "note/1"), lambda note: host.write_outside(ACME, "note/1", note))


def _kit(folder: Path) -> tuple[SqliteDeliveries, dict[str, ResourceAction[sqlite3.Connection]], SqliteDocuments]:
    documents = SqliteDocuments()
    handlers = {
        "write_note": ResourceAction(documents, write_note),
        "send_card": ResourceAction(documents, send_card, recall_card),
    }
    return SqliteDeliveries(folder / "host.db"), handlers, documents


def _world(host: HostApp, ledger: SqliteDeliveries, documents: SqliteDocuments) -> World:
    def state() -> object:
        with ledger.preview() as connection:
            return documents.read(connection, ACME, Env.PRODUCTION, "note/1")

    def write(note: dict[str, object] | None) -> None:
        with ledger.change() as connection:
            documents.write(connection, ACME, Env.PRODUCTION, "note/1", note)

    return World(host, state, write)


@contextmanager
def python_world(folder: Path) -> Iterator[World]:
    ledger, handlers, documents = _kit(folder)
    yield _world(PythonHost(handlers, ledger, FixedClock(NOW)), ledger, documents)
    ledger.close()


@contextmanager
def http_world(folder: Path, *, with_fastapi: bool = False) -> Iterator[World]:
    ledger, handlers, documents = _kit(folder)
    clock = FixedClock(NOW)
    receiver = Receiver(SECRET, handlers, ledger, clock)
    app: object = receiver
    if with_fastapi:
        app = FastAPI()
        app.include_router(fastapi_router(receiver))
    with serve(app) as url:
        yield _world(WebhookHost(url, "HOST_SECRET", clock, offline=True, environ={"HOST_SECRET": SECRET}), ledger, documents)
    ledger.close()


@contextmanager
def fastapi_world(folder: Path) -> Iterator[World]:
    with http_world(folder, with_fastapi=True) as world:
        yield world


@pytest.fixture(params=[memory_world, python_world, http_world, fastapi_world], ids=["memory", "python", "http", "fastapi"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with request.param(tmp_path) as made:
        yield made


def call(number: int, text: str = "hello", **changed: object) -> HostCall:
    made = HostCall(
        delivery_id=f"dlv_{number}",
        run_id=f"run_{number}",
        env=Env.PRODUCTION,
        action="write_note",
        action_version="1.0.0",
        path="/assistant/actions/write_note",
        arguments={"text": text},
        preconditions=(),
        timeout_seconds=5.0,
        maker="nora",
    )
    return replace(made, **changed)  # type: ignore[arg-type]


def done(reply: object) -> HostDone:
    assert isinstance(reply, HostDone), reply
    return reply


def applied(world: World, number: int, text: str = "hello") -> HostDone:
    plan = done(world.host.simulate(ACME, call(number, text)))
    return done(world.host.apply(ACME, call(number, text, preconditions=plan.before, changes=plan.changes)))


def undo_of(number: int, receipt: HostDone) -> HostCall:
    return call(number, preconditions=receipt.after, changes=inverted(receipt.changes))


def test_a_simulation_tells_the_change_and_makes_none(world: World) -> None:
    plan = done(world.host.simulate(ACME, call(1)))
    assert world.state() is None
    assert plan.changes[0].resource == "note/1"
    assert plan.changes[0].forward == ({"op": "add", "path": "", "value": {"text": "hello", "edits": 1}},)
    assert plan.changes[0].backward == ({"op": "remove", "path": ""},)
    assert (plan.summary, plan.minutes_saved, plan.cost_usd, plan.result) == ("Writes the note.", 2.0, 0.5, {"note_id": "1"})
    assert world.host.status(ACME, call(1)) == HostNever()


def test_what_is_applied_is_what_was_simulated(world: World) -> None:
    plan = done(world.host.simulate(ACME, call(1)))
    receipt = done(world.host.apply(ACME, call(1, preconditions=plan.before, changes=plan.changes)))
    assert world.state() == {"text": "hello", "edits": 1}
    assert (receipt.changes, receipt.before, receipt.after) == (plan.changes, plan.before, plan.after)


def test_the_same_delivery_has_one_effect_and_one_reply(world: World) -> None:
    asked = call(1)
    first = done(world.host.apply(ACME, asked))
    assert world.host.apply(ACME, asked) == first
    assert world.state() == {"text": "hello", "edits": 1}


def test_a_delivery_id_that_was_used_for_another_request_is_rejected(world: World) -> None:
    done(world.host.apply(ACME, call(1)))
    reply = world.host.apply(ACME, call(1, "other"))
    assert isinstance(reply, HostRejected) and reply.status == 422
    assert world.state() == {"text": "hello", "edits": 1}


def test_a_run_has_one_delivery_whatever_id_it_comes_under(world: World) -> None:
    done(world.host.apply(ACME, call(1)))
    reply = world.host.apply(ACME, call(1, delivery_id="dlv_2"))
    assert isinstance(reply, HostRejected) and reply.status == 422
    assert world.state() == {"text": "hello", "edits": 1}


def test_a_moved_resource_makes_the_apply_stale_and_tells_how_it_is_now(world: World) -> None:
    plan = done(world.host.simulate(ACME, call(1)))
    world.write_outside({"text": "theirs", "edits": 5})
    reply = world.host.apply(ACME, call(1, preconditions=plan.before))
    assert isinstance(reply, HostStale)
    assert [one.resource for one in reply.current] == ["note/1"] and reply.current != plan.before
    assert reply.documents == {"note/1": {"text": "theirs", "edits": 5}}
    assert world.state() == {"text": "theirs", "edits": 5}


def test_an_apply_that_would_do_anything_but_the_planned_changes_is_stale(world: World) -> None:
    plan = done(world.host.simulate(ACME, call(1)))
    reply = world.host.apply(ACME, call(1, "something else", preconditions=plan.before, changes=plan.changes))
    assert isinstance(reply, HostStale)
    assert world.state() is None


def test_a_stale_delivery_has_no_effect_later_either(world: World) -> None:
    plan = done(world.host.simulate(ACME, call(1)))
    world.write_outside({"text": "theirs", "edits": 5})
    asked = call(1, preconditions=plan.before)
    assert isinstance(world.host.apply(ACME, asked), HostStale)
    world.write_outside(None)
    assert isinstance(world.host.apply(ACME, asked), HostStale)
    assert world.state() is None


def test_a_refusal_has_no_effect_and_says_why(world: World) -> None:
    for reply in (world.host.simulate(ACME, call(1, "")), world.host.apply(ACME, call(1, ""))):
        assert isinstance(reply, HostRejected) and reply.reason == "An empty note is none."
    assert world.state() is None


def test_an_undo_puts_back_exactly_what_was_there(world: World) -> None:
    world.write_outside({"text": "before", "edits": 3})
    receipt = applied(world, 1)
    assert world.state() == {"text": "hello", "edits": 4}
    back = done(world.host.undo(ACME, undo_of(2, receipt)))
    assert world.state() == {"text": "before", "edits": 3}
    assert back.after == receipt.before


def test_an_undo_can_be_previewed(world: World) -> None:
    receipt = applied(world, 1)
    preview = done(world.host.simulate(ACME, undo_of(2, receipt)))
    assert preview.changes == inverted(receipt.changes)
    assert world.state() == {"text": "hello", "edits": 1}


def test_an_undo_never_overwrites_what_somebody_wrote_since(world: World) -> None:
    receipt = applied(world, 1)
    world.write_outside({"text": "theirs", "edits": 9})
    asked = undo_of(2, receipt)
    for reply in (world.host.simulate(ACME, asked), world.host.undo(ACME, asked)):
        assert isinstance(reply, HostStale) and reply.documents == {"note/1": {"text": "theirs", "edits": 9}}
    assert world.state() == {"text": "theirs", "edits": 9}


def test_an_undo_without_the_etags_of_what_it_changes_is_rejected(world: World) -> None:
    receipt = applied(world, 1)
    reply = world.host.undo(ACME, replace(undo_of(2, receipt), preconditions=()))
    assert isinstance(reply, HostRejected) and reply.status == 428
    assert world.state() == {"text": "hello", "edits": 1}


def test_the_status_of_a_delivery_is_its_reply(world: World) -> None:
    receipt = applied(world, 1)
    assert world.host.status(ACME, call(1)) == receipt
    assert world.host.status(ACME, call(2)) == HostNever()
    world.host.apply(ACME, call(3, ""))
    assert isinstance(world.host.status(ACME, call(3)), HostRejected)


def test_tenants_and_environments_do_not_see_each_other(world: World) -> None:
    done(world.host.apply(OTHER, call(1, "other tenant")))
    done(world.host.apply(ACME, call(2, "sandbox", env=Env.SANDBOX)))
    assert world.state() is None


def test_a_resource_that_must_not_exist_is_a_precondition_too(world: World) -> None:
    plan = done(world.host.simulate(ACME, call(1)))
    done(world.host.apply(ACME, call(2, "first")))
    assert isinstance(world.host.apply(ACME, call(1, preconditions=plan.before)), HostStale)


def test_an_etag_of_another_resource_counts_for_nothing(world: World) -> None:
    receipt = applied(world, 1)
    moved = tuple(Precondition("note/2", one.etag) for one in receipt.after)
    assert isinstance(world.host.apply(ACME, call(2, preconditions=moved)), HostStale)


@pytest.mark.parametrize("made", [python_world, http_world], ids=["python", "http"])
def test_a_compensation_takes_the_opposite_step_by_the_handle(made: Callable[..., object], tmp_path: Path) -> None:
    with ExitStack() as stack:
        world: World = stack.enter_context(made(tmp_path))  # type: ignore[arg-type]
        card = {"action": "send_card", "path": "/assistant/actions/send_card"}
        sent = done(world.host.apply(ACME, call(1, **card)))
        asked = call(2, preconditions=sent.after, undo_handle=sent.undo_handle, **card)
        back = done(world.host.undo(ACME, asked))
        assert back.changes[0].forward == ({"op": "replace", "path": "/state", "value": "recalled"},)


def test_offline_no_other_machine_is_called() -> None:
    host = WebhookHost("https://host.example.com", "HOST_SECRET", FixedClock(NOW), offline=True, environ={"HOST_SECRET": SECRET})
    call = HostCall("dlv_1", "run_1", Env.SANDBOX, "write_note", "1.0.0", "/assistant/actions/write_note", {}, (), 1.0, "ann")
    assert isinstance(simulated := host.simulate(ACME, call), HostRejected) and "OFFLINE" in simulated.reason
    assert isinstance(applied := host.apply(ACME, call), HostUnknown) and "OFFLINE" in applied.reason
