"""The demo's help page in a real browser, under its own strict policy: what a person sees, and with the keyboard alone."""

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.ui.journeys import ask


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where a demo process serves its page."""
    command = [sys.executable, "-c", "from surefoot.cli.main import app; app()", "demo", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if line.startswith("Try: "):
            break
    found = re.search(r"http://127\.0\.0\.1:\d+", said)
    try:
        assert found is not None, said
        yield found[0]
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


def test_an_answer_shows_its_quotes_with_document_date_and_characters(page: Page) -> None:
    turn = ask(page, "When does the SCIM token run out?", "ada")
    expect(turn.locator(".outcome")).to_have_text("Answer")
    expect(turn.locator(".claims")).to_contain_text("12 months")
    expect(turn.locator(".citations blockquote").first).to_contain_text("12 months")
    expect(turn.locator(".citations .place").first).to_contain_text(re.compile(r"enterprise/scim\.md, characters \d+ to \d+"))


def test_somebody_without_the_right_sees_neither_answer_nor_document(page: Page) -> None:
    turn = ask(page, "When does the SCIM token run out?", "nora")
    expect(page.locator("main")).not_to_contain_text("scim.md")
    expect(turn.locator(".claims")).not_to_contain_text("SCIM")


def test_a_refusal_says_why_and_what_would_help(page: Page) -> None:
    turn = ask(page, "Which wine goes well with grilled salmon?", "nora")
    expect(turn.locator(".outcome")).to_have_text("No answer")
    expect(turn.locator(".help")).to_contain_text("What would help")
    expect(turn.locator(".facts")).to_contain_text("Reason:")


def test_a_person_says_what_they_think_with_the_keyboard_alone_and_may_change_their_mind(page: Page) -> None:
    turn = ask(page, "When does the SCIM token run out?", "ada")
    helpful, wrong = (turn.get_by_role("button", name=name, exact=True) for name in ("Helpful", "Wrong"))
    helpful.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("Thank you")
    expect(helpful).to_have_attribute("aria-pressed", "true")
    expect(turn.locator(".why-not")).to_be_hidden()
    wrong.focus()
    page.keyboard.press("Enter")
    expect(wrong).to_have_attribute("aria-pressed", "true")
    expect(helpful).to_have_attribute("aria-pressed", "false")
    turn.get_by_label("What was not right? (optional)").fill("It is 24 months by now.")
    page.keyboard.press("Enter")
    expect(turn.locator(".feedback")).to_contain_text("your words are noted")


def test_the_keyboard_alone_asks_and_keeps_its_focus(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.type("Which wine goes well with grilled salmon?")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("No answer")
    expect(page.locator("#question")).to_be_focused()


def test_every_control_has_a_name_and_the_outcome_is_a_status(page: Page) -> None:
    expect(page.get_by_label("You are")).to_be_visible()
    expect(page.get_by_label("Your question")).to_be_visible()
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_visible()
    expect(page.get_by_role("status")).to_be_attached()


def test_nothing_is_cut_off_at_320_pixels(page: Page) -> None:
    page.set_viewport_size({"width": 320, "height": 700})
    turn = ask(page, "When does the SCIM token run out?", "ada")
    turn.locator("summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_text_from_outside_is_never_read_as_markup(page: Page) -> None:
    ask(page, "<img src=x onerror=alert(1)> <script>alert(2)</script>?", "nora")
    assert page.locator("main img, main script").count() == 0


def test_an_example_asks_with_one_press(page: Page) -> None:
    example = page.locator("#examples button").first
    question = example.locator("span").inner_text()
    example.click()
    expect(page.locator("#status")).to_contain_text("nswer")
    expect(page.locator(".turn h2")).to_have_text(question)
    expect(page.locator(".turn h2")).to_be_focused()
