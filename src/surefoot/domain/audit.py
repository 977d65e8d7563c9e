"""The audit chain: who did what, each row bound to the one before it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that happened, before it has its place in the chain. `details` is plain JSON without secrets; `details_hash`
    stays when erasure takes the details away.
    """

    at: datetime
    actor: str
    what: str
    subject: str
    details: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An entry at its place. `hash` is the HMAC over place, previous hash and content; `details` is None once erased."""

    seq: int
    prev_hash: str
    hash: str
    at: datetime
    actor: str
    what: str
    subject: str
    details_hash: str
    details: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How long the chain was and how it ended, signed; kept outside, it shows rows that were cut off at the end."""

    tenant: str
    count: int
    head: str
    at: datetime
    signature: str
