"""models.toml as a ModelPolicy: read strictly, so that a slip is found at the start and not in a bill."""

import ipaddress
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from surefoot.core.errors import InvalidSettings
from surefoot.core.ids import is_tenant_id
from surefoot.domain.answers import Tier
from surefoot.domain.budgets import NANO_USD, Limit, Period
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
    Webhook,
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,127}\Z")
_SECRET_KEYS = ("api_key", "key", "token", "secret", "password")
_USUAL = SurfacePolicy()

_Dollars = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, le=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Model(_Table):
    model: str = Field(min_length=1, max_length=200)
    transport: Literal["litellm", "openai", "scripted"] = "litellm"
    base_url: str = ""
    api_key_env: str = ""
    input_usd_per_million: _Dollars | None = None
    output_usd_per_million: _Dollars | None = None
    cached_input_usd_per_million: _Dollars | None = None
    context_tokens: int = Field(default=ModelCard("", "").context_tokens, ge=1)
    max_output_tokens: int = Field(default=ModelCard("", "").max_output_tokens, ge=1)
    json_schema: bool = True
    streaming: bool = True
    region: str = Field(default="", max_length=64)


class _Surface(_Table):
    small: list[str] = []
    large: list[str] = []
    second_opinion: list[str] = []
    deadline_seconds: float = Field(default=_USUAL.deadline_seconds, gt=0, le=600)
    escalate_floor: _Share = _USUAL.escalate_floor
    thin_margin: _Share = _USUAL.thin_margin
    max_claims: int = Field(default=_USUAL.max_claims, ge=1, le=50)
    max_answer_characters: int = Field(default=_USUAL.max_answer_characters, ge=1, le=50_000)
    max_output_tokens: int = Field(default=_USUAL.max_output_tokens, ge=1)
    evidence: bool = _USUAL.evidence


class _Budget(_Table):
    period: Literal["day", "month"]
    usd: _Dollars | None = None
    tokens: int | None = Field(default=None, ge=0)
    surface: str = ""
    per_viewer: bool = False


class _Webhook(_Table):
    url: str
    secret_env: str


class _Rules(_Table):
    surfaces: dict[str, _Surface] = {}
    budgets: list[_Budget] = []
    webhook: _Webhook | None = None


class _Tenant(_Rules):
    region: str = Field(default="", max_length=64)


class _File(_Rules):
    models: dict[str, _Model] = {}
    tenants: dict[str, _Tenant] = {}


def load_policy(path: Path) -> ModelPolicy:
    """The policy that the file states; NO_MODELS when there is no such file. Raises InvalidSettings as `parse_policy` does."""
    if not path.exists():
        return NO_MODELS
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"{path} cannot be read as UTF-8 text: {error}.") from error
    return parse_policy(text, str(path))


def parse_policy(text: str, where: str) -> ModelPolicy:
    """The policy that the TOML text states. The surface `help` always exists; a tenant inherits what it does not state; its
    lanes hold only models of its region. Environment variables are named, never read.

    Raises InvalidSettings, naming `where`, the key and the remedy, for anything that is not understood or cannot be kept:
    unknown keys and names, values out of range, keys sent in the clear, a money budget beside a model without a price, and
    a region that leaves a lane without a model. That last one is an error and not a warning, because the tenant would never
    get a drafted answer and nobody would see why; a lane that is meant to be empty is written as `[]`.
    """
    try:
        file = _File.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InvalidSettings(f"{where} is not valid TOML: {error}.") from error
    except ValidationError as error:
        raise InvalidSettings(f"{where}: {_said(error)}") from None
    for key, problem in _problems(file):
        raise InvalidSettings(f"{where}: {key}: {problem}")
    catalog = {name: _entry(name, model) for name, model in file.models.items()}
    surfaces = {DEFAULT_SURFACE: _Surface(), **file.surfaces}
    default = TenantPolicy(
        {name: _surface_policy(surface) for name, surface in surfaces.items()},
        tuple(_rule(budget) for budget in file.budgets),
        webhook=_webhook(file.webhook),
    )
    tenants = {
        TenantId(name): _tenant_policy(where, name, tenant, surfaces, default, catalog) for name, tenant in file.tenants.items()
    }
    return ModelPolicy(catalog, default, tenants)


def _entry(name: str, model: _Model) -> CatalogEntry:
    price = Price(model.input_usd_per_million or 0.0, model.output_usd_per_million or 0.0, model.cached_input_usd_per_million)
    card = ModelCard(
        name=name,
        model=model.model,
        price=price,
        context_tokens=model.context_tokens,
        max_output_tokens=model.max_output_tokens,
        json_schema=model.json_schema,
        streaming=model.streaming,
        region=model.region,
    )
    return CatalogEntry(card, Endpoint(model.transport, model.base_url.rstrip("/"), model.api_key_env))


def _lanes(surface: _Surface) -> tuple[tuple[str, list[str]], ...]:
    return ("small", surface.small), ("large", surface.large), ("second_opinion", surface.second_opinion)


def _surface_policy(surface: _Surface) -> SurfacePolicy:
    by_tier = ((Tier.SMALL, surface.small), (Tier.LARGE, surface.large))
    lanes = {tier: tuple(names) for tier, names in by_tier if names}
    rest = surface.model_dump(exclude={"small", "large", "second_opinion"})
    return SurfacePolicy(lanes=lanes, second_opinion=tuple(surface.second_opinion), **rest)


def _rule(budget: _Budget) -> BudgetRule:
    nano_usd = None if budget.usd is None else round(budget.usd * NANO_USD)
    return BudgetRule(Limit(nano_usd, budget.tokens), Period(budget.period), budget.surface, budget.per_viewer)


def _webhook(webhook: _Webhook | None) -> Webhook | None:
    return None if webhook is None else Webhook(webhook.url, webhook.secret_env)


def _tenant_policy(
    where: str,
    name: str,
    tenant: _Tenant,
    surfaces: dict[str, _Surface],
    default: TenantPolicy,
    catalog: Mapping[str, CatalogEntry],
) -> TenantPolicy:
    said = tenant.model_fields_set
    policies = {}
    for surface_name in surfaces | tenant.surfaces:
        surface = surfaces.get(surface_name, _Surface())
        if surface_name in tenant.surfaces:
            surface = surface.model_copy(update=tenant.surfaces[surface_name].model_dump(exclude_unset=True))
        lanes = {}
        for tier, names in _lanes(surface):
            lanes[tier] = [each for each in names if tenant.region in ("", catalog[each].card.region)]
            if names and not lanes[tier]:
                raise InvalidSettings(
                    f"{where}: tenants.{name}.region: no model of the lane {tier!r} of surface {surface_name!r} states the "
                    f"region {tenant.region!r} ({', '.join(names)}); give the tenant a lane of its own with models that do, "
                    f"or write `{tier} = []` under [tenants.{name}.surfaces.{surface_name}] to have none."
                )
        policies[surface_name] = _surface_policy(surface.model_copy(update=lanes))
    return TenantPolicy(
        policies,
        tuple(_rule(budget) for budget in tenant.budgets) if "budgets" in said else default.budgets,
        tenant.region,
        _webhook(tenant.webhook) if "webhook" in said else default.webhook,
    )


def _problems(file: _File) -> Iterator[tuple[str, str]]:
    """What is wrong beyond the types, as key and sentence, in the order of the file."""
    for name, model in file.models.items():
        for key, problem in _model_problems(name, model):
            yield f"models.{name}{key and '.'}{key}", problem
    surfaces = {DEFAULT_SURFACE, *file.surfaces}
    yield from _rules_problems("", file, file.models, surfaces)
    for name, tenant in file.tenants.items():
        if not is_tenant_id(name):
            yield f"tenants.{name}", "this cannot be a tenant's name; it takes 1 to 63 of a-z, 0-9, _ and -."
        yield from _rules_problems(f"tenants.{name}.", tenant, file.models, surfaces | set(tenant.surfaces))
    everyone: list[_Rules] = [file, *file.tenants.values()]
    if any(budget.usd is not None for rules in everyone for budget in rules.budgets):
        for name, model in file.models.items():
            is_local = model.transport == "scripted" or (model.base_url and _is_loopback(model.base_url))
            if model.input_usd_per_million is None and not is_local:
                yield (
                    f"models.{name}",
                    "it has no price, so a budget in usd could not meter it; state input_usd_per_million and "
                    "output_usd_per_million (0 when it is free), or budget in tokens.",
                )


def _model_problems(name: str, model: _Model) -> Iterator[tuple[str, str]]:
    if _NAME.match(name) is None:
        yield "", "a model's name takes 1 to 63 letters, digits, and . _ - after the first."
    if model.transport == "litellm" and not all(model.model.partition("/")):
        yield "model", f"{model.model!r} names no provider; write it as provider/name, such as ollama/llama3.2."
    if model.transport == "openai" and not model.base_url:
        yield "base_url", "the transport openai needs the server's address, such as http://127.0.0.1:8000/v1."
    if model.base_url:
        yield from (("base_url", problem) for problem in _url_problems(model.base_url, carries_secret=bool(model.api_key_env)))
    if model.api_key_env and _VARIABLE.match(model.api_key_env) is None:
        yield "api_key_env", "it takes the NAME of an environment variable in capitals, not the key itself."
    if (model.input_usd_per_million is None) != (model.output_usd_per_million is None):
        yield "input_usd_per_million", "a price has two sides; state output_usd_per_million as well as input_usd_per_million."
    if model.cached_input_usd_per_million is not None and model.input_usd_per_million is None:
        yield "cached_input_usd_per_million", "state input_usd_per_million and output_usd_per_million too."


def _rules_problems(prefix: str, rules: _Rules, models: Mapping[str, _Model], surfaces: set[str]) -> Iterator[tuple[str, str]]:
    known = ", ".join(sorted(models)) or "none"
    for name, surface in rules.surfaces.items():
        if _NAME.match(name) is None:
            yield f"{prefix}surfaces.{name}", "a surface's name takes 1 to 63 letters, digits, and . _ - after the first."
        for lane, names in _lanes(surface):
            for missing in (each for each in names if each not in models):
                yield f"{prefix}surfaces.{name}.{lane}", f"there is no [models.{missing}]; the catalog has {known}."
            if len(set(names)) < len(names):
                yield f"{prefix}surfaces.{name}.{lane}", "it names a model twice; a model cannot stand in for itself."
    seen = set()
    for position, budget in enumerate(rules.budgets):
        key = f"{prefix}budgets[{position}]"
        what = (budget.period, budget.surface, budget.per_viewer)
        if budget.usd is None and budget.tokens is None:
            yield key, "it limits nothing; state usd, tokens or both."
        if budget.surface and budget.surface not in surfaces:
            yield f"{key}.surface", f"there is no surface {budget.surface!r}; declared are {', '.join(sorted(surfaces))}."
        if what in seen:
            yield key, "another budget has the same period, surface and per_viewer; write both limits into one."
        seen.add(what)
    if rules.webhook is not None:
        for problem in _url_problems(rules.webhook.url, carries_secret=True):
            yield f"{prefix}webhook.url", problem
        if _VARIABLE.match(rules.webhook.secret_env) is None:
            yield (
                f"{prefix}webhook.secret_env",
                "it takes the NAME of an environment variable in capitals, not the secret itself.",
            )


def _url_problems(url: str, *, carries_secret: bool) -> Iterator[str]:
    """The URL is not repeated: it may hold a password."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        yield "it is not a URL; write it as https://host/path."
        return
    if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
        yield "it is not a URL; write it as https://host/path."
    elif parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        yield "it holds a user, a query or a fragment; leave them out and name a key by its environment variable."
    elif parts.scheme == "http" and carries_secret and not _is_loopback(url):
        yield "a secret would travel in the clear; use https, or a server on this machine."


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _said(error: ValidationError) -> str:
    """The first error as key and sentence. Values are shown only where they cannot be a key that was pasted in."""
    first = error.errors()[0]
    loc = first["loc"]
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")
    if first["type"] != "extra_forbidden":
        shown = f"; got {first['input']!r}" if isinstance(first["input"], int | float) else ""
        return f"{key}: {first['msg']}{shown}."
    if str(loc[-1]) in _SECRET_KEYS:
        return f"{key}: secrets do not belong in this file; name an environment variable with api_key_env or secret_env."
    return f"{key}: there is no such key; known here are {', '.join(_table(loc[:-1]).model_fields)}."


def _table(loc: tuple[int | str, ...]) -> type[_Table]:
    """The table that stands at this place of the file."""
    if loc[:1] == ("tenants",):
        return _table(loc[2:]) if len(loc) > 2 else _Tenant
    tables: dict[object, type[_Table]] = {"models": _Model, "surfaces": _Surface, "budgets": _Budget, "webhook": _Webhook}
    return tables.get(loc[0], _File) if loc else _File
