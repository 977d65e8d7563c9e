"""Which models a tenant's surfaces may ask, how far, and for how much: what models.toml says, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from surefoot.core.errors import InvalidInput
from surefoot.domain.answers import Tier
from surefoot.domain.budgets import Limit, Period
from surefoot.domain.identity import TenantId
from surefoot.domain.models import ModelCard

DEFAULT_SURFACE = "help"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how a model is reached. `transport` is litellm, openai (any OpenAI-compatible server, by httpx) or scripted.
    The key is read from the environment variable `api_key_env` when a call is made; it is never held here.
    """

    transport: str
    base_url: str = ""
    api_key_env: str = ""


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A model of the catalog and its endpoint."""

    card: ModelCard
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class SurfacePolicy:
    """What one surface may do. `lanes` name, per tier, the models in the order in which they stand in for each other; a tier
    without a lane is not asked. `deadline_seconds` is for the whole question. A question whose extractive confidence is
    below `escalate_floor` is refused without asking a model; an extractive answer within `thin_margin` above the threshold
    is offered to a model all the same. `second_opinion` names models that are asked of every claim of a model's draft, after the
    gate, whether its quotes prove it; a claim that they do not find proved is not shown. Without `evidence` the evidence
    model, where there is one, is not asked: order, refusals and support go by the features alone.
    """

    lanes: Mapping[Tier, tuple[str, ...]] = field(default_factory=dict)
    second_opinion: tuple[str, ...] = ()
    deadline_seconds: float = 8.0
    escalate_floor: float = 0.45
    thin_margin: float = 0.0
    max_claims: int = 6
    max_answer_characters: int = 1_200
    max_output_tokens: int = 800
    evidence: bool = True


@dataclass(frozen=True, slots=True)
class BudgetRule:
    """One limit: of everything (no surface), of one surface, or, `per_viewer`, of each viewer by themselves."""

    limit: Limit
    period: Period
    surface: str = ""
    per_viewer: bool = False


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where a tenant's events go. The signing secret is read from the environment variable `secret_env`."""

    url: str
    secret_env: str


@dataclass(frozen=True, slots=True)
class TenantPolicy:
    """One tenant's rules. With a `region`, only models that state this region are asked."""

    surfaces: Mapping[str, SurfacePolicy]
    budgets: tuple[BudgetRule, ...] = ()
    region: str = ""
    webhook: Webhook | None = None

    def surface(self, name: str) -> SurfacePolicy:
        """The surface's policy. Raises InvalidInput for one that is not declared, which would have no budget of its own."""
        try:
            return self.surfaces[name]
        except KeyError:
            known = ", ".join(sorted(self.surfaces))
            raise InvalidInput(
                f"There is no surface {name!r}; this tenant has {known}. Surfaces are declared in models.toml."
            ) from None


@dataclass(frozen=True, slots=True)
class ModelPolicy:
    """The whole of models.toml: the catalog, what holds for every tenant, and the tenants that differ."""

    catalog: Mapping[str, CatalogEntry]
    default: TenantPolicy
    tenants: Mapping[TenantId, TenantPolicy] = field(default_factory=dict)

    def of(self, tenant: TenantId) -> TenantPolicy:
        """The tenant's own rules, else those for everyone."""
        return self.tenants.get(tenant, self.default)


NO_MODELS = ModelPolicy({}, TenantPolicy({DEFAULT_SURFACE: SurfacePolicy()}))
