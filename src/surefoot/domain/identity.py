"""Tenants, principals and viewers: who is asking, and as whom."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NewType

from surefoot.core.errors import InvalidInput
from surefoot.core.ids import digest

TenantId = NewType("TenantId", str)
Principal = NewType("Principal", str)

EVERYONE = Principal("everyone")
_PRINCIPAL = re.compile(r"(user|group|role|plan):[^\s\x00-\x1f]{1,128}\Z")


def parse_principal(text: str) -> Principal:
    """The text as a principal: `everyone`, or `user:`, `group:`, `role:`, `plan:` and a name without spaces.

    Anything else, a wildcard or an empty name included, raises InvalidInput: an unknown principal must never mean "all".
    """
    if text == EVERYONE:
        return EVERYONE
    if _PRINCIPAL.match(text) is None or text.endswith(":*"):
        raise InvalidInput(f"{text!r} is not a principal; write everyone, user:<id>, group:<id>, role:<id> or plan:<id>.")
    return Principal(text)


def parse_principals(texts: Iterable[str]) -> frozenset[Principal]:
    """All of them as principals; an empty input is the empty set, which means nobody."""
    return frozenset(parse_principal(text) for text in texts)


@dataclass(frozen=True, slots=True)
class Viewer:
    """The signed-in person asking. `principals` are all they may act as; `everyone` is not implied, access.py adds it."""

    tenant: TenantId
    user: str
    principals: frozenset[Principal] = field(default_factory=frozenset)
    plan: str | None = None
    region: str | None = None
    locale: str = "en"


def acl_fingerprint(principals: Iterable[Principal]) -> str:
    """A hash of the set: equal sets, in whatever order, give equal fingerprints, and different sets different ones."""
    return digest(*sorted(set(principals)))


def viewer_hash(viewer: Viewer) -> str:
    """Names the viewer, in the ledger, the meters and the conversations, without saying who they are."""
    return digest("viewer", viewer.tenant, viewer.user)
