"""A learned score that a person can read: standardised features, one weight each, and a logistic curve."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

_NEAR_ZERO = 1e-4


class Term(BaseModel):
    """One feature's part in a score: weight * (clip(value) - mean) / scale. Values beyond low..high count as the bound."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    mean: float
    scale: float
    low: float
    high: float
    weight: float


class ScorecardFile(BaseModel):
    """A scorecard as it stands in a model file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bias: float
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Scorecard:
    """Logistic regression over named features."""

    bias: float
    terms: tuple[Term, ...]

    def logit(self, features: Mapping[str, float]) -> float:
        """The log-odds. A feature that the card names and the caller does not give raises KeyError: a bug, never a guess."""
        return self.bias + sum(
            term.weight * (min(max(features[term.name], term.low), term.high) - term.mean) / term.scale for term in self.terms
        )

    def probability(self, features: Mapping[str, float]) -> float:
        """The score as a probability, 0..1."""
        return logistic(self.logit(features))


def logistic(value: float) -> float:
    """1 / (1 + exp(-value)), without overflow."""
    if value >= 0:
        return 1 / (1 + math.exp(-value))
    return math.exp(value) / (1 + math.exp(value))


def log_odds(probability: float) -> float:
    """The log-odds of the probability, which counts as at least 0.0001 and at most 0.9999."""
    bounded = min(max(probability, _NEAR_ZERO), 1 - _NEAR_ZERO)
    return math.log(bounded / (1 - bounded))
