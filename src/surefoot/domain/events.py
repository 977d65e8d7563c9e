"""What Surefoot tells other systems: CloudEvents 1.0, written with the change that they report and delivered afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """One CloudEvent of a tenant. `type` is such as `surefoot.budget.crossed`; `data` is plain JSON."""

    event_id: str
    type: str
    subject: str
    time: datetime
    data: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class DueEvent:
    """An event that waits to be delivered, and how often that was tried."""

    event: OutgoingEvent
    attempts: int
