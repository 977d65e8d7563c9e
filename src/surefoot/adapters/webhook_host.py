"""The host product over HTTP: signed calls over the guarded door, and answers that are believed only when well formed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpcore

from surefoot.adapters.addresses import Target, target_of
from surefoot.adapters.guarded_client import BROKEN_CONNECTION, Resolver, guarded_client, system_addresses
from surefoot.core.clock import Clock
from surefoot.core.errors import InvalidInput, InvalidSettings, OutboundRefused
from surefoot.core.ids import digest
from surefoot.domain.host_wire import MAX_BODY_BYTES, PROTOCOL_VERSION, Operation, reply_of, request_body, status_of
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import HostCall, HostRejected, HostReply, HostUnknown, Precondition
from surefoot.domain.signatures import signature_headers

MAX_TIMEOUT_SECONDS = 60.0

_HEADERS = {
    "User-Agent": "surefoot",
    "Accept": "application/json, application/problem+json",
    "Accept-Encoding": "identity",
    "Connection": "close",
}
_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_PATH = re.compile(r"(?:/(?!\.\.?(?:/|\Z))[A-Za-z0-9._~-]{1,128}){1,12}\Z")
_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,128}\Z")
_MAX_RETRY_AFTER_SECONDS = 3_600.0
_RETRY_SECONDS = re.compile(r"[0-9]{1,9}\Z", re.ASCII)
_ACTIONS = "/actions/"


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    retry_after_seconds: float | None


class _NotSent(Exception):
    """The call never left; the message says why and what to change, without any secret."""


class WebhookHost:
    """See ports.HostApp. Posts each call to `base_url` and the path of the action's file.

    The signing secrets are read from the environment variable at each call, several while one is being replaced, and are in
    no message. `base_url` is of the operator's own file: when it says 127.0.0.1 or [::1] literally, that port of this machine
    is reached, over http too. Every other host must be public and speak https. Redirects are not followed. A call that could
    not be sent is rejected when it only simulates, and unknown otherwise: an earlier attempt of the delivery may have arrived.
    """

    def __init__(
        self,
        base_url: str,
        secret_env: str,
        clock: Clock,
        *,
        offline: bool,
        environ: Mapping[str, str],
        resolve: Resolver = system_addresses,
        backend: httpcore.NetworkBackend | None = None,
    ) -> None:
        """Raises InvalidSettings when the URL is none that could be called."""
        try:
            self._base = target_of(base_url)
        except OutboundRefused as error:
            raise InvalidSettings(f"The host's URL cannot be used: {error}") from error
        if self._base.url.query or self._base.url.fragment:
            raise InvalidSettings("The host's URL has a query or fragment; write only scheme, host, port and path.")
        self._base_url = base_url.rstrip("/")
        self._reaches_loopback = self._base.host in _LOOPBACK
        if self._base.url.scheme != "https" and not self._reaches_loopback:
            raise InvalidSettings(f"The host at {_place(self._base)} is not https; only loopback is called in the clear.")
        self._secret_env = secret_env
        self._clock = clock
        self._offline = offline
        self._environ = environ
        self._resolve = resolve
        self._backend = backend

    @property
    def version(self) -> str:
        """See ports.HostApp: the protocol and the place."""
        return f"http-{PROTOCOL_VERSION}-{digest(self._base_url)[:12]}"

    def simulate(self, tenant: TenantId, call: HostCall) -> HostReply:
        """See ports.HostApp."""
        return self._posted(tenant, Operation.SIMULATE, call)

    def apply(self, tenant: TenantId, call: HostCall) -> HostReply:
        """See ports.HostApp."""
        return self._posted(tenant, Operation.APPLY, call)

    def undo(self, tenant: TenantId, call: HostCall) -> HostReply:
        """See ports.HostApp."""
        return self._posted(tenant, Operation.UNDO, call)

    def status(self, tenant: TenantId, call: HostCall) -> HostReply:
        """See ports.HostApp. A host that has not finished the delivery is unknown still."""
        try:
            if _RUN_ID.match(call.run_id) is None:
                raise _NotSent(f"The run id {call.run_id!r} cannot stand in a path.")
            path = f"{_checked_path(call).partition(_ACTIONS)[0]}/runs/{call.run_id}"
            # The signature does not cover the path, so the signed id is the run's: it can be used for this question alone.
            answer = self._answer("GET", path, b"", self._signed(call.run_id, b""), call.timeout_seconds)
        except _NotSent as error:
            return HostUnknown(str(error))
        except BROKEN_CONNECTION as error:
            return self._broken(error)
        return status_of(answer.status, answer.body, call.run_id, retry_after_seconds=answer.retry_after_seconds)

    def _posted(self, tenant: TenantId, operation: Operation, call: HostCall) -> HostReply:
        has_effect = operation is not Operation.SIMULATE
        try:
            body = _body(tenant, operation, call)
            headers = {
                "Content-Type": "application/json",
                **_if_match(call.preconditions),
                **self._signed(call.delivery_id, body),
            }
            answer = self._answer("POST", f"{_checked_path(call)}:{operation.value}", body, headers, call.timeout_seconds)
        except _NotSent as error:
            return HostUnknown(str(error)) if has_effect else HostRejected(str(error), 0)
        except BROKEN_CONNECTION as error:
            return self._broken(error)
        return reply_of(answer.status, answer.body, has_effect=has_effect, retry_after_seconds=answer.retry_after_seconds)

    def _signed(self, message_id: str, body: bytes) -> dict[str, str]:
        try:
            return signature_headers(self._environ.get(self._secret_env, ""), message_id, self._clock.now(), body)
        except InvalidInput as error:
            raise _NotSent(f"The call cannot be signed with the variable {self._secret_env!r}: {error}") from error

    def _answer(self, method: str, path: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float) -> _Answer:
        """What the host answered. Raises _NotSent before any byte left, and what BROKEN_CONNECTION names."""
        if self._offline:
            raise _NotSent("SUREFOOT_OFFLINE is set: no host is called.")
        allowed = frozenset({(self._base.host, self._base.port)}) if self._reaches_loopback else frozenset[tuple[str, int]]()
        seconds = min(timeout_seconds, MAX_TIMEOUT_SECONDS)
        try:
            with (
                guarded_client(timeout_seconds=seconds, resolve=self._resolve, backend=self._backend, allowed=allowed) as client,
                client.stream(
                    method, self._base_url + path, content=body, headers={**_HEADERS, **headers}, timeout=seconds
                ) as response,
            ):
                received = bytearray()
                for part in response.iter_raw():
                    received += part
                    # What is cut here cannot be read any more, so it is never taken for done.
                    if len(received) > MAX_BODY_BYTES:
                        return _Answer(response.status_code, b"", None)
                return _Answer(response.status_code, bytes(received), self._retry_after(response.headers.get("retry-after", "")))
        except OutboundRefused as error:
            raise _NotSent(str(error)) from error

    def _retry_after(self, text: str) -> float | None:
        """Seconds, from a number or a date (RFC 9110, 10.2.3); None when there is none that can be read."""
        if _RETRY_SECONDS.match(text) is not None:
            return min(float(text), _MAX_RETRY_AFTER_SECONDS)
        try:
            moment: datetime = parsedate_to_datetime(text)
        except ValueError:
            return None
        aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        return min(max((aware - self._clock.now()).total_seconds(), 0.0), _MAX_RETRY_AFTER_SECONDS)

    def _broken(self, error: Exception) -> HostUnknown:
        return HostUnknown(f"{_place(self._base)} did not answer: {str(error) or type(error).__name__}.")


def _body(tenant: TenantId, operation: Operation, call: HostCall) -> bytes:
    try:
        return request_body(tenant, operation, call)
    except InvalidInput as error:
        raise _NotSent(f"The call cannot be written as JSON: {error}") from error


def _checked_path(call: HostCall) -> str:
    if _PATH.match(call.path) is None or _ACTIONS not in call.path:
        raise _NotSent(f"The connector's path {call.path!r} is not of the form /base/actions/name; mend the action's file.")
    return call.path


def _if_match(preconditions: tuple[Precondition, ...]) -> dict[str, str]:
    """The etags as a header for gateways that read it; hosts go by the signed body."""
    return {"If-Match": ", ".join(f'"{one.etag}"' for one in preconditions)} if preconditions else {}


def _place(target: Target) -> str:
    """The host without its path, which may hold a secret of its own."""
    return f"{target.url.scheme}://{target.host}:{target.port}"
