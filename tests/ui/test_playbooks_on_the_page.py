"""A playbook on the demo's page: its steps seen as one difference, agreed to by a second person, applied, undone as a whole."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from surefoot.core.clock import FixedClock
from surefoot.domain.identity import TenantId
from surefoot.sample.tenant import people
from tests.ui.accessible import in_both_schemes, sees_all_in, tab_to
from tests.ui.demo_app import demo_at_work
from tests.ui.journeys import ask
from tests.ui.test_action_buttons import NOW, Work, be, card, press

QUESTION = "How do I connect the accounting system?"
PINNED, SYNC, LIST = (
    "shortcut/usr_nora01:tax_reports",
    "integration/acc_fernhill1:accounting_system",
    "checklist/usr_nora01:tax_setup",
)


@pytest.fixture
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Work]:
    clock = FixedClock(NOW)
    with demo_at_work(tmp_path_factory.mktemp("playbook"), clock=clock) as (address, surefoot, host):
        yield Work(address, surefoot, host, clock)


@pytest.fixture
def address(work: Work) -> str:
    return work.address


def starter(page: Page) -> Locator:
    return page.get_by_role("form", name="Set up accounting")


def preview(page: Page, *, region: str = "EU", rests: bool = True) -> Locator:
    """The card of a fresh preview, as Nora who has just asked about it."""
    if rests:
        ask(page, QUESTION, "nora")
    starter(page).get_by_label("Where the data may go").select_option(label=region)
    starter(page).get_by_role("button", name="Preview all 3 steps").click()
    title = page.locator("#playbook-runs h3").first
    expect(title).to_be_focused()
    return card(page, page.locator("#playbook-runs article").first.get_attribute("data-run") or "")


def approve(page: Page, run_id: str) -> None:
    be(page, "mira")
    press(page.locator("#waiting").locator(f'article[data-run="{run_id}"]'), "Approve all of it")
    expect(card(page, run_id)).to_have_attribute("data-state", "approved")


def spoil_while_it_is_applied(work: Work, run_id: str) -> None:
    """It is applied, and after its second step somebody takes the place of the third and changes what the first one made."""
    nora, actions = people()["nora"].viewer(), work.surefoot.actions
    second = actions.playbooks.show(nora, run_id).steps[1].run.run_id

    def deliver(tenant: TenantId, step_id: str) -> None:
        actions.worker.deliver(tenant, step_id)
        if step_id == second:
            work.host.app.write_outside(SYNC, {**work.host.state()[SYNC], "access": "write"})
            work.host.app.write_outside(LIST, {"user_id": "usr_nora01", "checklist_id": "tax_setup", "steps": ["Mine"]})

    actions.playbooks.apply(nora, run_id, deliver=deliver)


def test_it_is_previewed_as_one_approved_by_a_second_person_applied_and_undone_as_a_whole(page: Page, work: Work) -> None:
    before = work.host.state_hash()
    run = preview(page)
    run_id = run.get_attribute("data-run") or ""
    expect(run).to_have_attribute("data-state", "awaiting_approval")
    expect(run.locator(".playbook-steps li")).to_have_count(3)
    expect(run.locator(".playbook-steps li").first).to_contain_text("has to agree first; you cannot do that yourself")
    expect(run.locator("caption")).to_have_count(3)
    expect(run.get_by_role("button", name="Apply all 3 steps")).to_have_count(0)
    assert work.host.state_hash() == before
    assert in_both_schemes(page) == {}
    be(page, "mira")
    waiting = page.locator("#waiting article")
    expect(waiting).to_have_count(1)
    expect(waiting.locator("h3")).to_have_text("Set up accounting: Nora asks for your approval")
    expect(waiting.locator("caption")).to_have_count(3)
    press(waiting, "Approve all of it")
    expect(waiting.locator("h3")).to_have_text("Set up accounting: Approved, not applied yet")
    expect(waiting).to_contain_text("approved by Mira")
    expect(waiting).to_contain_text("Nora can apply it now.")
    assert work.host.state_hash() == before
    be(page, "nora")
    press(card(page, run_id), "Apply all 3 steps")
    expect(card(page, run_id)).to_have_attribute("data-state", "applied")
    expect(page.locator("#status")).to_have_text("Applied, all 3 steps. Undo stays beside it.")
    assert {PINNED, SYNC, LIST} <= work.host.state().keys()
    page.reload()
    press(card(page, run_id), "Undo all of it")
    expect(card(page, run_id)).to_contain_text("Undo puts all of this back, the last step first:")
    expect(card(page, run_id).locator("caption")).to_have_count(3)
    assert work.host.state_hash() != before
    press(card(page, run_id), "Keep it")
    expect(page.locator("#status")).to_have_text("Kept. Undo stays beside it.")
    press(card(page, run_id), "Undo all of it")
    press(card(page, run_id), "Undo all of it now")
    expect(card(page, run_id)).to_have_attribute("data-state", "undone")
    assert work.host.state_hash() == before
    expect(page.locator("#runs article")).to_have_count(0)


def test_the_keyboard_alone_previews_applies_and_undoes_it(page: Page, work: Work) -> None:
    before = work.host.state_hash()
    ask(page, QUESTION, "nora")
    region = starter(page).get_by_label("Where the data may go")
    page.locator("#question").focus()
    tab_to(page, region)
    page.keyboard.type("EU")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    title = page.locator("#playbook-runs h3").first
    expect(title).to_be_focused()
    run_id = page.locator("#playbook-runs article").first.get_attribute("data-run") or ""
    be(page, "mira")
    page.locator("#question").focus()
    approval = card(page, run_id).get_by_role("button", name="Approve all of it")
    tab_to(page, approval)
    page.keyboard.press("Enter")
    expect(card(page, run_id).locator("h3")).to_be_focused()
    expect(card(page, run_id)).to_have_attribute("data-state", "approved")
    be(page, "nora")
    page.locator("#question").focus()
    for name, state in (("Apply all 3 steps", "applied"), ("Undo all of it", "applied"), ("Undo all of it now", "undone")):
        tab_to(page, card(page, run_id).get_by_role("button", name=name, exact=True))
        page.keyboard.press("Enter")
        expect(card(page, run_id).locator("h3")).to_be_focused()
        expect(card(page, run_id)).to_have_attribute("data-state", state)
    expect(page.locator("#status")).to_have_text("Undone, every step. Everything is as it was before.")
    assert work.host.state_hash() == before


def test_what_a_step_needs_is_said_where_the_whole_is_refused(page: Page, work: Work) -> None:
    before = work.host.state_hash()
    be(page, "nora")
    expect(starter(page)).to_contain_text("A step may have to rest on a passage that you were shown.")
    run = preview(page, rests=False)
    is_in_words = run.locator("h3")
    expect(is_in_words).to_have_text("Set up accounting: Not allowed, nothing was changed")
    expect(run.locator(".playbook-steps .problem")).to_contain_text("Propose it again with the passages it rests on.")
    expect(run.get_by_role("button")).to_have_count(0)
    assert work.host.state_hash() == before
    assert in_both_schemes(page) == {}


def test_one_that_ends_half_done_says_what_still_stands(page: Page, work: Work) -> None:
    run = preview(page)
    run_id = run.get_attribute("data-run") or ""
    approve(page, run_id)
    be(page, "nora")
    expect(card(page, run_id).get_by_role("button", name="Apply all 3 steps")).to_be_visible()
    spoil_while_it_is_applied(work, run_id)
    page.reload()
    expect(card(page, run_id).locator("h3")).to_have_text("Set up accounting: Only partly done, a person has to look")
    expect(card(page, run_id).locator(".stands li")).to_have_text(["Connect an integration"])
    expect(card(page, run_id)).to_contain_text("1 of 3 still stands in Pennyfern")
    assert in_both_schemes(page) == {}


@pytest.mark.parametrize("width", [320])
def test_nothing_of_it_is_cut_off_in_a_narrow_window(page: Page, width: int) -> None:
    run = preview(page)
    expect(run.locator("caption")).to_have_count(3)
    assert sees_all_in(page, width) == []
