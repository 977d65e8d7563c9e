"""Events leave as CloudEvents 1.0 in JSON, signed as Standard Webhooks says, over the guarded door."""

import json
from collections.abc import Mapping
from datetime import UTC

import httpcore

from surefoot.adapters.addresses import Target, target_of
from surefoot.adapters.guarded_client import BROKEN_CONNECTION, Resolver, guarded_client, system_addresses
from surefoot.core.clock import Clock
from surefoot.core.errors import DeliveryFailed, InvalidInput, OutboundRefused, ReceiverGone
from surefoot.domain.events import OutgoingEvent
from surefoot.domain.identity import TenantId
from surefoot.domain.policies import ModelPolicy, Webhook
from surefoot.domain.signatures import signature_headers

TIMEOUT_SECONDS = 10.0
CONTENT_TYPE = "application/cloudevents+json"

_HEADERS = {"User-Agent": "surefoot", "Content-Type": CONTENT_TYPE, "Accept-Encoding": "identity", "Connection": "close"}
_LOOPBACK = frozenset({"127.0.0.1", "::1"})


class WebhookSink:
    """Posts each event to the webhook that models.toml names for its tenant. See ports.EventSink.

    The signing secret is read from the environment variable at each call, so a changed one counts at once, and is in no
    message. models.toml is the operator's own file: a URL in it that says 127.0.0.1 or [::1] literally reaches that port of
    this machine, over http too. Every other receiver must be a public host that speaks https, whatever its name resolves to.
    """

    def __init__(
        self,
        policy: ModelPolicy,
        clock: Clock,
        *,
        offline: bool,
        environ: Mapping[str, str],
        resolve: Resolver = system_addresses,
        backend: httpcore.NetworkBackend | None = None,
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._offline = offline
        self._environ = environ
        self._resolve = resolve
        self._backend = backend

    def has_receiver(self, tenant: TenantId) -> bool:
        return self._policy.of(tenant).webhook is not None

    def deliver(self, tenant: TenantId, event: OutgoingEvent) -> None:
        """See ports.EventSink. Any 2xx is acceptance; what the receiver says besides its status is not read."""
        webhook = self._policy.of(tenant).webhook
        if webhook is None:
            raise OutboundRefused(f"The tenant {tenant!r} has no webhook; name one in models.toml.")
        target = target_of(webhook.url)
        is_loopback = target.host in _LOOPBACK
        if self._offline and not is_loopback:
            raise OutboundRefused("SUREFOOT_OFFLINE is set: no event is sent to other machines.")
        if target.url.scheme != "https" and not is_loopback:
            raise OutboundRefused(
                f"The webhook at {_place(target)} is not https; events are sent in the clear to loopback alone."
            )
        body = cloud_event(tenant, event)
        status = self._post(target, body, self._signed(webhook, event, body), reach_loopback=is_loopback)
        if status == 410:
            raise ReceiverGone(f"{_place(target)} answered with status 410: it wants no more of these.")
        if not 200 <= status < 300:
            raise DeliveryFailed(f"{_place(target)} answered with status {status}.")

    def _signed(self, webhook: Webhook, event: OutgoingEvent, body: bytes) -> dict[str, str]:
        try:
            return signature_headers(self._environ.get(webhook.secret_env, ""), event.event_id, self._clock.now(), body)
        except InvalidInput as error:
            raise DeliveryFailed(f"The event cannot be signed with the variable {webhook.secret_env!r}: {error}") from error

    def _post(self, target: Target, body: bytes, signed: Mapping[str, str], *, reach_loopback: bool) -> int:
        """The receiver's status."""
        allowed = frozenset({(target.host, target.port)}) if reach_loopback else frozenset[tuple[str, int]]()
        try:
            with (
                guarded_client(
                    timeout_seconds=TIMEOUT_SECONDS, resolve=self._resolve, backend=self._backend, allowed=allowed
                ) as client,
                client.stream(
                    "POST", target.url, content=body, headers={**_HEADERS, **signed}, timeout=TIMEOUT_SECONDS
                ) as response,
            ):
                return response.status_code
        except BROKEN_CONNECTION as error:
            reason = str(error) or type(error).__name__
            raise DeliveryFailed(f"{_place(target)} could not be reached: {reason}.") from error


def cloud_event(tenant: TenantId, event: OutgoingEvent) -> bytes:
    """The event as CloudEvents 1.0 in structured JSON. `source` and `id` together name it for ever."""
    attributes: dict[str, object] = {
        "specversion": "1.0",
        "id": event.event_id,
        "source": f"urn:surefoot:tenant:{tenant}",
        "type": event.type,
        "time": event.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": dict(event.data),
    }
    # The standard wants a subject to be left out rather than empty.
    if event.subject:
        attributes["subject"] = event.subject
    return json.dumps(attributes, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _place(target: Target) -> str:
    """The receiver without path and query, which may hold a secret of its own."""
    return f"{target.url.scheme}://{target.host}:{target.port}"
