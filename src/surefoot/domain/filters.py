"""The filter algebra of every index, written down once. `matches` is its meaning; adapters must agree with it row by row.

Rights are not a filter: `ReadAccess` is a separate, required argument of every search, so that no combination of filters,
negation included, can widen what a viewer reads.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from surefoot.domain.documents import DocumentId, TrustTier
from surefoot.domain.identity import Principal


class Filterable(Protocol):
    """The columns a filter may look at; Chunk has them all."""

    @property
    def document_id(self) -> DocumentId: ...
    @property
    def locale(self) -> str: ...
    @property
    def trust(self) -> TrustTier: ...
    @property
    def updated_at(self) -> datetime | None: ...
    @property
    def valid_until(self) -> datetime | None: ...
    @property
    def superseded(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class ReadAccess:
    """The rights of one viewer at one moment: every principal they act as, and the tenant's ACL epoch.

    No principals means nothing is readable. Equal values may share a cached bitmap; another epoch never does.
    """

    principals: frozenset[Principal]
    epoch: int


@dataclass(frozen=True, slots=True)
class Everything:
    """Matches every row."""


@dataclass(frozen=True, slots=True)
class InDocuments:
    """Matches rows of these documents; an empty set matches nothing."""

    documents: frozenset[DocumentId]


@dataclass(frozen=True, slots=True)
class LocaleIn:
    """Matches rows of these locales, compared whole (`en-GB` is not `en`); an empty set matches nothing."""

    locales: frozenset[str]


@dataclass(frozen=True, slots=True)
class TrustAtLeast:
    """Matches rows of this tier or a higher one."""

    tier: TrustTier


@dataclass(frozen=True, slots=True)
class UpdatedSince:
    """Matches rows updated at or after the moment; a row without a date does not match."""

    moment: datetime


@dataclass(frozen=True, slots=True)
class ValidAt:
    """Matches rows in force at the moment: `valid_until` is absent or later, and no other document supersedes them."""

    moment: datetime


@dataclass(frozen=True, slots=True)
class AllOf:
    """Matches rows that every part matches; without parts, every row."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Matches rows that some part matches; without parts, no row."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Matches rows that the part does not match."""

    part: "Filter"


Filter = Everything | InDocuments | LocaleIn | TrustAtLeast | UpdatedSince | ValidAt | AllOf | AnyOf | Not


def matches(row: Filterable, where: Filter) -> bool:
    """Whether the row passes the filter: the reference that adapters are compared with."""
    match where:
        case Everything():
            return True
        case InDocuments(documents):
            return row.document_id in documents
        case LocaleIn(locales):
            return row.locale in locales
        case TrustAtLeast(tier):
            return row.trust.rank >= tier.rank
        case UpdatedSince(moment):
            return row.updated_at is not None and row.updated_at >= moment
        case ValidAt(moment):
            return not row.superseded and (row.valid_until is None or row.valid_until > moment)
        case AllOf(parts):
            return all(matches(row, part) for part in parts)
        case AnyOf(parts):
            return any(matches(row, part) for part in parts)
        case Not(part):
            return not matches(row, part)


def readable(document_principals: Iterable[Principal], access: ReadAccess) -> bool:
    """Whether a document with these principals may be read: one of them is among the viewer's. An empty ACL is nobody's."""
    return not access.principals.isdisjoint(document_principals)
