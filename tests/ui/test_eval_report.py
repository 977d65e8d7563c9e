"""The page of an eval run in a real browser: for every eye, by keyboard, in a narrow window, asking nothing of the network."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from surefoot.evals.gates_file import load_gates
from surefoot.evals.pages.files import PAGES, write_pages
from surefoot.evals.results import CaseResult, RunManifest, SuiteFacts
from surefoot.evals.run_store import RunWriter, open_run
from surefoot.evals.stored_report import stored_report
from tests.ui.accessible import in_both_schemes, sees_all_in, tab_to

START = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
HOSTILE = '<script>document.title="x"</script><img src=http://evil.example/x onerror=alert(1)><a href="javascript:alert(1)">x</a>'
ENDLESS = "W" * 300
GATES = f"""
format = 1

[gates.enough-pass]
metric = "share.passed"
at_least = 0.9
min_n = 30
level = "blocking"
why = "people rely on it {HOSTILE.replace('"', "'")}"

[gates.quick]
metric = "p95.latency_ms"
at_most = 1
min_n = 30
level = "warning"
why = "a slow answer is asked twice"

[gates.no-worse]
metric = "share.passed"
max_drop = 0.05
min_n = 30
level = "blocking"
why = "{ENDLESS}"
"""


def traced(number: int) -> dict[str, Any]:
    """What was kept of a case: an answer with its quote, or a record so long that its box scrolls."""
    citation = {"chunk_id": "c", "uri": "pay.md", "anchor": "", "quote": HOSTILE, "start": 0, "end": 3, "locale": "en"}
    claims = [{"text": f"It takes {number} days.", "support": 0.9, "citations": [citation]}]
    told: dict[str, Any] = {
        "kind": "answer",
        "refusal": None,
        "actions": [],
        "confidence": 0.7,
        "cost_usd": 0.0,
        "tokens": 0,
        "cache": "miss",
    }
    answer = {"claims": claims, "tier": "extractive", "note": ""}
    reply: dict[str, Any] = told | {"answer": answer, "degraded": None, "first_claim_ms": None, "steps": []}
    return reply if number % 2 else {"found": [{"uri": f"page-{place}.md", "score": place / 7} for place in range(60)]}


def result(number: int, *, passed: bool) -> CaseResult:
    title = (HOSTILE, ENDLESS, "How long does a refund take?")[number % 3]
    return CaseResult(
        suite="sample",
        case_id=f"answer-{number:02}",
        task="ask",
        kind="answer",
        trial=0,
        passed=passed,
        measures={
            "answered": True,
            "answerable": True,
            "passed": passed,
            "confidence": 1 - number / 50,
            "latency_ms": 5.0 + number,
        },
        slices={"locale": "en" if number % 2 else "de"},
        title=title,
        why=f"somebody asked so once: {title}",
        failures=() if passed else (f"answered {title}, which is not what it must be",),
        error="" if passed or number != 4 else f"the model broke off: {title}",
        elapsed_ms=5.0 + number,
        trace={"case": {"id": str(number)}, "reply": traced(number)},
    )


def stored(folder: Path, run_id: str, *, failing: int) -> Path:
    """A finished run of forty cases of which the first ones fail."""
    suite = SuiteFacts(id="sample", title=f"The sample {HOSTILE}", fingerprint="f" * 64, cases=40)
    facts = {"corpus": ENDLESS, "model": HOSTILE}
    manifest = RunManifest(
        run_id=run_id, started_at=START, finished_at=None, target="in process", seed=1, repeat=1, suites=(suite,), facts=facts
    )
    with RunWriter(folder / run_id, manifest) as writer:
        for number in range(40):
            writer.append(result(number, passed=number >= failing))
        writer.finish(START + timedelta(minutes=1))
    return folder / run_id


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run with failing gates, compared with a baseline that did better."""
    folder = tmp_path_factory.mktemp("runs")
    before, after = stored(folder, "run_before", failing=1), stored(folder, "run_after", failing=14)
    (folder / "gates.toml").write_text(GATES, encoding="utf-8")
    made = stored_report(open_run(after), baseline=open_run(before), gates=[load_gates(folder / "gates.toml")])
    write_pages(made, after)
    return after / PAGES["html"][0]


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    """The report as somebody opens it from their disk; a complaint or a request for anything else fails the test."""
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": 1100, "height": 900}, locale="en-GB")
    opened = context.new_page()

    def on_request(request: Request) -> None:
        if request.url != report.as_uri():
            complaints.append(f"a request to {request.url}")

    opened.on("request", on_request)
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(report.as_uri())
    yield opened
    context.close()
    assert complaints == []


def test_it_says_first_what_failed_and_what_moved_since_the_baseline(page: Page) -> None:
    expect(page.locator("h1 .badge")).to_have_text("red")
    expect(page.locator("h1")).to_contain_text("26 of 40 cases passed; 2 blocking gates failed.")
    expect(page.locator("#gates + * tbody tr").first).to_contain_text("enough-pass")
    expect(page.locator("#gates + * tbody tr").first).to_contain_text("FAILED, blocks")
    expect(page.locator("h3", has_text="Cases that got worse: 13")).to_be_visible()
    assert page.locator("details").nth(0).inner_text().count("the model broke off") == 1


def test_it_is_styled_under_its_own_policy_and_hostile_text_stays_text(page: Page) -> None:
    policy = page.locator("meta[http-equiv='Content-Security-Policy']").get_attribute("content") or ""
    assert policy.startswith("default-src 'none'")
    assert page.locator("header").evaluate("node => getComputedStyle(node).display") == "flex"
    assert page.locator("script, img, iframe, link, a[href^='javascript']").count() == 0
    expect(page.locator("details").nth(1)).to_contain_text("<script>")
    assert page.title() == "red · run_after · Surefoot evals"


def test_every_eye_and_every_screen_reader_can_read_it_in_light_and_dark(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(node => { node.open = true; })")
    assert in_both_schemes(page) == {}


def test_nothing_has_to_be_scrolled_sideways_but_tables_in_their_boxes(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(node => { node.open = true; })")
    assert sees_all_in(page, 320) == []


def test_the_keyboard_alone_opens_every_part_and_scrolls_every_box(page: Page) -> None:
    closed = page.locator("details:not([open]) > summary")
    while closed.count():
        summary = closed.first.element_handle()
        tab_to(page, closed.first)
        page.keyboard.press("Enter")
        assert summary is not None and summary.evaluate("node => node.parentElement.open")
    box = page.locator(".scroll").filter(has=page.locator("table")).first
    page.set_viewport_size({"width": 320, "height": 800})
    page.evaluate("window.scrollTo(0, 0)")
    page.locator("nav a").first.focus()
    tab_to(page, box)
    page.keyboard.press("ArrowRight")
    expect(box).to_be_focused()
    # The page's own policy forbids a wait on a script, so the first column is looked at: it glides out of sight.
    expect(box.locator("th").first).not_to_be_in_viewport(ratio=1)


def test_its_links_go_to_its_own_parts(page: Page) -> None:
    for link in page.locator("nav a").all():
        expect(page.locator(link.get_attribute("href") or "none")).to_have_count(1)
