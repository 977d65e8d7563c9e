"""The router: nothing is spent that was not reserved, nothing reserved stays open, and nobody waits for the dead."""

import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Event, Lock

import anyio
import anyio.from_thread
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.core.deadline import Deadline
from surefoot.core.errors import InvalidSettings, ModelRejected, ModelTimedOut, ModelUnavailable, OutboundRefused, SurefootError
from surefoot.domain.answers import Tier
from surefoot.domain.budgets import (
    NOTHING_SPENT,
    Account,
    Limit,
    MeterKey,
    MeterState,
    NoRoom,
    Period,
    Reservation,
    Spend,
)
from surefoot.domain.identity import TenantId
from surefoot.domain.models import FinishReason, Message, ModelCard, ModelRequest, Piece, Price, Role, Usage
from surefoot.domain.routing import Step, StepOutcome
from surefoot.llm.calls import estimate, upper_bound
from surefoot.llm.circuit import CircuitState
from surefoot.llm.router import Attempted, Listener, Router, RouterOptions

TENANT = TenantId("acme")
ACCOUNT = Account("help", "hash")
METER = MeterKey("help", "", Period.DAY, datetime(2026, 1, 1, tzinfo=UTC))
REQUEST = ModelRequest((Message(Role.SYSTEM, "Answer."), Message(Role.USER, "Why?")), 60.0, max_output_tokens=100, stream=True)
CARD = ModelCard("one", "x/one", Price(1.0, 2.0))
USED = Usage(12, 5)

Behaviour = Callable[[ModelRequest], AsyncIterator[Piece]]


@dataclass
class Wallet:
    """A purse of a fixed size that remembers everything."""

    size: int = 10**12
    held: list[Reservation] = field(default_factory=list)
    settled: dict[str, Spend] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)
    on_reserve: Callable[[], None] = lambda: None

    @property
    def open(self) -> list[str]:
        return [held.reservation_id for held in self.held if held.reservation_id not in self.settled]

    @property
    def spent(self) -> Spend:
        return sum(self.settled.values(), NOTHING_SPENT)

    def reserve(self, tenant: TenantId, account: Account, amount: Spend) -> Reservation | NoRoom:
        assert (tenant, account) == (TENANT, ACCOUNT)
        self.on_reserve()
        with self.lock:
            used = self.spent.nano_usd + sum(held.amount.nano_usd for held in self.held if held.reservation_id in self.open)
            if used + amount.nano_usd > self.size:
                return NoRoom(MeterState(METER, Limit(self.size), Spend(used), NOTHING_SPENT))
            self.held.append(Reservation(f"r{len(self.held)}", account, amount, (METER,), METER.period_start))
            return self.held[-1]

    def settle(self, tenant: TenantId, reservation: Reservation, actual: Spend) -> None:
        with self.lock:
            assert reservation.reservation_id not in self.settled, "settled twice"
            assert min(actual.nano_usd, actual.tokens) >= 0
            self.settled[reservation.reservation_id] = actual


@dataclass
class Player:
    """A language model that plays its behaviours in order, the last one for ever."""

    card: ModelCard
    behaviours: Sequence[Behaviour]
    requests: list[ModelRequest] = field(default_factory=list)
    running: int = 0
    most_running: int = 0
    closed: int = 0

    async def stream(self, tenant: TenantId, request: ModelRequest) -> AsyncIterator[Piece]:
        behaviour = self.behaviours[min(len(self.requests), len(self.behaviours) - 1)]
        self.requests.append(request)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            async for piece in behaviour(request):
                yield piece
        finally:
            self.running -= 1
            self.closed += 1

    async def aclose(self) -> None: ...


@dataclass
class Ears:
    """A listener that remembers each reply apart."""

    replies: list[str] = field(default_factory=list)
    on_text: Callable[[str], None] = lambda text: None

    def begin(self) -> None:
        self.replies.append("")

    async def text(self, text: str) -> None:
        self.on_text(text)
        self.replies[-1] += text


class Hands:
    """A monotonic clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


def says(*texts: str, usage: Usage | None = USED, finish: FinishReason | None = FinishReason.STOP) -> Behaviour:
    async def play(request: ModelRequest) -> AsyncIterator[Piece]:
        for text in texts:
            yield Piece(text)
        yield Piece(finish=finish, usage=usage)

    return play


def breaks(error: SurefootError, *texts: str) -> Behaviour:
    async def play(request: ModelRequest) -> AsyncIterator[Piece]:
        for text in texts:
            yield Piece(text)
        raise error

    return play


def hangs(*texts: str) -> Behaviour:
    async def play(request: ModelRequest) -> AsyncIterator[Piece]:
        for text in texts:
            yield Piece(text)
        await anyio.sleep_forever()

    return play


def stays(hands: Hands, seconds: float, then: Behaviour) -> Behaviour:
    """Time passes, then it goes on."""

    async def play(request: ModelRequest) -> AsyncIterator[Piece]:
        hands.seconds += seconds
        async for piece in then(request):
            yield piece

    return play


def down() -> SurefootError:
    return ModelUnavailable("It is down.")


@dataclass
class Scene:
    """A router on its models, with everything around it."""

    behaviours: Mapping[str, Sequence[Behaviour]]
    cards: Mapping[str, ModelCard] = field(default_factory=dict)
    wallet: Wallet = field(default_factory=Wallet)
    options: RouterOptions = field(default_factory=RouterOptions)
    hands: Hands = field(default_factory=Hands)

    def __post_init__(self) -> None:
        self.models = {
            name: Player(self.cards.get(name, replace(CARD, name=name)), behaviours)
            for name, behaviours in self.behaviours.items()
        }
        self.router = Router(
            self.models, self.wallet, monotonic=self.hands, options=self.options, sleep=self.hands.sleep, chance=lambda: 1.0
        )

    async def go(
        self,
        *,
        seconds: float = 10.0,
        region: str = "",
        listener: Listener | None = None,
        journal: list[Step] | None = None,
        request: ModelRequest = REQUEST,
        deadline: Deadline | None = None,
    ) -> Attempted:
        return await self.router.run(
            TENANT,
            ACCOUNT,
            Tier.SMALL,
            list(self.behaviours),
            request,
            deadline or Deadline.after(seconds, self.hands),
            region=region,
            listener=listener,
            journal=journal,
        )

    def ask(self, **options: object) -> Attempted:
        async def main() -> Attempted:
            return await self.go(**options)  # type: ignore[arg-type]

        return anyio.run(main)


def outcomes(attempted: Attempted) -> list[tuple[str, StepOutcome]]:
    return [(step.model, step.outcome) for step in attempted.steps]


# One good call.


def test_the_first_model_that_answers_is_enough() -> None:
    scene = Scene({"one": [says("Hel", "lo")], "two": [says("never")]})
    attempted = scene.ask()
    assert (attempted.text, attempted.failure, attempted.finish) == ("Hello", None, FinishReason.STOP)
    assert outcomes(attempted) == [("one", StepOutcome.ACCEPTED)]
    assert scene.models["two"].requests == []


def test_the_upper_bound_is_reserved_before_and_the_stated_usage_settled_after() -> None:
    scene = Scene({"one": [says("Hello")]})
    (step,) = scene.ask().steps
    assert [held.amount for held in scene.wallet.held] == [CARD.price.spend(Usage(REQUEST.input_bytes(), 100))]
    assert scene.wallet.spent == CARD.price.spend(USED) == step.spend
    assert (step.input_tokens, step.output_tokens) == (12, 5)


def test_the_schema_that_is_sent_is_part_of_the_upper_bound() -> None:
    with_schema = replace(REQUEST, schema={"type": "object"}, schema_name="draft")
    assert upper_bound(CARD, with_schema).input_tokens == REQUEST.input_bytes() + len('{"type":"object"}') + len("draft")


def test_a_provider_that_states_no_usage_settles_at_an_estimate() -> None:
    scene = Scene({"one": [says("Hello", usage=None)]})
    (step,) = scene.ask().steps
    assert step.spend == CARD.price.spend(estimate(CARD, REQUEST, "Hello")) == scene.wallet.spent
    assert 0 < step.output_tokens <= 5


@given(st.text(max_size=400), st.integers(1, 50))
def test_an_estimate_is_never_above_the_upper_bound(text: str, limit: int) -> None:
    request = replace(REQUEST, max_output_tokens=limit)
    most, probable = upper_bound(CARD, request), estimate(CARD, request, text)
    assert probable.input_tokens <= most.input_tokens
    assert probable.output_tokens <= most.output_tokens


def test_a_call_is_told_what_is_left_of_the_deadline_and_what_the_model_can_do() -> None:
    scene = Scene({"one": [says("x")]}, cards={"one": replace(CARD, max_output_tokens=40, streaming=False)})
    scene.ask(seconds=7.5)
    (request,) = scene.models["one"].requests
    assert (request.timeout_seconds, request.max_output_tokens, request.stream) == (7.5, 40, False)
    assert scene.wallet.held[0].amount == CARD.price.spend(Usage(REQUEST.input_bytes(), 40))


def test_a_model_that_cannot_be_held_to_a_schema_reads_it_at_the_end_of_the_system_message() -> None:
    with_schema = replace(REQUEST, schema={"type": "object"})
    scene = Scene({"one": [says("{}")]}, cards={"one": replace(CARD, json_schema=False)})
    scene.ask(request=with_schema)
    (sent,) = scene.models["one"].requests
    assert sent.schema is None
    assert sent.messages[0].content.startswith("Answer.")
    assert sent.messages[0].content.endswith('{"type":"object"}')
    assert sent.messages[1:] == REQUEST.messages[1:]
    assert scene.wallet.held[0].amount.tokens == sent.input_bytes() + 100
    held_to_it = Scene({"one": [says("{}")]})
    held_to_it.ask(request=with_schema)
    assert held_to_it.models["one"].requests[0].schema == {"type": "object"}
    assert held_to_it.models["one"].requests[0].messages == REQUEST.messages


def test_a_schema_is_told_even_where_there_is_no_system_message() -> None:
    lone = replace(REQUEST, messages=(Message(Role.USER, "Why?"),), schema={"type": "object"})
    scene = Scene({"one": [says("{}")]}, cards={"one": replace(CARD, json_schema=False)})
    scene.ask(request=lone)
    assert [message.role for message in scene.models["one"].requests[0].messages] == [Role.SYSTEM, Role.USER]


def test_more_than_the_upper_bound_counts_in_full_when_the_provider_states_it_and_is_said() -> None:
    scene = Scene({"one": [says("x", usage=Usage(30, 500))]})
    (step,) = scene.ask().steps
    assert step.spend == CARD.price.spend(Usage(30, 500)) == scene.wallet.spent
    assert step.spend.tokens > scene.wallet.held[0].amount.tokens
    assert "530 tokens where at most" in step.reasons[0]


def test_a_transports_estimate_is_held_to_the_upper_bound() -> None:
    scene = Scene({"one": [says("x", usage=Usage(10**6, 10**6, is_estimate=True))]})
    (step,) = scene.ask().steps
    assert step.spend == scene.wallet.held[0].amount == scene.wallet.spent
    assert step.reasons == ()


def test_a_garbled_usage_neither_eats_the_budget_nor_gives_anything_back() -> None:
    huge = Scene({"one": [says("x", usage=Usage(10**30, 10**30))]})
    huge.ask()
    assert huge.wallet.spent.tokens == 20 * huge.wallet.held[0].amount.tokens
    negative = Scene({"one": [says("x", usage=Usage(-5, -5, -5))]})
    assert negative.ask().steps[0].spend == CARD.price.spend(estimate(CARD, REQUEST, "x"))


# Falling to the next, and trying again.


def test_a_model_that_fails_is_replaced_by_the_next_of_the_lane() -> None:
    scene = Scene({"one": [breaks(down())], "two": [says("Hello")]})
    attempted = scene.ask()
    assert outcomes(attempted) == [("one", StepOutcome.UNAVAILABLE), ("two", StepOutcome.ACCEPTED)]
    assert attempted.steps[0].reasons == ("It is down.",)
    assert len(scene.wallet.held) == 2
    assert scene.hands.slept == []


def test_the_last_model_is_tried_again_with_growing_pauses() -> None:
    scene = Scene({"one": [breaks(down()), breaks(down()), says("Hello")]})
    attempted = scene.ask()
    assert attempted.text == "Hello"
    assert scene.hands.slept == [0.2, 0.4]
    assert len(scene.wallet.held) == 3


def test_a_model_is_tried_again_when_all_later_ones_cannot_be_asked() -> None:
    scene = Scene({"one": [breaks(down()), says("Hello")], "two": [says("x")]}, cards={"one": replace(CARD, region="eu")})
    assert outcomes(scene.ask(region="eu")) == [("one", StepOutcome.UNAVAILABLE), ("one", StepOutcome.ACCEPTED)]


def test_a_call_that_will_never_be_accepted_is_not_tried_again() -> None:
    scene = Scene({"one": [breaks(ModelRejected("Wrong key."))]})
    attempted = scene.ask()
    assert (attempted.text, attempted.failure) == (None, StepOutcome.UNAVAILABLE)
    assert len(scene.models["one"].requests) == 1


def test_retries_stop_when_their_budget_is_gone() -> None:
    scene = Scene({"one": [breaks(down())]}, options=RouterOptions(retry_reserve=1, failures_to_open=99))
    assert [len(scene.ask().steps) for _ in range(3)] == [2, 1, 1]


def test_a_retry_after_that_fits_is_kept_and_one_that_does_not_ends_it() -> None:
    patient = Scene({"one": [breaks(ModelUnavailable("Busy.", retry_after_seconds=4)), says("Hello")]})
    assert patient.ask(seconds=10).text == "Hello"
    assert patient.hands.slept == [4]
    hasty = Scene({"one": [breaks(ModelUnavailable("Busy.", retry_after_seconds=4)), says("Hello")]})
    assert hasty.ask(seconds=4).text is None
    assert hasty.hands.slept == []


def test_each_attempt_begins_a_new_reply_for_the_listener() -> None:
    ears = Ears()
    Scene({"one": [breaks(down(), "Half an ans")], "two": [says("Whole")]}).ask(listener=ears)
    assert ears.replies == ["Half an ans", "Whole"]


def test_a_lane_without_models_is_a_failure_without_steps() -> None:
    assert Scene({}).ask() == Attempted(None, (), StepOutcome.UNAVAILABLE)


def test_a_lane_that_names_an_unknown_model_is_refused_before_anything_is_spent() -> None:
    scene = Scene({"one": [says("x")]})

    async def main() -> None:
        lane = ["one", "nobody"]
        await scene.router.run(TENANT, ACCOUNT, Tier.SMALL, lane, REQUEST, Deadline.after(1, scene.hands))

    with pytest.raises(InvalidSettings, match="nobody"):
        anyio.run(main)
    assert scene.wallet.held == []


# What is settled when a call fails.


@pytest.mark.parametrize(
    "error",
    [
        ModelUnavailable("Connection refused.", may_have_charged=False),
        ModelTimedOut("Could not connect in time.", may_have_charged=False),
        ModelUnavailable("Too many requests.", retry_after_seconds=60),
        ModelRejected("Unknown model."),
        OutboundRefused("Offline."),
    ],
    ids=lambda error: str(error),
)
def test_a_call_that_was_turned_away_or_never_arrived_costs_nothing(error: SurefootError) -> None:
    scene = Scene({"one": [breaks(error)]}, options=RouterOptions(max_retries=0))
    (step,) = scene.ask().steps
    assert step.spend == NOTHING_SPENT == scene.wallet.spent
    assert scene.wallet.open == []


@pytest.mark.parametrize(
    "behaviour",
    [
        breaks(ModelUnavailable("The stream broke.")),
        breaks(ModelUnavailable("Reset.", may_have_charged=False), "but it had begun"),
        breaks(ModelUnavailable("Busy.", retry_after_seconds=60), "but it had begun"),
        breaks(ModelRejected("Cut by a filter."), "but it had begun"),
        breaks(ModelTimedOut("Too slow.")),
        says("cut off", usage=None, finish=None),
        says("x" * 100_000, usage=None),
    ],
    ids=["broken", "broken midway", "busy midway", "rejected midway", "timed out", "without an end", "without bounds"],
)
def test_a_call_that_broke_without_usage_costs_all_that_was_reserved(behaviour: Behaviour) -> None:
    scene = Scene({"one": [behaviour]}, options=RouterOptions(max_retries=0))
    (step,) = scene.ask().steps
    assert step.outcome in (StepOutcome.UNAVAILABLE, StepOutcome.TIMED_OUT)
    assert step.spend == scene.wallet.held[0].amount == scene.wallet.spent
    assert step.input_tokens + step.output_tokens == step.spend.tokens


def test_a_call_that_broke_after_it_stated_its_usage_costs_that() -> None:
    scene = Scene({"one": [says("cut", finish=None)]}, options=RouterOptions(max_retries=0))
    assert scene.ask().steps[0].spend == CARD.price.spend(USED)


# Budgets.


def test_without_room_no_call_is_made() -> None:
    scene = Scene({"one": [says("x")], "two": [says("x")]}, wallet=Wallet(size=0))
    attempted = scene.ask()
    assert outcomes(attempted) == [("one", StepOutcome.NO_BUDGET)]
    assert attempted.failure is StepOutcome.NO_BUDGET
    assert "'help'" in attempted.steps[0].reasons[0]
    assert scene.models["one"].requests == scene.models["two"].requests == []


def test_without_room_a_cheaper_model_of_the_lane_is_still_asked() -> None:
    free = replace(CARD, name="free", price=Price())
    scene = Scene({"one": [says("x")], "dear": [says("x")], "free": [says("Hello")]}, cards={"free": free}, wallet=Wallet(size=0))
    attempted = scene.ask()
    assert attempted.text == "Hello"
    assert outcomes(attempted) == [("one", StepOutcome.NO_BUDGET), ("free", StepOutcome.ACCEPTED)]


def test_a_retry_without_room_is_not_made() -> None:
    most = CARD.price.spend(upper_bound(CARD, REQUEST))
    scene = Scene({"one": [breaks(down()), says("x")]}, wallet=Wallet(size=most.nano_usd))
    assert outcomes(scene.ask()) == [("one", StepOutcome.UNAVAILABLE), ("one", StepOutcome.NO_BUDGET)]
    assert len(scene.models["one"].requests) == 1


# Regions, contexts, circuits.


def test_a_tenant_of_a_region_is_never_sent_to_a_model_that_does_not_state_it() -> None:
    cards = {"one": replace(CARD, name="one", region="us"), "three": replace(CARD, name="three", region="eu")}
    scene = Scene({"one": [says("x")], "two": [says("x")], "three": [says("Hello")]}, cards=cards)
    attempted = scene.ask(region="eu")
    assert attempted.text == "Hello"
    assert [step.reasons[0][:20] for step in attempted.steps[:2]] == ["It runs in 'us', and", "It does not state wh"]
    assert scene.models["one"].requests == scene.models["two"].requests == []
    assert len(scene.wallet.held) == 1


def test_a_prompt_that_a_model_cannot_hold_is_not_sent_to_it() -> None:
    scene = Scene({"one": [says("x")], "two": [says("Hello")]}, cards={"one": replace(CARD, context_tokens=100)})
    attempted = scene.ask()
    assert outcomes(attempted) == [("one", StepOutcome.UNAVAILABLE), ("two", StepOutcome.ACCEPTED)]
    assert scene.models["one"].requests == []


def test_after_failures_in_a_row_a_model_is_passed_over_without_reserving_or_calling() -> None:
    scene = Scene({"one": [breaks(down())], "two": [says("Hello")]}, options=RouterOptions(failures_to_open=2))
    scene.ask()
    scene.ask()
    before = len(scene.wallet.held)
    attempted = scene.ask()
    assert outcomes(attempted) == [("one", StepOutcome.CIRCUIT_OPEN), ("two", StepOutcome.ACCEPTED)]
    assert len(scene.models["one"].requests) == 2
    assert len(scene.wallet.held) == before + 1
    assert {name: health.state for name, health in scene.router.health().items()} == {
        "one": CircuitState.OPEN,
        "two": CircuitState.CLOSED,
    }


def test_with_every_circuit_open_the_failure_says_so_and_costs_nothing() -> None:
    scene = Scene({"one": [breaks(down())]}, options=RouterOptions(failures_to_open=1))
    scene.ask()
    spent = scene.wallet.spent
    attempted = scene.ask()
    assert attempted.failure is StepOutcome.CIRCUIT_OPEN
    assert "another 30 s" in attempted.steps[0].reasons[0]
    assert scene.wallet.spent == spent


def test_a_model_is_probed_after_a_while_and_asked_again_when_it_answers() -> None:
    scene = Scene({"one": [breaks(down()), says("Hello")]}, options=RouterOptions(failures_to_open=1))
    scene.ask()
    scene.hands.seconds += 30
    assert scene.ask().text == "Hello"
    assert scene.router.health()["one"].state is CircuitState.CLOSED


def test_an_opened_circuit_ends_the_retries() -> None:
    scene = Scene({"one": [breaks(down())]}, options=RouterOptions(failures_to_open=1))
    assert len(scene.ask().steps) == 1


def test_calls_that_a_provider_rejects_do_not_open_the_circuit_for_others() -> None:
    scene = Scene({"one": [breaks(ModelRejected("Too long."))]}, options=RouterOptions(failures_to_open=1))
    scene.ask()
    assert scene.router.health()["one"].state is CircuitState.CLOSED


def test_a_probe_that_found_no_room_in_the_budget_leaves_its_place_to_the_next() -> None:
    scene = Scene({"one": [breaks(down()), says("Hello")]}, options=RouterOptions(failures_to_open=1))
    scene.ask()
    scene.hands.seconds += 30
    scene.wallet.size = 0
    assert scene.ask().failure is StepOutcome.NO_BUDGET
    scene.wallet.size = 10**12
    assert scene.ask().text == "Hello"


# Deadlines.


def test_with_the_deadline_over_nobody_is_asked() -> None:
    scene = Scene({"one": [says("x")], "two": [says("x")]})
    attempted = scene.ask(seconds=0)
    assert outcomes(attempted) == [("one", StepOutcome.TIMED_OUT)]
    assert attempted.failure is StepOutcome.TIMED_OUT
    assert scene.wallet.held == []


def test_an_attempt_that_could_only_be_cut_off_is_not_paid_for() -> None:
    scene = Scene({"one": [says("x")]})
    assert scene.ask(seconds=0.04).failure is StepOutcome.TIMED_OUT
    assert scene.wallet.held == []


def test_a_deadline_that_passes_while_the_purse_is_asked_costs_nothing() -> None:
    scene = Scene({"one": [says("x")]})

    def wait() -> None:
        scene.hands.seconds += 60

    scene.wallet.on_reserve = wait
    assert scene.ask().failure is StepOutcome.TIMED_OUT
    assert scene.models["one"].requests == []
    assert scene.wallet.spent == NOTHING_SPENT
    assert scene.wallet.open == []


def test_a_model_that_hangs_is_cut_off_at_the_deadline_even_if_its_transport_does_not() -> None:
    scene = Scene({"one": [hangs("Hel")], "two": [says("x")]})

    async def main() -> Attempted:
        with anyio.fail_after(2):
            return await scene.go(deadline=Deadline.after(0.06))

    attempted = anyio.run(main)
    assert outcomes(attempted)[0] == ("one", StepOutcome.TIMED_OUT)
    assert attempted.failure is StepOutcome.TIMED_OUT
    assert scene.models["two"].requests == []
    assert scene.models["one"].closed == 1
    assert scene.wallet.spent == scene.wallet.held[0].amount


def test_after_a_timeout_no_time_is_left_for_the_next_model() -> None:
    hands = Hands()
    slow = stays(hands, 10.0, breaks(ModelTimedOut("Too slow.")))
    attempted = Scene({"one": [slow], "two": [says("x")]}, hands=hands).ask(seconds=10)
    assert outcomes(attempted) == [("one", StepOutcome.TIMED_OUT)]
    assert attempted.steps[0].latency_ms == 10_000


def test_a_timeout_counts_against_the_model_only_if_it_had_a_fair_chance() -> None:
    hands = Hands()
    options = RouterOptions(failures_to_open=1, fair_chance_seconds=1.0)
    scene = Scene({"one": [breaks(ModelTimedOut("Too slow."))]}, hands=hands, options=options)
    scene.ask(seconds=0.9)
    assert scene.router.health()["one"].state is CircuitState.CLOSED
    scene.ask(seconds=1.0)
    assert scene.router.health()["one"].state is CircuitState.OPEN


def test_an_earlier_runs_timeout_in_the_journal_does_not_hide_this_ones() -> None:
    journal: list[Step] = []
    scene = Scene({"one": [says("x")]})
    scene.ask(seconds=0, journal=journal)
    assert scene.ask(seconds=0, journal=journal).failure is StepOutcome.TIMED_OUT
    assert len(journal) == 2


# Places.


def test_no_more_calls_of_one_model_run_at_once_than_it_has_places() -> None:
    released = []

    async def main() -> None:
        gate = anyio.Event()

        async def waits(request: ModelRequest) -> AsyncIterator[Piece]:
            await gate.wait()
            yield Piece("x", FinishReason.STOP, USED)

        scene = Scene({"one": [waits]}, options=RouterOptions(max_concurrent=3))
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(scene.go)
            while scene.models["one"].running < 3:
                await anyio.lowlevel.checkpoint()
            await anyio.wait_all_tasks_blocked()
            gate.set()
        released.append((scene.models["one"].most_running, len(scene.models["one"].requests), scene.wallet.open))

    anyio.run(main)
    assert released == [(3, 10, [])]


def test_waiting_for_a_place_counts_against_the_deadline_and_reserves_nothing() -> None:
    async def main() -> tuple[Attempted, int]:
        scene = Scene({"one": [hangs()]}, options=RouterOptions(max_concurrent=1))
        async with anyio.create_task_group() as group:
            group.start_soon(scene.go)
            while not scene.models["one"].running:
                await anyio.lowlevel.checkpoint()
            with anyio.fail_after(2):
                attempted = await scene.go(deadline=Deadline.after(0.06))
            held = len(scene.wallet.held)
            group.cancel_scope.cancel()
        return attempted, held

    attempted, held = anyio.run(main)
    assert attempted.failure is StepOutcome.TIMED_OUT
    assert "places" in attempted.steps[0].reasons[0]
    assert held == 1


# Cancellation.


def test_a_cancelled_call_closes_the_stream_settles_an_estimate_and_is_written_down() -> None:
    journal: list[Step] = []
    scene = Scene({"one": [hangs("Hello there")], "two": [says("x")]})

    async def main() -> None:
        with anyio.CancelScope() as scope:
            await scene.go(journal=journal, listener=Ears(on_text=lambda text: scope.cancel()))
            raise AssertionError("The run went on.")

    anyio.run(main)
    assert scene.models["one"].closed == 1
    assert scene.models["two"].requests == []
    assert scene.wallet.open == []
    assert [step.outcome for step in journal] == [StepOutcome.CANCELLED]
    assert scene.wallet.spent == journal[0].spend == CARD.price.spend(estimate(CARD, REQUEST, "Hello there"))
    assert scene.router.health()["one"].failures_in_a_row == 0


def test_a_listener_that_fails_ends_the_run_and_still_settles() -> None:
    def fail(text: str) -> None:
        raise BrokenPipeError

    scene = Scene({"one": [says("Hello")], "two": [says("x")]})

    async def main() -> int:
        with pytest.raises(BrokenPipeError):
            await scene.go(listener=Ears(on_text=fail))
        return scene.models["one"].closed

    assert anyio.run(main) == 1, "the provider's stream was left open"
    assert scene.models["two"].requests == []
    assert scene.wallet.open == []
    assert scene.wallet.spent != NOTHING_SPENT


def test_a_run_that_is_cancelled_while_the_purse_is_asked_gives_all_of_it_back() -> None:
    scene = Scene({"one": [says("x")]})

    async def main() -> None:
        with anyio.CancelScope() as scope:
            scene.wallet.on_reserve = lambda: anyio.from_thread.run_sync(scope.cancel)
            await scene.go()

    anyio.run(main)
    assert len(scene.wallet.held) == 1
    assert scene.wallet.open == []
    assert scene.wallet.spent == NOTHING_SPENT
    assert scene.models["one"].requests == []


def test_a_cancelled_probe_leaves_its_place_to_the_next() -> None:
    scene = Scene({"one": [breaks(down()), hangs("x"), says("Hello")]}, options=RouterOptions(failures_to_open=1))
    scene.ask()
    scene.hands.seconds += 30

    async def main() -> None:
        with anyio.CancelScope() as scope:
            await scene.go(listener=Ears(on_text=lambda text: scope.cancel()))

    anyio.run(main)
    assert scene.ask().text == "Hello"


def test_settling_is_not_kept_waiting_by_other_work_in_threads() -> None:
    async def main() -> str | None:
        done = Event()
        busy = anyio.to_thread.current_default_thread_limiter()
        busy.total_tokens = 1
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, done.wait)
            await anyio.wait_all_tasks_blocked()
            try:
                return (await Scene({"one": [says("Hello")]}).go()).text
            finally:
                done.set()

    assert anyio.run(main) == "Hello"


# All together.

BEHAVIOURS: Mapping[str, Behaviour] = {
    "answers": says("Hello"),
    "states nothing": says("Hello", usage=None),
    "is filtered": says("", finish=FinishReason.FILTERED),
    "has no end": says("Hel", usage=None, finish=None),
    "costs too much": says("x", usage=Usage(5_000, 5_000)),
    "is down": breaks(down()),
    "breaks": breaks(down(), "Hel"),
    "is busy": breaks(ModelUnavailable("Busy.", retry_after_seconds=1)),
    "is not reached": breaks(ModelUnavailable("Refused.", may_have_charged=False)),
    "times out": breaks(ModelTimedOut("Too slow.")),
    "rejects": breaks(ModelRejected("No.")),
    "is offline": breaks(OutboundRefused("Offline.")),
}


@settings(max_examples=150, deadline=None)
@given(
    lanes=st.lists(st.lists(st.sampled_from(sorted(BEHAVIOURS)), min_size=1, max_size=5), min_size=1, max_size=4),
    prices=st.lists(st.sampled_from([0.0, 0.5, 30.0]), min_size=4, max_size=4),
    size=st.sampled_from([0, 300_000, 2_000_000, 10**12]),
    runs=st.integers(1, 4),
    pause=st.sampled_from([0.0, 40.0]),
)
def test_whatever_models_do_every_reservation_is_settled_once_and_the_steps_tell_the_whole_spend(
    lanes: list[list[str]], prices: list[float], size: int, runs: int, pause: float
) -> None:
    behaviours = {f"m{place}": [BEHAVIOURS[name] for name in names] for place, names in enumerate(lanes)}
    cards = {f"m{place}": ModelCard(f"m{place}", "x/y", Price(price, 2 * price)) for place, price in enumerate(prices)}
    options = RouterOptions(failures_to_open=2)
    scene = Scene(behaviours, cards=cards, wallet=Wallet(size=size), options=options)

    async def main() -> list[Attempted]:
        all_of_them = []
        for _ in range(runs):
            all_of_them.append(await scene.go())
            scene.hands.seconds += pause
        return all_of_them

    everything = anyio.run(main)
    steps = list(itertools.chain.from_iterable(attempted.steps for attempted in everything))
    calls = sum(len(model.requests) for model in scene.models.values())
    assert scene.wallet.open == []
    assert sorted(scene.wallet.settled) == sorted(held.reservation_id for held in scene.wallet.held)
    assert sum((step.spend for step in steps), NOTHING_SPENT) == scene.wallet.spent
    if not any("costs too much" in names for names in lanes):
        assert scene.wallet.spent.nano_usd <= size
    assert calls <= len(scene.wallet.held)
    assert all(len(attempted.steps) <= len(lanes) + options.max_retries for attempted in everything)
    assert all((attempted.text is None) == (attempted.failure is not None) for attempted in everything)
    assert all(model.closed == len(model.requests) for model in scene.models.values())
