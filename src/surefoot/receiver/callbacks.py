"""The word afterwards: a host that answered a call with 202 says by a signed callback what became of it."""

from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import quote, urlsplit

from surefoot.core.clock import Clock, SystemClock
from surefoot.core.errors import DeliveryFailed, InvalidInput
from surefoot.domain.actions import Env
from surefoot.domain.handling import StoredReply
from surefoot.domain.host_wire import callback_body, reply_of
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import HostReply
from surefoot.domain.signatures import signature_headers

_SETTLED_STATUSES = frozenset({200, 409})


@dataclass(frozen=True, slots=True)
class SignedCallback:
    """One callback as it is sent, for hosts that send it with a client of their own: a POST to `path`. Sign it afresh for each
    try: its timestamp holds for five minutes.
    """

    path: str
    headers: dict[str, str]
    body: bytes


class CallbackSender:
    """Tells the assistant at `base_url` what became of deliveries to the host that its actions.toml calls `host`. `secrets` are
    those that the host's calls are signed with, several while one is being replaced. Send again until it is settled: the same
    has its effect once.
    """

    def __init__(
        self, base_url: str, host: str, secrets: str, clock: Clock | None = None, *, timeout_seconds: float = 10.0
    ) -> None:
        """Raises InvalidInput for a URL that is not http or https, or has a query."""
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise InvalidInput(f"{base_url[:200]!r} is not a base URL such as https://assistant.example.com.")
        self._url = parts
        self._host = host
        self._secrets = secrets
        self._clock = clock or SystemClock()
        self._timeout_seconds = timeout_seconds

    def signed(self, tenant: TenantId, env: Env, run_id: str, delivery_id: str, reply: HostReply) -> SignedCallback:
        """The callback that says so. Raises InvalidInput for malformed secrets."""
        body = callback_body(tenant, env, run_id, delivery_id, reply)
        headers = signature_headers(self._secrets, delivery_id, self._clock.now(), body)
        path = f"{self._url.path.rstrip('/')}/v1/hosts/{quote(self._host, safe='')}/callbacks"
        return SignedCallback(path, {**headers, "content-type": "application/json"}, body)

    def send(self, env: Env, finished: StoredReply) -> int:
        """The status of the answer to what `Receiver.finish` returned: 200 when it is settled so, 409 when it was settled
        otherwise, which somebody has to look at. Raises DeliveryFailed for every other answer and for none: send it again later.
        """
        reply = reply_of(finished.status, finished.body, has_effect=True)
        callback = self.signed(TenantId(finished.tenant), env, finished.run_id, finished.delivery_id, reply)
        kind = HTTPSConnection if self._url.scheme == "https" else HTTPConnection
        assert self._url.hostname is not None
        connection = kind(self._url.hostname, self._url.port, timeout=self._timeout_seconds)
        try:
            connection.request("POST", callback.path, callback.body, callback.headers)
            status = connection.getresponse().status
        except (OSError, HTTPException) as error:
            raise DeliveryFailed(f"The assistant at {self._url.netloc!r} did not answer a callback: {error}.") from error
        finally:
            connection.close()
        if status not in _SETTLED_STATUSES:
            raise DeliveryFailed(f"The assistant at {self._url.netloc!r} answered a callback with status {status}.")
        return status
