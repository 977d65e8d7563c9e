"""The figures of a run: every metric over every slice of its results, with how many cases it is of and how far it may be off."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric over the cases of one slice. `name` is the metric (`share.passed`, `p95.latency_ms`), `slice` what the cases
    have in common (`task`, `kind`, `suite` or a slice of their own; empty: all cases).

    `n` cases have the measure, run `trials` times in all; a case that is repeated is still one case, so the interval
    `low`..`high` is no narrower for trials that agree. A sum has no interval. `value` is None where cases exist but the metric
    is not defined on them, such as an AUROC of one class.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    slice: Mapping[str, str] = field(default_factory=dict)
    trials: int = 0
