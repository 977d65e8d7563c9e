"""The host product over HTTP: signed calls over the guarded door, and answers that are believed only when well formed."""

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpcore

from surefoot.adapters.guarded_client import Resolver, system_addresses
from surefoot.adapters.host_door import BrokenCall, HostAnswer, HostDoor
from surefoot.core.clock import Clock
from surefoot.core.errors import InvalidInput, OutboundRefused
from surefoot.core.ids import digest
from surefoot.domain.host_wire import PROTOCOL_VERSION, Operation, if_match, reply_of, request_body, status_of
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import HostCall, HostRejected, HostReply, HostUnknown
from surefoot.domain.signatures import signature_headers

_PATH = re.compile(r"(?P<base>(?:/(?!\.\.?/)[A-Za-z0-9._~-]{1,128}){0,8})/actions/[a-z0-9_]{1,64}\Z")
_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,128}\Z")
_MAX_RETRY_AFTER_SECONDS = 3_600.0
_RETRY_SECONDS = re.compile(r"[0-9]{1,9}\Z", re.ASCII)


class _NotSent(Exception):
    """The call never left; the message says why and what to change, without any secret."""


class WebhookHost:
    """See ports.HostApp. Posts each call to `base_url` and the path of the action's file; HostDoor says which URLs are called.

    The signing secrets are read from the environment variable at each call, several while one is being replaced, and are in
    no message. A call that could not be sent is rejected when it only simulates, and unknown otherwise: an earlier attempt of
    the delivery may have arrived.
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
        self._door = HostDoor(base_url, offline=offline, resolve=resolve, backend=backend)
        self._secret_env = secret_env
        self._clock = clock
        self._environ = environ

    @property
    def version(self) -> str:
        """See ports.HostApp: the protocol and the place."""
        return f"http-{PROTOCOL_VERSION}-{digest(self._door.base_url)[:12]}"

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
            # The signature does not cover the path, so the signed id is the run's: it can be used for this question alone.
            answer = self._answer("GET", f"{_checked(call)['base']}/runs/{call.run_id}", {}, call.run_id, b"", call)
        except (_NotSent, BrokenCall) as error:
            return HostUnknown(str(error))
        return status_of(answer.status, answer.body, call.run_id, retry_after_seconds=self._retry_after(answer))

    def _posted(self, tenant: TenantId, operation: Operation, call: HostCall) -> HostReply:
        has_effect = operation is not Operation.SIMULATE
        try:
            body = _body(tenant, operation, call)
            path = f"{_checked(call)[0]}:{operation.value}"
            headers = {"Content-Type": "application/json", **if_match(call.preconditions)}
            answer = self._answer("POST", path, headers, call.delivery_id, body, call)
        except _NotSent as error:
            return HostUnknown(str(error)) if has_effect else HostRejected(str(error), 0)
        except BrokenCall as error:
            return HostUnknown(str(error))
        retry_after_seconds = self._retry_after(answer)
        return reply_of(answer.status, answer.body, has_effect=has_effect, retry_after_seconds=retry_after_seconds)

    def _answer(
        self, method: str, path: str, headers: Mapping[str, str], message_id: str, body: bytes, call: HostCall
    ) -> HostAnswer:
        """What the host answered. Raises _NotSent before any byte left, and BrokenCall."""
        try:
            signed = signature_headers(self._environ.get(self._secret_env, ""), message_id, self._clock.now(), body)
        except InvalidInput as error:
            raise _NotSent(f"The call cannot be signed with the variable {self._secret_env!r}: {error}") from error
        try:
            return self._door.call(method, path, {**headers, **signed}, body, call.timeout_seconds)
        except OutboundRefused as error:
            raise _NotSent(str(error)) from error

    def _retry_after(self, answer: HostAnswer) -> float | None:
        """Seconds, from a number or a date (RFC 9110, 10.2.3); None when there is none that can be read."""
        text = answer.headers.get("retry-after", "")
        if _RETRY_SECONDS.match(text) is not None:
            return min(float(text), _MAX_RETRY_AFTER_SECONDS)
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        return min(max((aware - self._clock.now()).total_seconds(), 0.0), _MAX_RETRY_AFTER_SECONDS)


def _body(tenant: TenantId, operation: Operation, call: HostCall) -> bytes:
    try:
        return request_body(tenant, operation, call)
    except InvalidInput as error:
        raise _NotSent(f"The call cannot be written as JSON: {error}") from error


def _checked(call: HostCall) -> re.Match[str]:
    found = _PATH.match(call.path)
    if found is None:
        raise _NotSent(f"The connector's path {call.path!r} is not of the form /base/actions/name; mend the action's file.")
    return found
