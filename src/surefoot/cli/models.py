"""`--model`: one model for one command, without a models.toml."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from surefoot.core.errors import InvalidInput
from surefoot.domain.answers import Tier
from surefoot.domain.models import ModelCard, Price
from surefoot.domain.policies import DEFAULT_SURFACE, CatalogEntry, Endpoint, ModelPolicy, SurfacePolicy, TenantPolicy
from surefoot.llm.scripted import SCRIPTED_KINDS
from surefoot.sample.provider import create_provider, serve_provider

ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Ask this model when quoting does not suffice: scripted:honest (or obey, leak, chaos), loopback:honest (the same "
        "behind a provider on this machine), or provider/name.",
    ),
]
# What a small model of a well-known provider costs; it makes the meters of a demonstration move. Nothing is ever billed.
_ASSUMED_PRICE = Price(input_usd_per_million=0.15, output_usd_per_million=0.60)


@contextmanager
def policy_of_model(model: str | None, *, escalate_floor: float | None = None) -> Iterator[ModelPolicy | None]:
    """The policy that asks this model on the surface `help`, for the length of the block; None without a model, which leaves
    models.toml in force. A `loopback:` model is served on this machine meanwhile.

    Raises InvalidInput for what names no model.
    """
    if model is None:
        yield None
        return
    kind, _, name = model.partition(":")
    if kind == "loopback" and name:
        with serve_provider(create_provider()) as base_url:
            yield _policy(ModelCard(model, f"loopback/{name}", _ASSUMED_PRICE), Endpoint("openai", base_url), escalate_floor)
    elif kind == "scripted" and name in SCRIPTED_KINDS:
        yield _policy(ModelCard(model, f"scripted/{name}", _ASSUMED_PRICE), Endpoint("scripted"), escalate_floor)
    elif "/" in model and kind == model:
        yield _policy(ModelCard(model, model), Endpoint("litellm"), escalate_floor)
    else:
        raise InvalidInput(
            f"{model!r} names no model; write provider/name, loopback:honest or one of "
            + ", ".join(f"scripted:{kind}" for kind in SCRIPTED_KINDS)
            + "."
        )


def _policy(card: ModelCard, endpoint: Endpoint, escalate_floor: float | None) -> ModelPolicy:
    lanes = {Tier.SMALL: (card.name,)}
    surface = SurfacePolicy(lanes=lanes) if escalate_floor is None else SurfacePolicy(lanes=lanes, escalate_floor=escalate_floor)
    return ModelPolicy({card.name: CatalogEntry(card, endpoint)}, TenantPolicy({DEFAULT_SURFACE: surface}))
