"""Ids: random ones sort by time, derived ones are the same on every machine."""

import hashlib
import os
import re
from datetime import datetime
from uuid import UUID

_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")


def uuid7(now: datetime) -> UUID:
    """A time-ordered UUID (RFC 9562, section 5.7): 48 bits of milliseconds, 74 random bits."""
    milliseconds = int(now.timestamp() * 1000)
    value = (milliseconds & ((1 << 48) - 1)) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def new_id(prefix: str, now: datetime) -> str:
    """A fresh id such as `ans_0190...`, unique and sortable by time."""
    return f"{prefix}_{uuid7(now).hex}"


def digest(*parts: str) -> str:
    """The sha256 of the parts, hexadecimal; no two different part lists share their input bytes."""
    sha = hashlib.sha256()
    for part in parts:
        data = part.encode()
        sha.update(len(data).to_bytes(8, "big"))
        sha.update(data)
    return sha.hexdigest()


def derived_id(prefix: str, *parts: str) -> str:
    """An id that is a pure function of its parts: prefix and 24 hexadecimal digits (96 bits)."""
    return f"{prefix}_{digest(*parts)[:24]}"


def is_tenant_id(text: str) -> bool:
    """Whether the text may name a tenant: 1-63 of a-z 0-9 _ -, beginning with a letter or digit; safe as a folder name."""
    return _TENANT.match(text) is not None
