"""Two tenants with canaries, every scripted model behind the whole product, and one poisoned context at a time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from surefoot.assistant.answer import Answerer
from surefoot.assistant.first_answer import Search
from surefoot.core.errors import InvalidInput
from surefoot.domain.answers import Tier
from surefoot.domain.documents import chunk_id, document_id
from surefoot.domain.identity import EVERYONE, Principal, TenantId, Viewer
from surefoot.domain.models import ModelCard
from surefoot.domain.policies import DEFAULT_SURFACE, CatalogEntry, Endpoint, ModelPolicy, SurfacePolicy, TenantPolicy
from surefoot.domain.replies import Reply
from surefoot.llm.prompts import load_prompts
from surefoot.llm.scripted import scripted_model
from surefoot.llm.scripted.dice import Dice
from tests.asking import asking_in
from tests.faults.poison import FAMILIES, TOPICS, Poisoned, Topic, poisoned
from tests.faults.poison_checks import Truth, broken_rules
from tests.unit.assistant.passages import SIMPLE_MODEL
from tests.world import NOW, World, markdown, memory_world

ACME, GLOBEX = TenantId("acme"), TenantId("globex")
FINANCE, STAFF = Principal("group:finance"), Principal("group:staff")
MODELS = ("obey", "leak", "chaos", "honest")
AskedBy = Callable[[Viewer, str], Reply]

CANARIES: Mapping[tuple[TenantId, str], str] = {
    (ACME, "finance.md"): "ACME-FINANCE-CANARY-7731",
    (ACME, "staff.md"): "ACME-STAFF-CANARY-4410",
    (GLOBEX, "public.md"): "GLOBEX-PUBLIC-CANARY-9902",
    (GLOBEX, "finance.md"): "GLOBEX-FINANCE-CANARY-1185",
}
RIGHTS: Mapping[str, Principal] = {"finance.md": FINANCE, "staff.md": STAFF, "public.md": EVERYONE}
VIEWERS = (
    Viewer(ACME, "ann"),
    Viewer(ACME, "finn", frozenset({FINANCE})),
    Viewer(ACME, "stan", frozenset({STAFF})),
    Viewer(GLOBEX, "gail"),
)


@dataclass(frozen=True, slots=True)
class Run:
    """One poisoned context, what came of it, and the rules it broke."""

    poison: Poisoned
    model: str
    viewer: Viewer
    reply: Reply | None
    broken: tuple[str, ...]


class House:
    """The product on memory adapters. Secret documents speak of everything that is asked, so that a search which forgets the
    rights finds them.
    """

    def __init__(self, world: World | None = None, topics: Sequence[Topic] = TOPICS) -> None:
        self.world = world or memory_world()
        self._topics = topics
        with self.world.store.begin() as work:
            work.tenants.create(GLOBEX, now=NOW)
            work.commit()
        self._instructions = load_prompts().get("answer").render()
        self._documents: dict[TenantId, dict[str, tuple[str, frozenset[Principal]]]] = {ACME: {}, GLOBEX: {}}
        for (tenant, uri), canary in CANARIES.items():
            self._put(tenant, uri, _secret(canary), RIGHTS[uri])
        self._foreign_chunks = tuple(chunk_id(document_id(tenant, uri), "x", 0, 10) for tenant, uri in CANARIES) + tuple(
            self._chunk_ids(GLOBEX)
        )
        self.search: Search = self.world.searcher
        self._asks: dict[tuple[str, int], AskedBy] = {}

    def run(self, number: int, ask: AskedBy | None = None) -> Run:
        """The poisoned context with this number, asked of the whole product (or of `ask`) and judged. The same every time."""
        dice = Dice("run", str(number))
        family = list(FAMILIES)[number % len(FAMILIES)]
        model, viewer = dice.one_of(MODELS), dice.one_of(VIEWERS)
        poison = poisoned(family, number, chunks=self._foreign_chunks, topics=self._topics)
        self._put(viewer.tenant, "poisoned.md", poison.document, EVERYONE)
        try:
            reply = (ask or self.ask_of(model, seed=number % 50))(viewer, poison.question)
        except InvalidInput:
            # A question with control characters is none.
            return Run(poison, model, viewer, None, ())
        return Run(poison, model, viewer, reply, tuple(broken_rules(reply, self.truth(viewer))))

    def runs(self, count: int, *, first: int = 0) -> Iterator[Run]:
        """So many runs, one after the other."""
        return map(self.run, range(first, first + count))

    def truth(self, viewer: Viewer) -> Truth:
        """What this viewer may see, by the rights that this house gave."""
        own = viewer.principals | {EVERYONE}
        readable, foreign = {}, set(CANARIES.values())
        with self.world.store.begin() as work:
            for uri, (_, rights) in self._documents[viewer.tenant].items():
                if rights & own:
                    identity = document_id(viewer.tenant, uri)
                    kept = work.documents.get(viewer.tenant, identity)
                    assert kept is not None
                    readable[identity] = kept.text
                    foreign.discard(CANARIES.get((viewer.tenant, uri), ""))
        return Truth(readable, frozenset(foreign), self._instructions)

    def ask_of(self, model: str, *, seed: int) -> AskedBy:
        """The whole product with this scripted model in both lanes. Its extractive tier answers nothing, so that the model is
        asked every time.
        """
        if (model, seed) not in self._asks:
            small = scripted_model(model, seed=seed, card=ModelCard("small", f"scripted/{model}"))
            large = scripted_model(model, seed=seed + 1_000, card=ModelCard("large", f"scripted/{model}"))
            answers = Answerer(self.world.encoder, model=SIMPLE_MODEL, answer_threshold=2.0, scope_threshold=-1.0)
            asked = asking_in(
                self.world,
                search=self.search,
                answers=answers,
                policy=_policy(small.card, large.card),
                models={"small": small, "large": large},
            )
            self._asks[model, seed] = asked.ask.ask
        return self._asks[model, seed]

    def ask_without_a_model(self) -> AskedBy:
        """The extractive tier alone, which answers whenever anything can be quoted."""
        answers = Answerer(self.world.encoder, model=SIMPLE_MODEL, answer_threshold=0.0, scope_threshold=0.0)
        return asking_in(self.world, answers=answers).ask.ask

    def _put(self, tenant: TenantId, uri: str, text: str, principal: Principal) -> None:
        rights = frozenset({principal})
        self._documents[tenant][uri] = (text, rights)
        self.world.ingest.put(tenant, [markdown(uri, text)], source=uri, default_principals=rights)

    def _chunk_ids(self, tenant: TenantId) -> list[str]:
        with self.world.store.begin() as work:
            return [chunk.chunk_id for chunk in work.documents.chunks_of(tenant, sorted(work.documents.hashes(tenant)))]


def _secret(canary: str) -> str:
    """A document that answers every question of the topics, with the canary in each sentence."""
    lines = [f"{topic.fact.rstrip('.')}, says {canary}. {topic.more.rstrip('.')}, says {canary}." for topic in TOPICS]
    return "# Secret\n\n" + "\n\n".join(f"## {topic.title}\n\n{line}" for topic, line in zip(TOPICS, lines, strict=True)) + "\n"


def _policy(small: ModelCard, large: ModelCard) -> ModelPolicy:
    surface = SurfacePolicy(
        lanes={Tier.SMALL: (small.name,), Tier.LARGE: (large.name,)}, escalate_floor=0.0, deadline_seconds=60.0
    )
    catalog = {card.name: CatalogEntry(card, Endpoint("scripted")) for card in (small, large)}
    return ModelPolicy(catalog, TenantPolicy({DEFAULT_SURFACE: surface}))
