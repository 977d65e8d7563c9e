"""Two runs over the same cases: what changed, by how much, and whether chance alone could have done it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Change(StrEnum):
    """Where a metric went. A difference that chance could have made is UNDECIDED; NEUTRAL moved, but neither way is better."""

    IMPROVED = "improved"
    REGRESSED = "regressed"
    NEUTRAL = "neutral"
    UNDECIDED = "undecided"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Comparison:
    """How one metric moved from the baseline (`before`) to this run (`after`), over the `n` cases that both have in the slice.

    `difference` is after - before with its paired bootstrap interval `low`..`high`; `p_value` is two-sided, of the named
    `test`, and `adjusted_p` is Holm's over all comparisons made together. Everything is None where the metric is not defined.
    """

    name: str
    slice: Mapping[str, str]
    n: int
    before: float | None
    after: float | None
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    adjusted_p: float | None
    test: str
    change: Change


@dataclass(frozen=True, slots=True)
class CaseChange:
    """One case that came out otherwise: the share of its trials that passed before and after, and why it fails now (or did)."""

    suite: str
    case_id: str
    kind: str
    title: str
    before: float
    after: float
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunDiff:
    """A run against its baseline. `added` and `removed` are `suite/case_id` of cases that only one of the runs has."""

    comparisons: tuple[Comparison, ...]
    regressed: tuple[CaseChange, ...]
    improved: tuple[CaseChange, ...]
    unchanged: int
    added: tuple[str, ...]
    removed: tuple[str, ...]
