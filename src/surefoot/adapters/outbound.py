"""The one door to other hosts: http(s) GET to public addresses only, checked at the moment of connecting."""

import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from time import monotonic

import httpcore
import httpx

from surefoot.adapters.addresses import ALLOWED_PORTS, IpAddress, is_public, literal_address, target_of
from surefoot.core.errors import OutboundRefused, PayloadTooLarge, UnreadableDocument
from surefoot.domain.identity import TenantId
from surefoot.ports import Fetched

# Every address of a host, as text; raises OSError when there is none.
Resolver = Callable[[str, int], Sequence[str]]
SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]

_MAX_ATTEMPTS = 4
_HEADERS = {"User-Agent": "surefoot", "Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close"}


def system_addresses(host: str, port: int) -> list[str]:
    """What the system's resolver says, in its order, each address once."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class GuardedFetcher:
    """Fetches documents from public hosts. A host is resolved once, every address it has must be public, and the checked
    address itself is connected to, so a second answer of its name server changes nothing. Redirects are not followed, the
    environment's proxies are not used. `allowed` are (address, port) pairs reached although they are not public.
    """

    def __init__(
        self,
        *,
        offline: bool,
        resolve: Resolver = system_addresses,
        backend: httpcore.NetworkBackend | None = None,
        allowed: frozenset[tuple[str, int]] = frozenset(),
    ) -> None:
        self._offline = offline
        self._resolve = resolve
        self._backend = backend
        self._allowed = allowed

    def fetch(self, tenant: TenantId, url: str, *, max_bytes: int, timeout_seconds: float) -> Fetched:
        """See ports.Fetcher. A body that comes compressed though none was asked for is refused, so no bomb is unpacked."""
        if self._offline:
            raise OutboundRefused("SUREFOOT_OFFLINE is set: nothing is fetched from other hosts.")
        target = target_of(url)
        door = _Door(self._backend or httpcore.SyncBackend(), self._resolve, self._allowed, monotonic() + timeout_seconds)
        pool = httpcore.ConnectionPool(ssl_context=_tls(), network_backend=door, max_connections=1, retries=0)
        try:
            with (
                httpx.Client(transport=_Transport(pool), trust_env=False, follow_redirects=False) as client,
                client.stream("GET", target.url, headers=_HEADERS, timeout=timeout_seconds) as response,
            ):
                return _read(url, response, max_bytes)
        except (httpx.HTTPError, httpcore.ProtocolError, httpcore.NetworkError, httpcore.TimeoutException, OSError) as error:
            reason = str(error) or type(error).__name__
            raise UnreadableDocument(f"{url!r} could not be fetched: {reason}.") from error


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(verify=True, trust_env=False)


def _read(url: str, response: httpx.Response, max_bytes: int) -> Fetched:
    if response.is_redirect:
        place = response.headers.get("location", "")[:200]
        raise UnreadableDocument(f"{url!r} redirects to {place!r}, which is not followed; give the final address.")
    if response.status_code != 200:
        raise UnreadableDocument(f"{url!r} answered with status {response.status_code}.")
    if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise UnreadableDocument(f"{url!r} was sent compressed although that was not asked for.")
    parts: list[bytes] = []
    count = 0
    declared = response.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and len(declared) < 16 and int(declared) > max_bytes:
        raise PayloadTooLarge(f"{url!r} is larger than the {max_bytes} bytes allowed.")
    for part in response.iter_raw():
        count += len(part)
        if count > max_bytes:
            raise PayloadTooLarge(f"{url!r} is larger than the {max_bytes} bytes allowed.")
        parts.append(part)
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return Fetched(url, b"".join(parts), media_type, _moment(response.headers.get("last-modified")))


def _moment(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


class _Transport(httpx.BaseTransport):
    """Hands requests to the pool whose network backend is the guarded door."""

    def __init__(self, pool: httpcore.ConnectionPool) -> None:
        self._pool = pool

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = httpcore.URL(
            scheme=request.url.raw_scheme, host=request.url.raw_host, port=request.url.port, target=request.url.raw_path
        )
        answer = self._pool.handle_request(
            httpcore.Request(request.method, url, headers=request.headers.raw, extensions=request.extensions)
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
                raise OutboundRefused(f"{host!r} port {port} is not a public web address; copy the file here and ingest it.")
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
