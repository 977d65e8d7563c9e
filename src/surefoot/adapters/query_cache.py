"""Vectors of questions that were asked before, within a bound."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from surefoot.ports import Vectors

LONGEST_KEY_CHARACTERS = 2_000


class QueryCache:
    """A least-recently-used map from text to vector. Safe from many threads; a value is read-only once it is in here.

    It holds at most `size` vectors, and none for texts above 2,000 characters, so that its memory is bounded by both. Only
    vectors are shared between callers, never anything of a tenant: a vector is a pure function of its text.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = Lock()
        self._vectors: OrderedDict[str, Vectors] = OrderedDict()

    def __len__(self) -> int:
        return len(self._vectors)

    def get(self, text: str, encode: Callable[[str], Vectors]) -> Vectors:
        """The vector of the text: the kept one, or what `encode` returns, kept from then on.

        Two threads that ask for the same new text at once may both encode it; encoding is never done under the lock.
        """
        with self._lock:
            if text in self._vectors:
                self._vectors.move_to_end(text)
                return self._vectors[text]
        vector = encode(text)
        vector.flags.writeable = False
        if self._size > 0 and len(text) <= LONGEST_KEY_CHARACTERS:
            with self._lock:
                self._vectors[text] = vector
                self._vectors.move_to_end(text)
                while len(self._vectors) > self._size:
                    self._vectors.popitem(last=False)
        return vector
