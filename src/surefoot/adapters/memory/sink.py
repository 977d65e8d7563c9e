"""The EventSink port in memory: receivers that accept, fail as they are told to, or are not there."""

import threading
from collections import defaultdict

from surefoot.core.errors import DeliveryFailed, OutboundRefused
from surefoot.domain.events import OutgoingEvent
from surefoot.domain.identity import TenantId


class MemorySink:
    """Notes each event it accepts. Tenants in `without` have no receiver."""

    def __init__(self, *, without: frozenset[TenantId] = frozenset()) -> None:
        self._without = without
        self._lock = threading.Lock()
        self._failures: dict[TenantId, list[DeliveryFailed | OutboundRefused]] = defaultdict(list)
        self._down: set[TenantId] = set()
        self.attempts: list[tuple[TenantId, str]] = []
        self.accepted: list[tuple[TenantId, OutgoingEvent]] = []

    def fail_next(self, tenant: TenantId, *failures: DeliveryFailed | OutboundRefused) -> None:
        """The tenant's next deliveries fail with these, one each."""
        with self._lock:
            self._failures[tenant] += failures

    def go_down(self, tenant: TenantId) -> None:
        """Every delivery to the tenant fails until `come_back`."""
        with self._lock:
            self._down.add(tenant)

    def come_back(self, tenant: TenantId) -> None:
        """The tenant's receiver accepts again."""
        with self._lock:
            self._down.discard(tenant)

    def ids_of(self, tenant: TenantId) -> list[str]:
        """The ids of the events that the tenant's receiver accepted, in order, repeats included."""
        with self._lock:
            return [event.event_id for owner, event in self.accepted if owner == tenant]

    def has_receiver(self, tenant: TenantId) -> bool:
        return tenant not in self._without

    def deliver(self, tenant: TenantId, event: OutgoingEvent) -> None:
        with self._lock:
            if tenant in self._without:
                raise OutboundRefused(f"The tenant {tenant!r} has no webhook; name one in models.toml.")
            self.attempts.append((tenant, event.event_id))
            if self._failures[tenant]:
                raise self._failures[tenant].pop(0)
            if tenant in self._down:
                raise DeliveryFailed(f"The receiver of {tenant!r} is down.")
            self.accepted.append((tenant, event))
