"""What the app does when it starts and when it stops."""

import logging
import threading
from collections.abc import AsyncIterator
from dataclasses import replace

from surefoot.adapters.memory.encoder import HashingEncoder
from surefoot.api.app import create_app
from surefoot.core.clock import FixedClock
from surefoot.core.errors import MissingDependency, ModelUnavailable
from surefoot.core.settings import Settings
from surefoot.domain.identity import TenantId
from surefoot.domain.models import ModelCard, ModelRequest, Piece
from tests.api.world import NOW, compose, serve

PATIENCE_SECONDS = 30
OFFLINE = Settings(offline=True, events_seconds=0)


class Closing:
    """A model that knows whether it was closed."""

    card = ModelCard("small", "scripted/none")
    is_closed = False

    async def stream(self, tenant: TenantId, request: ModelRequest) -> AsyncIterator[Piece]:
        raise ModelUnavailable
        yield Piece("")

    async def aclose(self) -> None:
        self.is_closed = True


def test_an_app_that_stops_leaves_no_connection_to_a_provider_open() -> None:
    one, other = Closing(), Closing()
    surefoot = compose(OFFLINE, FixedClock(NOW), HashingEncoder(), models={"one": one, "other": other})
    with serve(create_app(surefoot)) as client:
        assert client.get("/healthz").status_code == 200
        assert not one.is_closed
    assert one.is_closed and other.is_closed


def test_a_starting_app_loads_what_the_first_question_needs_and_waits_for_none_of_it() -> None:
    begun, released = threading.Event(), threading.Event()

    def warm() -> None:
        begun.set()
        assert released.wait(PATIENCE_SECONDS)

    surefoot = replace(compose(OFFLINE, FixedClock(NOW), HashingEncoder()), warm=warm)
    with serve(create_app(surefoot)) as client:
        assert begun.wait(PATIENCE_SECONDS)
        assert client.get("/healthz").status_code == 200
    released.set()


class Told(logging.Handler):
    """Knows when something was logged, and what."""

    def __init__(self) -> None:
        super().__init__()
        self.is_told = threading.Event()
        self.words = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.words += record.getMessage()
        self.is_told.set()


def test_a_model_whose_package_is_missing_is_told_and_the_app_serves_all_the_same() -> None:
    def warm() -> None:
        raise MissingDependency("Run `pip install litellm`.")

    told = Told()
    logging.getLogger("surefoot.api").addHandler(told)
    try:
        surefoot = replace(compose(OFFLINE, FixedClock(NOW), HashingEncoder()), warm=warm)
        with serve(create_app(surefoot)) as client:
            assert told.is_told.wait(PATIENCE_SECONDS)
            assert client.get("/healthz").status_code == 200
    finally:
        logging.getLogger("surefoot.api").removeHandler(told)
    assert "pip install litellm" in told.words
