"""What the page says of every kind of reply: without budget, broken off, refused by the server, hostile."""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from surefoot.api.schemas.asking import ShownReply
from surefoot.domain.budgets import Limit, Period
from surefoot.domain.models import ModelCard, Price
from surefoot.domain.policies import BudgetRule
from surefoot.llm.scripted import scripted_model
from tests.ui.demo_app import demo_app, policy_of
from tests.ui.journeys import ask

CARD = ModelCard("scripted", "scripted/honest", Price(input_usd_per_million=1.0, output_usd_per_million=4.0))
HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script><a href="javascript:document.title=3">x</a>'


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page whose budget pays for no call of its model."""
    policy = policy_of([CARD], BudgetRule(Limit(nano_usd=1), Period.DAY), thin_margin=1.0)
    models = {CARD.name: scripted_model("honest", card=CARD)}
    with demo_app(tmp_path_factory.mktemp("words"), policy, models) as (served_at, _):
        yield served_at


def documented(at: int) -> dict[str, Any]:
    """The reply that the API documents at this place of its examples: an answer, a refusal."""
    examples: list[dict[str, Any]] = ShownReply.model_config["json_schema_extra"]["examples"]  # type: ignore[index,call-overload,assignment]
    return deepcopy(examples[at])


def event(name: str, data: object) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def answer_with(page: Page, *events: str) -> None:
    def fulfil(route: Route) -> None:
        route.fulfill(status=200, content_type="text/event-stream", body="".join(events))

    page.route("**/v1/ask", fulfil)


def test_an_answer_without_budget_says_that_it_is_quoted(page: Page) -> None:
    turn = ask(page, "How long does a refund take?")
    expect(turn.locator(".degraded")).to_have_text("The budget for AI answers is used up; this answer is quoted.")
    expect(turn.locator(".label")).to_contain_text("no AI model wrote this")
    expect(page.locator("#status")).to_contain_text("Answered in quotes, with 1 citation. The budget for AI answers is used up")


def test_a_refusal_without_budget_says_so_too(page: Page) -> None:
    turn = ask(page, "How long does a refund take by bank transfer?")
    expect(turn.locator(".degraded")).to_have_text("The budget for AI answers is used up; nothing could be quoted either.")


def test_an_answer_while_a_gate_is_red_says_why_no_model_was_asked(page: Page) -> None:
    reply = {**documented(0), "degraded": "gate_red", "red_gates": ["leaks"]}
    answer_with(page, event("reply", reply))
    turn = ask(page, "How long does a refund take?")
    expect(turn.locator(".degraded")).to_have_text(
        "The checks on answers do not pass at present, so no AI model is asked; this answer is quoted."
    )


def test_a_reply_that_comes_at_once_reads_like_a_streamed_one(page: Page) -> None:
    streamed = ask(page, "How long does a refund take?")
    page.route("**/v1/ask", lambda route: route.continue_(headers={**route.request.headers, "accept": "application/json"}))
    with page.expect_response("**/v1/ask") as answered:
        whole = ask(page, "How long does a refund take?")
    assert answered.value.headers["content-type"] == "application/json"
    for part in (".outcome", ".claims", ".label", ".citations"):
        expect(whole.locator(part)).to_have_text(streamed.locator(part).inner_text(), use_inner_text=True)


def test_an_error_after_the_first_sentence_shows_its_code_and_what_to_do(page: Page) -> None:
    problem = {"code": "store_unavailable", "detail": "The store cannot be reached.", "status": 503, "retryable": True}
    answer_with(page, event("claim", documented(0)["answer"]["claims"][0]), event("error", problem))
    turn = ask(page, "How long does a refund take?")
    expect(turn.locator(".problem")).to_have_text("The store cannot be reached. Ask again in a moment. store_unavailable")
    expect(turn.locator(".claims p")).to_have_count(1)
    expect(turn.locator(".label")).to_have_text("What came before is checked, but it is not the whole answer.")
    expect(page.locator("#status")).to_contain_text("(store_unavailable)")
    page.unroute("**/v1/ask")
    turn.get_by_role("button", name="Ask again").click()
    expect(page.locator("#status")).to_contain_text("Answered in quotes")
    expect(page.locator(".turn").last.locator("h2")).to_be_focused()


def test_a_stream_that_ends_early_is_no_answer(page: Page) -> None:
    answer_with(page, event("claim", documented(0)["answer"]["claims"][0]), event("reply", documented(0)).rstrip("\n"))
    turn = ask(page, "How long does a refund take?")
    expect(turn.locator(".problem")).to_contain_text("The connection ended before the answer was complete.")


def test_a_refused_call_shows_when_to_ask_again(page: Page, complaints: list[str]) -> None:
    problem = {"code": "overloaded", "title": "Overloaded", "detail": "Too many questions at once.", "retryable": True}

    def refuse(route: Route) -> None:
        body = json.dumps({**problem, "status": 503})
        route.fulfill(status=503, content_type="application/problem+json", headers={"Retry-After": "7"}, body=body)

    page.route("**/v1/ask", refuse)
    turn = ask(page, "How long does a refund take?")
    expect(turn.locator(".problem")).to_have_text("Too many questions at once. Ask again in 7 seconds. overloaded")
    assert len(complaints) == 1 and "status of 503" in complaints.pop()


def test_a_server_that_is_gone_is_said(page: Page, complaints: list[str]) -> None:
    page.route("**/v1/ask", lambda route: route.abort("connectionrefused"))
    turn = ask(page, "How long does a refund take?")
    expect(turn.locator(".problem")).to_contain_text("Is surefoot demo still running?")
    assert len(complaints) == 1 and "ERR_CONNECTION_REFUSED" in complaints.pop()


@pytest.mark.parametrize("at", [0, 1])
def test_hostile_text_in_every_place_of_a_reply_stays_text(page: Page, at: int) -> None:
    def poisoned(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: poisoned(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [poisoned(each) for each in value] or [HOSTILE] * (key in ("choices", "would_help"))
        return HOSTILE if isinstance(value, str) and key not in ("updated_at", "asked_at") else value

    reply = poisoned(documented(at))
    claims = reply["answer"]["claims"] if reply["answer"] else poisoned(documented(0))["answer"]["claims"]
    answer_with(page, event("claim", claims[0]), event("reply", reply))
    turn = ask(page, HOSTILE)
    turn.locator("summary").click()
    expect(turn.locator("h2")).to_have_text(HOSTILE)
    expect(turn.locator(".claims p")).to_contain_text(HOSTILE)
    expect(turn.locator("blockquote")).to_have_text(HOSTILE)
    assert page.locator("main :is(img, script, a[href^='javascript'])").count() == 0
    assert page.title() == "Help - Pennyfern (Surefoot demo)"


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_events_are_the_same_however_their_bytes_are_cut(page: Page, size: int, end: str) -> None:
    lines = [
        ": a comment",
        "event: claim",
        "data: {\u20ac",
        "data:\u00fc}",
        "",
        "data: alone",
        "",
        "event: empty",
        "",
        "data: unfinished",
    ]
    read = page.evaluate(
        """async ([bytes, size]) => {
            const { eventsOf } = await import("/demo/demo_service.js");
            const cut = new ReadableStream({
                start(sink) {
                    for (let at = 0; at < bytes.length; at += size) sink.enqueue(new Uint8Array(bytes.slice(at, at + size)));
                    sink.close();
                },
            });
            const found = [];
            for await (const event of eventsOf(cut)) found.push(event);
            return found;
        }""",
        [list(end.join(lines).encode()), size],
    )
    assert read == [{"name": "claim", "data": "{\u20ac\n\u00fc}"}, {"name": "message", "data": "alone"}]


def test_the_steps_are_told_in_words_and_unknown_words_as_they_are(page: Page) -> None:
    reply = documented(0)
    step = reply["steps"][0] | {
        "tier": "large",
        "model": "big",
        "outcome": "unheard_of",
        "escalated_because": "unsupported_claim",
    }
    reply["steps"].append(step)
    answer_with(page, event("reply", reply))
    turn = ask(page, "How long does a refund take?")
    expect(turn.locator(".steps li").last).to_have_text(
        re.compile(
            r"Large model, big: unheard_of; asked because the draft before it said what its quotes do not say\. 3 ms, 0 tokens"
        )
    )
