"""Answers kept for equal questions, in partitions that no viewer with other rights can reach."""

from collections import OrderedDict
from dataclasses import dataclass, fields
from threading import Lock
from typing import Generic, TypeVar

from surefoot.core.ids import digest
from surefoot.domain.identity import TenantId

Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class CacheKey:
    """Everything that an outcome depends on. Two questions share an outcome only when all of it is equal.

    `rights` names what may be read (retrieval.access.RightsFingerprints), `corpus_version` the documents and the epoch of
    their rights, `prompt_fingerprint` and `policy_fingerprint` how an answer is made, `narrowing` the filter and limit,
    `actions` what a model may propose beside it, `evidence_fingerprint` the evidence model that weighed it.
    """

    tenant: TenantId
    rights: str
    corpus_version: str
    prompt_fingerprint: str
    policy_fingerprint: str
    surface: str
    locale: str
    narrowing: str
    question: str
    actions: str = ""
    evidence_fingerprint: str = ""

    def name(self) -> str:
        """One hash of all parts, each with its length, so that no two keys run into each other."""
        return digest(*(str(getattr(self, field.name)) for field in fields(self)))

    def owner(self) -> str:
        """Whose outcome it is: the tenant and the rights it was made with."""
        return digest(self.tenant, self.rights)


@dataclass(frozen=True, slots=True)
class _Kept(Generic[Outcome]):
    owner: str
    outcome: Outcome


class AnswerCache(Generic[Outcome]):
    """At most `size` outcomes of one process, the least recently used going first; a size of 0 keeps nothing. Safe from many
    threads.

    The value names its owner, and one that does not belong to the asker is never given out, whatever its key. Whether its
    evidence still holds is not known here: who takes an outcome out checks it like a fresh one.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[str, _Kept[Outcome]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: CacheKey) -> Outcome | None:
        """The outcome kept for this key."""
        name = key.name()
        with self._lock:
            kept = self._kept.get(name)
            if kept is None:
                return None
            if kept.owner != key.owner():
                del self._kept[name]
                return None
            self._kept.move_to_end(name)
            return kept.outcome

    def put(self, key: CacheKey, outcome: Outcome) -> None:
        """The outcome is kept as long as there is room."""
        if self._size == 0:
            return
        name, kept = key.name(), _Kept(key.owner(), outcome)
        with self._lock:
            self._kept[name] = kept
            self._kept.move_to_end(name)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)

    def __len__(self) -> int:
        return len(self._kept)
