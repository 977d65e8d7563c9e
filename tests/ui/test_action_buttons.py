"""Actions on the demo's page: previewed, agreed to, applied once, taken back, against the sample's real backend."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from surefoot.bootstrap import Surefoot
from surefoot.core.clock import FixedClock
from surefoot.domain.runs import RunState
from surefoot.sample.tenant import people
from surefoot.sample.workplace import SampleHost
from tests.ui.demo_app import demo_at_work
from tests.ui.journeys import ask
from tests.ui.test_conversations import FAINT_TEXTS

# The sample's documents are of this year: evidence may not be older than some days.
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)>"


@dataclass(frozen=True)
class Work:
    """The page, the product behind it, the backend it changes, and their clock."""

    address: str
    surefoot: Surefoot
    host: SampleHost
    clock: FixedClock


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Work]:
    clock = FixedClock(NOW)
    with demo_at_work(tmp_path_factory.mktemp("work"), clock=clock) as (address, surefoot, host):
        yield Work(address, surefoot, host, clock)


@pytest.fixture
def address(work: Work) -> str:
    return work.address


def be(page: Page, person: str) -> None:
    """The page is as this person sees it."""
    page.select_option("#person", person)
    expect(page.locator("#action option")).not_to_have_count(0)


def choose(page: Page, action: str, /, **arguments: str) -> None:
    page.get_by_label("Action", exact=True).select_option(label=action)
    for label, value in arguments.items():
        field = page.locator(f"#argument-{label}")
        if field.evaluate("field => field.tagName") == "SELECT":
            field.select_option(label=value)
        else:
            field.fill(value)


def preview(page: Page, action: str, /, **arguments: str) -> Locator:
    """The card of a fresh preview."""
    choose(page, action, **arguments)
    page.get_by_role("button", name="Preview", exact=True).click()
    expect(page.locator("#runs h3:focus")).to_be_visible()
    focused = page.locator("#runs article", has=page.locator("h3:focus"))
    return card(page, focused.get_attribute("data-run") or "")


def card(page: Page, run_id: str) -> Locator:
    return page.locator(f'article[data-run="{run_id}"]')


def press(run: Locator, name: str) -> None:
    run.get_by_role("button", name=name, exact=True).click()


def is_in(run: Locator, state: RunState) -> None:
    expect(run).to_have_attribute("data-state", state.value)


def runs_of(work: Work, person: str) -> list[str]:
    return [run.run_id for run in work.surefoot.actions.page(people()[person].viewer(), mine=True).runs]


def test_what_is_previewed_is_applied_and_an_undo_brings_the_very_state_back(page: Page, work: Work) -> None:
    before = work.host.state_hash()
    run = preview(page, "Pin a shortcut", page="Payouts", label="My money")
    is_in(run, RunState.PLANNED)
    assert work.host.state_hash() == before
    expect(run.locator("caption")).to_have_text("Shortcut: Nora, payouts")
    expect(run.locator("tr", has_text="label")).to_contain_text("nothing")
    expect(run.locator("tr", has_text="label").locator("ins")).to_have_text("My money")
    expect(run).to_contain_text("Pins payouts to Nora's sidebar.")
    expect(run).to_contain_text("Saves about 2 minutes. Costs $0.00.")
    expect(run).to_contain_text("Shortcuts user week: 8 of 8 left.")
    press(run, "Apply")
    is_in(run, RunState.APPLIED)
    expect(page.locator("#status")).to_contain_text("Applied. Pins payouts")
    expect(run.locator("h3")).to_be_focused()
    assert work.host.state()["shortcut/usr_nora01:payouts"]["label"] == "My money"
    expect(page.locator("#product-state")).to_contain_text("Nora: My money, place 8 new")
    page.reload()
    press(run, "Undo")
    expect(run).to_contain_text("Undo puts this back:")
    expect(run.locator("tr", has_text="label").locator("del")).to_have_text("My money")
    assert work.host.state_hash() != before
    press(run, "Undo now")
    is_in(run, RunState.UNDONE)
    assert work.host.state_hash() == before
    expect(page.locator("#product-hash")).to_have_text(before[:12])
    expect(page.locator("#product-state")).not_to_contain_text("My money")


def test_keeping_what_an_undo_would_take_back_leaves_the_undo_there(page: Page, work: Work) -> None:
    run = preview(page, "Show a checklist", checklist_id="Tax setup")
    press(run, "Apply")
    is_in(run, RunState.APPLIED)
    applied = work.host.state_hash()
    press(run, "Undo")
    press(run, "Keep it")
    expect(page.locator("#status")).to_have_text("Kept. Undo stays beside it.")
    assert work.host.state_hash() == applied
    press(run, "Undo")
    press(run, "Undo now")
    is_in(run, RunState.UNDONE)


def test_what_was_undone_can_be_done_again_after_another_preview(page: Page, work: Work) -> None:
    run = preview(page, "Pin a shortcut", page="Disputes")
    press(run, "Apply")
    is_in(run, RunState.APPLIED)
    applied = work.host.state_hash()
    press(run, "Undo")
    press(run, "Undo now")
    is_in(run, RunState.UNDONE)
    press(run, "Do it again")
    again = page.locator("#runs article").first
    expect(again.locator("h3")).to_be_focused()
    is_in(again, RunState.PLANNED)
    press(again, "Apply")
    is_in(again, RunState.APPLIED)
    assert work.host.state_hash() == applied


def test_a_double_click_previews_once_and_applies_once(page: Page, work: Work) -> None:
    be(page, "felix")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url.rpartition("/")[2]) if request.method == "POST" else None)
    choose(page, "Prefill a form", form="New coupon", fields="code: WELCOME10\npercent_off: 10")
    page.get_by_role("button", name="Preview", exact=True).dblclick()
    run = page.locator("#runs article")
    is_in(run, RunState.PLANNED)
    run.get_by_role("button", name="Apply", exact=True).evaluate("button => { button.click(); button.click(); }")
    is_in(run, RunState.APPLIED)
    assert (sent.count("runs"), sent.count("apply")) == (1, 1)
    assert len(runs_of(work, "felix")) == 1
    assert len([name for name in work.host.state() if name.startswith("form_draft/")]) == 1


def test_the_same_wish_sent_twice_is_one_run(page: Page, work: Work) -> None:
    be(page, "sam")
    choose(page, "Prefill a form", form="New coupon", fields="code: TWICE")
    button = page.get_by_role("button", name="Preview", exact=True)
    for _ in range(2):
        button.click()
        expect(page.locator("#runs h3").first).to_be_focused()
    expect(page.locator("#runs article")).to_have_count(1)
    assert len(runs_of(work, "sam")) == 1


def test_somebody_else_has_to_agree_to_exactly_what_is_shown(page: Page, work: Work) -> None:
    ask(page, "How long does a refund take?", "nora")
    before = work.host.state_hash()
    run = preview(page, "Switch a feature on", feature="Automatic tax")
    is_in(run, RunState.AWAITING_APPROVAL)
    expect(run).to_contain_text("Somebody else with the role admin or approver has to agree first")
    expect(run.get_by_role("button", name="Apply", exact=True)).to_have_count(0)
    expect(page.locator("#waiting article")).to_have_count(0)
    digest = work.surefoot.actions.show(people()["nora"].viewer(), run.get_attribute("data-run") or "").plan
    be(page, "mira")
    waiting = page.locator("#waiting article")
    expect(waiting.locator("h3")).to_have_text("Switch a feature on: Nora asks for your approval")
    expect(waiting.locator("ins").first).to_have_text("yes")
    with page.expect_request("**/approve") as approved:
        press(waiting, "Approve")
    assert digest is not None and json.loads(approved.value.post_data or "") == {"plan_digest": digest.digest}
    is_in(waiting, RunState.APPROVED)
    expect(waiting).to_contain_text("Approved by Mira.")
    assert work.host.state_hash() == before
    be(page, "nora")
    press(run, "Apply")
    is_in(run, RunState.APPLIED)
    assert work.host.state()["feature/acc_fernhill1:automatic_tax"]["enabled"] is True


def test_a_rejection_ends_it_and_says_by_whom(page: Page, work: Work) -> None:
    ask(page, "How long does a refund take?", "ada")
    run = preview(page, "Switch a feature on", feature="Customer portal")
    is_in(run, RunState.AWAITING_APPROVAL)
    run_id = run.get_attribute("data-run") or ""
    be(page, "mira")
    press(page.locator("#waiting").locator(f'article[data-run="{run_id}"]'), "Reject")
    is_in(card(page, run_id), RunState.REJECTED)
    expect(card(page, run_id)).to_contain_text("Rejected by Mira.")
    assert work.host.state()["feature/acc_adaworks1:customer_portal"]["enabled"] is False


def test_what_the_policy_denies_says_why_and_what_would_change_it(page: Page) -> None:
    run = preview(page, "Switch a feature on", feature="Daily chat summary")
    is_in(run, RunState.DENIED)
    expect(run).to_contain_text("There is not enough evidence for this step. Propose it again with the passages it rests on.")
    expect(run.get_by_role("button", name="Apply", exact=True)).to_have_count(0)


def test_what_the_product_refuses_is_said_in_its_own_words(page: Page, work: Work) -> None:
    document = {"user_id": "usr_nora01", "page": "meters", "label": "Meters", "position": 1}
    work.host.app.write_outside("shortcut/usr_nora01:meters", document)
    run = preview(page, "Pin a shortcut", page="Meters")
    is_in(run, RunState.FAILED)
    expect(run).to_contain_text("Pennyfern says: Nora has pinned meters already.")


def test_a_plan_on_a_state_that_is_gone_is_refused_and_its_new_plan_needs_a_new_word(page: Page, work: Work) -> None:
    ask(page, "How long does a refund take?", "felix")
    run = preview(page, "Switch a feature on", feature="Payment reminders")
    run_id = run.get_attribute("data-run") or ""
    be(page, "mira")
    press(card(page, run_id), "Approve")
    is_in(card(page, run_id), RunState.APPROVED)
    be(page, "felix")
    work.host.app.write_outside("feature/acc_fernhill1:payment_reminders", {"enabled": False, "note": "Not in December"})
    changed = work.host.state_hash()
    press(card(page, run_id), "Apply")
    is_in(card(page, run_id), RunState.STALE)
    expect(card(page, run_id)).to_contain_text("Something changed in Pennyfern after the preview, so this plan was not applied.")
    anew = page.locator("#runs article").first
    expect(anew.locator("h3")).to_be_focused()
    is_in(anew, RunState.AWAITING_APPROVAL)
    expect(anew.locator("del", has_text="Not in December")).to_be_visible()
    expect(page.locator("#status")).to_contain_text("Planned anew.")
    assert work.host.state_hash() == changed


def test_a_plan_that_still_says_the_same_goes_on_by_itself_and_says_so(page: Page, work: Work) -> None:
    run = preview(page, "Pin a shortcut", page="Webhooks")
    work.host.app.write_outside("user/usr_nora01", {"name": "Nora", "account_id": "acc_fernhill1", "title": "Owner"})
    press(run, "Apply")
    is_in(run, RunState.STALE)
    is_in(page.locator("#runs article").first, RunState.APPLIED)
    expect(page.locator("#status")).to_contain_text("Planned anew. Pin a shortcut: Applied.")
    assert "shortcut/usr_nora01:webhooks" in work.host.state()


def test_a_preview_that_has_expired_is_previewed_again(page: Page, work: Work, complaints: list[str]) -> None:
    run = preview(page, "Pin a shortcut", page="Coupons")
    work.clock.advance(timedelta(minutes=16))
    press(run, "Apply")
    fresh = page.locator("#runs article").first
    expect(fresh).to_contain_text("expired")
    press(fresh, "Preview again")
    is_in(page.locator("#runs article").first, RunState.PLANNED)
    press(page.locator("#runs article").first, "Apply")
    is_in(page.locator("#runs article").first, RunState.APPLIED)
    # The browser itself notes an answer of 409.
    assert len([text for text in complaints if "409" in text]) == len(complaints)
    complaints.clear()


def test_an_undo_never_overwrites_what_somebody_wrote_since(page: Page, work: Work, complaints: list[str]) -> None:
    run = preview(page, "Pin a shortcut", page="Api keys", label="Keys")
    press(run, "Apply")
    is_in(run, RunState.APPLIED)
    resource = "shortcut/usr_nora01:api_keys"
    work.host.app.write_outside(resource, {**work.host.state()[resource], "label": "Secret keys"})
    written = work.host.state_hash()
    press(run, "Undo")
    expect(run).to_contain_text("Somebody changed this since, so nothing was overwritten.")
    row = run.locator("tr", has=page.get_by_role("rowheader", name="label"))
    expect(row.locator("td")).to_have_text(["nothing", "Keys", "Secret keys"])
    assert work.host.state_hash() == written
    is_in(run, RunState.APPLIED)
    assert len([text for text in complaints if "409" in text]) == len(complaints)
    complaints.clear()


def test_the_keyboard_alone_previews_applies_and_undoes_without_losing_its_place(page: Page, work: Work) -> None:
    before = work.host.state_hash()

    def tab_to(name: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent.trim() || document.activeElement.id") == name:
                return
        raise AssertionError(f"{name!r} is not reached by Tab")

    be(page, "nora")
    page.locator("#action").focus()
    page.keyboard.type("Pin")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("Tax")
    tab_to("Preview")
    page.keyboard.press("Enter")
    title = page.locator("#runs h3").first
    expect(title).to_be_focused()
    for name, state in (("Apply", "Applied"), ("Undo", "Applied"), ("Undo now", "Undone")):
        tab_to(name)
        page.keyboard.press("Enter")
        expect(title).to_contain_text(state)
        if name == "Undo":
            expect(page.locator(".puts-back")).to_be_visible()
        expect(title).to_be_focused()
    assert work.host.state_hash() == before


def test_each_step_is_announced_once(page: Page) -> None:
    page.evaluate(
        """() => { window.said = []; new MutationObserver(() => window.said.push(document.getElementById("status").textContent))
        .observe(document.getElementById("status"), { childList: true, characterData: true, subtree: true }); }"""
    )
    run = preview(page, "Pin a shortcut", page="Customers")
    press(run, "Apply")
    expect(page.locator("#status")).to_contain_text("Applied.")
    said = page.evaluate("window.said")
    assert len(said) == 2 and said[0].startswith("Pin a shortcut: Preview") and said[1].startswith("Applied.")


def test_arguments_from_outside_stay_text(page: Page, work: Work) -> None:
    # One person's pins of a week are capped, and the journeys share their world.
    be(page, "lucia")
    choose(page, "Pin a shortcut", page="Invoices", label=HOSTILE)
    page.get_by_label("Why (optional").fill(f"{HOSTILE} please")
    page.get_by_role("button", name="Preview", exact=True).click()
    run = page.locator("#runs article").first
    expect(run).to_contain_text(f"{HOSTILE} please")
    press(run, "Apply")
    is_in(run, RunState.APPLIED)
    expect(page.locator("#product-state")).to_contain_text(HOSTILE)
    assert page.locator("main img, main script").count() == 0
    assert work.host.state()["shortcut/usr_lucia01:invoices"]["label"] == HOSTILE


def test_an_offer_beside_an_answer_is_a_button_that_opens_its_preview(page: Page, work: Work) -> None:
    be(page, "jonas")
    offers = [
        {"action": "show_checklist", "title": "Show a checklist", "arguments": {"user_id": "usr_jonas01"}, "reason": HOSTILE},
        {
            "action": "show_checklist",
            "title": "Show the tax checklist",
            "arguments": {"user_id": "usr_jonas01", "checklist_id": "tax_setup"},
            "reason": "You asked to: set up tax",
        },
    ]
    page.evaluate(
        """offers => import("/demo/demo_actions.js").then(({ offerButtons }) => {
            window.pressed = [];
            const list = document.createElement("ul");
            list.append(...offerButtons({ actions: offers }, (offer) => window.pressed.push(offer)));
            list.append(...offerButtons({}, () => 0));
            document.querySelector("main").append(list);
        })""",
        offers,
    )
    page.get_by_role("button", name="Show the tax checklist").click()
    assert page.evaluate("window.pressed") == offers[1:]
    expect(page.locator("main > ul li")).to_have_count(2)
    expect(page.locator("main > ul .hint").first).to_have_text(HOSTILE)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_and_nothing_is_cut_off_at_360_pixels(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": 360, "height": 800})
    ask(page, "How long does a refund take?", "sam")
    feature = "Payment reminders" if scheme == "light" else "Show usage in portal"
    preview(page, "Switch a feature on", feature=feature, note="W" * 200)
    preview(page, "Pin a shortcut", page="Subscriptions", label="W" * 40)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate(FAINT_TEXTS) == []
    sizes = page.locator("#doing :is(button, select, input, summary):visible")
    assert min(sizes.evaluate_all("nodes => nodes.map(node => Math.min(node.offsetWidth, node.offsetHeight))")) >= 24


def test_somebody_else_sees_none_of_anothers_runs(page: Page) -> None:
    be(page, "sam")
    run = preview(page, "Pin a shortcut", page="New invoice")
    run_id = run.get_attribute("data-run") or ""
    be(page, "ada")
    expect(card(page, run_id)).to_have_count(0)
    be(page, "sam")
    is_in(card(page, run_id), RunState.PLANNED)
    press(card(page, run_id), "Drop it")
    is_in(card(page, run_id), RunState.CANCELLED)
