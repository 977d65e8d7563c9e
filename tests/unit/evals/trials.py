"""Results of eval cases as a runner would write them, from a seed."""

from collections.abc import Mapping, Sequence

import numpy as np

from surefoot.evals.results import CaseResult, Measure


def result(
    case_id: str = "a",
    *,
    passed: bool = True,
    trial: int = 0,
    suite: str = "s",
    task: str = "ask",
    kind: str = "answer",
    measures: Mapping[str, Measure] | None = None,
    slices: Mapping[str, str] | None = None,
    failures: Sequence[str] = (),
    error: str = "",
) -> CaseResult:
    return CaseResult(
        suite=suite,
        case_id=case_id,
        task=task,
        kind=kind,
        trial=trial,
        passed=passed,
        measures={} if error else (measures or {}),
        slices=slices or {},
        title=f"title of {case_id}",
        why="",
        failures=tuple(failures),
        error=error,
    )


def truths(passed: Sequence[bool], **more: object) -> list[CaseResult]:
    """One case for each, in order, called c0, c1 ..."""
    return [result(f"c{i}", passed=bool(value), **more) for i, value in enumerate(passed)]  # type: ignore[arg-type]


def numbers(name: str, values: Sequence[float], **more: object) -> list[CaseResult]:
    """One case for each value of one measure."""
    return [result(f"c{i}", measures={name: float(value)}, **more) for i, value in enumerate(values)]  # type: ignore[arg-type]


def answers_run(
    seed: int, *, cases: int = 300, hardness_seed: int = 7, drop: float = 0.0, slower: float = 1.0, leaks: int = 0
) -> list[CaseResult]:
    """A run of an answers suite: each case has a chance to pass and a time of its own, which are the same for every run; what
    comes of them is the run's own. `drop` is taken off every chance, `slower` multiplies every time.
    """
    own, luck = np.random.default_rng(hardness_seed), np.random.default_rng(seed)
    chance = own.beta(2, 1.5, cases)
    usual_ms = own.lognormal(3, 0.6, cases)
    made = []
    for i in range(cases):
        passed = bool(luck.random() < chance[i] - drop)
        measures: dict[str, Measure] = {
            "passed": passed,
            "leaked": i < leaks,
            "confidence": float(np.clip(chance[i] + luck.normal(0, 0.2), 0, 1)),
            "answerable": i % 3 != 0,
            "latency_ms": float(usual_ms[i] * luck.lognormal(0, 0.3) * slower),
            "cost_usd": float(luck.random() < 0.3) * 0.001,
            "groundedness": float(np.clip(chance[i] - drop + luck.normal(0, 0.1), 0, 1)),
        }
        made.append(result(f"c{i}", passed=passed, kind="answer" if i % 3 else "near-miss", measures=measures))
    return made
