"""What a filter may look at, one array per column, and the ids of the rows."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surefoot.domain.documents import Chunk, DocumentId
from surefoot.domain.filters import (
    AllOf,
    AnyOf,
    Everything,
    Filter,
    InDocuments,
    LocaleIn,
    Not,
    TrustAtLeast,
    UpdatedSince,
    ValidAt,
)

Mask = NDArray[np.bool_]
Names = NDArray[np.bytes_]

ROW = np.dtype(
    [
        ("document", "<u4"),
        ("locale", "<u2"),
        ("trust", "<i1"),
        ("superseded", "?"),
        ("updated_at", "<i8"),
        ("valid_until", "<i8"),
    ]
)

# A row without a date was never updated, and one without an end is valid for ever.
_NEVER = np.iinfo(np.int64).min
_FOREVER = np.iinfo(np.int64).max
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(moment: datetime) -> int:
    """The moment as whole microseconds since 1970, exactly; an aware datetime is required."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def as_names(texts: Iterable[str]) -> Names:
    """The texts as a fixed-width UTF-8 array; byte order is code point order."""
    return np.array([text.encode() for text in texts] or [], dtype=np.bytes_)


@dataclass(frozen=True)
class Columns:
    """One row per chunk, in row order. `rows["document"]` counts into `documents`, `rows["locale"]` into `locales`."""

    rows: NDArray[np.void]
    documents: Names
    locales: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def document_names(self) -> list[DocumentId]:
        return [DocumentId(name.decode()) for name in self.documents.tolist()]

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        return np.unique(self.column("valid_until"))

    @cached_property
    def _updates(self) -> NDArray[np.int64]:
        return np.unique(self.column("updated_at"))

    def column(self, name: str) -> NDArray[Any]:
        """The column as a contiguous array, read once."""
        held: dict[str, NDArray[Any]] = self.__dict__.setdefault("_held", {})
        if name not in held:
            held[name] = np.ascontiguousarray(self.rows[name])
        return held[name]

    def in_documents(self, documents: frozenset[DocumentId]) -> Mask:
        """The rows of these documents."""
        names = self.document_names
        chosen: Mask = np.fromiter((name in documents for name in names), np.bool_, len(names))
        return np.asarray(chosen[self.column("document")], np.bool_)

    def mask(self, where: Filter) -> Mask:
        """The rows that pass the filter: `domain.filters.matches`, a column at a time."""
        match where:
            case Everything():
                return np.ones(len(self), np.bool_)
            case InDocuments(documents):
                return self.in_documents(documents)
            case LocaleIn(locales):
                wanted = np.array([locale in locales for locale in self.locales], np.bool_)
                return np.asarray(wanted[self.column("locale")], np.bool_)
            case TrustAtLeast(tier):
                return np.asarray(self.column("trust") >= tier.rank)
            case UpdatedSince(moment):
                return np.asarray(self.column("updated_at") >= microseconds(moment))
            case ValidAt(moment):
                return np.asarray(~self.column("superseded") & (self.column("valid_until") > microseconds(moment)))
            case AllOf(parts):
                passing = np.ones(len(self), np.bool_)
                for part in parts:
                    passing &= self.mask(part)
                return passing
            case AnyOf(parts):
                passing = np.zeros(len(self), np.bool_)
                for part in parts:
                    passing |= self.mask(part)
                return passing
            case Not(part):
                return ~self.mask(part)

    def cache_key(self, where: Filter) -> Hashable:
        """Equal only for filters that pass the same rows here. A moment counts by its place among the dates that occur,
        so that "valid now", asked every second, stays one key.
        """
        match where:
            case UpdatedSince(moment):
                return ("updated", int(np.searchsorted(self._updates, microseconds(moment), "left")))
            case ValidAt(moment):
                return ("valid", int(np.searchsorted(self._ends, microseconds(moment), "right")))
            case AllOf(parts):
                return ("all", *(self.cache_key(part) for part in parts))
            case AnyOf(parts):
                return ("any", *(self.cache_key(part) for part in parts))
            case Not(part):
                return ("not", self.cache_key(part))
            case _:
                return where

    def kept(self, keep: Mask) -> "Columns":
        """The rows that are kept, in order, and only the documents and locales that still have one, by first use."""
        rows = np.array(self.rows[keep])
        rows["document"], documents = _renumbered(rows["document"])
        rows["locale"], locales = _renumbered(rows["locale"])
        return Columns(rows, np.asarray(self.documents)[documents], tuple(self.locales[place] for place in locales.tolist()))

    def extended(self, chunks: Sequence[Chunk]) -> "Columns":
        """These rows, then one for each chunk; documents and locales that are new come after the old ones."""
        documents = {name: place for place, name in enumerate(self.document_names)}
        locales = {name: place for place, name in enumerate(self.locales)}
        rows = np.array(
            [
                (
                    documents.setdefault(chunk.document_id, len(documents)),
                    locales.setdefault(chunk.locale, len(locales)),
                    chunk.trust.rank,
                    False,
                    _NEVER if chunk.updated_at is None else microseconds(chunk.updated_at),
                    _FOREVER if chunk.valid_until is None else microseconds(chunk.valid_until),
                )
                for chunk in chunks
            ],
            dtype=ROW,
        )
        return Columns(np.concatenate([self.rows, rows]), as_names(documents), tuple(locales))

    def with_superseded(self, documents: frozenset[DocumentId]) -> "Columns":
        """The same rows; those of these documents, and no others, are superseded."""
        rows = self.rows.copy()
        rows["superseded"] = self.in_documents(documents)
        return Columns(rows, self.documents, self.locales)


def no_columns() -> Columns:
    """Columns without a row."""
    return Columns(np.zeros(0, ROW), as_names(()), ())


def _renumbered(places: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The places counted anew by first use, and for each new place the old one."""
    used, first, dense = np.unique(places, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    return np.argsort(order, kind="stable")[dense], used[order]
