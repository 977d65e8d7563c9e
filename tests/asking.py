"""Ask on a small world: the product's own parts, with the models a test brings."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import anyio

from surefoot.actions.proposals import Proposals
from surefoot.assistant.answer import Answerer
from surefoot.assistant.ask import Ask, AskParts
from surefoot.assistant.climbing import Climber
from surefoot.assistant.conversation import Conversations
from surefoot.assistant.first_answer import Extractive, Search
from surefoot.assistant.gate import Gate
from surefoot.assistant.groundedness import Support
from surefoot.assistant.standing import Standing
from surefoot.core.deadline import Monotonic
from surefoot.domain.answers import Tier
from surefoot.domain.identity import TenantId
from surefoot.domain.models import ModelCard, Price
from surefoot.domain.policies import (
    DEFAULT_SURFACE,
    NO_MODELS,
    BudgetRule,
    CatalogEntry,
    Endpoint,
    ModelPolicy,
    SurfacePolicy,
    TenantPolicy,
)
from surefoot.governance.budgets import Budgets
from surefoot.llm.cache import AnswerCache
from surefoot.llm.prompts import load_prompts
from surefoot.llm.router import Router, RouterOptions
from surefoot.ports import LanguageModel, ReplyObserver
from tests.unit.assistant.passages import answerer
from tests.world import World

PRICE = Price(input_usd_per_million=0.5, output_usd_per_million=2.0)


def card(name: str, **fields: object) -> ModelCard:
    """A card of the catalog, priced so that every token counts."""
    return ModelCard(name=name, model=f"scripted/{name}", price=PRICE, **fields)  # type: ignore[arg-type]


def policy_of(
    small: Mapping[str, LanguageModel],
    large: Mapping[str, LanguageModel] | None = None,
    *,
    budgets: tuple[BudgetRule, ...] = (),
    others: Mapping[str, LanguageModel] | None = None,
    **surface: object,
) -> ModelPolicy:
    """A policy whose only surface asks these models."""
    lanes = {tier: tuple(models) for tier, models in ((Tier.SMALL, small), (Tier.LARGE, large or {})) if models}
    surfaces = {DEFAULT_SURFACE: SurfacePolicy(lanes=lanes, **{"escalate_floor": 0.0, **surface})}  # type: ignore[arg-type]
    catalog = {
        name: CatalogEntry(model.card, Endpoint("scripted"))
        for name, model in {**small, **(large or {}), **(others or {})}.items()
    }
    return ModelPolicy(catalog, TenantPolicy(surfaces, budgets))


@dataclass(frozen=True, slots=True)
class Asked:
    """Ask and what a test looks at behind it."""

    ask: Ask
    budgets: Budgets
    router: Router
    conversations: Conversations


def asking_in(
    world: World,
    *,
    search: Search | None = None,
    answers: Answerer | None = None,
    policy: ModelPolicy = NO_MODELS,
    models: Mapping[str, LanguageModel] | None = None,
    gate: Gate | None = None,
    cache_size: int = 100,
    observer: ReplyObserver | None = None,
    red_gates: Callable[[TenantId, str], tuple[str, ...]] = lambda tenant, surface: (),
    options: RouterOptions | None = None,
    proposals: Proposals | None = None,
    monotonic: Monotonic = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> Asked:
    """Ask with the product's own gate, router, budgets and conversations over the world's store."""
    budgets = Budgets(world.store, world.clock, policy)
    router = Router(models or {}, budgets, options=options or RouterOptions(), monotonic=monotonic, sleep=sleep)
    gate = gate or Gate(Support(world.encoder))
    conversations = Conversations(world.store, world.clock)
    parts = AskParts(
        extractive=Extractive(search or world.searcher, answers or answerer(), gate),
        store=world.store,
        clock=world.clock,
        conversations=conversations,
        cache=AnswerCache(cache_size),
        climber=Climber(router, load_prompts(), gate, Standing(world.store, world.clock)) if policy.catalog else None,
        proposals=proposals,
        policy=policy,
        policy_fingerprint=repr(policy),
        level=lambda tenant, account: budgets.state(tenant, account).level,
        observer=observer,
        red_gates=red_gates,
    )
    return Asked(Ask(parts), budgets, router, conversations)
