"""Tenants, principals and viewers: who is asking, and as whom."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NewType

from surefoot.core.errors import InvalidInput
from surefoot.core.ids import digest

TenantId = NewType("TenantId", str)
Principal = NewType("Principal", str)

EVERYONE = Principal("everyone")
MAX_CONTEXT_ENTRIES = 16
MAX_CONTEXT_CHARACTERS = 128
_PRINCIPAL = re.compile(r"(user|group|role|plan):[^\s\x00-\x1f]{1,128}\Z")
_CONTEXT_KEY = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")


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


def parse_context(stated: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """What a host states about its viewer, as pairs in the order of their keys.

    Raises InvalidInput for more than 16 entries, a key that is not a plain name, and a value that is not 1 to 128 printable
    characters without spaces around them. The message repeats no value.
    """
    if len(stated) > MAX_CONTEXT_ENTRIES:
        raise InvalidInput(f"The viewer's context has {len(stated)} entries; state at most {MAX_CONTEXT_ENTRIES}.")
    pairs: list[tuple[str, str]] = []
    for key in sorted(stated):
        value = stated[key]
        if _CONTEXT_KEY.match(key) is None:
            raise InvalidInput("A key of the viewer's context must be a name such as account_id, of at most 32 characters.")
        if not isinstance(value, str) or not _is_plain(value):
            raise InvalidInput(f"context.{key} must be 1 to {MAX_CONTEXT_CHARACTERS} printable characters, as a text.")
        pairs.append((key, value))
    return tuple(pairs)


@dataclass(frozen=True, slots=True)
class Viewer:
    """The signed-in person asking. `principals` are all they may act as; `everyone` is not implied, access.py adds it.
    `context` is what else the host has signed about them, such as their `account_id`, from `parse_context`; actions that are
    offered to them are filled in from it. It gives no right.
    """

    tenant: TenantId
    user: str
    principals: frozenset[Principal] = field(default_factory=frozenset)
    plan: str | None = None
    region: str | None = None
    locale: str = "en"
    context: tuple[tuple[str, str], ...] = ()

    def stated(self) -> dict[str, str]:
        """Everything that is known of them by name, `user_id` being their id unless the context has one of its own."""
        known = {"user_id": self.user, "plan": self.plan, "region": self.region, "locale": self.locale}
        return {name: value for name, value in known.items() if value is not None} | dict(self.context)


def acl_fingerprint(principals: Iterable[Principal]) -> str:
    """A hash of the set: equal sets, in whatever order, give equal fingerprints, and different sets different ones."""
    return digest(*sorted(set(principals)))


def viewer_hash(viewer: Viewer) -> str:
    """Names the viewer, in the ledger, the meters and the conversations, without saying who they are."""
    return digest("viewer", viewer.tenant, viewer.user)


def _is_plain(text: str) -> bool:
    return 0 < len(text) <= MAX_CONTEXT_CHARACTERS and text.isprintable() and text == text.strip()
