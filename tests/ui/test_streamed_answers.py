"""Answers of a model as a person sees them come: sentence by sentence, stopped, begun anew and taken back."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from surefoot.domain.models import ModelCard, Price
from surefoot.llm.scripted import scripted_model
from tests.ui.demo_app import demo_app, policy_of
from tests.ui.journeys import ask, send
from tests.ui.paced import PacedModel

# Quoting does not suffice for these, and the honest model has three sentences for each. What was answered once is kept, so
# that each journey which ends well has a question of its own.
THREE_SENTENCES = "How long does a refund take by bank transfer?"
NEVER_ENDED = "webhooks"
BEGUN_ANEW = "API keys?"
TOLD_ABOUT = "What happens to invoices when a trial ends?"
WITH_A_FALSE_PREMISE = "Why do refunds take 30 days?"
PRICE = Price(input_usd_per_million=1.0, output_usd_per_million=4.0)
CARDS = [ModelCard(name, "scripted/honest", PRICE) for name in ("paced", "spare")]


@dataclass(frozen=True)
class Stage:
    """A page whose models wait for the journey; the second takes over when the first breaks off."""

    address: str
    first: PacedModel
    second: PacedModel


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    first, second = (PacedModel(scripted_model("honest", card=card)) for card in CARDS)
    models = {"paced": first, "spare": second}
    with demo_app(tmp_path_factory.mktemp("streamed"), policy_of(CARDS), models) as (address, _):
        yield Stage(address, first, second)


@pytest.fixture
def address(stage: Stage) -> str:
    return stage.address


def test_sentences_appear_one_by_one_and_the_reply_says_that_an_ai_wrote_them(page: Page, stage: Stage) -> None:
    turn = send(page, THREE_SENTENCES)
    for count in (1, 2, 3):
        expect(turn.locator(".claims p")).to_have_count(count)
        expect(turn.locator(".citations li")).to_have_count(count)
        expect(turn.locator(".claims p").last.get_by_role("link")).to_have_accessible_name(f"Citation {count}")
        expect(turn.locator(".label")).to_contain_text("An AI model may be writing this")
        expect(page.locator("#status")).to_have_text("The first checked sentence is shown; more may come.")
        stage.first.go_on()
    expect(page.locator("#status")).to_have_text("Answered by an AI model, with 3 citations.")
    expect(turn.locator(".label")).to_contain_text("Written by an AI model")
    expect(turn).to_have_class(re.compile(r"\bai\b"))


def test_about_this_answer_has_model_tier_money_tokens_and_every_step(page: Page, stage: Stage) -> None:
    turn = send(page, TOLD_ABOUT)
    for count in (1, 2, 3):
        expect(turn.locator(".claims p")).to_have_count(count)
        stage.first.go_on()
    expect(turn.locator(".facts")).to_be_attached()
    expect(turn.locator(".facts")).to_be_hidden()
    turn.get_by_text("About this answer").click()
    facts = turn.locator(".facts")
    for words in ("AI model paced", "Small model", "1000 tokens", "Made for this question", "First checked sentence"):
        expect(facts).to_contain_text(words)
    expect(facts).to_contain_text(re.compile(r"Cost:\$0\.00[1-9]"))
    expect(turn.locator(".steps li").first).to_contain_text("Quoting: found too little to quote")
    expect(turn.locator(".steps li").last).to_contain_text("Small model, paced: accepted; asked because quoting did not suffice")
    again = ask(page, TOLD_ABOUT)
    expect(again.locator(".facts")).to_contain_text("cache hit")


def test_stop_ends_the_question_at_the_model_and_keeps_what_was_checked(page: Page, stage: Stage) -> None:
    turn = send(page, NEVER_ENDED)
    expect(turn.locator(".claims p")).to_have_count(1)
    page.locator("#stop").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text("Stopped. Nothing more is spent on this question.")
    assert stage.first.hung_up.wait(30), "the model is still being read"
    expect(turn.locator(".outcome")).to_have_text("Stopped")
    expect(turn.locator(".claims p")).to_have_count(1)
    expect(page.locator("#stop")).to_be_hidden()
    expect(page.locator("#question")).to_be_focused()
    expect(turn.get_by_role("button", name="Ask again")).to_be_visible()


def test_a_restart_clears_the_sentences_so_far(page: Page, stage: Stage) -> None:
    turn = send(page, BEGUN_ANEW)
    expect(turn.locator(".claims p")).to_have_count(1)
    stage.first.go_on()
    expect(turn.locator(".claims p")).to_have_count(2)
    stage.first.break_off()
    expect(turn.locator(".claims p")).to_have_count(1)
    expect(turn.locator(".citations li")).to_have_count(1)
    for _ in range(3):
        stage.second.go_on()
    expect(page.locator("#status")).to_contain_text("Answered by an AI model")
    expect(turn.locator(".claims p")).to_have_count(3)
    expect(turn.locator(".facts")).to_contain_text("AI model spare")


def test_a_refusal_takes_back_sentences_that_came_before_it(page: Page, stage: Stage) -> None:
    turn = send(page, NEVER_ENDED)
    expect(turn.locator(".claims a")).to_have_count(1)
    turn.locator(".claims a").focus()
    stage.first.break_off()
    stage.second.break_off()
    expect(page.locator("#status")).to_contain_text("No answer after all; what was shown is taken back.")
    expect(turn.locator(".outcome")).to_have_text("No answer")
    expect(turn.locator(".claims a")).to_have_count(0)
    expect(turn.locator(".degraded")).to_contain_text("The AI models cannot be reached")
    expect(turn.locator("h2")).to_be_focused()


def test_what_a_question_has_wrong_is_said_before_the_answer(page: Page, stage: Stage) -> None:
    turn = send(page, WITH_A_FALSE_PREMISE)
    for count in (1, 2, 3):
        expect(turn.locator(".claims p")).to_have_count(count)
        stage.first.go_on()
    expect(turn.get_by_role("note")).to_contain_text("Your question says 30 days")
    assert turn.evaluate("turn => turn.querySelector('.premise').compareDocumentPosition(turn.querySelector('.claims'))") == 4


def test_only_one_question_is_under_way_and_leaving_the_conversation_ends_it(page: Page, stage: Stage) -> None:
    send(page, NEVER_ENDED)
    expect(page.locator(".claims p")).to_have_count(1)
    page.fill("#question", "And now?")
    page.press("#question", "Enter")
    expect(page.locator("#status")).to_contain_text("One question at a time")
    expect(page.locator(".turn")).to_have_count(1)
    page.select_option("#person", "sam")
    assert stage.first.hung_up.wait(30), "the model is still being read"
    expect(page.locator(".turn")).to_have_count(0)
    expect(page.locator("#status")).to_have_text("A new conversation, as Sam, support agent.")
