"""The demo's help page in a real browser, under its own strict policy: what a person sees, and with the keyboard alone."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

CHROMIUM = Path(os.environ.get("SUREFOOT_TEST_CHROMIUM", "/usr/bin/chromium"))
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync"]

pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"there is no Chromium at {CHROMIUM}; install it to run the journeys"
)


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A fresh page; a console message, an uncaught error or a request to another host fails the test that caused it."""
    context = browser.new_context(viewport={"width": 900, "height": 900}, locale="en-GB")
    opened = context.new_page()
    complaints: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        complaints.append(message.text)

    def on_request(request: Request) -> None:
        if not request.url.startswith(address):
            complaints.append(f"a request to {request.url}")

    opened.on("console", on_console)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", on_request)
    opened.goto(f"{address}/demo")
    expect(opened.locator("#person option").first).to_be_attached()
    yield opened
    context.close()
    assert complaints == []


def ask(page: Page, person: str, question: str) -> None:
    page.select_option("#person", person)
    page.fill("#question", question)
    page.click("#send")
    expect(page.locator("#status")).to_contain_text("nswer")


def test_an_answer_shows_its_quotes_with_document_date_and_characters(page: Page) -> None:
    ask(page, "ada", "When does the SCIM token run out?")
    expect(page.locator("#result-title")).to_have_text("Answer")
    expect(page.locator("#claims")).to_contain_text("12 months")
    expect(page.locator("#citations blockquote").first).to_contain_text("12 months")
    expect(page.locator("#citations .place").first).to_contain_text(re.compile(r"enterprise/scim\.md, characters \d+ to \d+"))


def test_somebody_without_the_right_sees_neither_answer_nor_document(page: Page) -> None:
    ask(page, "nora", "When does the SCIM token run out?")
    expect(page.locator("main")).not_to_contain_text("scim.md")
    expect(page.locator("#claims")).not_to_contain_text("SCIM")


def test_a_refusal_says_why_and_what_would_help(page: Page) -> None:
    ask(page, "nora", "Which wine goes well with grilled salmon?")
    expect(page.locator("#result-title")).to_have_text("No answer")
    expect(page.locator("#help")).to_contain_text("What would help")
    expect(page.locator("#facts")).to_contain_text("Reason:")


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
    ask(page, "ada", "When does the SCIM token run out?")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_text_from_outside_is_never_read_as_markup(page: Page) -> None:
    ask(page, "nora", "<img src=x onerror=alert(1)> <script>alert(2)</script>?")
    assert page.locator("main img, main script").count() == 0


def test_an_example_asks_with_one_press(page: Page) -> None:
    page.locator("#examples button").first.click()
    expect(page.locator("#status")).to_contain_text("nswer")
    assert page.input_value("#question") != ""
