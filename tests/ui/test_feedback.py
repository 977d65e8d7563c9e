"""What a person thinks of a reply: one press, a word of theirs if they like, changed whenever they change their mind."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from surefoot.bootstrap import Surefoot
from surefoot.sample.tenant import TENANT
from tests.ui.accessible import in_both_schemes, sees_all_in, tab_to
from tests.ui.demo_app import demo_app
from tests.ui.journeys import ask

WHY = "What was not right? (optional)"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Surefoot]]:
    with demo_app(tmp_path_factory.mktemp("opinions")) as (address, surefoot):
        yield address, surefoot


@pytest.fixture
def address(served: tuple[str, Surefoot]) -> str:
    return served[0]


def opinion(turn: Locator, name: str) -> Locator:
    return turn.get_by_role("button", name=name, exact=True)


def said(surefoot: Surefoot, turn: Locator) -> list[tuple[str, str]]:
    """What is kept of the opinion on the reply of this turn: the press and the words."""
    turn.locator(".about summary").click()
    reply = turn.locator(".facts dd").last.inner_text()
    turn.locator(".about summary").click()
    with surefoot.store.begin() as work:
        return [(each.opinion.value, each.comment) for each in work.feedback.of(TENANT, [reply])]


def test_each_press_is_kept_in_place_of_the_one_before(page: Page, served: tuple[str, Surefoot]) -> None:
    turn = ask(page, "How long does a refund take?", "nora")
    for name, word in (("Helpful", "helpful"), ("Not what I asked", "not_relevant"), ("Wrong", "wrong")):
        opinion(turn, name).click()
        expect(opinion(turn, name)).to_have_attribute("aria-pressed", "true")
        expect(turn.locator(".opinions [aria-pressed=true]")).to_have_count(1)
        assert said(served[1], turn) == [(word, "")]
    expect(page.locator("#status")).to_have_text("Thank you, that is noted. Press another to change it.")


def test_the_keyboard_alone_gives_a_word_and_changes_it_without_losing_its_place(
    page: Page, served: tuple[str, Surefoot]
) -> None:
    turn = ask(page, "How long does a refund take?", "nora")
    turn.locator("h2").focus()
    tab_to(page, opinion(turn, "Wrong"))
    page.keyboard.press("Space")
    expect(opinion(turn, "Wrong")).to_have_attribute("aria-pressed", "true")
    expect(opinion(turn, "Wrong")).to_be_focused()
    tab_to(page, turn.get_by_label(WHY))
    page.keyboard.type("It took 9 days; ask me at nora@example.com")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("your words are noted")
    ((word, comment),) = said(served[1], turn)
    assert word == "wrong" and "It took" in comment and "nora@example.com" not in comment
    opinion(turn, "Helpful").focus()
    page.keyboard.press("Enter")
    expect(turn.get_by_label(WHY)).to_be_hidden()
    assert said(served[1], turn) == [("helpful", "")]


def test_an_answer_and_a_refusal_can_be_judged_and_the_outcome_is_a_polite_status(page: Page) -> None:
    for question in ("How long does a refund take?", "Which wine goes well with grilled salmon?"):
        turn = ask(page, question, "nora")
        opinion(turn, "Not what I asked").click()
        expect(page.get_by_role("status")).to_contain_text("Thank you, that is noted.")
    assert in_both_schemes(page) == {}
    assert sees_all_in(page, 320) == []


def test_one_that_cannot_be_kept_is_not_shown_as_given(page: Page, complaints: list[str]) -> None:
    turn = ask(page, "How long does a refund take?", "nora")
    page.route("**/feedback", lambda route: route.abort("connectionrefused"))
    opinion(turn, "Helpful").click()
    expect(turn.locator(".feedback .hint")).to_contain_text("That did not work: The server could not be reached.")
    expect(opinion(turn, "Helpful")).to_have_attribute("aria-pressed", "false")
    page.unroute("**/feedback")
    opinion(turn, "Helpful").click()
    expect(opinion(turn, "Helpful")).to_have_attribute("aria-pressed", "true")
    # The browser itself notes the call that was cut.
    assert len(complaints) == 1 and "ERR_CONNECTION_REFUSED" in complaints.pop()
