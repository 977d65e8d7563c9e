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
# On PostgreSQL every so manieth point; its locks and commits differ, the points do not.
POSTGRES_STEP = 5
RANDOM_KILLS = 16


def _named_points() -> set[str]:
    return {name for path in SOURCES.glob("*.py") for name in re.findall(r'\bparts\.at\("([^"]+)"\)', path.read_text())}


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
    tally, number, seen = Tally(), 0, set()
    step = 1 if make_url(home.url).get_backend_name() == "sqlite" else POSTGRES_STEP
    with ExitStack() as held:
        for shift, way in enumerate(WAYS):
            points = _rehearsed(home, held, way, number)
            seen |= set(points)
            for index in range(1 + shift % step, len(points) + 1, step):
                number += 1
                ended = home.survive(home.begin(way, number, held), tally, dies_at=index)
                assert (ended.status, ended.points) == (KILLED, points[:index])
    assert tally.wrong == []
    assert (tally.lost, tally.doubled, tally.survived) == (0, 0, 0)
    assert seen == _named_points()
    assert step > 1 or tally.kills.keys() == seen


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
