"""The sample tenant served over real sockets, and a provider beside it, each in a process of its own."""

import json
import multiprocessing
import os
import random
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from surefoot.api.app import create_app
from surefoot.bootstrap import build
from surefoot.cli.ingest import ingest_path
from surefoot.core.clock import SystemClock
from surefoot.core.settings import Settings
from surefoot.domain.answers import Tier
from surefoot.domain.identity import EVERYONE
from surefoot.domain.keys import Issuer
from surefoot.domain.keys import Scope as KeyScope
from surefoot.domain.models import ModelCard, Price
from surefoot.domain.policies import DEFAULT_SURFACE, CatalogEntry, Endpoint, ModelPolicy, SurfacePolicy, TenantPolicy
from surefoot.governance import server_keys
from surefoot.governance.tokens import mint, new_signing_key
from surefoot.sample.provider import create_provider, serve_provider
from surefoot.sample.tenant import TENANT, Person, documents_folder

MIXED = "mixed"
_PROCESSES = multiprocessing.get_context("spawn")
_TOKEN_SECONDS = 600
_PRICE = Price(input_usd_per_million=0.15, output_usd_per_million=0.60)


class Mix:
    """Sends each call for the model `mixed` on to one that the dice choose, such as `honest+429=1`."""

    def __init__(self, app: ASGIApp, shares: Mapping[str, float], seed: int) -> None:
        self._app = app
        self._names, self._weights = list(shares), list(shares.values())
        self._dice = random.Random(seed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        parts, more = [], True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        asked = json.loads(b"".join(parts))
        if asked["model"] == MIXED:
            asked["model"] = self._dice.choices(self._names, self._weights)[0]
        body: list[Message] = [{"type": "http.request", "body": json.dumps(asked).encode(), "more_body": False}]

        async def first_the_body() -> Message:
            return body.pop() if body else await receive()

        await self._app(scope, first_the_body, send)


def _provide(told: Connection, shares: Mapping[str, float], seed: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    provider = create_provider()
    provider.app = Mix(provider.app, shares, seed)  # type: ignore[assignment]
    with serve_provider(provider) as base_url:
        told.send(base_url)
        # Serves until the other side hangs up.
        while told.poll(None):
            told.recv()
            told.send(provider.counts)


@dataclass(frozen=True, slots=True)
class Provided:
    """A provider that serves at `base_url`."""

    base_url: str
    line: Connection

    def requests(self) -> int:
        """How many calls have come so far."""
        self.line.send("counts")
        return int(self.line.recv().requests)


@contextmanager
def provided(shares: Mapping[str, float], *, seed: int = 1) -> Iterator[Provided]:
    """A provider whose model `mixed` answers as one of these models, by their shares, for the length of the block."""
    ours, theirs = multiprocessing.Pipe()
    process = _PROCESSES.Process(target=_ignoring_the_end, args=(theirs, dict(shares), seed), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Provided(ours.recv(), ours)
    finally:
        ours.close()
        process.join(20)


def _ignoring_the_end(told: Connection, shares: Mapping[str, float], seed: int) -> None:
    try:
        _provide(told, shares, seed)
    except EOFError:
        return


def policy_for(base_url: str, *, deadline_seconds: float, model: str = MIXED, **surface_rules: float) -> ModelPolicy:
    """A policy whose one surface asks one model behind the OpenAI wire format."""
    card = ModelCard("small", f"loopback/{model}", _PRICE)
    rules: dict[str, Any] = {"deadline_seconds": deadline_seconds, "escalate_floor": 0.0, **surface_rules}
    surface = SurfacePolicy({Tier.SMALL: ("small",)}, **rules)
    return ModelPolicy({"small": CatalogEntry(card, Endpoint("openai", base_url))}, TenantPolicy({DEFAULT_SURFACE: surface}))


@dataclass(slots=True)
class Served:
    """A product that serves at `url`, and the credentials to ask it."""

    url: str
    pid: int
    folder: Path
    ingest_key: dict[str, str]
    private_key: dict[str, Any]
    issuer: Issuer
    _tokens: dict[str, tuple[float, dict[str, str]]] = field(default_factory=dict)

    def viewer(self, person: Person) -> dict[str, str]:
        """The header of this person's token, which is good for at least half of its life."""
        now = SystemClock().now()
        until, header = self._tokens.get(person.name, (0.0, {}))
        if until < now.timestamp():
            token = mint(self.private_key, self.issuer, person.viewer(), now=now, ttl_seconds=_TOKEN_SECONDS)
            header = {"Authorization": f"Bearer {token}"}
            self._tokens[person.name] = ((now + timedelta(seconds=_TOKEN_SECONDS / 2)).timestamp(), header)
        return header


def _serve(told: Connection, settings: Settings, policy: ModelPolicy) -> None:
    import asyncio

    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    app = create_app(build(settings, policy=policy))

    @app.get("/tasks", include_in_schema=False)
    async def tasks() -> int:
        return len(asyncio.all_tasks())

    told.send((os.getpid(), f"http://127.0.0.1:{listener.getsockname()[1]}"))
    uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, server_header=False)).run(sockets=[listener])


@contextmanager
def served(folder: Path, policy: ModelPolicy, **settings: Any) -> Iterator[Served]:
    """The sample tenant on SQLite in the folder, behind one server process, for the length of the block."""
    chosen = Settings(data_dir=folder, tenant=TENANT, offline=True, **settings)
    product = build(chosen, policy=policy)
    product.start()
    now = product.clock.now()
    private_key, issuer = new_signing_key(TENANT)
    key, secret = server_keys.create(TENANT, [KeyScope.INGEST], label="benchmark", now=now)
    with product.store.begin() as work:
        work.tenants.create(TENANT, now=now)
        work.tenants.put_issuer(TENANT, issuer)
        work.tenants.add_key(TENANT, key)
        work.commit()
    ingest_path(product, TENANT, str(documents_folder()), access=frozenset({EVERYONE}))
    product.close()
    ours, theirs = multiprocessing.Pipe()
    process = _PROCESSES.Process(target=_serve, args=(theirs, chosen, policy), daemon=True)
    process.start()
    theirs.close()
    try:
        pid, url = ours.recv()
        yield Served(url, pid, folder, {"Authorization": f"Bearer {secret}"}, private_key, issuer)
    finally:
        process.terminate()
        process.join(30)
        ours.close()
