"""The HTTP API over one product."""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version

import anyio
import anyio.to_thread
from fastapi import FastAPI

from surefoot.api import errors
from surefoot.api.deliveries import deliver_while_running
from surefoot.api.deps import Face
from surefoot.api.edge import Edge, check_origins
from surefoot.api.limits import Admission
from surefoot.api.openapi import describe
from surefoot.api.routes import (
    actions,
    ask,
    budgets,
    callbacks,
    conversations,
    documents,
    feedback,
    health,
    issuers,
    keys,
    metrics,
    pages,
    playbooks,
    replies,
    traces,
    verdicts,
)
from surefoot.api.schemas.problems import Problem
from surefoot.api.sweeping import sweep_while_running
from surefoot.api.working import work_while_running
from surefoot.bootstrap import Surefoot
from surefoot.core.errors import MissingDependency

_log = logging.getLogger("surefoot.api")

# Questions that may wait for each one that is being answered, and administrative calls at once.
_WAITING_PER_PLACE = 4
_ADMINISTRATION_PLACES = 8
_WORKED_ON_PER_CORE = 2
_SWEEP_SECONDS = 3_600.0

_ROUTES = (
    ask,
    feedback,
    actions,
    playbooks,
    conversations,
    documents,
    replies,
    traces,
    callbacks,
    budgets,
    keys,
    issuers,
    health,
    metrics,
    pages,
    verdicts,
)

_DESCRIPTION = """
Questions are answered from the tenant's own documents, cited to the character, or refused with the reason.

People ask with a **viewer token**: a JWT of at most 15 minutes that the host product signs (`docs/reference/http-api.md`).
The tenant's backend ingests and administers with a **server key**. Tenant and rights come from these credentials alone.
Every error is `application/problem+json`; its `type` opens a page that explains it.
"""


def _questions(most: int) -> Admission:
    """Places for questions. Fewer are worked on at once than may be inside, most of which wait for models: threads that compute
    side by side on the same cores only make each other late.
    """
    at_once = min(most, _WORKED_ON_PER_CORE * (os.cpu_count() or 1))
    return Admission(concurrent=at_once, waiting=most * (1 + _WAITING_PER_PLACE) - at_once)


async def _warm(surefoot: Surefoot) -> None:
    """What the first question needs is loaded beside the first requests; without it the service answers all the same."""
    try:
        await anyio.to_thread.run_sync(surefoot.warm, abandon_on_cancel=True)
    except MissingDependency as error:
        _log.error("a model of models.toml cannot be asked: %s", error)


def create_app(surefoot: Surefoot) -> FastAPI:
    """The app; it starts the product when it starts and closes it when it stops. Raises InvalidSettings for bad origins."""
    settings = surefoot.settings
    origins = check_origins(settings.cors_origins)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await anyio.to_thread.run_sync(surefoot.start)
        try:
            async with anyio.create_task_group() as background:
                background.start_soon(_warm, surefoot)
                kept = (surefoot.samples, surefoot.retention)
                sweep = partial(sweep_while_running, *kept, surefoot.store, every_seconds=_SWEEP_SECONDS)
                background.start_soon(sweep)
                if settings.events_seconds:
                    every = settings.events_seconds
                    background.start_soon(partial(deliver_while_running, surefoot.courier, every_seconds=every))
                if settings.actions_seconds:
                    pause = settings.actions_seconds
                    background.start_soon(partial(work_while_running, surefoot.actions, surefoot.store, every_seconds=pause))
                yield
                background.cancel_scope.cancel()
        finally:
            try:
                await surefoot.router.aclose()
            finally:
                await anyio.to_thread.run_sync(surefoot.close)

    app = FastAPI(
        title="Surefoot",
        version=version("surefoot"),
        description=_DESCRIPTION,
        # The interactive pages load scripts from a foreign origin; the document itself is all that is served.
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        responses={"default": {"model": Problem, "description": "Any error."}},
    )
    app.state.face = Face(
        surefoot=surefoot,
        questions=_questions(settings.max_concurrent_requests),
        administration=Admission(concurrent=_ADMINISTRATION_PLACES, waiting=_ADMINISTRATION_PLACES * _WAITING_PER_PLACE),
    )
    errors.install(app)
    for routes in _ROUTES:
        app.include_router(routes.router)
    app.openapi = partial(describe, app)  # type: ignore[method-assign]
    app.add_middleware(Edge, clock=surefoot.clock, origins=origins, public_url=settings.public_url)
    return app
