"""A second opinion can only take claims away, is metered like every call, and is heard before anything is shown."""

import json

import anyio
import pytest

from surefoot.assistant.course import Asking
from surefoot.core.errors import ModelUnavailable
from surefoot.domain.answers import Answer, Claim, Refusal
from surefoot.domain.replies import Reply
from surefoot.domain.routing import StepOutcome
from surefoot.llm.router import RouterOptions
from tests.asking import asking_in, policy_of
from tests.unit.assistant.test_climbing import ALSO_SAID, HARD, REFUNDS, SAID
from tests.world import World, memory_world, reader
from tests.writers import Reply as Written
from tests.writers import Writer, claims, writer


@pytest.fixture
def world() -> World:
    made = memory_world()
    made.put(REFUNDS)
    return made


def verdicts(*holds: bool) -> str:
    return json.dumps({"verdicts": [{"claim": number, "holds": each} for number, each in enumerate(holds, start=1)]})


def asked(world: World, *opinions: Written, drafts: tuple[Written, ...] | None = None) -> tuple[Reply, Writer, Writer]:
    small, judge = writer("small", *(drafts or (claims(SAID, ALSO_SAID),))), writer("judge", *opinions)
    policy = policy_of({"small": small}, others={"judge": judge}, second_opinion=("judge",))
    house = asking_in(world, policy=policy, models={"small": small, "judge": judge}, options=RouterOptions(max_retries=0))
    return house.ask.ask(reader(), HARD), small, judge


def texts(reply: Reply) -> list[str]:
    assert isinstance(reply.outcome, Answer), reply
    return [claim.text for claim in reply.outcome.claims]


def test_claims_that_hold_in_both_opinions_are_shown(world: World) -> None:
    reply, _, judge = asked(world, verdicts(True, True))
    assert texts(reply) == [SAID, ALSO_SAID]
    assert reply.model == "small"
    assert [step.purpose for step in reply.steps if step.model == "judge"] == ["second_opinion"]
    assert judge.calls == 1


def test_a_claim_that_does_not_hold_is_left_out(world: World) -> None:
    reply, *_ = asked(world, verdicts(True, False))
    assert texts(reply) == [SAID]


def test_the_core_claim_that_falls_takes_all_with_it_after_one_repair(world: World) -> None:
    reply, small, judge = asked(world, verdicts(False, True))
    assert isinstance(reply.outcome, Refusal)
    assert (small.calls, judge.calls) == (2, 2)
    drafted = [step for step in reply.steps if step.model == "small"]
    assert [step.outcome for step in drafted] == [StepOutcome.UNSUPPORTED] * 2


@pytest.mark.parametrize(
    "opinion",
    [
        "nonsense",
        "{}",
        '{"verdicts": "all"}',
        verdicts(),
        json.dumps({"verdicts": [{"claim": 1, "holds": True}, {"claim": 1, "holds": False}]}),
        json.dumps({"verdicts": [{"claim": 1, "holds": "yes"}]}),
        ModelUnavailable(),
    ],
    ids=["nonsense", "empty", "no list", "silence", "both", "no bool", "down"],
)
def test_without_a_clear_word_nothing_is_shown(world: World, opinion: Written) -> None:
    reply, *_ = asked(world, opinion)
    assert isinstance(reply.outcome, Refusal)


def test_it_sees_the_claims_and_their_quotes_and_nothing_else(world: World) -> None:
    _, _, judge = asked(world, verdicts(True, True))
    told = judge.requests[0].messages[1].content
    assert SAID in told and ALSO_SAID in told
    assert HARD not in told and "refunds.md" not in told


def test_what_it_costs_is_part_of_the_reply(world: World) -> None:
    reply, *_ = asked(world, verdicts(True, True))
    own = [step for step in reply.steps if step.model == "judge"]
    assert own[0].spend.nano_usd > 0
    assert reply.spend.nano_usd == sum(step.spend.nano_usd for step in reply.steps)


def test_nothing_is_streamed_before_it_was_heard(world: World) -> None:
    seen: list[tuple[str, int]] = []
    small, judge = writer("small", claims(SAID, ALSO_SAID)), writer("judge", verdicts(True, False))

    class Watch:
        async def claim(self, claim: Claim) -> None:
            seen.append((claim.text, judge.calls))

        async def restart(self) -> None:
            seen.append(("restart", judge.calls))

    policy = policy_of({"small": small}, others={"judge": judge}, second_opinion=("judge",))
    house = asking_in(world, policy=policy, models={"small": small, "judge": judge})
    reply = anyio.run(lambda: house.ask.answer(Asking(reader(), HARD), watcher=Watch()))
    assert isinstance(reply.outcome, Answer)
    assert all(calls == 1 for _, calls in seen)
    assert ALSO_SAID not in [text for text, _ in seen]
