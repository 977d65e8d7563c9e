"""A provider that hangs, refuses, breaks or lies, behind the real transport: the question is answered, and nothing is lost."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

import anyio
import pytest

from surefoot.adapters.openai_model import OpenAiModel
from surefoot.assistant.course import Asking
from surefoot.core.deadline import Deadline
from surefoot.domain.answers import Answer, Claim, Tier
from surefoot.domain.budgets import NOTHING_SPENT, Spend
from surefoot.domain.models import ModelCard
from surefoot.domain.policies import CatalogEntry, Endpoint
from surefoot.domain.replies import Reply
from surefoot.domain.routing import Degraded, StepOutcome
from surefoot.llm.circuit import CircuitState
from surefoot.llm.router import RouterOptions
from surefoot.sample.provider import Provider, create_provider, serve_provider
from tests.asking import PRICE, Asked, asking_in, policy_of
from tests.world import TENANT, World, markdown, memory_world, reader

REFUNDS = markdown("refunds.md", "# Refunds\n\nRefunds arrive within 5 business days. Bank transfers take ten days.\n")
QUESTION = "When do refunds arrive?"
# Long enough for everything but a provider that hangs, and that one's whole wait.
PATIENCE_SECONDS, SHORT_SECONDS = 60.0, 0.5
BROKEN = ["500", "truncated", "cut", "garbage"]
TURNED_AWAY = ["429=600", "503"]


@dataclass
class Hands:
    """A monotonic clock that is moved by hand; whoever sleeps by it wakes at once, later."""

    now: float = 100.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await anyio.lowlevel.checkpoint()


class Watching:
    """Sees what a caller of a stream sees."""

    def __init__(self) -> None:
        self.seen: list[Claim] = []

    async def claim(self, claim: Claim) -> None:
        self.seen.append(claim)

    async def restart(self) -> None:
        self.seen.clear()


class House:
    """Ask over models behind the loopback provider, each named by what goes wrong with it. Every question is offered to them."""

    def __init__(self, world: World, base_url: str, *names: str, **options: float) -> None:
        models = {name: OpenAiModel(_entry(name, base_url), offline=True, environ={}) for name in names}
        policy = policy_of(models, thin_margin=1.0)
        self.world, self.hands = world, Hands()
        self.asked: Asked = asking_in(
            world,
            policy=policy,
            models=models,
            options=RouterOptions(**{"max_retries": 0, "fair_chance_seconds": 0.01, **options}),  # type: ignore[arg-type]
            monotonic=self.hands,
            sleep=self.hands.sleep,
        )

    async def answer(self, seconds: float = PATIENCE_SECONDS, *, watched: bool = False) -> Reply:
        watcher = Watching() if watched else None
        return await self.asked.ask.answer(Asking(reader(), QUESTION), watcher=watcher, deadline=Deadline.after(seconds))

    def ask(self, seconds: float = PATIENCE_SECONDS, *, watched: bool = False) -> Reply:
        return anyio.run(lambda: self.answer(seconds, watched=watched))

    @property
    def spent(self) -> Spend:
        """What the meters count, after seeing that nothing is held any more."""
        report = self.asked.budgets.report(TENANT)
        assert report.open_reservations == ()
        assert {meter.state.reserved for meter in report.meters} <= {NOTHING_SPENT}
        return max((meter.state.spent for meter in report.meters), key=lambda spent: spent.tokens, default=NOTHING_SPENT)

    def circuit(self, name: str) -> CircuitState:
        return self.asked.router.health()[name].state


def _entry(name: str, base_url: str) -> CatalogEntry:
    model = name if name.startswith("loopback/") else f"loopback/honest+{name}" if name != "well" else "loopback/honest"
    return CatalogEntry(ModelCard(name, model, PRICE), Endpoint("openai", base_url))


@pytest.fixture
def provider() -> Provider:
    return create_provider()


@pytest.fixture
def base_url(provider: Provider) -> Iterator[str]:
    with serve_provider(provider) as url:
        yield url


@pytest.fixture
def world() -> World:
    made = memory_world()
    made.put(REFUNDS)
    return made


def quoted(reply: Reply) -> None:
    """The extractive tier answered, and the ledger has its reply."""
    assert isinstance(reply.outcome, Answer)
    assert (reply.outcome.tier, reply.model) == (Tier.EXTRACTIVE, "")
    assert "Refunds arrive within 5 business days." in reply.outcome.claims[0].text


def written(reply: Reply) -> None:
    """A model's draft passed the gate."""
    assert isinstance(reply.outcome, Answer)
    assert (reply.outcome.tier, reply.degraded) == (Tier.SMALL, None)


def outcomes(reply: Reply) -> list[tuple[str, StepOutcome]]:
    return [(step.model, step.outcome) for step in reply.steps if step.model]


def test_a_hung_provider_is_left_at_the_deadline_and_not_asked_again_until_a_probe_finds_it_well(
    world: World, provider: Provider, base_url: str
) -> None:
    house = House(world, base_url, "hung+flaky=2", failures_to_open=2, open_seconds=30.0)
    (name,) = house.asked.router.health()
    for calls in (1, 2):
        late = house.ask(SHORT_SECONDS)
        quoted(late)
        assert (outcomes(late), late.degraded) == ([(name, StepOutcome.TIMED_OUT)], Degraded.DEADLINE)
        assert provider.wait_for(timeout_seconds=PATIENCE_SECONDS, disconnected=calls), "the provider is told to stop"
    assert house.circuit(name) is CircuitState.OPEN
    for _ in range(5):
        quick = house.ask()
        quoted(quick)
        assert (outcomes(quick), quick.degraded) == ([(name, StepOutcome.CIRCUIT_OPEN)], Degraded.MODELS_UNAVAILABLE)
    assert provider.counts.requests == 2, "an open circuit reaches nobody"
    house.hands.now += 29.9
    quoted(house.ask())
    house.hands.now += 0.2
    written(house.ask())
    assert (provider.counts.requests, house.circuit(name)) == (3, CircuitState.CLOSED)
    assert house.spent.tokens > 0


def test_a_probe_that_fails_keeps_the_circuit_open_for_another_while(world: World, provider: Provider, base_url: str) -> None:
    house = House(world, base_url, "500", failures_to_open=2, open_seconds=30.0)
    for _ in range(4):
        quoted(house.ask())
    assert provider.counts.requests == 2
    for probes in (1, 2, 3):
        house.hands.now += 30.0
        for _ in range(3):
            quoted(house.ask())
        assert (provider.counts.requests, house.circuit("500")) == (2 + probes, CircuitState.OPEN)


@pytest.mark.parametrize("watched", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("fault", [*BROKEN, *TURNED_AWAY])
def test_with_every_provider_down_the_extractive_tier_answers_and_the_books_balance(
    world: World, base_url: str, fault: str, watched: bool
) -> None:
    house = House(world, base_url, fault, f"{fault}+slow=0.01")
    reply = house.ask(watched=watched)
    quoted(reply)
    assert [outcome for _, outcome in outcomes(reply)] == [StepOutcome.UNAVAILABLE] * 2
    assert reply.degraded is Degraded.MODELS_UNAVAILABLE
    assert world.store.replies.get(TENANT, reply.reply_id) is not None
    assert (house.spent == NOTHING_SPENT) is (fault in TURNED_AWAY), "what may have been worked for counts, and nothing else"
    assert house.spent == reply.spend


def test_a_provider_that_nobody_reaches_costs_nothing(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    house = House(world, f"http://127.0.0.1:{port}/v1", "well")
    reply = house.ask()
    quoted(reply)
    assert (reply.degraded, house.spent) == (Degraded.MODELS_UNAVAILABLE, NOTHING_SPENT)


@pytest.mark.parametrize("watched", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("fault", [*BROKEN, *TURNED_AWAY])
def test_the_next_model_of_a_lane_stands_in_for_one_that_fails(
    world: World, provider: Provider, base_url: str, fault: str, watched: bool
) -> None:
    house = House(world, base_url, fault, "well", failures_to_open=1)
    reply = house.ask(watched=watched)
    written(reply)
    assert outcomes(reply) == [(fault, StepOutcome.UNAVAILABLE), ("well", StepOutcome.ACCEPTED)]
    assert house.spent == reply.spend != NOTHING_SPENT
    assert provider.counts.requests == 2


def test_a_slow_provider_is_waited_for_within_the_deadline(world: World, base_url: str) -> None:
    house = House(world, base_url, "slow=0.2")
    written(house.ask(watched=True))
    assert house.spent.tokens > 0


QUESTIONS = 30


def test_a_full_outage_is_retried_from_one_budget_however_many_ask(world: World, provider: Provider, base_url: str) -> None:
    house = House(world, base_url, "500", max_retries=2, retry_percent=10, retry_reserve=3, failures_to_open=10_000)

    async def at_once() -> None:
        async with anyio.create_task_group() as everybody:
            for limit in range(1, QUESTIONS + 1):
                # A limit of its own makes each a question of its own: equal ones are asked once.
                asking = Asking(reader(), QUESTION, limit=limit)
                everybody.start_soon(house.asked.ask.answer, asking)

    anyio.run(at_once)
    extra = 3 + QUESTIONS * 10 // 100
    assert QUESTIONS < provider.counts.requests <= QUESTIONS + extra
    assert len(house.hands.slept) == provider.counts.requests - QUESTIONS, "no retry without a pause"
    assert world.store.replies.count(TENANT) == QUESTIONS
    assert house.spent.tokens > 0


def test_a_full_outage_ends_with_the_circuit_and_not_with_the_number_of_questions(
    world: World, provider: Provider, base_url: str
) -> None:
    house = House(world, base_url, "500", max_retries=2, failures_to_open=5)
    for _ in range(QUESTIONS):
        quoted(house.ask())
    assert provider.counts.requests == 5


def test_a_caller_who_hangs_up_on_a_hung_provider_leaves_no_call_and_no_reservation(
    world: World, provider: Provider, base_url: str
) -> None:
    house = House(world, base_url, "hung")

    async def hang_up() -> None:
        async with anyio.create_task_group() as asking:
            asking.start_soon(house.answer)
            assert await anyio.to_thread.run_sync(lambda: provider.wait_for(timeout_seconds=PATIENCE_SECONDS, requests=1))
            asking.cancel_scope.cancel()

    anyio.run(hang_up)
    assert provider.wait_for(timeout_seconds=PATIENCE_SECONDS, disconnected=1)
    assert house.spent.tokens > 0, "what the provider may have done counts"
    assert world.store.replies.count(TENANT) == 1, "the ledger knows what was spent"
