"""A host that is killed while it does a delivery has done it once or not at all, and never twice when it comes again."""

import subprocess
import sys
from pathlib import Path

import pytest

from surefoot.domain.runs import HostDone, HostNever
from tests.faults.host_child import ACME, POINTS, delivery, effects, host_on

ROOT = Path(__file__).parents[2]


def _child(path: Path, stop_at: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.faults.host_child", str(path), stop_at]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("point", POINTS)
def test_effect_and_reply_are_there_together_or_not_at_all(tmp_path: Path, point: str) -> None:
    path = tmp_path / "host.db"
    with _child(path, point) as child:
        assert child.stdout is not None and child.stdout.readline().strip() == point
        child.kill()
    was_done = point == "answered"
    host = host_on(path)
    assert effects(path) == (["run_1"] if was_done else [])
    assert isinstance(host.status(ACME, delivery(1)), HostDone if was_done else HostNever)
    assert isinstance(host.apply(ACME, delivery(1)), HostDone)
    assert effects(path) == ["run_1"]


@pytest.mark.parametrize("acknowledged_first", [1, 7, 40])
def test_what_was_answered_before_the_kill_is_there_and_nothing_twice(tmp_path: Path, acknowledged_first: int) -> None:
    path = tmp_path / "host.db"
    with _child(path, "") as child:
        assert child.stdout is not None
        answered = [int(child.stdout.readline()) for _ in range(acknowledged_first)]
        child.kill()
        answered += [int(line) for line in child.stdout.read().split()]
    host = host_on(path)
    # The one that was under way at the kill comes again, as the product sends it.
    for number in range(1, answered[-1] + 2):
        assert isinstance(host.apply(ACME, delivery(number)), HostDone)
    assert effects(path) == [f"run_{number}" for number in range(1, answered[-1] + 2)]
