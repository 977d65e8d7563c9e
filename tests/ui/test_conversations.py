"""A conversation on the demo's page: follow-ups, questions to pick from, a person to talk to; by keyboard and for every eye."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from surefoot.bootstrap import Surefoot
from surefoot.domain.conversations import ConversationId
from surefoot.domain.identity import viewer_hash
from surefoot.sample.tenant import people
from tests.ui.demo_app import demo_app
from tests.ui.journeys import ask

FIRST, FOLLOW_UP = "How long does a refund take?", "And by bank transfer?"
# The texts that are seen with less contrast than WCAG 2.2 AA asks of small ones: 4.5 to 1 against the ground they stand on.
FAINT_TEXTS = """() => {
    const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    const light = (colour) => colour.slice(0, 3).map((part) => linear(part / 255))
        .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
    const ground = (node) => {
        const colour = parts(getComputedStyle(node).backgroundColor);
        return colour.length === 4 && colour[3] === 0 ? ground(node.parentElement) : colour;
    };
    const faint = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let text = walker.nextNode(); text; text = walker.nextNode()) {
        const node = text.parentElement;
        if (!text.data.trim() || !node.checkVisibility() || node.closest("noscript, option")) continue;
        const [one, other] = [light(parts(getComputedStyle(node).color)), light(ground(node))].sort((a, b) => b - a);
        const contrast = (one + 0.05) / (other + 0.05);
        if (contrast < 4.5) faint.push(`${text.data.trim().slice(0, 40)}: ${contrast.toFixed(2)}`);
    }
    return faint;
}"""


@dataclass(frozen=True)
class Help:
    """The page and the product behind it, without a model."""

    address: str
    surefoot: Surefoot


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Help]:
    with demo_app(tmp_path_factory.mktemp("talk")) as (address, surefoot):
        yield Help(address, surefoot)


@pytest.fixture
def address(served: Help) -> str:
    return served.address


def hand_over(page: Page, note: str = "") -> None:
    page.get_by_role("button", name="Talk to a person").click()
    page.get_by_label("Your note to them (optional)").fill(note)
    page.get_by_role("button", name="Hand over").click()
    expect(page.locator("#handed-over")).to_be_visible()


def test_a_follow_up_is_asked_in_the_same_conversation_and_shows_how_it_was_understood(page: Page) -> None:
    with page.expect_request("**/v1/ask") as first:
        alone = ask(page, FIRST)
    with page.expect_request("**/v1/ask") as second:
        leaning = ask(page, FOLLOW_UP)
    bodies = first.value.post_data_json, second.value.post_data_json
    assert bodies[0]["conversation_id"] and bodies[0]["conversation_id"] == bodies[1]["conversation_id"]
    expect(page.locator(".turn h2")).to_have_text([FIRST, FOLLOW_UP])
    expect(leaning.locator(".understood q")).to_contain_text("refund")
    expect(alone.locator(".understood")).to_be_hidden()


def test_citations_lead_to_their_own_turns_quotes(page: Page) -> None:
    ask(page, FIRST)
    second = ask(page, "When is a trial workspace deleted and can the trial be extended?")
    second.get_by_role("link", name="Citation 1").click()
    expect(page.locator(":target blockquote")).to_contain_text("trial workspace is deleted")
    ids = page.eval_on_selector_all("[id]", "nodes => nodes.map(node => node.id)")
    assert len(ids) == len(set(ids))


def test_a_question_that_could_mean_several_things_is_picked_with_one_press(page: Page) -> None:
    unclear = ask(page, "trial?")
    expect(page.locator("#status")).to_contain_text("questions to pick from")
    choice = unclear.locator(".choices button").first
    picked = choice.inner_text()
    choice.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".turn").nth(1).locator("h2")).to_have_text(picked)
    expect(page.locator(".turn").nth(1).locator("h2")).to_be_focused()
    expect(page.locator("#status")).to_contain_text("nswer")


def test_a_conversation_is_handed_over_with_its_questions_and_the_note(page: Page, served: Help) -> None:
    with page.expect_request("**/v1/ask") as asked:
        ask(page, FIRST)
    ask(page, FOLLOW_UP)
    page.get_by_role("button", name="Talk to a person").click()
    expect(page.get_by_label("Your note to them (optional)")).to_be_focused()
    expect(page.locator("#handover-packet")).to_contain_text("2 questions, with what was shown")
    expect(page.locator("#handover-packet")).to_contain_text(f"{FIRST} (answered)")
    page.keyboard.type("I need this before <Friday>.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    confirmation = page.locator("#handed-over")
    expect(confirmation).to_be_focused()
    expect(confirmation).to_contain_text("A person was asked to take over")
    expect(confirmation).to_contain_text("your note: I need this before <Friday>.")
    expect(confirmation).to_contain_text(f"{FOLLOW_UP} (not answered)")
    expect(page.locator("#status")).to_contain_text("A person was asked to take over")
    expect(page.get_by_role("button", name="Talk to a person")).to_be_hidden()
    nora = people()["nora"].viewer()
    conversation = ConversationId(asked.value.post_data_json["conversation_id"])
    held = served.surefoot.conversations.get(nora, conversation)
    assert held.handed_over_at is not None and held.viewer_hash == viewer_hash(nora)


def test_a_person_is_offered_after_an_answer_and_stressed_after_a_refusal(page: Page) -> None:
    expect(page.locator("#handover")).to_be_hidden()
    ask(page, FIRST)
    expect(page.get_by_role("button", name="Talk to a person")).to_be_visible()
    expect(page.locator("#handover")).not_to_have_class("wanted")
    ask(page, "Which wine goes well with grilled salmon?")
    expect(page.locator("#handover")).to_have_class("wanted")


def test_not_now_and_escape_close_the_handover_and_give_the_focus_back(page: Page) -> None:
    ask(page, FIRST)
    talk = page.get_by_role("button", name="Talk to a person")
    for leave in (lambda: page.keyboard.press("Escape"), lambda: page.get_by_role("button", name="Not now").click()):
        talk.click()
        expect(page.locator("#handover-form")).to_be_visible()
        expect(talk).to_have_attribute("aria-expanded", "true")
        expect(page.get_by_label("Your note to them (optional)")).to_be_focused()
        leave()
        expect(page.locator("#handover-form")).to_be_hidden()
        expect(talk).to_be_focused()


def test_somebody_elses_turns_are_gone_and_their_conversation_is_another(page: Page) -> None:
    with page.expect_request("**/v1/ask") as first:
        ask(page, FIRST, "nora")
    hand_over(page)
    page.select_option("#person", "ada")
    expect(page.locator(".turn")).to_have_count(0)
    expect(page.locator("#handover")).to_be_hidden()
    with page.expect_request("**/v1/ask") as second:
        turn = ask(page, FOLLOW_UP)
    assert first.value.post_data_json["conversation_id"] != second.value.post_data_json["conversation_id"]
    expect(turn.locator(".understood")).to_be_hidden()
    expect(page.get_by_role("button", name="Talk to a person")).to_be_visible()


def test_new_conversation_begins_at_the_question_with_nothing_before_it(page: Page) -> None:
    expect(page.get_by_role("button", name="New conversation")).to_be_hidden()
    ask(page, FIRST)
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator(".turn")).to_have_count(0)
    expect(page.locator("#question")).to_be_focused()
    expect(page.get_by_role("button", name="New conversation")).to_be_hidden()
    expect(ask(page, FOLLOW_UP).locator(".understood")).to_be_hidden()


@pytest.mark.parametrize("width", [320, 360])
def test_a_conversation_with_everything_open_fits_a_narrow_screen(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    for question in (FIRST, FOLLOW_UP, "trial?"):
        ask(page, question).locator("summary").click()
    hand_over(page, "W" * 200)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    for question in (FIRST, "trial?", "is there a startup programme I can join?"):
        ask(page, question).locator("summary").click()
    page.locator(".claims a").first.click()
    hand_over(page, "Please.")
    assert page.evaluate(FAINT_TEXTS) == []


def test_nothing_moves_for_whoever_asked_for_no_motion(page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    claim = ask(page, FIRST).locator(".claims p").first
    assert claim.evaluate("claim => getComputedStyle(claim).animationName") == "none"
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"


def test_every_control_of_a_conversation_is_reached_by_tab_and_large_enough(page: Page) -> None:
    ask(page, "trial?")
    page.locator(".skip").focus()
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
    controls = page.locator("main :is(button, select, textarea, summary):visible")
    names = controls.evaluate_all("nodes => nodes.map(node => node.id || node.textContent.trim())")
    assert len(names) > 12 and set(names) <= reached
    sizes = controls.evaluate_all("nodes => nodes.map(node => Math.min(node.offsetWidth, node.offsetHeight))")
    assert min(sizes) >= 24
