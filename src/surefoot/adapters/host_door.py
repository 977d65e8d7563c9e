"""The way to one host product: the operator's URL checked once, every call guarded, timed and capped."""

from collections.abc import Mapping
from dataclasses import dataclass

import httpcore

from surefoot.adapters.addresses import target_of
from surefoot.adapters.guarded_client import BROKEN_CONNECTION, Resolver, guarded_client, system_addresses
from surefoot.core.errors import InvalidSettings, OutboundRefused
from surefoot.domain.host_wire import MAX_BODY_BYTES

MAX_TIMEOUT_SECONDS = 60.0

_HEADERS = {
    "User-Agent": "surefoot",
    "Accept": "application/json, application/problem+json",
    "Accept-Encoding": "identity",
    "Connection": "close",
}
_LOOPBACK = frozenset({"127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class HostAnswer:
    """What came back. The body is empty when it was larger than allowed, and so is never taken for an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class BrokenCall(Exception):
    """The call may have arrived, but no answer came; the message says why and names no path."""


class HostDoor:
    """Calls paths below one base URL, which is of the operator's own file or command line.

    A URL that says 127.0.0.1 or [::1] literally reaches that port of this machine, over http too; every other host must be
    public and speak https. Redirects are not followed.
    """

    def __init__(
        self,
        base_url: str,
        *,
        offline: bool,
        resolve: Resolver = system_addresses,
        backend: httpcore.NetworkBackend | None = None,
    ) -> None:
        """Raises InvalidSettings when the URL is none that could be called."""
        try:
            target = target_of(base_url)
        except OutboundRefused as error:
            raise InvalidSettings(f"The host's URL cannot be used: {error}") from error
        if target.url.query or target.url.fragment:
            raise InvalidSettings("The host's URL has a query or fragment; write only scheme, host, port and path.")
        is_loopback = target.host in _LOOPBACK
        # The place without its path, which may hold a secret of its own.
        self.place = f"{target.url.scheme}://{target.host}:{target.port}"
        if target.url.scheme != "https" and not is_loopback:
            raise InvalidSettings(f"The host at {self.place} is not https; only loopback is called in the clear.")
        self.base_url = base_url.rstrip("/")
        self._allowed = frozenset({(target.host, target.port)}) if is_loopback else frozenset[tuple[str, int]]()
        # Offline means no other machine; a host on this one is reached all the same.
        self._is_cut_off = offline and not is_loopback
        self._resolve = resolve
        self._backend = backend

    def call(self, method: str, path: str, headers: Mapping[str, str], body: bytes, timeout_seconds: float) -> HostAnswer:
        """The answer. Raises OutboundRefused before any byte left, and BrokenCall when it is open what arrived."""
        if self._is_cut_off:
            raise OutboundRefused("SUREFOOT_OFFLINE is set: no other machine is called.")
        seconds = min(timeout_seconds, MAX_TIMEOUT_SECONDS)
        url, sent = self.base_url + path, {**_HEADERS, **headers}
        try:
            with (
                guarded_client(
                    timeout_seconds=seconds, resolve=self._resolve, backend=self._backend, allowed=self._allowed
                ) as client,
                client.stream(method, url, content=body, headers=sent, timeout=seconds) as response,
            ):
                received = bytearray()
                for part in response.iter_raw():
                    received += part
                    if len(received) > MAX_BODY_BYTES:
                        received.clear()
                        break
                return HostAnswer(response.status_code, dict(response.headers.items()), bytes(received))
        except BROKEN_CONNECTION as error:
            raise BrokenCall(f"{self.place} did not answer: {str(error) or type(error).__name__}.") from error
