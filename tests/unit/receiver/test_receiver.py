"""The receiver kit: what it refuses before a handler is asked, and what a delivery leaves behind."""

import base64
import json
import sqlite3
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import anyio
import httpx
import pytest
from fastapi import FastAPI

from surefoot.core.clock import FixedClock
from surefoot.core.errors import InvalidInput
from surefoot.domain.actions import Arguments, Env
from surefoot.domain.handling import HandlerContext, HandlerReply, StoredReply
from surefoot.domain.identity import TenantId
from surefoot.domain.resource_actions import Outcome, ResourceAction, Workspace
from surefoot.domain.runs import HostCall
from surefoot.domain.signatures import signature_headers
from surefoot.receiver.app import Receiver, Response, fastapi_router
from surefoot.receiver.deliveries import SqliteDeliveries, SqliteDocuments

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
OLD, NEW, STRANGE = ("whsec_" + base64.b64encode(letter * 32).decode() for letter in (b"o", b"n", b"x"))
PATH = "/assistant/actions/count"


def count(arguments: Arguments, workspace: Workspace, call: HostCall) -> Outcome:
    """One more."""
    document = workspace.read("counter/1") or {"n": 0}
    number = document["n"]
    assert isinstance(number, int)
    workspace.write("counter/1", {"n": number + 1})
    return Outcome("Counts.")


class Failing(ResourceAction[sqlite3.Connection]):
    """Writes, and then breaks."""

    def apply(self, arguments: Arguments, context: HandlerContext[sqlite3.Connection]) -> HandlerReply:
        super().apply(arguments, context)
        raise RuntimeError("the product's own bug")


class Slow(ResourceAction[sqlite3.Connection]):
    """Waits in the middle until it is let go."""

    entered, go = Event(), Event()

    def apply(self, arguments: Arguments, context: HandlerContext[sqlite3.Connection]) -> HandlerReply:
        self.entered.set()
        assert self.go.wait(10)
        return super().apply(arguments, context)


class Host:
    """A receiver, and its calls made by hand."""

    def __init__(self, path: Path) -> None:
        self.clock = FixedClock(NOW)
        self.documents = SqliteDocuments()
        self.ledger = SqliteDeliveries(path, self.clock)
        kinds = {"count": ResourceAction, "fail": Failing, "wait": Slow}
        self.receiver = Receiver(
            f"{OLD} {NEW}", {name: kind(self.documents, count) for name, kind in kinds.items()}, self.ledger, self.clock
        )

    def body(self, **changed: Any) -> dict[str, Any]:
        return {
            "protocol": "1",
            "operation": "apply",
            "tenant": "acme",
            "env": "production",
            "run_id": "run_1",
            "action": "count",
            "action_version": "1.0.0",
            "maker": "nora",
            "arguments": {},
        } | changed

    def post(
        self,
        body: Mapping[str, Any] | bytes,
        *,
        path: str = f"{PATH}:apply",
        delivery: str = "dlv_1",
        secret: str = OLD,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        signed = signature_headers(secret, delivery, self.clock.now(), sent)
        return self.receiver.answer("POST", path, [*signed.items(), *(headers or {}).items()], sent)

    def count(self) -> object:
        with self.ledger.preview() as connection:
            document = self.documents.read(connection, TenantId("acme"), Env.PRODUCTION, "counter/1")
        return 0 if document is None else document["n"]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path / "host.db")
    yield made
    made.ledger.close()


def test_both_secrets_count_while_one_is_being_replaced_and_no_other(host: Host) -> None:
    assert host.post(host.body(), secret=OLD).status == 200
    assert host.post(host.body(run_id="run_2"), delivery="dlv_2", secret=NEW).status == 200
    assert host.post(host.body(run_id="run_3"), delivery="dlv_3", secret=STRANGE).status == 401
    assert host.count() == 2


def test_secrets_may_be_read_at_each_call(host: Host) -> None:
    held = [OLD]
    host.receiver = Receiver(lambda: held[0], {"count": ResourceAction(host.documents, count)}, host.ledger, host.clock)
    assert host.post(host.body()).status == 200
    held[0] = NEW
    assert host.post(host.body()).status == 401


def test_a_replayed_response_is_the_same_bytes_and_says_so(host: Host) -> None:
    first, second = host.post(host.body()), host.post(host.body())
    assert first.body == second.body and (first.headers, second.headers) == ({}, {"idempotent-replayed": "true"})
    assert host.count() == 1


def test_a_delivery_signed_six_minutes_ago_is_refused(host: Host) -> None:
    sent = json.dumps(host.body()).encode()
    signed = signature_headers(OLD, "dlv_1", NOW, sent)
    host.clock.advance(timedelta(minutes=6))
    assert host.receiver.answer("POST", f"{PATH}:apply", signed.items(), sent).status == 401
    assert host.count() == 0


def test_a_changed_byte_is_refused(host: Host) -> None:
    sent = json.dumps(host.body()).encode()
    signed = signature_headers(OLD, "dlv_1", NOW, sent)
    assert host.receiver.answer("POST", f"{PATH}:apply", signed.items(), sent + b" ").status == 401


def test_a_signed_body_cannot_be_used_on_another_path(host: Host) -> None:
    for path in (f"{PATH}:undo", f"{PATH}:simulate", "/assistant/actions/fail:apply"):
        assert host.post(host.body(), path=path).status == 400
    assert host.count() == 0


def test_a_signature_header_that_comes_twice_is_refused(host: Host) -> None:
    assert host.post(host.body(), headers={"Webhook-Id": "dlv_1"}).status == 401


@pytest.mark.parametrize(
    "changed",
    [
        {"protocol": "2"},
        {"operation": "delete"},
        {"env": "test"},
        {"run_id": ""},
        {"tenant": 3},
        {"arguments": []},
        {"preconditions": {}},
        {"preconditions": [{"resource": "counter/1"}]},
        {"preconditions": [{"resource": "counter/1", "etag": "a"}, {"resource": "counter/1", "etag": "b"}]},
        {"changes": [{"resource": "counter/1", "forward": [{"op": "jump", "path": ""}], "backward": []}]},
        {"surprise": 1},
    ],
)
def test_a_malformed_body_is_refused_and_not_remembered(host: Host, changed: dict[str, Any]) -> None:
    assert host.post(host.body(**changed)).status == 400
    assert host.post(host.body()).status == 200


def test_bodies_that_two_parsers_read_differently_are_refused(host: Host) -> None:
    assert host.post(b'{"operation": "apply", "operation": "undo"}').status == 400
    assert host.post(b"[" * 200 + b"]" * 200).status == 400


@pytest.mark.parametrize(("etags", "status"), [('"other"', 400), ("x", 400), ("*", 400), (None, 412)])
def test_an_if_match_header_that_says_other_than_the_signed_body_is_refused(host: Host, etags: str | None, status: int) -> None:
    body = host.body(preconditions=[{"resource": "counter/1", "etag": "e" * 32}])
    assert host.post(body, headers={} if etags is None else {"If-Match": etags}).status == status


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{PATH}:apply", 405),
        ("POST", "/assistant/runs/run_1", 405),
        ("POST", "/assistant/actions/count", 404),
        ("POST", "/assistant/actions/count:delete", 404),
        ("POST", "/other/actions/count:apply", 404),
        ("GET", "/assistant/runs/a/b", 404),
    ],
)
def test_other_paths_and_methods_are_not_there(host: Host, method: str, path: str, status: int) -> None:
    assert host.receiver.answer(method, path, [], b"").status == status


def test_an_action_that_the_host_lacks_is_a_404_and_not_remembered(host: Host) -> None:
    assert host.post(host.body(action="fly"), path="/assistant/actions/fly:apply").status == 404


def test_a_question_about_a_run_must_be_signed_with_its_id(host: Host) -> None:
    host.post(host.body())
    for signed_id, status in (("run_1", 200), ("run_2", 401)):
        signed = signature_headers(OLD, signed_id, NOW, b"")
        assert host.receiver.answer("GET", "/assistant/runs/run_1", signed.items(), b"").status == status
    signed = signature_headers(OLD, "run_1", NOW, b"body")
    assert host.receiver.answer("GET", "/assistant/runs/run_1", signed.items(), b"body").status == 401
    assert host.receiver.answer("GET", "/assistant/runs/run_1", [], b"").status == 401


def test_a_handler_that_breaks_leaves_neither_effect_nor_reply(host: Host) -> None:
    with pytest.raises(RuntimeError):
        host.post(host.body(action="fail"), path="/assistant/actions/fail:apply")
    assert host.count() == 0
    assert host.post(host.body()).status == 200


def test_a_delivery_being_worked_on_is_a_conflict_that_says_when_to_ask_again(host: Host) -> None:
    Slow.entered.clear(), Slow.go.clear()
    asked = {"body": host.body(action="wait"), "path": "/assistant/actions/wait:apply"}
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(host.post, **asked)
        try:
            assert Slow.entered.wait(10)
            again = host.post(**asked)
            status = host.receiver.answer("GET", "/assistant/runs/run_1", signature_headers(OLD, "run_1", NOW, b"").items(), b"")
        finally:
            Slow.go.set()
        assert working.result().status == 200
    assert (again.status, again.headers["retry-after"]) == (409, "1")
    assert status.status == 409
    assert host.count() == 1


def test_many_deliveries_at_once_each_have_their_effect(host: Host) -> None:
    def deliver(number: int) -> int:
        return host.post(host.body(run_id=f"run_{number}"), delivery=f"dlv_{number}").status

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(deliver, range(24))) == [200] * 24
    assert host.count() == 24


def test_replies_are_kept_for_their_time_and_older_ones_go_as_new_ones_come(host: Host) -> None:
    host.post(host.body())
    host.clock.advance(timedelta(days=400))
    host.post(host.body(run_id="run_2"), delivery="dlv_2")
    assert host.ledger.of_run("run_1") is not None
    host.clock.advance(timedelta(microseconds=1))
    host.post(host.body(run_id="run_3"), delivery="dlv_3")
    assert [host.ledger.of_run(f"run_{number}") is None for number in (1, 2, 3)] == [True, False, False]


def test_a_delivery_that_is_not_finished_is_never_forgotten(host: Host) -> None:
    with host.ledger.open("dlv_long", "run_long") as opening:
        opening.keep(StoredReply("dlv_long", "run_long", "acme", "apply", "fingerprint", 202, b"{}"))
    host.clock.advance(timedelta(days=4000))
    host.post(host.body(), delivery="dlv_1")
    assert host.ledger.of_run("run_long") is not None


def test_a_backlog_of_old_replies_goes_faster_than_new_ones_come_and_not_at_once(host: Host) -> None:
    for number in range(40):
        host.post(host.body(run_id=f"run_{number}"), delivery=f"dlv_{number}")
    host.clock.advance(timedelta(days=500))
    left = []
    for number in range(40, 44):
        host.post(host.body(run_id=f"run_{number}"), delivery=f"dlv_{number}")
        left.append(sum(host.ledger.of_run(f"run_{old}") is not None for old in range(40)))
    assert left[0] > 0 and left[-1] == 0


def test_replies_cannot_be_kept_for_less_than_a_delivery_may_be_sent_again(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="30 days"):
        SqliteDeliveries(tmp_path / "host.db", keep_days=29)


def _app(kind: str, host: Host) -> Any:
    if kind == "asgi":
        return host.receiver
    app = FastAPI()
    if kind == "fastapi":
        app.include_router(fastapi_router(host.receiver))
    else:
        app.mount("/below", host.receiver)
    return app


@pytest.mark.parametrize("kind", ["asgi", "fastapi", "mounted"])
def test_it_serves_as_plain_asgi_in_fastapi_and_mounted_below_a_path(host: Host, kind: str) -> None:
    async def ask() -> None:
        transport = httpx.ASGITransport(app=_app(kind, host))
        base = "http://host.test" + ("/below" if kind == "mounted" else "")
        async with httpx.AsyncClient(transport=transport) as client:
            sent = json.dumps(host.body()).encode()
            signed = signature_headers(OLD, "dlv_1", NOW, sent)
            done = await client.post(f"{base}{PATH}:apply", content=sent, headers=signed)
            assert (done.status_code, done.headers["content-type"], done.headers["cache-control"]) == (
                200,
                "application/json",
                "no-store",
            )
            again = await client.post(f"{base}{PATH}:apply", content=sent, headers=signed)
            assert again.headers["idempotent-replayed"] == "true"
            told = await client.get(f"{base}/assistant/runs/run_1", headers=signature_headers(OLD, "run_1", NOW, b""))
            assert told.json()["reply"] == done.json()
            large = await client.post(f"{base}{PATH}:apply", content=b" " * 1_048_577)
            assert (large.status_code, large.headers["content-type"]) == (413, "application/problem+json")

    anyio.run(ask)
    assert host.count() == 1
