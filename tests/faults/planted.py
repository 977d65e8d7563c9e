"""The sample product as evals meet it, and ways to make it worse: what is planted is in the product, never in its results."""

import json
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from surefoot import bootstrap
from surefoot.adapters.memory.store import MemoryStore
from surefoot.assistant.gate.gate import Gate, Ground
from surefoot.assistant.gate.quotes import Found
from surefoot.assistant.gate.rules import Broken
from surefoot.assistant.groundedness import Support
from surefoot.bootstrap import Surefoot, build
from surefoot.cli.context import loaded
from surefoot.cli.ingest import ingest_path
from surefoot.core.clock import FixedClock
from surefoot.domain.answers import Tier
from surefoot.domain.filters import ReadAccess
from surefoot.domain.identity import EVERYONE, Principal, TenantId
from surefoot.domain.models import ModelCard, ModelRequest, Piece, Price
from surefoot.domain.policies import (
    DEFAULT_SURFACE,
    NO_MODELS,
    CatalogEntry,
    Endpoint,
    ModelPolicy,
    SurfacePolicy,
    TenantPolicy,
)
from surefoot.evals import in_process
from surefoot.evals.in_process import InProcess, Parts
from surefoot.evals.remembered_encoder import RememberedEncoder
from surefoot.evals.results import CaseResult, RunManifest
from surefoot.evals.run_store import RunWriter
from surefoot.evals.runner import Sitting, run_cases
from surefoot.evals.suites import Suite
from surefoot.evals.target import Weighed
from surefoot.llm.scripted import scripted_model
from surefoot.ports import ChunkIndex, Hit, LanguageModel
from surefoot.retrieval.options import search_options
from surefoot.retrieval.search import Searcher
from surefoot.sample.tenant import TENANT, documents_folder
from tests.world import NOW

PRICE = Price(input_usd_per_million=2.0, output_usd_per_million=8.0)
Retell = Callable[[ModelRequest, str], str]


class RetellingModel:
    """The honest scripted model, retold: `retell` is given the request and what it would have said."""

    def __init__(self, retell: Retell, *, price: Price = PRICE) -> None:
        self._retell = retell
        self._honest = scripted_model("honest", card=ModelCard("planted", "scripted/honest", price))

    @property
    def card(self) -> ModelCard:
        return self._honest.card

    async def stream(self, tenant: TenantId, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        said, last = "", Piece("")
        async for piece in self._honest.stream(tenant, request):
            said, last = said + piece.text, piece
        yield replace(last, text=self._retell(request, said))

    async def aclose(self) -> None:
        """There was never a connection."""


class Ticks:
    """The time that evals measure by: it stands still but for what an index spends."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class PlantedIndex:
    """The product's index. Each leg spends `leg_ms`, and with `everybody` is asked with their rights instead of the viewer's."""

    def __init__(self, index: ChunkIndex, ticks: Ticks, leg_ms: float, everybody: frozenset[Principal]) -> None:
        self._index = index
        self._ticks = ticks
        self._leg_ms = leg_ms
        self._everybody = everybody

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    def lexical(self, tenant: TenantId, generation: int, access: ReadAccess, *rest: Any) -> list[Hit]:
        return self._index.lexical(tenant, generation, self._asked_with(access), *rest)

    def dense(self, tenant: TenantId, generation: int, access: ReadAccess, *rest: Any) -> list[Hit]:
        return self._index.dense(tenant, generation, self._asked_with(access), *rest)

    def _asked_with(self, access: ReadAccess) -> ReadAccess:
        self._ticks.seconds += self._leg_ms / 1000
        return ReadAccess(access.principals | self._everybody, access.epoch)


class Careless(Gate):
    """A gate that looks for a claim's quotes and no longer holds the claim against them."""

    def _weighed(self, text: str, found: Sequence[Found], ground: Ground) -> tuple[list[Broken], float]:
        return [], 1.0


@dataclass(frozen=True, slots=True)
class Plant:
    """What is different from the healthy product: its settings, its model, its gate, what a leg of its index takes, whether
    the index forgets the filter of rights, and whether the documents' rights were lost when they were ingested.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    model: LanguageModel | None = None
    gate: type[Gate] = Gate
    leg_ms: float = 2.0
    forgets_filter: bool = False
    loses_rights: bool = False


HEALTHY = Plant()


def run_planted(suite: Suite, plant: Plant, folder: Path, cache: Path) -> tuple[CaseResult, ...]:
    """Every case of the suite by the product with the plant, as `surefoot eval run` runs and stores it."""
    ticks = Ticks()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "Gate", plant.gate)
        patch.setattr(in_process, "perf_counter", ticks)
        return _run(suite, plant, folder, cache, ticks)


def _run(suite: Suite, plant: Plant, folder: Path, cache: Path, ticks: Ticks) -> tuple[CaseResult, ...]:
    with _target(suite, plant, cache, ticks) as target:
        manifest = RunManifest(
            run_id="planted", started_at=NOW, target=target.name, seed=0, repeat=1, suites=(suite.facts(),), facts={}
        )
        with RunWriter(folder, manifest) as writer:
            run_cases([Sitting(suite, target)], writer)
            return tuple(writer.finish(NOW).results())


@contextmanager
def _target(suite: Suite, plant: Plant, cache: Path, ticks: Ticks) -> Iterator[InProcess]:
    with TemporaryDirectory() as folder:
        settings = loaded(data_dir=Path(folder), **plant.settings).settings
        plain = build(settings, policy=NO_MODELS)
        encoder = RememberedEncoder(plain.encoder, cache)
        policy = NO_MODELS if plant.model is None else _policy(plant.model.card)
        models = None if plant.model is None else {plant.model.card.name: plant.model}
        surefoot = build(
            settings,
            FixedClock(NOW),
            store=MemoryStore(),
            encoder=encoder,
            policy=policy,
            models=models,
        )
        try:
            _publish(surefoot, plant)
            encoder.rest()
            yield InProcess(_parts(surefoot, suite, plant, ticks))
        finally:
            surefoot.close()
            plain.close()


def _publish(surefoot: Surefoot, plant: Plant) -> None:
    surefoot.start()
    with surefoot.store.begin() as work:
        work.tenants.create(TENANT, now=NOW)
        work.commit()
    ingest_path(surefoot, TENANT, str(documents_folder()))
    if plant.loses_rights:
        with surefoot.store.begin() as work:
            for document in work.documents.hashes(TENANT):
                work.access.put(TENANT, document, frozenset({EVERYONE}))
            work.commit()


def _parts(surefoot: Surefoot, suite: Suite, plant: Plant, ticks: Ticks) -> Parts:
    people = [person.viewer_of(TENANT) for person in suite.people.values()]
    everybody = frozenset[Principal]().union(*(viewer.principals for viewer in people)) if plant.forgets_filter else frozenset()
    index = PlantedIndex(surefoot.index, ticks, plant.leg_ms, everybody)
    # What citations are worth is weighed by the shipped score, whatever the product itself takes for proof.
    support = Support(surefoot.encoder)
    return Parts(
        tenant=TENANT,
        people=suite.people,
        ask=surefoot.ask,
        searcher=Searcher(surefoot.store, index, surefoot.encoder, surefoot.clock, search_options(surefoot.settings)),
        conversations=surefoot.conversations,
        actions=surefoot.actions,
        store=surefoot.store,
        clock=surefoot.clock,
        weigh=lambda claim, evidence, locale: Weighed(support.score(claim, evidence, locale=locale).score, support.threshold),
        about={},
    )


def _policy(card: ModelCard) -> ModelPolicy:
    surface = SurfacePolicy(lanes={Tier.SMALL: (card.name,)}, escalate_floor=0.0)
    return ModelPolicy({card.name: CatalogEntry(card, Endpoint("scripted"))}, TenantPolicy({DEFAULT_SURFACE: surface}))


def draft(said: str) -> dict[str, Any] | None:
    """The draft in the model's words; None for what is none."""
    try:
        read = json.loads(said)
    except ValueError:
        return None
    return read if isinstance(read, dict) and "claims" in read else None
