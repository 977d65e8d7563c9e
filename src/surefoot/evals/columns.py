"""A run's results as columns: one number per trial and measure, and which case each trial is of."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from surefoot.evals.measures import MEASURES
from surefoot.evals.metrics import Floats
from surefoot.evals.results import CaseResult
from surefoot.evals.weighted import Indices

# What every line has besides its own slices.
FIELDS = ("suite", "task", "kind")


class Columns:
    """Rows are trials, in the order of `results`; `case` numbers the case of each, which is a suite's id within that suite.

    A measure that a case does not carry is NaN there. `passed`, `error` and `elapsed_ms` are taken from the line itself, so a
    case that could not be run counts as failed whatever it measured.
    """

    def __init__(self, results: Sequence[CaseResult]) -> None:
        self.keys = tuple(result.key for result in results)
        numbers: dict[tuple[str, str], int] = {}
        self.case: Indices = np.array([numbers.setdefault(key[:2], len(numbers)) for key in self.keys], np.intp)
        self._results = results
        self._measures: dict[str, Floats] = {}
        self._labels: dict[str, NDArray[np.object_]] = {}

    def __len__(self) -> int:
        return len(self._results)

    def measure(self, name: str) -> Floats:
        """The measure of each trial, truths as 0 and 1."""
        if name not in self._measures:
            own = {"passed": "passed", "error": "error", "elapsed_ms": "elapsed_ms"}.get(name)
            self._measures[name] = np.array([_number(result, name, own) for result in self._results], np.float64)
        return self._measures[name]

    def labels(self, name: str) -> NDArray[np.object_]:
        """Each trial's field or slice of this name, empty where it has none."""
        if name not in self._labels:
            texts = [getattr(r, name) if name in FIELDS else r.slices.get(name, "") for r in self._results]
            self._labels[name] = np.array(texts, object)
        return self._labels[name]

    def rows(self, where: Mapping[str, str]) -> Indices:
        """The trials that have all of these."""
        chosen = np.ones(len(self), bool)
        for name, value in where.items():
            chosen &= self.labels(name) == value
        return np.flatnonzero(chosen)

    def measured(self) -> list[str]:
        """The known measures that some trial carries, in the order of MEASURES."""
        carried = {name for result in self._results for name in result.measures}
        return [name for name in MEASURES if name in carried or name in ("passed", "error", "elapsed_ms")]

    def slice_names(self) -> list[str]:
        """The names of the cases' own slices."""
        return sorted({name for result in self._results for name in result.slices} - set(FIELDS))


def _number(result: CaseResult, name: str, own: str | None) -> float:
    if own == "passed":
        return float(result.passed and not result.error)
    if own == "error":
        return float(bool(result.error))
    value = result.elapsed_ms if own else result.measures.get(name)
    return float("nan") if value is None else float(value)
