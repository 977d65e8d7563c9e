"""While a gate of the evals is red, no model is asked, nothing that one wrote is shown, and the extractive tier still answers."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surefoot.assistant.course import Asking
from surefoot.core.ids import uuid7
from surefoot.domain.answers import Answer, RefusalReason
from surefoot.domain.budgets import NOTHING_SPENT, BudgetLevel, Limit, Period
from surefoot.domain.identity import TenantId
from surefoot.domain.policies import BudgetRule
from surefoot.domain.replies import CacheUse, Reply
from surefoot.domain.routing import Degraded
from surefoot.domain.verdicts import GateResult, GateState, Verdict
from surefoot.governance.audit import AuditTrail
from surefoot.governance.verdicts import Verdicts
from tests.asking import Asked, asking_in, policy_of
from tests.unit.assistant.test_climbing import EASY, HARD, QUOTED, REFUNDS, SAID
from tests.world import NOW, TENANT, World, markdown, memory_world, reader
from tests.writers import Writer, claims, writer

QUESTIONS = [EASY, HARD, "And by bank transfer?", "Will there be a total eclipse of the sun?", "refunds", "Wie lange dauert es?"]
RED = GateResult("leaks", "share.leaked", GateState.FAILED, True, 0.0, False, 200)
WARNING = replace(RED, gate="latency", is_blocking=False)
TOO_FEW = replace(RED, gate="drafts", state=GateState.TOO_FEW)


@dataclass
class House:
    """Ask over a small and a large writer on two surfaces, obeying a store's verdicts."""

    world: World
    small: Writer
    large: Writer
    asked: Asked
    verdicts: Verdicts

    def ask(self, question: str = HARD, **more: object) -> Reply:
        return self.asked.ask.answer_here(Asking(reader(), question, **more))  # type: ignore[arg-type]

    def judge(self, *results: GateResult, tenant: TenantId = TENANT) -> None:
        name = uuid7(NOW).hex
        self.verdicts.put(tenant, Verdict(f"vrd_{name}", f"evr_{name}", ("sample",), NOW, results), by="nightly")

    @property
    def calls(self) -> int:
        return self.small.calls + self.large.calls


def house(world: World, *, tokens: int = 1_000_000, thin_margin: float = 0.0) -> House:
    small, large = writer("small", claims(SAID)), writer("large", claims(SAID))
    policy = policy_of(
        {"small": small}, {"large": large}, budgets=(BudgetRule(Limit(tokens=tokens), Period.DAY),), thin_margin=thin_margin
    )
    surface = policy.default.surfaces["help"]
    policy = replace(policy, default=replace(policy.default, surfaces={"help": surface, "billing": surface}))
    verdicts = Verdicts(world.store, world.clock, AuditTrail(world.store, b"k" * 32))
    asked = asking_in(world, policy=policy, models={"small": small, "large": large}, red_gates=verdicts.red_gate_names)
    return House(world, small, large, asked, verdicts)


@pytest.fixture
def world() -> World:
    made = memory_world()
    made.put(REFUNDS)
    return made


def texts(reply: Reply) -> list[str]:
    assert isinstance(reply.outcome, Answer), reply.outcome
    return [claim.text for claim in reply.outcome.claims]


def test_a_red_gate_keeps_models_away_and_the_reply_says_which(world: World) -> None:
    made = house(world)
    made.judge(RED, WARNING)
    reply = made.ask()
    assert made.calls == 0 and reply.spend == NOTHING_SPENT
    assert (reply.degraded, reply.red_gates, reply.budget) == (Degraded.GATE_RED, ("leaks",), BudgetLevel.NORMAL)
    assert not isinstance(reply.outcome, Answer) and reply.outcome.reason is RefusalReason.INSUFFICIENT_EVIDENCE


def test_the_extractive_tier_still_answers_while_a_gate_is_red(world: World) -> None:
    made = house(world, thin_margin=0.9)
    made.judge(RED)
    reply = made.ask(EASY)
    assert texts(reply) == [QUOTED] and reply.degraded is Degraded.GATE_RED and made.calls == 0


def test_a_reply_that_wants_no_model_is_not_degraded_and_says_all_the_same_what_is_red(world: World) -> None:
    made = house(world)
    made.judge(RED)
    reply = made.ask(EASY)
    assert (reply.degraded, reply.red_gates) == (None, ("leaks",))
    again = made.ask(EASY)
    assert (again.cache, again.red_gates) == (CacheUse.HIT, ("leaks",)), "from the cache too"


def test_the_gate_is_named_rather_than_the_budget_when_both_keep_models_away(world: World) -> None:
    made = house(world, tokens=0)
    made.judge(RED)
    reply = made.ask()
    assert (reply.degraded, reply.budget) == (Degraded.GATE_RED, BudgetLevel.EXHAUSTED)


def test_models_are_asked_again_as_soon_as_the_verdict_is_green(world: World) -> None:
    made = house(world)
    made.judge(RED)
    assert made.ask().degraded is Degraded.GATE_RED
    made.judge(replace(RED, state=GateState.PASSED))
    reply = made.ask()
    assert texts(reply) == [SAID] and (reply.degraded, reply.red_gates, made.small.calls) == (None, (), 1)


@pytest.mark.parametrize("result", [WARNING, TOO_FEW, replace(RED, state=GateState.PASSED)])
def test_a_gate_that_only_warns_passes_or_had_too_few_cases_never_degrades(world: World, result: GateResult) -> None:
    made = house(world)
    made.judge(result)
    reply = made.ask()
    assert texts(reply) == [SAID] and (reply.degraded, reply.red_gates) == (None, ())


def test_a_gate_keeps_models_from_the_surfaces_that_it_names_alone(world: World) -> None:
    made = house(world)
    made.judge(replace(RED, surfaces=("billing",)))
    assert texts(made.ask()) == [SAID]
    assert made.ask(surface="billing").degraded is Degraded.GATE_RED


def test_another_tenants_red_gate_changes_nothing(world: World) -> None:
    made = house(world)
    made.judge(RED, tenant=TenantId("globex"))
    assert texts(made.ask()) == [SAID]


def test_what_a_model_wrote_before_is_not_shown_while_a_gate_is_red_and_is_again_after(world: World) -> None:
    made = house(world)
    assert texts(made.ask()) == [SAID] and made.ask().cache is CacheUse.HIT
    made.judge(RED)
    reply = made.ask()
    assert (reply.cache, reply.degraded, reply.model) == (CacheUse.MISS, Degraded.GATE_RED, "")
    made.verdicts.clear(TENANT, by="ann", why="A false alarm.")
    assert made.ask().cache is CacheUse.HIT and made.calls == 1


def test_what_was_degraded_by_a_red_gate_is_not_kept(world: World) -> None:
    made = house(world)
    made.judge(RED)
    assert [made.ask().cache for _ in range(2)] == [CacheUse.MISS] * 2


def test_a_follow_up_is_not_put_into_words_by_a_model_while_a_gate_is_red(world: World) -> None:
    made = house(world)
    conversation = made.asked.conversations.start(reader(), "help").conversation_id
    made.judge(RED)
    made.ask(EASY, conversation_id=conversation)
    made.ask("And in Bitcoin?", conversation_id=conversation)
    assert made.calls == 0


@pytest.fixture(scope="module")
def many() -> Iterator[World]:
    made = memory_world()
    made.put(REFUNDS, markdown("eclipse.md", "# Sun\n\nThe sun has spots. Spots come and go every eleven years.\n"))
    yield made


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    questions=st.lists(st.sampled_from(QUESTIONS), min_size=1, max_size=4),
    surface=st.sampled_from(["help", "billing"]),
    named=st.sampled_from([("*",), ("help", "billing"), ("help", "*")]),
    tokens=st.sampled_from([0, 50, 1_000_000]),
    thin_margin=st.sampled_from([0.0, 0.9]),
    in_conversation=st.booleans(),
    others=st.lists(st.sampled_from([WARNING, TOO_FEW]), max_size=2),
)
def test_while_a_blocking_gate_is_red_no_model_is_called_whatever_is_asked(
    many: World,
    questions: list[str],
    surface: str,
    named: tuple[str, ...],
    tokens: int,
    thin_margin: float,
    in_conversation: bool,
    others: list[GateResult],
) -> None:
    made = house(many, tokens=tokens, thin_margin=thin_margin)
    made.judge(*others, replace(RED, surfaces=named))
    conversation = made.asked.conversations.start(reader(), surface).conversation_id if in_conversation else None
    for question in questions:
        reply = made.ask(question, surface=surface, conversation_id=conversation)
        assert reply.red_gates == ("leaks",) and not reply.model and reply.spend == NOTHING_SPENT
        assert not any(step.model for step in reply.steps) and reply.degraded in (None, Degraded.GATE_RED)
    assert made.calls == 0
