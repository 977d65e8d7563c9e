"""The outside world: other hosts, language models, receivers of events, and whoever watches."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from surefoot.domain.events import OutgoingEvent
from surefoot.domain.feedback import Feedback
from surefoot.domain.identity import TenantId
from surefoot.domain.models import ModelCard, ModelRequest, Piece
from surefoot.domain.replies import Reply
from surefoot.domain.runs import Run


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document fetched from the web: its bytes, media type without parameters, and Last-Modified when the host said so."""

    url: str
    body: bytes
    media_type: str
    last_modified: datetime | None


class Fetcher(Protocol):
    """The one door to other hosts."""

    def fetch(self, tenant: TenantId, url: str, *, max_bytes: int, timeout_seconds: float) -> Fetched:
        """The document at an http(s) URL. Redirects are not followed. Raises OutboundRefused before any byte is sent when
        the address is not public (however it is spelled or resolved) or the product is offline; UnreadableDocument for
        any other failure, with the reason; PayloadTooLarge beyond `max_bytes`.
        """
        ...


class LanguageModel(Protocol):
    """One model behind one provider. It is asked and nothing else: no retries, no budget, no cache, no memory of its own."""

    @property
    def card(self) -> ModelCard: ...

    def stream(self, tenant: TenantId, request: ModelRequest) -> AsyncIterator[Piece]:
        """The reply as it arrives, the last piece with its finish and usage; in one piece when `request.stream` is false.

        Closing the iterator early ends the call at the provider. Raises ModelTimedOut when `timeout_seconds` are over,
        ModelUnavailable for an outage, overload (with Retry-After when the provider said so) or a broken stream,
        ModelRejected for a call that will never be accepted, OutboundRefused when the product is offline.
        """
        ...

    async def aclose(self) -> None:
        """No connection is open."""
        ...


class EventSink(Protocol):
    """Where events leave the house."""

    def has_receiver(self, tenant: TenantId) -> bool:
        """Whether anybody is to be told about this tenant's events."""
        ...

    def deliver(self, tenant: TenantId, event: OutgoingEvent) -> None:
        """The receiver accepted the event. Raises DeliveryFailed when it did not, ReceiverGone when it never will again,
        OutboundRefused when it may not be called.
        """
        ...


class ReplyObserver(Protocol):
    """Whoever counts replies; it sees each one after it is durable, and never makes one fail."""

    def replied(self, tenant: TenantId, reply: Reply) -> None:
        """The reply is counted."""
        ...


class Observer(ReplyObserver, Protocol):
    """Whoever counts or traces what the product does. It sees everything after it is durable, and never makes anything fail."""

    def metered(self, tenant: TenantId, surface: str, share: float) -> None:
        """This share of the tighter of the tenant's own limits was spent when a question came; 1 is all of it."""
        ...

    def requested(self, tenant: TenantId, action: str, *, is_valid: bool) -> None:
        """Somebody asked for an action, with valid arguments or not; only the valid become runs."""
        ...

    def ran(self, tenant: TenantId, run: Run) -> None:
        """The run has come to the state it is in."""
        ...

    def called(self, tenant: TenantId, run: Run, operation: str, outcome: str, seconds: float) -> None:
        """A host answered a call of this run (simulate, apply, undo, status), or did not."""
        ...

    def heard(self, tenant: TenantId, surface: str, feedback: Feedback) -> None:
        """A viewer said this about a reply on this surface."""
        ...
