"""The one door to other hosts: connections to public addresses only, checked at the moment of connecting."""

import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from time import monotonic

import httpcore
import httpx

from surefoot.adapters.addresses import ALLOWED_PORTS, IpAddress, is_public, literal_address
from surefoot.core.errors import OutboundRefused

# Every address of a host, as text; raises OSError when there is none.
Resolver = Callable[[str, int], Sequence[str]]
SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]

# What a call over the guarded client raises when the other side, or the way to it, fails.
BROKEN_CONNECTION = (httpx.HTTPError, httpcore.ProtocolError, httpcore.NetworkError, httpcore.TimeoutException, OSError)

_MAX_ATTEMPTS = 4


def system_addresses(host: str, port: int) -> list[str]:
    """What the system's resolver says, in its order, each address once."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@contextmanager
def guarded_client(
    *,
    timeout_seconds: float,
    resolve: Resolver = system_addresses,
    backend: httpcore.NetworkBackend | None = None,
    allowed: frozenset[tuple[str, int]] = frozenset(),
) -> Iterator[httpx.Client]:
    """A client for one call to a public host, over when `timeout_seconds` are over.

    A host is resolved once, every address it has must be public, and the checked address itself is connected to, so a second
    answer of its name server changes nothing. Redirects are not followed, the environment's proxies are not used. `allowed`
    are (address, port) pairs reached although they are not public. Raises OutboundRefused before any byte is sent to another.
    """
    door = _Door(backend or httpcore.SyncBackend(), resolve, allowed, monotonic() + timeout_seconds)
    pool = httpcore.ConnectionPool(ssl_context=_tls(), network_backend=door, max_connections=1, retries=0)
    with httpx.Client(transport=_Transport(pool), trust_env=False, follow_redirects=False) as client:
        yield client


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(verify=True, trust_env=False)


class _Transport(httpx.BaseTransport):
    """Hands requests to the pool whose network backend is the guarded door."""

    def __init__(self, pool: httpcore.ConnectionPool) -> None:
        self._pool = pool

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = httpcore.URL(
            scheme=request.url.raw_scheme, host=request.url.raw_host, port=request.url.port, target=request.url.raw_path
        )
        assert isinstance(request.stream, httpx.SyncByteStream)
        answer = self._pool.handle_request(
            httpcore.Request(
                request.method, url, headers=request.headers.raw, content=request.stream, extensions=request.extensions
            )
        )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions)

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


class _Door(httpcore.NetworkBackend):
    """Connects to checked addresses only, and lets nothing last beyond the deadline."""

    def __init__(
        self, inner: httpcore.NetworkBackend, resolve: Resolver, allowed: frozenset[tuple[str, int]], deadline: float
    ) -> None:
        self._inner = inner
        self._resolve = resolve
        self._allowed = allowed
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = self._checked(host.strip("[]").removesuffix("."), port)
        failure: Exception | None = None
        for address in addresses[:_MAX_ATTEMPTS]:
            try:
                stream = self._inner.connect_tcp(
                    str(address), port, _left(self._deadline), local_address=None, socket_options=socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
                continue
            return _TimedStream(stream, self._deadline)
        raise failure or httpcore.ConnectError("The host has no address.")

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[SocketOption] | None = None
    ) -> httpcore.NetworkStream:
        raise OutboundRefused("Sockets of this machine are not reached.")

    def _checked(self, host: str, port: int) -> list[IpAddress]:
        literal = literal_address(host)
        texts = [str(literal)] if literal is not None else self._resolve(host, port)
        addresses: list[IpAddress] = []
        for text in texts:
            address = literal_address(text)
            if address is None:
                raise OutboundRefused(f"The name server's answer for {host!r} is not an address.")
            if (str(address), port) not in self._allowed and not (is_public(address) and port in ALLOWED_PORTS):
                raise OutboundRefused(f"{host!r} port {port} is not a public web address, and no other is called.")
            addresses.append(address)
        return addresses


class _TimedStream(httpcore.NetworkStream):
    """A stream every step of which is bounded by one deadline, so that a host that drips bytes cannot hold it open."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _TimedStream(self._inner.start_tls(ssl_context, server_hostname, _left(self._deadline)), self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)


def _left(deadline: float) -> float:
    """Seconds until the deadline; raises ReadTimeout when it has passed."""
    seconds = deadline - monotonic()
    if seconds <= 0:
        raise httpcore.ReadTimeout("it took longer than allowed")
    return seconds
