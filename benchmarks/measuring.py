"""Measuring on one core, and the tables that results are written in."""

import os
from collections.abc import Callable, Sequence
from time import perf_counter, process_time

import numpy as np


def one_core() -> None:
    """This process and its threads stay on one CPU from here on, where the system allows it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


class Stopwatch:
    """Wall and CPU milliseconds of repeated calls; CPU counts every thread of the process."""

    def __init__(self) -> None:
        self.wall_ms: list[float] = []
        self.cpu_ms: list[float] = []

    def time(self, call: Callable[[], object]) -> None:
        """The call is made once and its times are added."""
        wall, cpu = perf_counter(), process_time()
        call()
        self.cpu_ms.append((process_time() - cpu) * 1000)
        self.wall_ms.append((perf_counter() - wall) * 1000)

    def summary(self) -> dict[str, float]:
        """p50 and p95 of both, and the mean of the CPU time."""
        return {
            "wall_ms_p50": float(np.percentile(self.wall_ms, 50)),
            "wall_ms_p95": float(np.percentile(self.wall_ms, 95)),
            "cpu_ms_p50": float(np.percentile(self.cpu_ms, 50)),
            "cpu_ms_p95": float(np.percentile(self.cpu_ms, 95)),
            "cpu_ms_mean": float(np.mean(self.cpu_ms)),
        }


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
