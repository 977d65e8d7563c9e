"""What every reader takes: a file's bytes, what is known about it from outside, and what reading it may cost."""

from dataclasses import dataclass
from datetime import datetime

from surefoot.domain.documents import TrustTier
from surefoot.domain.identity import Principal


@dataclass(frozen=True, slots=True)
class RightsOverride:
    """What an operator states about a file beside it; each field that is not None wins over what the file says itself."""

    principals: frozenset[Principal] | None = None
    trust: TrustTier | None = None
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class RawFile:
    """A file as it was found. `media_type` is without parameters; `modified_at` is set only where the source vouches for it
    (a host's Last-Modified), and dates documents that state no date of their own.
    """

    uri: str
    body: bytes
    media_type: str | None = None
    modified_at: datetime | None = None
    rights: RightsOverride | None = None


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """What one file may cost: `memory_mb` and `cpu_seconds` bind the process that parses PDF and DOCX."""

    max_bytes: int
    max_pages: int
    memory_mb: int
    cpu_seconds: int
