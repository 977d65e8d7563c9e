"""A real browser, and pages in it that let no complaint pass."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

CHROMIUM = Path(os.environ.get("SUREFOOT_TEST_CHROMIUM", "/usr/bin/chromium"))
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Not for longer than a module: while it is there, no other test of the process can run an event loop."""
    if not CHROMIUM.exists():
        pytest.skip(f"there is no Chromium at {CHROMIUM}; install it to run the journeys")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser had to complain about; a journey that provokes a complaint checks it and takes it away."""
    return []


@pytest.fixture
def page(browser: Browser, address: str, complaints: list[str]) -> Iterator[Page]:
    """A fresh page; a console message, an uncaught error or a request to another host fails the test that caused it."""
    context = browser.new_context(viewport={"width": 900, "height": 900}, locale="en-GB")
    opened = context.new_page()

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
