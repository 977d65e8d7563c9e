"""What every EventSink does: the one that posts to a receiver (here: a server on loopback) and the one in memory."""

import base64
import json
import logging
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

import httpcore
import pytest

from surefoot.adapters.memory.sink import MemorySink
from surefoot.adapters.webhook_sink import WebhookSink
from surefoot.core.clock import FixedClock
from surefoot.core.errors import DeliveryFailed, OutboundRefused, ReceiverGone
from surefoot.domain.events import OutgoingEvent
from surefoot.domain.identity import TenantId
from surefoot.domain.policies import DEFAULT_SURFACE, ModelPolicy, SurfacePolicy, TenantPolicy, Webhook
from surefoot.domain.signatures import verify
from surefoot.ports import EventSink

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ACME, QUIET = TenantId("acme"), TenantId("quiet")
SECRET, NEXT_SECRET = ("whsec_" + base64.b64encode(letter * 32).decode() for letter in (b"a", b"b"))
VARIABLE = "ACME_WEBHOOK_SECRET"
EVENT = OutgoingEvent(
    "evt_0190c1",
    "surefoot.budget.crossed",
    "surface/help",
    NOW - timedelta(minutes=9),
    {"level": "warn", "share": 0.6, "who": "Zoë"},
)


class Receiver(ThreadingHTTPServer):
    """Notes what is posted to it and answers with the status it was told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 204
        self.body = b""
        self.posts: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that leaves early is what some of these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.append((self.path, dict(self.headers), sent))
        self.send_response(self.server.status)
        self.send_header("Location", f"http://127.0.0.1:{self.server.port}/elsewhere")
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Network(httpcore.NetworkBackend):
    """A network on which every connection is noted and then fails."""

    def __init__(self) -> None:
        self.connected: list[tuple[str, int]] = []

    def connect_tcp(self, host: str, port: int, *_: object, **__: object) -> httpcore.NetworkStream:
        self.connected.append((host, port))
        raise httpcore.ConnectError("recorded")


def policy_of(url: str) -> ModelPolicy:
    surfaces = {DEFAULT_SURFACE: SurfacePolicy()}
    return ModelPolicy({}, TenantPolicy(surfaces), {ACME: TenantPolicy(surfaces, webhook=Webhook(url, VARIABLE))})


def posting(
    url: str, *, secrets: str = SECRET, offline: bool = False, answers: Sequence[str] = (), network: Network | None = None
) -> WebhookSink:
    return WebhookSink(
        policy_of(url),
        FixedClock(NOW),
        offline=offline,
        environ={VARIABLE: secrets},
        resolve=lambda host, port: answers,
        backend=network,
    )


class World(Protocol):
    """A sink whose one receiver ends each delivery in this status."""

    def __call__(self, status: int) -> EventSink: ...


@pytest.fixture(params=["webhook", "memory"])
def world(request: pytest.FixtureRequest, receiver: Receiver) -> World:
    def make(status: int) -> EventSink:
        if request.param == "memory":
            sink = MemorySink(without=frozenset({QUIET}))
            if status == 410:
                sink.fail_next(ACME, ReceiverGone())
            elif status >= 300:
                sink.fail_next(ACME, DeliveryFailed())
            return sink
        receiver.status = status
        return posting(f"http://127.0.0.1:{receiver.port}/hooks")

    return make


@pytest.mark.parametrize("status", [200, 202, 204])
def test_any_2xx_is_acceptance(world: World, status: int) -> None:
    world(status).deliver(ACME, EVENT)


@pytest.mark.parametrize("status", [301, 307, 400, 404, 429, 500, 503])
def test_any_other_status_is_a_failed_delivery_that_may_be_repeated(world: World, status: int) -> None:
    with pytest.raises(DeliveryFailed) as failed:
        world(status).deliver(ACME, EVENT)
    assert failed.value.retryable


def test_410_is_a_receiver_that_is_gone(world: World) -> None:
    with pytest.raises(ReceiverGone) as gone:
        world(410).deliver(ACME, EVENT)
    assert not gone.value.retryable


def test_a_tenant_without_a_receiver_is_known_and_never_delivered_to(world: World) -> None:
    sink = world(204)
    assert sink.has_receiver(ACME) and not sink.has_receiver(QUIET)
    with pytest.raises(OutboundRefused, match="no webhook"):
        sink.deliver(QUIET, EVENT)


# Only the one that posts


def test_an_event_arrives_as_a_cloud_event_signed_as_standard_webhooks_says(receiver: Receiver) -> None:
    posting(f"http://127.0.0.1:{receiver.port}/hooks?team=7").deliver(ACME, EVENT)
    ((path, headers, body),) = receiver.posts
    assert path == "/hooks?team=7"
    assert headers["Content-Type"] == "application/cloudevents+json"
    assert verify(SECRET, headers, body, NOW) == "evt_0190c1"
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp())), "the signature is of now, not of the event's time"
    assert json.loads(body) == {
        "specversion": "1.0",
        "id": "evt_0190c1",
        "source": "urn:surefoot:tenant:acme",
        "type": "surefoot.budget.crossed",
        "subject": "surface/help",
        "time": "2026-06-01T11:51:00Z",
        "datacontenttype": "application/json",
        "data": {"level": "warn", "share": 0.6, "who": "Zoë"},
    }


def test_an_event_without_a_subject_leaves_it_out(receiver: Receiver) -> None:
    posting(f"http://127.0.0.1:{receiver.port}/").deliver(ACME, OutgoingEvent("evt_1", "surefoot.test", "", NOW, {}))
    assert "subject" not in json.loads(receiver.posts[0][2])


def test_while_the_key_is_changed_old_and_new_receivers_both_accept(receiver: Receiver) -> None:
    posting(f"http://127.0.0.1:{receiver.port}/", secrets=f"{NEXT_SECRET} {SECRET}").deliver(ACME, EVENT)
    ((_, headers, body),) = receiver.posts
    assert verify(SECRET, headers, body, NOW) == verify(NEXT_SECRET, headers, body, NOW) == "evt_0190c1"


def test_the_secret_is_read_when_the_event_is_sent(receiver: Receiver) -> None:
    environ = {VARIABLE: SECRET}
    sink = WebhookSink(policy_of(f"http://127.0.0.1:{receiver.port}/"), FixedClock(NOW), offline=False, environ=environ)
    environ[VARIABLE] = NEXT_SECRET
    sink.deliver(ACME, EVENT)
    assert verify(NEXT_SECRET, receiver.posts[0][1], receiver.posts[0][2], NOW) == "evt_0190c1"


@pytest.mark.parametrize("secrets", ["", "hunter2-hunter2-hunter2", "whsec_c2hvcnQ=", f"{SECRET} wrong-secret-text"])
def test_without_a_good_secret_nothing_is_sent_and_nothing_secret_is_told(
    receiver: Receiver, secrets: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(DeliveryFailed, match=VARIABLE) as failed:
        posting(f"http://127.0.0.1:{receiver.port}/", secrets=secrets).deliver(ACME, EVENT)
    assert receiver.posts == []
    assert not any(secret in f"{failed.value} {caplog.text}" for secret in secrets.split())


def test_neither_secret_nor_path_is_in_the_log_or_in_a_failure(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.status = 500
    with pytest.raises(DeliveryFailed, match=r"127\.0\.0\.1:\d+ answered with status 500") as failed:
        posting(f"http://127.0.0.1:{receiver.port}/hooks/T0KEN-IN-PATH").deliver(ACME, EVENT)
    assert SECRET not in f"{failed.value} {caplog.text}"
    assert "T0KEN-IN-PATH" not in str(failed.value)


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.status = 307
    with pytest.raises(DeliveryFailed, match="307"):
        posting(f"http://127.0.0.1:{receiver.port}/hooks").deliver(ACME, EVENT)
    assert [path for path, _, _ in receiver.posts] == ["/hooks"]


def test_what_a_receiver_says_is_not_read(receiver: Receiver) -> None:
    receiver.status, receiver.body = 200, b"x" * 50_000_000
    posting(f"http://127.0.0.1:{receiver.port}/").deliver(ACME, EVENT)
    assert len(receiver.posts) == 1


def test_a_receiver_that_does_not_answer_is_a_failed_delivery() -> None:
    with Receiver() as gone:
        port = gone.port
    with pytest.raises(DeliveryFailed, match="could not be reached"):
        posting(f"http://127.0.0.1:{port}/").deliver(ACME, EVENT)


def test_offline_nothing_is_sent_to_another_machine(receiver: Receiver) -> None:
    with pytest.raises(OutboundRefused, match="OFFLINE"):
        posting("https://hooks.example.com/", offline=True).deliver(ACME, EVENT)
    assert receiver.posts == []


def test_offline_this_machine_is_reached_all_the_same(receiver: Receiver) -> None:
    posting(f"http://127.0.0.1:{receiver.port}/", offline=True).deliver(ACME, EVENT)
    assert len(receiver.posts) == 1


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://10.0.0.1/",
            "https://192.168.1.1/",
            "https://169.254.169.254/latest",
            "https://[fd00::1]/",
            "https://0.0.0.0/",
        ),
        *(
            "http://127.0.0.2:8080/",
            "http://localhost:8080/",
            "https://localhost/",
            "http://127.1/",
            "http://[::ffff:127.0.0.1]/",
        ),
        *(
            "http://hooks.example/",
            "ftp://127.0.0.1/",
            "file:///etc/passwd",
            "https://user@hooks.example/",
            "https://hooks.example:22/",
        ),
    ],
)
def test_no_receiver_on_the_hosts_own_network_is_reached_but_loopback_named_literally(url: str) -> None:
    network = Network()
    with pytest.raises(OutboundRefused):
        posting(url, answers=["127.0.0.1"], network=network).deliver(ACME, EVENT)
    assert network.connected == []


@pytest.mark.parametrize("answers", [["127.0.0.1"], ["::1"], ["10.0.0.1"], ["93.184.215.14", "10.0.0.1"]])
def test_a_public_name_that_resolves_to_a_private_address_is_refused(answers: list[str]) -> None:
    network = Network()
    with pytest.raises(OutboundRefused):
        posting("https://hooks.example/", answers=answers, network=network).deliver(ACME, EVENT)
    assert network.connected == []


def test_a_public_receiver_is_connected_to_at_the_checked_address() -> None:
    network = Network()
    with pytest.raises(DeliveryFailed, match="recorded"):
        posting("https://hooks.example/", answers=["93.184.215.14"], network=network).deliver(ACME, EVENT)
    assert network.connected == [("93.184.215.14", 443)]


def test_nothing_is_sent_in_the_clear_to_a_public_receiver() -> None:
    network = Network()
    with pytest.raises(OutboundRefused, match="not https"):
        posting("http://hooks.example/", answers=["93.184.215.14"], network=network).deliver(ACME, EVENT)
    assert network.connected == []
