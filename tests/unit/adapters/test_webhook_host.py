"""The host over HTTP: what it is sent, and that nothing which is not certainly an answer is taken for one."""

import base64
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from surefoot.adapters.webhook_host import WebhookHost
from surefoot.core.clock import FixedClock
from surefoot.core.errors import InvalidSettings
from surefoot.domain.actions import Env
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import (
    HostAccepted,
    HostCall,
    HostDone,
    HostNever,
    HostRejected,
    HostReply,
    HostStale,
    HostUnknown,
    Precondition,
)
from surefoot.domain.signatures import verify

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ACME = TenantId("acme")
SECRET, NEXT_SECRET = ("whsec_" + base64.b64encode(letter * 32).decode() for letter in (b"a", b"b"))
ETAG = "a" * 32
CALL = HostCall(
    delivery_id="dlv_1",
    run_id="run_1",
    env=Env.SANDBOX,
    action="pin_shortcut",
    action_version="1.0.0",
    path="/assistant/actions/pin_shortcut",
    arguments={"page": "payouts"},
    preconditions=(Precondition("shortcut/1", ETAG), Precondition("user/nora", "b" * 32)),
    timeout_seconds=5.0,
    maker="nora",
)
CHANGE = {
    "resource": "shortcut/1",
    "forward": [{"op": "add", "path": "", "value": {"page": "payouts"}}],
    "backward": [{"op": "remove", "path": ""}],
}
DONE: dict[str, Any] = {
    "arguments": {"page": "payouts"},
    "changes": [CHANGE],
    "before": [{"resource": "shortcut/1", "etag": ETAG}],
    "after": [{"resource": "shortcut/1", "etag": "c" * 32}],
    "summary": "Pins payouts.",
}


class Stub(ThreadingHTTPServer):
    """Answers everything with what it was told to, and notes what came."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.body, self.sent_headers = 200, json.dumps(DONE).encode(), dict[str, str]()
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.drops = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that leaves early is what some of these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: Stub
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.asked.append((self.command, self.path, dict(self.headers.items()), body))
        if self.server.drops:
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(self.server.status)
        for name, value in self.server.sent_headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    do_GET = do_POST  # noqa: N815  the server's own name

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def stub() -> Iterator[Stub]:
    with Stub() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def host(stub: Stub) -> WebhookHost:
    return made(stub.url)


def made(url: str, environ: dict[str, str] | None = None, *, offline: bool = False) -> WebhookHost:
    return WebhookHost(url, "HOST", FixedClock(NOW), offline=offline, environ={"HOST": SECRET} if environ is None else environ)


def test_a_call_is_signed_over_its_very_bytes_with_every_secret_and_carries_the_etags(stub: Stub) -> None:
    made(stub.url, {"HOST": f"{SECRET} {NEXT_SECRET}"}).apply(ACME, CALL)
    method, path, headers, body = stub.asked[0]
    assert (method, path) == ("POST", "/assistant/actions/pin_shortcut:apply")
    for secret in (SECRET, NEXT_SECRET):
        assert verify(secret, headers, body, NOW) == "dlv_1"
    assert headers["If-Match"] == f'"{ETAG}", "{"b" * 32}"'
    told = json.loads(body)
    assert (told["operation"], told["tenant"], told["env"], told["run_id"]) == ("apply", "acme", "sandbox", "run_1")
    assert told["preconditions"][0] == {"resource": "shortcut/1", "etag": ETAG}


def test_every_attempt_sends_the_same_body(stub: Stub, host: WebhookHost) -> None:
    host.apply(ACME, CALL)
    host.apply(ACME, replace(CALL, arguments=dict(reversed(list(CALL.arguments.items()))), timeout_seconds=9.0))
    assert stub.asked[0][3] == stub.asked[1][3]


def test_a_well_formed_answer_is_done(host: WebhookHost) -> None:
    reply = host.apply(ACME, CALL)
    assert isinstance(reply, HostDone)
    assert reply.changes[0].resource == "shortcut/1" and reply.after == (Precondition("shortcut/1", "c" * 32),)


def _without(member: str) -> bytes:
    return json.dumps({key: value for key, value in DONE.items() if key != member}).encode()


def _with(**members: object) -> bytes:
    return json.dumps({**DONE, **members}).encode()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>OK</html>", id="html"),
        pytest.param(b"[]", id="array"),
        pytest.param(b'{"changes": NaN}', id="nan"),
        pytest.param(json.dumps(DONE).encode()[:-1], id="truncated"),
        pytest.param(b'{"arguments": {}, "arguments": {}}', id="duplicate key"),
        pytest.param(b"[" * 100 + b"]" * 100, id="deep"),
        pytest.param(_with(result={"x": "y" * 1_100_000}), id="too large"),
        pytest.param(_without("arguments"), id="no arguments"),
        pytest.param(_without("changes"), id="no changes"),
        pytest.param(_without("before"), id="no etags before"),
        pytest.param(_without("after"), id="no etags after"),
        pytest.param(_with(after=[{"resource": "other/1", "etag": ETAG}]), id="etag of another resource"),
        pytest.param(_with(before=[{"resource": "shortcut/1", "etag": ""}]), id="empty etag"),
        pytest.param(_with(before=[{"resource": "shortcut/1", "etag": 'a"b'}]), id="etag with quotation mark"),
        pytest.param(_with(changes=[CHANGE, CHANGE]), id="one resource twice"),
        pytest.param(_with(changes=[{**CHANGE, "resource": "nothing here"}]), id="resource with a space"),
        pytest.param(_with(changes=[{**CHANGE, "forward": [{"op": "set", "path": ""}]}]), id="unknown operation"),
        pytest.param(_with(changes=[{**CHANGE, "forward": [{"op": "add", "path": "x", "value": 1}]}]), id="bad pointer"),
        pytest.param(_with(changes=[{**CHANGE, "forward": [{"op": "add", "path": "/x"}]}]), id="add without value"),
        pytest.param(_with(changes=[{"resource": "shortcut/1", "forward": []}]), id="no way back"),
        pytest.param(_with(changes=[CHANGE] * 201), id="too many changes"),
        pytest.param(_with(minutes_saved=-1), id="negative minutes"),
        pytest.param(_with(cost_usd=True), id="cost is no number"),
        pytest.param(_with(summary="x" * 3_000), id="endless summary"),
    ],
)
def test_a_malformed_2xx_after_an_apply_is_unknown_and_never_done(stub: Stub, host: WebhookHost, body: bytes) -> None:
    stub.body = body
    for reply in (host.apply(ACME, CALL), host.undo(ACME, CALL)):
        assert isinstance(reply, HostUnknown) and reply.status == 200


@pytest.mark.parametrize("status", [301, 302, 307, 308, 408, 409, 425, 429, 500, 502, 503, 504])
def test_what_leaves_open_whether_it_happened_is_unknown(stub: Stub, host: WebhookHost, status: int) -> None:
    stub.status, stub.sent_headers = status, {"Retry-After": "7", "Location": f"{stub.url}/elsewhere"}
    reply = host.apply(ACME, CALL)
    assert isinstance(reply, HostUnknown) and (reply.status, reply.retry_after_seconds) == (status, 7.0)
    assert len(stub.asked) == 1, "a redirect was followed"


def test_a_202_after_an_apply_is_taken_on_and_before_one_is_unknown(stub: Stub, host: WebhookHost) -> None:
    stub.status, stub.sent_headers = 202, {"Retry-After": "7"}
    assert host.apply(ACME, CALL) == host.undo(ACME, CALL) == HostAccepted(202, 7.0)
    assert isinstance(host.simulate(ACME, CALL), HostUnknown)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 413, 422, 428])
def test_a_refusal_before_any_effect_is_rejected_with_the_hosts_reason(stub: Stub, host: WebhookHost, status: int) -> None:
    stub.status, stub.body = status, json.dumps({"detail": "No\nsuch\u202e page."}).encode()
    assert host.apply(ACME, CALL) == HostRejected("No such page.", status)
    stub.body = b"<html>"
    reply = host.apply(ACME, CALL)
    assert isinstance(reply, HostRejected) and str(status) in reply.reason


def test_a_stale_answer_is_certain_whatever_its_body_holds(stub: Stub, host: WebhookHost) -> None:
    stub.status = 412
    stub.body = json.dumps({"current": [{"resource": "shortcut/1", "etag": "d"}], "documents": {"shortcut/1": None}}).encode()
    assert host.apply(ACME, CALL) == HostStale((Precondition("shortcut/1", "d"),), documents={"shortcut/1": None})
    stub.body = b"garbage"
    assert host.apply(ACME, CALL) == HostStale()


def test_a_date_in_retry_after_is_read_as_seconds_from_now(stub: Stub, host: WebhookHost) -> None:
    for text, seconds in (
        ("Mon, 01 Jun 2026 12:00:30 GMT", 30.0),
        ("soon", None),
        ("999999999", 3600.0),
        ("Mon, 01 Jun 2020 12:00:00 GMT", 0.0),
    ):
        stub.status, stub.sent_headers = 503, {"Retry-After": text}
        reply = host.apply(ACME, CALL)
        assert isinstance(reply, HostUnknown) and reply.retry_after_seconds == seconds


def test_a_broken_connection_is_unknown(stub: Stub, host: WebhookHost) -> None:
    stub.drops = True
    for reply in (host.apply(ACME, CALL), host.simulate(ACME, CALL), host.status(ACME, CALL)):
        assert isinstance(reply, HostUnknown) and "127.0.0.1" in reply.reason and "/assistant" not in reply.reason


def test_the_status_of_a_run_is_asked_with_its_id_signed(stub: Stub, host: WebhookHost) -> None:
    stub.body = json.dumps({"run_id": "run_1", "status": 200, "reply": DONE}).encode()
    assert isinstance(host.status(ACME, CALL), HostDone)
    method, path, headers, body = stub.asked[0]
    assert (method, path, body) == ("GET", "/assistant/runs/run_1", b"")
    assert verify(SECRET, headers, b"", NOW) == "run_1"


def _status(**members: object) -> bytes:
    return json.dumps({"run_id": "run_1", "code": "unknown_run", **members}).encode()


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (404, _status(), HostNever),
        (404, b"<html>Not Found</html>", HostUnknown),
        (404, _status(run_id="run_2"), HostUnknown),
        (404, json.dumps({"code": "not_found"}).encode(), HostUnknown),
        (401, _status(), HostUnknown),
        (500, _status(), HostUnknown),
        (200, _status(run_id="run_2", status=200, reply=DONE), HostUnknown),
        (200, _status(status="200", reply=DONE), HostUnknown),
        (200, _status(status=200, reply={}), HostUnknown),
        (200, _status(status=412, reply={}), HostStale),
        (200, _status(status=422, reply={"detail": "No."}), HostRejected),
    ],
)
def test_never_seen_is_believed_only_when_the_answer_is_about_this_run(
    stub: Stub, host: WebhookHost, status: int, body: bytes, expected: type[HostReply]
) -> None:
    stub.status, stub.body = status, body
    assert isinstance(host.status(ACME, CALL), expected)


@pytest.mark.parametrize("environ", [{}, {"HOST": ""}, {"HOST": "whsec_short"}])
def test_without_a_secret_nothing_is_sent_and_an_apply_stays_open(stub: Stub, environ: dict[str, str]) -> None:
    host = made(stub.url, environ)
    assert isinstance(host.simulate(ACME, CALL), HostRejected)
    for reply in (host.apply(ACME, CALL), host.undo(ACME, CALL), host.status(ACME, CALL)):
        assert isinstance(reply, HostUnknown) and "'HOST'" in reply.reason
    assert stub.asked == []


def test_offline_nothing_is_sent_to_another_machine() -> None:
    reply = made("https://host.example.com", offline=True).apply(ACME, CALL)
    assert isinstance(reply, HostUnknown) and "SUREFOOT_OFFLINE" in reply.reason


@pytest.mark.parametrize(
    "path", ["/assistant/actions/../admin", "//evil/actions/x", "/assistant/actions/a?b", "assistant/actions/a", "/runs/x", ""]
)
def test_a_path_that_is_no_actions_is_never_called(stub: Stub, host: WebhookHost, path: str) -> None:
    assert isinstance(host.simulate(ACME, replace(CALL, path=path)), HostRejected)
    assert isinstance(host.status(ACME, replace(CALL, path=path)), HostUnknown)
    assert stub.asked == []


def test_a_run_id_that_could_be_a_path_is_never_called(stub: Stub, host: WebhookHost) -> None:
    assert isinstance(host.status(ACME, replace(CALL, run_id="../state")), HostUnknown)
    assert stub.asked == []


@pytest.mark.parametrize(
    "url",
    ["http://host.example", "ftp://host.example", "https://u:p@host.example", "https://host.example/?a=b", "http://10.0.0.1"],
)
def test_a_url_that_could_leak_or_cannot_be_called_is_refused_at_once(url: str) -> None:
    with pytest.raises(InvalidSettings):
        made(url)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.5", "169.254.169.254", "::1"])
def test_a_name_that_resolves_to_a_private_address_is_not_called(address: str) -> None:
    host = WebhookHost(
        "https://host.example", "HOST", FixedClock(NOW), offline=False, environ={"HOST": SECRET}, resolve=lambda *_: [address]
    )
    assert isinstance(host.simulate(ACME, CALL), HostRejected)
    assert isinstance(host.apply(ACME, CALL), HostUnknown)


def test_no_secret_is_in_any_reply_or_log_line(stub: Stub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    replies = []
    for status, drops in ((200, False), (401, False), (500, False), (200, True)):
        stub.status, stub.drops = status, drops
        host = made(stub.url, {"HOST": f"{SECRET} {NEXT_SECRET}"})
        replies += [host.apply(ACME, CALL), host.status(ACME, CALL)]
    said = repr(replies) + caplog.text
    assert all(secret.removeprefix("whsec_") not in said for secret in (SECRET, NEXT_SECRET))
