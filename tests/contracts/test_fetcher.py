"""What every Fetcher does: the one that reaches the network (here: a server on loopback) and the one in memory."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, Protocol

import pytest

from surefoot.adapters.memory.fetcher import MemoryFetcher
from surefoot.adapters.outbound import GuardedFetcher
from surefoot.core.errors import OutboundRefused, PayloadTooLarge, UnreadableDocument
from surefoot.domain.identity import TenantId
from surefoot.ports import Fetched, Fetcher

TENANT = TenantId("acme")
BODY = b"# Refunds\n\nWithin 5 days.\n"
WHEN = datetime(2026, 1, 12, 8, 0, tzinfo=UTC)


class _Site(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[tuple[str, dict[str, str]]]] = []

    def do_GET(self) -> None:
        type(self).seen.append((self.path, dict(self.headers)))
        headers = {"Content-Type": "text/markdown; charset=utf-8", "Last-Modified": "Mon, 12 Jan 2026 08:00:00 GMT"}
        match self.path:
            case "/doc.md" | "/":
                self._send(200, headers, BODY)
            case "/undated":
                self._send(200, {"Content-Type": "text/plain", "Last-Modified": "yesterday"}, BODY)
            case "/away":
                self._send(302, {"Location": "http://127.0.0.1/secret"}, b"")
            case "/packed":
                self._send(200, {"Content-Encoding": "gzip"}, b"\x1f\x8b")
            case "/long":
                self._send(200, headers, b"x" * 100_000)
            case "/endless":
                self.send_response(200)
                self.send_header("Connection", "close")
                self.end_headers()
                for _ in range(1_000):
                    try:
                        self.wfile.write(b"x" * 1_000)
                    except OSError:
                        return
            case _:
                self._send(404, {}, b"no")

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves early is what some of these tests are about."""


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[str, int]]:
    with _Quiet(("127.0.0.1", 0), _Site) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield "127.0.0.1", server.server_address[1]
        server.shutdown()
        thread.join()


class World(Protocol):
    """A fetcher that serves BODY at /doc.md of some base URL."""

    def __call__(self, *, offline: bool = False) -> tuple[Fetcher, str]: ...


@pytest.fixture(params=["guarded", "memory"])
def world(request: pytest.FixtureRequest, site: tuple[str, int]) -> World:
    def make(*, offline: bool = False) -> tuple[Fetcher, str]:
        if request.param == "memory":
            document = Fetched("https://docs.example/doc.md", BODY, "text/markdown", WHEN)
            return MemoryFetcher({document.url: document}, offline=offline), "https://docs.example"
        host, port = site
        fetcher = GuardedFetcher(offline=offline, resolve=lambda name, _: [host], allowed=frozenset({site}))
        return fetcher, f"http://docs.example:{port}"

    return make


def test_a_document_comes_with_its_type_and_date(world: World) -> None:
    fetcher, base = world()
    fetched = fetcher.fetch(TENANT, f"{base}/doc.md", max_bytes=1_000, timeout_seconds=10)
    assert fetched == Fetched(f"{base}/doc.md", BODY, "text/markdown", WHEN)


def test_a_document_of_exactly_the_limit_is_fetched_and_one_byte_less_refuses_it(world: World) -> None:
    fetcher, base = world()
    assert fetcher.fetch(TENANT, f"{base}/doc.md", max_bytes=len(BODY), timeout_seconds=10).body == BODY
    with pytest.raises(PayloadTooLarge, match="larger"):
        fetcher.fetch(TENANT, f"{base}/doc.md", max_bytes=len(BODY) - 1, timeout_seconds=10)


def test_a_missing_document_is_unreadable_with_its_status(world: World) -> None:
    fetcher, base = world()
    with pytest.raises(UnreadableDocument, match="404"):
        fetcher.fetch(TENANT, f"{base}/nothing", max_bytes=1_000, timeout_seconds=10)


def test_offline_refuses_everything(world: World) -> None:
    fetcher, base = world(offline=True)
    with pytest.raises(OutboundRefused, match="OFFLINE"):
        fetcher.fetch(TENANT, f"{base}/doc.md", max_bytes=1_000, timeout_seconds=10)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://docs.example/a", "http://10.0.0.1/", "http://[::1]/", "//x", ""])
def test_other_schemes_and_private_literals_are_refused(world: World, url: str) -> None:
    fetcher, _ = world()
    with pytest.raises(OutboundRefused):
        fetcher.fetch(TENANT, url, max_bytes=1_000, timeout_seconds=10)


# Only the real one


@pytest.fixture
def guarded(site: tuple[str, int]) -> tuple[GuardedFetcher, str]:
    fetcher = GuardedFetcher(offline=False, resolve=lambda name, port: [site[0]], allowed=frozenset({site}))
    return fetcher, f"http://docs.example:{site[1]}"


def test_a_redirect_is_reported_and_not_followed(guarded: tuple[GuardedFetcher, str]) -> None:
    fetcher, base = guarded
    _Site.seen.clear()
    with pytest.raises(UnreadableDocument, match=r"redirects to 'http://127\.0\.0\.1/secret'"):
        fetcher.fetch(TENANT, f"{base}/away", max_bytes=1_000, timeout_seconds=10)
    assert [path for path, _ in _Site.seen] == ["/away"]


def test_a_body_that_is_compressed_unasked_is_not_unpacked(guarded: tuple[GuardedFetcher, str]) -> None:
    fetcher, base = guarded
    with pytest.raises(UnreadableDocument, match="compressed"):
        fetcher.fetch(TENANT, f"{base}/packed", max_bytes=1_000, timeout_seconds=10)


@pytest.mark.parametrize("path", ["/long", "/endless"])
def test_a_body_beyond_the_limit_is_refused_whether_its_length_is_declared_or_not(
    guarded: tuple[GuardedFetcher, str], path: str
) -> None:
    fetcher, base = guarded
    with pytest.raises(PayloadTooLarge):
        fetcher.fetch(TENANT, f"{base}{path}", max_bytes=50_000, timeout_seconds=10)


def test_the_host_is_asked_for_by_name_and_told_no_secrets(
    guarded: tuple[GuardedFetcher, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    fetcher, base = guarded
    _Site.seen.clear()
    fetcher.fetch(TENANT, f"{base}/undated", max_bytes=1_000, timeout_seconds=10)
    (_, headers) = _Site.seen[0]
    assert headers["Host"] == base.removeprefix("http://")
    assert {"Authorization", "Cookie", "Referer"}.isdisjoint(headers)


def test_a_date_that_cannot_be_read_is_no_date(guarded: tuple[GuardedFetcher, str]) -> None:
    fetcher, base = guarded
    assert fetcher.fetch(TENANT, f"{base}/undated", max_bytes=1_000, timeout_seconds=10).last_modified is None


def test_time_that_has_run_out_is_an_unreadable_document(guarded: tuple[GuardedFetcher, str]) -> None:
    fetcher, base = guarded
    with pytest.raises(UnreadableDocument, match="longer than allowed"):
        fetcher.fetch(TENANT, f"{base}/doc.md", max_bytes=1_000, timeout_seconds=0)


def test_the_allowed_pair_opens_nothing_else(site: tuple[str, int]) -> None:
    fetcher = GuardedFetcher(offline=False, resolve=lambda name, port: [site[0]], allowed=frozenset({(site[0], site[1] + 1)}))
    with pytest.raises(OutboundRefused):
        fetcher.fetch(TENANT, f"http://docs.example:{site[1]}/doc.md", max_bytes=1_000, timeout_seconds=10)
