"""Two tenants on the memory adapters behind the real app, with every kind of credential."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import anyio.from_thread
import httpx
from anyio.from_thread import BlockingPortal
from fastapi import FastAPI

from surefoot.actions.registry import load_registry
from surefoot.adapters.memory.encoder import HashingEncoder
from surefoot.adapters.memory.fetcher import MemoryFetcher
from surefoot.adapters.memory.host import MemoryHost
from surefoot.adapters.memory.index import MemoryIndex
from surefoot.adapters.memory.sink import MemorySink
from surefoot.adapters.memory.store import MemoryStore
from surefoot.adapters.prometheus_observer import PrometheusObserver
from surefoot.api.app import create_app
from surefoot.assistant.answer import Answerer
from surefoot.assistant.answerability import AnswerabilityModel
from surefoot.assistant.scorecard import ScorecardFile, Term
from surefoot.bootstrap import Adapters, Surefoot, assemble
from surefoot.core.clock import FixedClock
from surefoot.core.settings import Settings
from surefoot.domain.action_rules import ActionRules, TenantRules
from surefoot.domain.documents import document_id
from surefoot.domain.identity import Principal, TenantId, Viewer
from surefoot.domain.keys import Issuer, Scope
from surefoot.domain.policies import NO_MODELS, ModelPolicy
from surefoot.governance import server_keys, tokens
from surefoot.ports import AccessSnapshot, Encoder, LanguageModel

Result = TypeVar("Result")

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ACME, GLOBEX = TenantId("acme"), TenantId("globex")
REFUNDS = "# Refunds\n\nRefunds reach the card within 5 business days. Bank transfers take ten days.\n"
PAYROLL = "# Payroll\n\nThe payroll account number is ACME-CANARY-77 and only finance may know it.\n"
FOREIGN = "# Rockets\n\nThe rocket launch code of globex is GLOBEX-CANARY-99.\n"


# Which kind of resource each of the shipped actions changes.
KINDS = {spec.name: spec.effects[0].resource for spec in load_registry().all()}


class Client:
    """Calls the app as a client of its network would, from ordinary functions."""

    def __init__(self, app: FastAPI, portal: BlockingPortal) -> None:
        self.app = app
        self._portal = portal

    def run(self, function: Callable[[], Awaitable[Result]]) -> Result:
        """What the coroutine returns, run in the app's own event loop."""
        return self._portal.call(function)

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://surefoot.test") as client:
                return await client.request(method, path, **more)

        return self._portal.call(call)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.request("POST", path, **more)

    def put(self, path: str, **more: Any) -> httpx.Response:
        return self.request("PUT", path, **more)

    def delete(self, path: str, **more: Any) -> httpx.Response:
        return self.request("DELETE", path, **more)


@contextmanager
def serve(app: FastAPI) -> Iterator[Client]:
    """The app, started; stopped after the block."""
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(app.router.lifespan_context(app)),
    ):
        yield Client(app, portal)


@dataclass
class Tenant:
    """One tenant's credentials and documents."""

    name: TenantId
    private_key: dict[str, Any]
    issuer: Issuer
    ingest_secret: str
    admin_secret: str
    admin_key_id: str
    documents: dict[str, str]


@dataclass
class World:
    surefoot: Surefoot
    clock: FixedClock
    client: Client
    tenants: dict[TenantId, Tenant]

    def viewer(self, *principals: str, user: str = "ada", tenant: TenantId = ACME) -> dict[str, str]:
        """The Authorization header of a viewer who acts as these principals."""
        known = self.tenants[tenant]
        about = (("account_id", "acc_fernhill1"), ("user_id", "usr_nora01"))
        viewer = Viewer(tenant, user, frozenset(map(Principal, principals)), context=about)
        token = tokens.mint(known.private_key, known.issuer, viewer, now=self.clock.now())
        return {"Authorization": f"Bearer {token}"}

    def ingest_key(self, tenant: TenantId = ACME) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tenants[tenant].ingest_secret}"}

    def admin_key(self, tenant: TenantId = ACME) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tenants[tenant].admin_secret}"}

    def put(self, uri: str, content: str, principals: Sequence[str] = ("everyone",), tenant: TenantId = ACME) -> str:
        """The document is published through the API; returns its id."""
        body = {"uri": uri, "content": content, "media_type": "text/markdown", "principals": list(principals)}
        answered = self.client.put("/v1/documents", json=body, headers=self.ingest_key(tenant))
        assert answered.status_code == 200, answered.text
        return str(answered.json()["document_id"])

    def ask(self, question: str, headers: dict[str, str], **more: Any) -> dict[str, Any]:
        answered = self.client.post("/v1/ask", json={"question": question, **more}, headers=headers)
        assert answered.status_code == 200, answered.text
        reply: dict[str, Any] = answered.json()
        return reply


def compose(
    settings: Settings,
    clock: FixedClock,
    encoder: Encoder,
    policy: ModelPolicy = NO_MODELS,
    models: Mapping[str, LanguageModel] | None = None,
) -> Surefoot:
    """The product as bootstrap puts it together, on the memory adapters. It answers when the passages hold a third of the
    question's words.
    """
    store = MemoryStore()

    def readable(tenant: TenantId, principals: frozenset[Principal]) -> AccessSnapshot:
        with store.begin() as work:
            return work.access.readable(tenant, principals)

    even = ScorecardFile(bias=0.0, terms=())
    covered = Term(name="covered_by_all", mean=0.3, scale=0.1, low=0.0, high=1.0, weight=1.0)
    by_words = ScorecardFile(bias=0.0, terms=(covered,))
    always = ScorecardFile(bias=20.0, terms=())
    model = AnswerabilityModel(about={}, answer_threshold=0.5, scope_threshold=0.0, passage=even, answer=by_words, scope=always)
    adapters = Adapters(
        store=store,
        index=MemoryIndex(readable, dimensions=encoder.dimensions),
        encoder=encoder,
        fetcher=MemoryFetcher({}),
        sink=MemorySink(),
        metrics=PrometheusObserver(tenants=settings.metrics_tenants),
        models=models or {},
        audit_key=b"k" * 32,
        hosts={"host_app": MemoryHost(kinds=KINDS, clock=clock)},
    )
    # Everybody has agreed to tips, as the sample's hosts say; every other rule is as it is without an actions.toml.
    rules = ActionRules(default=TenantRules(consents=frozenset({"product_tips"})))
    return assemble(settings, clock, adapters, policy, Answerer(encoder, model=model), rules)


def add_tenant(surefoot: Surefoot, name: TenantId) -> Tenant:
    now = surefoot.clock.now()
    private_key, issuer = tokens.new_signing_key(name)
    ingest, ingest_secret = server_keys.create(name, [Scope.INGEST], label="ingest", now=now)
    admin, admin_secret = server_keys.create(name, [Scope.ADMIN], label="admin", now=now)
    with surefoot.store.begin() as work:
        work.tenants.create(name, now=now)
        work.tenants.put_issuer(name, issuer)
        work.tenants.add_key(name, ingest)
        work.tenants.add_key(name, admin)
        work.commit()
    return Tenant(name, private_key, issuer, ingest_secret, admin_secret, admin.key_id, {})


@contextmanager
def world(
    *,
    encoder: Encoder | None = None,
    policy: ModelPolicy = NO_MODELS,
    models: Mapping[str, LanguageModel] | None = None,
    **settings: Any,
) -> Iterator[World]:
    """acme with an open and a restricted document, globex with one of its own; closed after the block."""
    clock = FixedClock(NOW)
    chosen = Settings(**{"offline": True, "events_seconds": 0, "actions_seconds": 0, **settings})
    surefoot = compose(chosen, clock, encoder or HashingEncoder(), policy, models)
    tenants = {name: add_tenant(surefoot, name) for name in (ACME, GLOBEX)}
    with serve(create_app(surefoot)) as client:
        made = World(surefoot, clock, client, tenants)
        for tenant, uri, content, principals in (
            (ACME, "refunds.md", REFUNDS, ("everyone",)),
            (ACME, "payroll.md", PAYROLL, ("group:finance",)),
            (GLOBEX, "rockets.md", FOREIGN, ("everyone",)),
        ):
            identity = made.put(uri, content, principals, tenant)
            assert identity == document_id(tenant, uri)
            tenants[tenant].documents[uri] = identity
        yield made
