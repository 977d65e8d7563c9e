"""kill -9 at every named point of a life of an action: one effect, nothing lost, and an undo that puts everything back.

`python -m benchmarks.action_kills` does the same for longer.
"""

import re
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import make_url

from tests.faults.action_proof import KILLED, WAYS, House, Tally, Way, house

SOURCES = Path(__file__).parents[2] / "src" / "surefoot" / "actions"
# Every so manieth point of a way, and each whose name no earlier way had. The points are the same on PostgreSQL.
STEPS = {"worker": 1, "waits": 2, "stale": 2, "checks": 2}
POSTGRES_STEP = 8
RANDOM_KILLS = 16


def _named_points() -> set[str]:
    """Those of a single action's life; others are died at in test_playbooks.py, test_callbacks.py and test_autonomy.py of
    tests/unit/actions.
    """
    every = {name for path in SOURCES.glob("*.py") for name in re.findall(r'parts\.at\("([^"]+)"\)', path.read_text())}
    return {name for name in every if not name.startswith(("playbook:", "callback:", "review:"))}


def _rehearsed(home: House, held: ExitStack, way: Way, number: int) -> list[str]:
    """The points of an undisturbed life, in their order; it must itself be right."""
    tally = Tally()
    points = home.survive(home.begin(way, number, held), tally).points
    assert (tally.wrong, tally.survived) == ([], 1)
    return points


@pytest.fixture
def home(database_url: str, tmp_path: Path):  # type: ignore[no-untyped-def]
    with house(database_url, tmp_path) as made:
        yield made


def test_killed_at_any_named_point_an_action_has_its_effect_once_and_is_taken_back_exactly(home: House) -> None:
    tally, number = Tally(), 0
    seen: set[str] = set()
    is_sqlite = make_url(home.url).get_backend_name() == "sqlite"
    with ExitStack() as held:
        for way in WAYS:
            points = _rehearsed(home, held, way, number)
            step = STEPS[way.name] if is_sqlite else POSTGRES_STEP
            for index, point in enumerate(points, start=1):
                if index % step and (point in seen or not is_sqlite):
                    continue
                number += 1
                seen |= {point}
                ended = home.survive(home.begin(way, number, held), tally, dies_at=index)
                assert (ended.status, ended.points) == (KILLED, points[:index])
    assert tally.wrong == []
    assert (tally.lost, tally.doubled, tally.survived) == (0, 0, 0)
    assert tally.kills.keys() == seen
    assert seen == _named_points() or not is_sqlite


def test_killed_at_any_moment_an_action_has_its_effect_once_and_is_taken_back_exactly(home: House) -> None:
    tally, random = Tally(), Random(11)
    kills = RANDOM_KILLS if make_url(home.url).get_backend_name() == "sqlite" else RANDOM_KILLS // 4
    with ExitStack() as held:
        for number in range(kills):
            way = WAYS[number % len(WAYS)]
            # Exponential, so that on a machine of any speed some die early and some late.
            home.survive(home.begin(way, number, held), tally, lives_seconds=0.004 * 2 ** (7 * random.random()))
    assert tally.wrong == []
    assert (tally.lost, tally.doubled) == (0, 0)
    assert tally.kills.total() > 0
