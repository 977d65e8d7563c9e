"""Choices that look random and are a pure function of what they were made from."""

from collections.abc import Sequence
from typing import TypeVar

from surefoot.core.ids import digest

Choice = TypeVar("Choice")


class Dice:
    """Rolls that are the same on every machine and version for equal parts."""

    def __init__(self, *parts: str) -> None:
        self._key = digest(*parts)
        self._rolls = 0

    def below(self, limit: int) -> int:
        """The next roll, 0 <= roll < limit; `limit` is at least 1."""
        self._rolls += 1
        return int(digest(self._key, str(self._rolls))[:15], 16) % limit

    def one_of(self, choices: Sequence[Choice]) -> Choice:
        """One of the choices, of which there is at least one."""
        return choices[self.below(len(choices))]

    def happens(self, percent: int) -> bool:
        """Whether something of this probability happens now."""
        return self.below(100) < percent
