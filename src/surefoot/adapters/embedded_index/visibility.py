"""Which rows one viewer may see: computed once per rights, epoch and filter, and kept within a byte budget."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from surefoot.adapters.embedded_index.columns import Columns, Mask


@dataclass(frozen=True)
class Visible:
    """The visible rows of one open generation. Never changes once made, so threads may share it."""

    mask: Mask
    count: int
    documents: NDArray[np.uint32] | None
    """The documents whose rows are exactly the visible ones; None when some document is visible in part."""

    @property
    def everything(self) -> bool:
        """Nothing is hidden, so that a search may go without a filter."""
        return self.count == len(self.mask)

    @cached_property
    def rows(self) -> NDArray[np.intp]:
        return np.flatnonzero(self.mask)

    @cached_property
    def bits(self) -> NDArray[np.uint8]:
        """The mask with eight rows to the byte, lowest bit first."""
        return np.packbits(self.mask, bitorder="little")

    @property
    def bytes(self) -> int:
        """About how much memory this takes once every form of it has been asked for."""
        documents = 0 if self.documents is None else self.documents.nbytes
        return 512 + self.mask.nbytes + len(self.mask) // 8 + 8 * self.count + documents


def visible_rows(columns: Columns, mask: Mask) -> Visible:
    """The mask as a Visible."""
    owners = columns.column("document")
    whole = np.zeros(len(columns.documents), np.bool_)
    whole[owners[mask]] = True
    aligned = bool(np.array_equal(whole[owners], mask))
    return Visible(mask, int(mask.sum()), np.flatnonzero(whole).astype(np.uint32) if aligned else None)


class VisibleCache:
    """The most recently used Visibles, up to a number of bytes. The newest is kept even when it alone is larger."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._lock = threading.Lock()
        self._held: OrderedDict[Hashable, Visible] = OrderedDict()

    @property
    def bytes(self) -> int:
        return self._bytes

    def get(self, key: Hashable) -> Visible | None:
        """What was put under this key, if it is still held."""
        with self._lock:
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
            return found

    def put(self, key: Hashable, visible: Visible) -> None:
        """The value is held under the key; the least recently used go until the rest fits."""
        with self._lock:
            self._forget(key)
            self._held[key] = visible
            self._bytes += visible.bytes
            while self._bytes > self._max_bytes and len(self._held) > 1:
                self._forget(next(iter(self._held)))

    def forget_if(self, gone: Callable[[Hashable], bool]) -> None:
        """No key that `gone` names is held any more."""
        with self._lock:
            for key in [key for key in self._held if gone(key)]:
                self._forget(key)

    def _forget(self, key: Hashable) -> None:
        old = self._held.pop(key, None)
        if old is not None:
            self._bytes -= old.bytes
