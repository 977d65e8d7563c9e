"""Row 13 of the threats: no connection to an address that is not public, in whatever spelling, rebinding included."""

import ipaddress
import socket
import ssl
from collections.abc import Iterable, Sequence

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.adapters.addresses import is_public
from surefoot.adapters.outbound import GuardedFetcher
from surefoot.core.errors import OutboundRefused, SurefootError, UnreadableDocument
from surefoot.domain.identity import TenantId

TENANT = TenantId("acme")
PUBLIC = "93.184.215.14"


class RecordingBackend(httpcore.NetworkBackend):
    """A network on which every connection is noted and then fails."""

    def __init__(self) -> None:
        self.connected: list[tuple[str, int]] = []

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[object] | None = None,
    ) -> httpcore.NetworkStream:
        self.connected.append((host, port))
        raise httpcore.ConnectError("recorded")


class Names:
    """A name server that gives its answers in turn, then repeats the last; numbers in odd spellings resolve as libc does."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = answers
        self.asked = 0

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        try:
            return [socket.inet_ntoa(socket.inet_aton(host))]
        except OSError:
            return self._answers[min(self.asked, len(self._answers)) - 1]


def connections(url: str, *answers: Sequence[str]) -> tuple[list[tuple[str, int]], SurefootError]:
    """Which connections a fetch attempted, and how it ended."""
    network = RecordingBackend()
    fetcher = GuardedFetcher(offline=False, resolve=Names(*answers), backend=network)
    with pytest.raises((OutboundRefused, UnreadableDocument)) as ended:
        fetcher.fetch(TENANT, url, max_bytes=1_000, timeout_seconds=10)
    return network.connected, ended.value


PRIVATE_HOSTS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0x7F.1",
    "0177.0.0.1",
    "00000177.0.0.1",
    "017700000001",
    "127.0.0.01",
    "127.0.0.1.",
    "127.0.0.0x1",
    "127。0。0。1",
    "１２７.0.0.1",  # noqa: RUF001  fullwidth digits
    "①②⑦.⓪.⓪.①",
    "١٢٧.0.0.1",
    "0",
    "0.0.0.0",
    "0x0",
    "10.0.0.1",
    "10.1",
    "167772161",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.168.257",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "100.64.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "192.88.99.1",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:a9fe:a9fe]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::a00:1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]",
    "[2002:c0a8:1::1]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[2001:db8::1]",
    "[2606:4700::5efe:10.0.0.1]",
    "[2606:4700::200:5efe:7f00:1]",
    "[fe80::1]",
    "[fe80::1%25eth0]",
    "[fe80::1%eth0]",
    "[fc00::1]",
    "[fd12:3456::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[3fff::1]",
    "[5f00::1]",
    "[100::1]",
    "[::1",
    "[v1.x]",
]


@pytest.mark.parametrize("host", PRIVATE_HOSTS)
@pytest.mark.parametrize("form", ["http://{}/", "https://{}/", "http://{}:80/x", "HTTPS://{}:443", "http://{}?q=1"])
def test_no_spelling_of_a_private_address_is_connected_to(host: str, form: str) -> None:
    attempted, error = connections(form.format(host), [PUBLIC])
    assert attempted == []
    assert isinstance(error, OutboundRefused)


@pytest.mark.parametrize(
    "url",
    [
        "http://user@docs.example/",
        "http://user:secret@docs.example/",
        "http://docs.example@10.0.0.1/",
        "http://10.0.0.1#@docs.example/",
        "http://10.0.0.1\\@docs.example/",
        "http://docs.example\\@10.0.0.1/",
        "http://docs.example /",
        "http://docs.example\t/",
        "http://docs.example\r\nHost: x/",
        "http://docs.example:22/",
        "http://docs.example:6379/",
        "http://docs.example:0/",
        "http://docs.example:99999/",
        "http:///path",
        "http://",
        "http:docs.example",
        "https://..",
        "https://docs..example/",
        "https://docs.example../",
        "https://-x-/",
        "gopher://docs.example/",
        "file://docs.example/etc/passwd",
        "data:text/plain,x",
        "docs.example",
        "/etc/passwd",
        "http://" + "a" * 3_000,
        "http://docs.example/\0",
        "http://%31%32%37.0.0.1/",
        "http://docs.example%00.evil.example/",
    ],
)
def test_a_url_that_is_not_plain_is_refused_before_any_look_up(url: str) -> None:
    attempted, error = connections(url, [PUBLIC])
    assert attempted == []
    assert isinstance(error, OutboundRefused)


@pytest.mark.parametrize(
    "answer",
    [
        ["127.0.0.1"],
        [PUBLIC, "10.0.0.1"],
        ["10.0.0.1", PUBLIC],
        ["::1"],
        ["::ffff:10.0.0.1"],
        ["fe80::1%eth0"],
        ["2606:4700::1111", "fd00::1"],
        ["64:ff9b::10.0.0.1"],
        ["not an address"],
        [""],
    ],
)
def test_a_name_any_of_whose_addresses_is_private_is_refused_as_a_whole(answer: list[str]) -> None:
    for url in ("http://docs.example/", "https://docs.example./", "https://localhost/", "http://metadata.internal/"):
        attempted, error = connections(url, answer)
        assert attempted == []
        assert isinstance(error, OutboundRefused)


def test_a_name_is_resolved_once_and_the_checked_address_itself_is_connected_to() -> None:
    names = Names([PUBLIC], ["127.0.0.1"])
    network = RecordingBackend()
    fetcher = GuardedFetcher(offline=False, resolve=names, backend=network)
    with pytest.raises(UnreadableDocument, match="recorded"):
        fetcher.fetch(TENANT, "https://rebind.example/", max_bytes=1_000, timeout_seconds=10)
    assert (network.connected, names.asked) == ([(PUBLIC, 443)], 1)
    with pytest.raises(OutboundRefused):
        fetcher.fetch(TENANT, "https://rebind.example/", max_bytes=1_000, timeout_seconds=10)
    assert network.connected == [(PUBLIC, 443)], "the second answer was private and must not be connected to"


def test_public_addresses_are_tried_in_turn_and_no_more_than_a_few() -> None:
    answer = [f"93.184.215.{last}" for last in range(10, 20)]
    attempted, error = connections("http://docs.example:8080/", answer)
    assert attempted == [(address, 8080) for address in answer[:4]]
    assert isinstance(error, UnreadableDocument)


@pytest.mark.parametrize("host", ["93.184.215.14", "[2606:4700::1111]", "[64:ff9b::93.184.215.14]"])
def test_a_public_literal_is_connected_to_without_a_look_up(host: str) -> None:
    attempted, _ = connections(f"https://{host}/", ["127.0.0.1"])
    assert attempted == [(str(ipaddress.ip_address(host.strip("[]"))), 443)]


def test_a_name_that_does_not_resolve_is_an_unreadable_document() -> None:
    def nothing(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror("Name or service not known")

    fetcher = GuardedFetcher(offline=False, resolve=nothing, backend=RecordingBackend())
    with pytest.raises(UnreadableDocument, match="not known"):
        fetcher.fetch(TENANT, "https://docs.example/", max_bytes=1_000, timeout_seconds=10)


def test_tls_is_spoken_to_the_name_and_its_certificate_is_checked() -> None:
    class HandshakeBackend(RecordingBackend):
        asked_for: tuple[str | None, ssl.SSLContext] | None = None

        def connect_tcp(self, *args: object, **more: object) -> httpcore.NetworkStream:
            backend = self

            class Stream(httpcore.NetworkStream):
                def start_tls(
                    self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
                ) -> httpcore.NetworkStream:
                    backend.asked_for = (server_hostname, ssl_context)
                    raise httpcore.ConnectError("recorded")

                def close(self) -> None:
                    """Nothing is open."""

            return Stream()

    network = HandshakeBackend()
    fetcher = GuardedFetcher(offline=False, resolve=Names([PUBLIC]), backend=network)
    with pytest.raises(UnreadableDocument):
        fetcher.fetch(TENANT, "https://docs.example/", max_bytes=1_000, timeout_seconds=10)
    assert network.asked_for is not None
    name, context = network.asked_for
    assert name == "docs.example" and context.check_hostname and context.verify_mode == ssl.CERT_REQUIRED


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_in_every_ipv6_dress(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    dresses = [
        ipaddress.IPv6Address((0x0064FF9B << 96) | number),
        ipaddress.IPv6Address((0x2002 << 112) | (number << 80)),
    ]
    for dress in dresses:
        assert not is_public(dress) or is_public(address)
    for hidden in (number, 0xFFFF << 32 | number, 0xFFFF << 48 | number, 0x20010000 << 96 | number):
        assert not is_public(ipaddress.IPv6Address(hidden))


@given(st.ip_addresses())
def test_nothing_that_python_calls_special_is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if is_public(address):
        assert address.is_global and not (address.is_private or address.is_multicast or address.is_loopback)
