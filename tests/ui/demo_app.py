"""The demo's host product in this process, with the models a journey needs."""

import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from surefoot.api.app import create_app
from surefoot.bootstrap import Surefoot, build
from surefoot.cli.ingest import ingest_path
from surefoot.cli.signing import ensure_signing_key
from surefoot.core.clock import Clock
from surefoot.core.settings import load_settings
from surefoot.domain.answers import Tier
from surefoot.domain.identity import EVERYONE
from surefoot.domain.models import ModelCard
from surefoot.domain.policies import (
    DEFAULT_SURFACE,
    BudgetRule,
    CatalogEntry,
    Endpoint,
    ModelPolicy,
    SurfacePolicy,
    TenantPolicy,
)
from surefoot.governance.tokens import mint
from surefoot.ports import LanguageModel
from surefoot.sample.host import host_routes
from surefoot.sample.tenant import TENANT, Person, documents_folder
from surefoot.sample.workplace import SampleHost, sample_host


def policy_of(cards: Sequence[ModelCard], *budgets: BudgetRule, thin_margin: float = 0.0) -> ModelPolicy:
    """These models are small ones that stand in for each other, with all the time a journey needs."""
    lanes = {Tier.SMALL: tuple(card.name for card in cards)}
    surface = SurfacePolicy(lanes=lanes, deadline_seconds=120, escalate_floor=0.0, thin_margin=thin_margin)
    catalog = {card.name: CatalogEntry(card, Endpoint("scripted")) for card in cards}
    return ModelPolicy(catalog, TenantPolicy({DEFAULT_SURFACE: surface}, budgets))


@contextmanager
def demo_app(
    folder: Path, policy: ModelPolicy | None = None, models: Mapping[str, LanguageModel] | None = None
) -> Iterator[tuple[str, Surefoot]]:
    """Where the sample tenant's page is served, and the product behind it."""
    with demo_at_work(folder, policy, models) as (address, surefoot, _):
        yield address, surefoot


@contextmanager
def demo_at_work(
    folder: Path,
    policy: ModelPolicy | None = None,
    models: Mapping[str, LanguageModel] | None = None,
    clock: Clock | None = None,
) -> Iterator[tuple[str, Surefoot, SampleHost]]:
    """Where the page is served, the product behind it, and the sample's own backend in which actions have their effect."""
    with sample_host(folder, clock) as host, _surefoot(folder, host, policy, models, clock) as (address, surefoot):
        yield address, surefoot, host


@contextmanager
def _surefoot(
    folder: Path,
    host: SampleHost,
    policy: ModelPolicy | None,
    models: Mapping[str, LanguageModel] | None,
    clock: Clock | None,
) -> Iterator[tuple[str, Surefoot]]:
    overrides = {"data_dir": str(folder), "tenant": TENANT, "offline": True}
    settings = load_settings(folder=folder, env={}, overrides=overrides).settings
    surefoot = build(settings, clock, policy=policy, models=models, rules=host.rules, hosts=host.hosts)
    try:
        surefoot.start()
        with surefoot.store.begin() as work:
            work.tenants.create(TENANT, now=surefoot.clock.now())
            work.commit()
        private, issuer = ensure_signing_key(surefoot, TENANT)
        ingest_path(surefoot, TENANT, str(documents_folder()), access=frozenset({EVERYONE}))

        def token_for(person: Person) -> str:
            return mint(private, issuer, person.viewer(), now=surefoot.clock.now())

        app = create_app(surefoot)
        app.include_router(host_routes(token_for, host))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5)
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            thread.start()
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}", surefoot
            finally:
                server.should_exit = True
                thread.join()
    finally:
        surefoot.close()
