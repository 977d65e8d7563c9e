"""Which evidence is too old to answer from, and how much age takes from a score."""

from dataclasses import dataclass
from datetime import datetime

from surefoot.domain.documents import Chunk

_SECONDS_A_DAY = 86_400


@dataclass(frozen=True, slots=True)
class FreshnessRule:
    """`max_age_days` makes older (and undated) evidence stale. `half_life_days` discounts age: at that age half of
    `weight` is taken from a score, in the limit all of it. None switches either off.
    """

    max_age_days: int | None = None
    half_life_days: float | None = None
    weight: float = 0.1


def stale_reason(chunk: Chunk, rule: FreshnessRule, *, now: datetime) -> str:
    """Why the chunk may not be answered from, for a person to read; empty when it is fresh."""
    if chunk.superseded:
        return "replaced by a newer document"
    if chunk.valid_until is not None and chunk.valid_until <= now:
        return f"valid until {chunk.valid_until:%Y-%m-%d}"
    if rule.max_age_days is not None:
        if chunk.updated_at is None:
            return f"without a date, and evidence must not be older than {rule.max_age_days} days"
        if (now - chunk.updated_at).total_seconds() > rule.max_age_days * _SECONDS_A_DAY:
            return f"last updated {chunk.updated_at:%Y-%m-%d}, more than {rule.max_age_days} days ago"
    return ""


def aged(score: float, chunk: Chunk, rule: FreshnessRule, *, now: datetime) -> float:
    """The normalised score (0..1) after the discount for age: score * (1 - weight * (1 - 2 ** (-age / half_life))).

    A chunk without a date, or dated in the future, is not discounted: age is then unknown, not great.
    """
    if rule.half_life_days is None or chunk.updated_at is None:
        return score
    age_days = max(0.0, (now - chunk.updated_at).total_seconds() / _SECONDS_A_DAY)
    kept: float = 0.5 ** (age_days / rule.half_life_days)
    return score * (1 - rule.weight * (1 - kept))
