"""Settings -> adapters -> use cases. The only module that names adapters."""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from surefoot.actions.facts import ActionFacts, RuleCalendar
from surefoot.actions.offers import Offers
from surefoot.actions.parts import ActionParts
from surefoot.actions.probe_session import ProbeClient
from surefoot.actions.proposals import Proposals
from surefoot.actions.registry import Registry, load_registry
from surefoot.actions.rules_file import callback_secrets, load_rules
from surefoot.actions.service import Actions
from surefoot.assistant.answer import Answerer
from surefoot.assistant.ask import Ask, AskParts
from surefoot.assistant.climbing import Climber
from surefoot.assistant.conversation import Conversations
from surefoot.assistant.feedback import FeedbackDesk
from surefoot.assistant.first_answer import Extractive
from surefoot.assistant.gate import Gate
from surefoot.assistant.groundedness import Support
from surefoot.assistant.handover import Handovers
from surefoot.assistant.live_samples import LiveSamples
from surefoot.assistant.sentence_scores import sentence_reader_of
from surefoot.assistant.standing import Standing
from surefoot.core.clock import Clock, SystemClock
from surefoot.core.errors import InvalidSettings, StoreUnavailable
from surefoot.core.ids import digest
from surefoot.core.settings import Settings
from surefoot.domain.action_rules import NO_RULES, ActionRules
from surefoot.domain.budgets import Account, BudgetLevel
from surefoot.domain.identity import Principal, TenantId
from surefoot.domain.policies import DEFAULT_SURFACE, NO_MODELS, CatalogEntry, ModelPolicy
from surefoot.evals.remote import Caller
from surefoot.governance.audit import AuditTrail
from surefoot.governance.budgets import Budgets
from surefoot.governance.courier import Courier
from surefoot.governance.observing import Observers
from surefoot.governance.retention import Retention, retention_periods
from surefoot.governance.verdicts import Verdicts
from surefoot.llm.cache import AnswerCache
from surefoot.llm.policy_file import load_policy
from surefoot.llm.prompts import load_prompts
from surefoot.llm.router import Router
from surefoot.llm.scripted import scripted_model
from surefoot.ports import (
    AccessSnapshot,
    ChunkIndex,
    Encoder,
    EventSink,
    EvidenceModel,
    Fetcher,
    HostApp,
    LanguageModel,
    Observer,
    Store,
)
from surefoot.retrieval.ingest import Ingest
from surefoot.retrieval.judgements import KeptJudgements
from surefoot.retrieval.options import freshness_rule, ingest_options, search_options
from surefoot.retrieval.rerank import Reranker, reranker_of
from surefoot.retrieval.search import Searcher

if TYPE_CHECKING:
    from surefoot.adapters.prometheus_observer import PrometheusObserver


@dataclass(frozen=True, slots=True)
class Surefoot:
    """The whole product, put together: what the faces call."""

    settings: Settings
    clock: Clock
    store: Store
    index: ChunkIndex
    encoder: Encoder
    evidence: EvidenceModel | None
    fetcher: Fetcher
    searcher: Searcher
    reranker: Reranker | None
    answerer: Answerer
    ask: Ask
    ingest: Ingest
    policy: ModelPolicy
    budgets: Budgets
    router: Router
    gate: Gate
    conversations: Conversations
    handovers: Handovers
    courier: Courier
    metrics: "PrometheusObserver"
    warm: Callable[[], None]
    registry: Registry
    actions: Actions
    audit: AuditTrail
    verdicts: Verdicts
    feedback: FeedbackDesk
    samples: LiveSamples
    retention: Retention

    def start(self) -> None:
        """The database has its newest schema. Raises StoreUnavailable."""
        self.store.migrate()

    def close(self) -> None:
        """Every file and connection is closed; ledger rows under way are written first."""
        self.index.close()
        self.store.close()


@dataclass(frozen=True, slots=True)
class Adapters:
    """Everything that has an outside: what bootstrap makes from settings, and what tests and trials bring as doubles."""

    store: Store
    index: ChunkIndex
    encoder: Encoder
    fetcher: Fetcher
    sink: EventSink
    metrics: "PrometheusObserver"
    models: Mapping[str, LanguageModel]
    audit_key: bytes
    hosts: Mapping[str, HostApp] = field(default_factory=dict)
    observers: tuple[Observer, ...] = ()
    evidence: EvidenceModel | None = None
    # Loads what the first question would otherwise wait for; raises MissingDependency.
    warm: Callable[[], None] = lambda: None


def build(
    settings: Settings,
    clock: Clock | None = None,
    *,
    store: Store | None = None,
    encoder: Encoder | None = None,
    evidence: EvidenceModel | None = None,
    policy: ModelPolicy | None = None,
    models: Mapping[str, LanguageModel] | None = None,
    rules: ActionRules | None = None,
    hosts: Mapping[str, HostApp] | None = None,
) -> Surefoot:
    """The product on these settings. A store, encoder or evidence model passed in is used as it is; so are `policy`, else read
    from settings.models_file, and `models` by name, else made from the policy's catalog; `rules`, else read from
    settings.actions_file, and `hosts` that live in this process, beside those that the rules name.

    Opens no connection yet; raises InvalidSettings for what cannot be put together.
    """
    from surefoot.adapters.audit_key import audit_key
    from surefoot.adapters.chosen import chosen_encoder, chosen_evidence_model
    from surefoot.adapters.otel_observer import otel_observers
    from surefoot.adapters.outbound import GuardedFetcher

    clock = clock or SystemClock()
    policy = load_policy(settings.models_file) if policy is None else policy
    rules = load_rules(settings.actions_file) if rules is None else rules
    store = store or _store(settings)
    encoder = encoder or chosen_encoder(settings)
    evidence = evidence or chosen_evidence_model(settings)
    adapters = Adapters(
        store=store,
        index=_index(settings, store, encoder),
        encoder=encoder,
        fetcher=GuardedFetcher(offline=settings.offline),
        sink=_sink(settings, policy, clock),
        metrics=_metrics(settings),
        models=catalog_models(settings, policy) if models is None else models,
        audit_key=audit_key(settings.audit_key_path),
        hosts={**http_hosts(rules, clock, offline=settings.offline, environ=os.environ), **(hosts or {})},
        warm=partial(_warm, policy if models is None else NO_MODELS),
        evidence=evidence,
        observers=otel_observers(settings, os.environ),
    )
    answerer = Answerer(
        encoder,
        answer_threshold=settings.answer_threshold,
        scope_threshold=settings.scope_threshold,
        judged=evidence.rules.answers if evidence else None,
    )
    return assemble(settings, clock, adapters, policy, answerer, rules)


def assemble(
    settings: Settings,
    clock: Clock,
    adapters: Adapters,
    policy: ModelPolicy,
    answerer: Answerer,
    rules: ActionRules = NO_RULES,
) -> Surefoot:
    """The use cases over these adapters."""
    store, encoder, evidence = adapters.store, adapters.encoder, adapters.evidence
    searcher = Searcher(store, adapters.index, encoder, clock, search_options(settings))
    budgets = Budgets(store, clock, policy)
    router = Router(adapters.models, budgets)
    gate = Gate(Support(encoder, evidence=evidence))
    kept = KeptJudgements(evidence, size=settings.judgement_cache_size) if evidence else None
    reranker = reranker_of(kept, weight=settings.rerank_weight, top=settings.rerank_top)
    extractive = Extractive(searcher, answerer, gate, reranker, sentence_reader_of(kept))
    conversations = Conversations(store, clock)
    standing = Standing(store, clock, freshness_rule(settings))
    registry = load_registry(settings.action_schemas_dir)
    audit = AuditTrail(store, adapters.audit_key)
    verdicts = Verdicts(store, clock, audit)
    observer = Observers((adapters.metrics, *adapters.observers))
    acting = replace(_action_parts(settings, clock, adapters, registry, rules, budgets, audit), observer=observer)
    samples = LiveSamples(store, clock, tenants=settings.keep_live_samples, keep_days=settings.live_samples_days)
    climber = Climber(router, load_prompts(settings.prompts_dir), gate, standing) if policy.catalog else None
    proposals = Proposals(acting, registry, Offers(registry, encoder))
    parts = _ask_parts(settings, clock, adapters, policy, extractive, conversations)
    parts = replace(parts, red_gates=verdicts.red_gate_names, level=partial(_metered, budgets, observer))
    ask = Ask(replace(parts, climber=climber, proposals=proposals, observer=observer, samples=samples))
    return Surefoot(
        settings=settings,
        clock=clock,
        store=store,
        index=adapters.index,
        encoder=encoder,
        evidence=evidence,
        fetcher=adapters.fetcher,
        searcher=searcher,
        reranker=reranker,
        answerer=answerer,
        ask=ask,
        ingest=Ingest(store, adapters.index, encoder, clock, ingest_options(settings)),
        policy=policy,
        budgets=budgets,
        router=router,
        gate=gate,
        conversations=conversations,
        handovers=Handovers(store, clock, conversations),
        courier=Courier(store, adapters.sink, clock),
        metrics=adapters.metrics,
        registry=registry,
        actions=Actions(acting),
        audit=audit,
        verdicts=verdicts,
        feedback=FeedbackDesk(store, clock, observer),
        samples=samples,
        retention=Retention(store, clock, retention_periods(settings)),
        warm=adapters.warm,
    )


def _ask_parts(
    settings: Settings,
    clock: Clock,
    adapters: Adapters,
    policy: ModelPolicy,
    extractive: Extractive,
    conversations: Conversations,
) -> AskParts:
    return AskParts(
        extractive=extractive,
        store=adapters.store,
        clock=clock,
        conversations=conversations,
        cache=AnswerCache(settings.answer_cache_size),
        policy=policy,
        policy_fingerprint=digest(repr(policy)),
        evidence_fingerprint=lambda: adapters.evidence.fingerprint if adapters.evidence else "",
        freshness=freshness_rule(settings),
    )


def _metered(budgets: Budgets, observer: Observer, tenant: TenantId, account: Account) -> BudgetLevel:
    """What the budgets allow; how far the tenant's own are spent is told on the way."""
    state = budgets.state(tenant, account)
    observer.metered(tenant, account.surface, max((m.share for m in state.meters if not m.key.viewer_hash), default=0.0))
    return state.level


def _action_parts(
    settings: Settings,
    clock: Clock,
    adapters: Adapters,
    registry: Registry,
    rules: ActionRules,
    budgets: Budgets,
    audit: AuditTrail,
) -> ActionParts:
    from surefoot.adapters.cedar_policy import CedarPolicy

    def spent_share(tenant: TenantId) -> float:
        """How much of the tenant's own budgets is spent; a viewer's own count for that viewer's questions alone."""
        meters = budgets.state(tenant, Account(DEFAULT_SURFACE, "actions")).meters
        return max((meter.share for meter in meters if not meter.key.viewer_hash), default=0.0)

    return ActionParts(
        store=adapters.store,
        registry=registry,
        policy=CedarPolicy(settings.policies_dir),
        facts=ActionFacts(adapters.store, rules, spent_share),
        hosts=adapters.hosts,
        trail=audit,
        clock=clock,
        calendar=RuleCalendar(rules),
        worker_id=f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}",
        check_first=frozenset(name for name, host in rules.hosts.items() if not host.knows_deliveries),
        callback_secrets=callback_secrets(rules, os.environ),
    )


def http_hosts(rules: ActionRules, clock: Clock, *, offline: bool, environ: Mapping[str, str]) -> dict[str, HostApp]:
    """The hosts that the rules name, their signing secrets read from `environ` at each call."""
    from surefoot.adapters.webhook_host import WebhookHost

    return {
        name: WebhookHost(host.url, host.secret_env, clock, offline=offline, environ=environ)
        for name, host in rules.hosts.items()
    }


def probe_client(settings: Settings, base_url: str) -> ProbeClient:
    """What `surefoot actions probe` calls a host with. Raises InvalidSettings for a URL that could not be called."""
    from surefoot.adapters.probe_client import HttpProbeClient

    return HttpProbeClient(base_url, offline=settings.offline)


def http_caller(settings: Settings, base_url: str) -> Caller:
    """What `surefoot eval run --url` calls a server with. Raises InvalidSettings for a URL that could not be called."""
    from surefoot.adapters.http_caller import HttpCaller

    return HttpCaller(base_url, offline=settings.offline)


def _store(settings: Settings) -> Store:
    from surefoot.adapters.sql.store import SqlStore

    _make_data_dir(settings.data_dir)
    return SqlStore(settings.resolved_database_url)


def _index(settings: Settings, store: Store, encoder: Encoder) -> ChunkIndex:
    from surefoot.adapters.embedded_index.index import EmbeddedIndex

    def readable(tenant: TenantId, principals: frozenset[Principal]) -> AccessSnapshot:
        with store.begin() as work:
            return work.access.readable(tenant, principals)

    _make_data_dir(settings.data_dir)
    return EmbeddedIndex(
        settings.data_dir / "index",
        readable,
        dimensions=encoder.dimensions,
        lexical_backend=settings.lexical_backend,
        open_tenants=settings.open_tenants,
    )


def _sink(settings: Settings, policy: ModelPolicy, clock: Clock) -> EventSink:
    from surefoot.adapters.webhook_sink import WebhookSink

    return WebhookSink(policy, clock, offline=settings.offline, environ=os.environ)


def _metrics(settings: Settings) -> "PrometheusObserver":
    from surefoot.adapters.prometheus_observer import PrometheusObserver

    return PrometheusObserver(tenants=settings.metrics_tenants)


def catalog_models(settings: Settings, policy: ModelPolicy) -> dict[str, LanguageModel]:
    """Every model of the catalog behind its transport, by name; none is called yet, and no key is read."""
    return {name: _model(settings, entry) for name, entry in policy.catalog.items()}


def _model(settings: Settings, entry: CatalogEntry) -> LanguageModel:
    transport = entry.endpoint.transport
    if transport == "scripted":
        return scripted_model(entry.card.model.removeprefix("scripted/"), card=entry.card)
    if transport == "openai":
        from surefoot.adapters.openai_model import OpenAiModel

        return OpenAiModel(entry, offline=settings.offline, environ=os.environ)
    if transport == "litellm":
        from surefoot.adapters.litellm_model import LiteLlmModel

        return LiteLlmModel(entry, offline=settings.offline, environ=os.environ)
    raise InvalidSettings(f"transport {transport!r} of model {entry.card.name!r} is unknown; use litellm, openai or scripted.")


def _warm(policy: ModelPolicy) -> None:
    if any(entry.endpoint.transport == "litellm" for entry in policy.catalog.values()):
        from surefoot.adapters.litellm_model import load_litellm

        load_litellm()


def _make_data_dir(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(f"The data folder {str(folder)!r} cannot be made ({error.strerror}); set data_dir.") from error
