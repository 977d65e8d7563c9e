"""Fitting and judging scorecards: standardisation, logistic regression, listwise choice, AUROC with bootstrap intervals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.metrics import roc_auc_score

Table = NDArray[np.float64]
Labels = NDArray[np.bool_]


@dataclass(frozen=True)
class Card:
    """A fitted scorecard: what `surefoot.assistant.scorecard` reads, as arrays."""

    names: tuple[str, ...]
    mean: Table
    scale: Table
    low: Table
    high: Table
    weights: Table
    bias: float

    def logit(self, table: Table) -> Table:
        return np.asarray((np.clip(table, self.low, self.high) - self.mean) / self.scale @ self.weights + self.bias)

    def record(self, *, digits: int = 5) -> dict[str, Any]:
        """The card as it is written to a model file, features without weight left out."""
        return {
            "bias": round(float(self.bias), digits),
            "terms": [
                {
                    "name": name,
                    "mean": round(float(self.mean[place]), digits),
                    "scale": round(float(self.scale[place]), digits),
                    "low": round(float(self.low[place]), digits),
                    "high": round(float(self.high[place]), digits),
                    "weight": round(float(self.weights[place]), digits),
                }
                for place, name in enumerate(self.names)
                if abs(self.weights[place]) >= 0.5 * 10**-digits
            ],
        }


def table_of(rows: Sequence[Mapping[str, float]], names: Sequence[str]) -> Table:
    """`(len(rows), len(names))` float64."""
    return np.array([[row[name] for name in names] for row in rows], dtype=np.float64).reshape(len(rows), len(names))


def fit_logistic(
    table: Table,
    labels: Labels,
    names: Sequence[str],
    *,
    l2: float,
    weights: Table | None = None,
    signs: Mapping[str, int] | None = None,
) -> Card:
    """Logistic regression with an L2 penalty, values clipped to their 0.5 % and 99.5 % quantiles.

    `signs` holds a feature's weight to >= 0 (1) or <= 0 (-1), where the other sign could only be an accident of the data.
    """
    low, high = np.percentile(table, [0.5, 99.5], axis=0)
    clipped = np.clip(table, low, high)
    mean, scale = clipped.mean(axis=0), clipped.std(axis=0)
    scale[scale < 1e-9] = 1.0
    x = (clipped - mean) / scale
    sample = np.ones(len(labels)) if weights is None else weights * len(labels) / weights.sum()
    target = labels.astype(np.float64)

    def loss(point: Table) -> tuple[float, Table]:
        logit = x @ point[:-1] + point[-1]
        error = 1 / (1 + np.exp(-logit)) - target
        value = (sample * (np.logaddexp(0, logit) - target * logit)).sum() + 0.5 * l2 * (point[:-1] ** 2).sum()
        return float(value), np.append(x.T @ (sample * error) + l2 * point[:-1], (sample * error).sum())

    bounds = [_bound(signs, name) for name in names] + [(None, None)]
    point = minimize(loss, np.zeros(len(names) + 1), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500}).x
    return Card(tuple(names), mean, scale, low, high, point[:-1], float(point[-1]))


def fit_choice(
    lists: Sequence[Table],
    golds: Sequence[Labels],
    names: Sequence[str],
    *,
    l2: float,
    weights: Sequence[float],
    signs: Mapping[str, int],
) -> Card:
    """Weights under which the gold rows of each list win its softmax (conditional logit, McFadden 1974); the bias makes the
    logistic of the score the share of gold among all rows.
    """
    rows = np.concatenate(lists)
    low, high = np.percentile(rows, [0.5, 99.5], axis=0)
    clipped = np.clip(rows, low, high)
    mean, scale = clipped.mean(axis=0), clipped.std(axis=0)
    scale[scale < 1e-9] = 1.0
    x = (clipped - mean) / scale
    ends = np.cumsum([len(table) for table in lists])
    starts = np.concatenate([[0], ends[:-1]])
    owner = np.repeat(np.arange(len(lists)), [len(table) for table in lists])
    target = np.concatenate([gold / gold.sum() for gold in golds])
    sample = np.asarray(weights)[owner]

    def loss(point: Table) -> tuple[float, Table]:
        logit = x @ point
        logit = logit - np.maximum.reduceat(logit, starts)[owner]
        chance = np.exp(logit) / np.add.reduceat(np.exp(logit), starts)[owner]
        value = -(sample * target * np.log(np.maximum(chance, 1e-12))).sum() + 0.5 * l2 * (point**2).sum()
        return float(value), -x.T @ (sample * (target - chance)) + l2 * point

    bounds = [_bound(signs, name) for name in names]
    point = minimize(loss, np.zeros(len(names)), jac=True, method="L-BFGS-B", bounds=bounds).x
    logit, gold = x @ point, np.concatenate(golds)
    slope, offset = fit_line(logit, gold)
    return Card(tuple(names), mean, scale, low, high, point * slope, offset)


def fit_line(logit: Table, labels: Labels) -> tuple[float, float]:
    """Slope and offset of Platt's calibration (Platt 1999)."""

    def loss(point: Table) -> float:
        line = point[0] * logit + point[1]
        return float((np.logaddexp(0, line) - labels * line).mean())

    slope, offset = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x
    return float(slope), float(offset)


def _bound(signs: Mapping[str, int] | None, name: str) -> tuple[float | None, float | None]:
    sign = (signs or {}).get(name, 0)
    return (0.0, None) if sign > 0 else (None, 0.0) if sign < 0 else (None, None)


def auroc(positive: Table, negative: Table) -> float:
    """The chance that a positive scores above a negative; NaN when either is empty."""
    if not len(positive) or not len(negative):
        return float("nan")
    return float(roc_auc_score(np.r_[np.ones(len(positive)), np.zeros(len(negative))], np.r_[positive, negative]))


def interval(measure: Callable[[NDArray[np.intp]], float], n: int, *, rounds: int = 1000, seed: int = 0) -> list[float]:
    """The 95 % percentile bootstrap interval of a measure of row numbers (Efron 1979)."""
    random = np.random.default_rng(seed)
    values = [measure(random.integers(0, n, n)) for _ in range(rounds)]
    return [round(float(value), 3) for value in np.nanpercentile(values, [2.5, 97.5])]


def auroc_figure(positive: Table, negative: Table) -> dict[str, Any]:
    """AUROC with n and interval; the rows of each side are drawn again together when they are pairs of one question."""
    if len(positive) == len(negative):
        bounds = interval(lambda rows: auroc(positive[rows], negative[rows]), len(positive), rounds=500)
    else:
        both, split = np.r_[positive, negative], len(positive)
        bounds = interval(lambda rows: auroc(both[rows[rows < split]], both[rows[rows >= split]]), len(both), rounds=500)
    return {"auroc": round(auroc(positive, negative), 3), "n": [len(positive), len(negative)], "interval": bounds}
