"""While a gate of the evals is red: replies say why they are quoted, actions are only suggested, and green ends it at once."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from surefoot.core.clock import FixedClock
from surefoot.core.ids import new_id
from surefoot.domain.budgets import Limit, Period
from surefoot.domain.models import ModelCard, Price
from surefoot.domain.policies import BudgetRule
from surefoot.domain.runs import RunState
from surefoot.domain.verdicts import GateResult, GateState, Verdict
from surefoot.llm.scripted import scripted_model
from surefoot.sample.tenant import TENANT
from tests.ui.accessible import in_both_schemes, sees_all_in, tab_to
from tests.ui.demo_app import demo_at_work, policy_of
from tests.ui.journeys import ask
from tests.ui.test_action_buttons import NOW, Work, be, card, is_in, press, preview
from tests.ui.test_playbooks_on_the_page import approve
from tests.ui.test_playbooks_on_the_page import preview as preview_playbook

CARD = ModelCard("scripted", "scripted/honest", Price(input_usd_per_million=1.0, output_usd_per_million=4.0))
RED = (
    "Surefoot's own checks do not pass at present (no-leaks), so this is only suggested. "
    "Nothing is applied until they pass again; undoing works as ever."
)
HELD = "Only suggested: look again"


@pytest.fixture
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Work]:
    clock = FixedClock(NOW)
    policy = policy_of([CARD], BudgetRule(Limit(nano_usd=10**9), Period.DAY), thin_margin=1.0)
    models = {CARD.name: scripted_model("honest", card=CARD)}
    with demo_at_work(tmp_path_factory.mktemp("red"), policy, models, clock) as (address, surefoot, host):
        yield Work(address, surefoot, host, clock)


@pytest.fixture
def address(work: Work) -> str:
    return work.address


def judged(work: Work, state: GateState) -> None:
    """The evals have said so of everything the tenant has."""
    gate = GateResult("no-leaks", "leak", state, True, 0.0, False, 40, value=0.1, because="4 of 40 cases leaked.")
    now = work.clock.now()
    work.surefoot.verdicts.put(TENANT, Verdict(new_id("vrd", now), "run_1", ("sample",), now, (gate,)), by="a journey")


def test_a_reply_says_why_no_model_was_asked_and_the_next_one_after_green_is_as_ever(page: Page, work: Work) -> None:
    judged(work, GateState.FAILED)
    turn = ask(page, "How long does a refund take?")
    expect(turn.locator(".degraded")).to_have_text(
        "The checks on answers do not pass at present, so no AI model is asked; this answer is quoted."
    )
    expect(page.locator("#status")).to_contain_text("The checks on answers do not pass at present")
    turn.locator(".about summary").click()
    expect(turn.locator(".facts")).to_contain_text("Checks that do not pass:no-leaks")
    assert in_both_schemes(page) == {}
    judged(work, GateState.PASSED)
    again = ask(page, "How long does a refund take?")
    expect(again.locator(".degraded")).to_have_count(0)
    expect(again.locator(".label")).to_contain_text("AI")


def test_an_action_is_only_suggested_with_its_reason_and_can_be_applied_after_green_without_a_reload(
    page: Page, work: Work
) -> None:
    judged(work, GateState.FAILED)
    before = work.host.state_hash()
    run = preview(page, "Pin a shortcut", page="Payouts")
    expect(run.locator("h3")).to_have_text("Pin a shortcut: Only suggested for now, nothing has changed")
    expect(run.locator(".problem")).to_have_text(RED)
    expect(run.get_by_role("button", name="Apply", exact=True)).to_have_count(0)
    expect(run.get_by_role("button", name=HELD)).to_have_accessible_description(RED)
    press(run, HELD)
    expect(page.locator("#status")).to_have_text(RED)
    assert in_both_schemes(page) == {}
    assert sees_all_in(page, 320) == []
    judged(work, GateState.PASSED)
    page.locator("#question").focus()
    tab_to(page, run.get_by_role("button", name=HELD))
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text("The checks pass again, so it can be applied.")
    expect(run.locator("h3")).to_be_focused()
    expect(run.locator(".problem")).to_have_count(0)
    assert work.host.state_hash() == before
    tab_to(page, run.get_by_role("button", name="Apply", exact=True))
    page.keyboard.press("Enter")
    is_in(run, RunState.APPLIED)


def test_a_gate_that_turns_red_after_the_preview_is_said_in_words_and_an_undo_works(
    page: Page, work: Work, complaints: list[str]
) -> None:
    before = work.host.state_hash()
    done = preview(page, "Pin a shortcut", page="Coupons")
    press(done, "Apply")
    is_in(done, RunState.APPLIED)
    run = preview(page, "Pin a shortcut", page="Payouts")
    judged(work, GateState.FAILED)
    press(run, "Apply")
    expect(page.locator("#status")).to_have_text(RED)
    expect(run.locator(".problem")).to_have_text([RED])
    expect(run).not_to_contain_text("run_")
    expect(run.get_by_role("button", name=HELD)).to_be_visible()
    # The browser itself notes the answer of 409.
    assert len(complaints) == 1 and "409" in complaints.pop()
    press(done, "Undo")
    press(done, "Undo now")
    is_in(done, RunState.UNDONE)
    assert work.host.state_hash() == before


def test_a_playbook_is_only_suggested_as_a_whole(page: Page, work: Work) -> None:
    before = work.host.state_hash()
    run_id = preview_playbook(page).get_attribute("data-run") or ""
    approve(page, run_id)
    judged(work, GateState.FAILED)
    be(page, "nora")
    run = card(page, run_id)
    expect(run.locator("h3")).to_have_text("Set up accounting: Only suggested for now, nothing has changed")
    expect(run.locator(".problem")).to_have_text([RED])
    press(run, HELD)
    expect(page.locator("#status")).to_have_text(RED)
    assert work.host.state_hash() == before
    judged(work, GateState.PASSED)
    press(run, HELD)
    press(run, "Apply all 3 steps")
    expect(run).to_have_attribute("data-state", "applied")
