"""What every journey does on the demo's page."""

import re

from playwright.sync_api import Locator, Page, expect

OUTCOME = re.compile(r"nswer|Stopped|That did not work|to pick from")


def send(page: Page, question: str, person: str = "") -> Locator:
    """The question is on its way; returns its turn."""
    if person:
        page.select_option("#person", person)
    count = page.locator(".turn").count()
    page.fill("#question", question)
    page.click("#send")
    turn = page.locator(".turn").nth(count)
    expect(turn).to_be_attached()
    return turn


def ask(page: Page, question: str, person: str = "") -> Locator:
    """The question was asked and its outcome announced; returns its turn."""
    turn = send(page, question, person)
    expect(page.locator("#stop")).to_be_hidden()
    expect(page.locator("#status")).to_contain_text(OUTCOME)
    return turn
