from collections.abc import Iterator

import pytest

from tests.api.world import World, world


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    """One world for the tests of a module that change nothing others look at."""
    with world() as made:
        yield made


@pytest.fixture
def fresh() -> Iterator[World]:
    """A world of one's own."""
    with world() as made:
        yield made
