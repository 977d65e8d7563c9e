"""An exchanged thing, a table's cell and a made-up world give claims whose every word is in the evidence, true ones and false."""

import re

import numpy as np
import pytest
from training.evidence_edits import CONTRADICTED, NOT_STATED, falsified, kept
from training.evidence_exchanges import exchanged
from training.evidence_tables import table_claims, tables
from training.evidence_worlds import world_claims

from surefoot.domain.sentences import plain

PLANS = "The smallest plan costs $12 per month. The plan called Meadow costs $45 per month. Ask us about the rest."
TABLE = """The limits are:

| Plan | Price | Log retention | Webhooks |
| --- | --- | --- | --- |
| Brook | $12 | 7 days | Yes |
| Meadow | $45 | 30 days | No |
| Forest | $90 | 2 years | Yes |
| Ocean | $200 | 5 years | No |
| Sky | $400 | 9 years | Yes |

That is all.
"""


def seeded(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def made_of(sentence: str, window: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for seed in range(30):
        for kind, edit, _ in exchanged(sentence, window, seeded(seed)):
            found.setdefault(kind, set()).add(edit)
    return found


def test_a_price_is_exchanged_for_its_neighbours_and_for_nothing_else() -> None:
    found = made_of("The plan called Meadow costs $45 per month.", PLANS)
    assert found == {"exchanged price": {"The plan called Meadow costs $12 per month."}}


def test_two_things_of_one_sentence_change_places() -> None:
    sentence = "The export from Fastline overrides every address that Postwell has sent before."
    assert made_of(sentence, sentence) == {
        "exchanged name": {"The export from Postwell overrides every address that Fastline has sent before."}
    }


@pytest.mark.parametrize(
    "sentence",
    [
        "We write exports for Fastline and Postwell every night.",
        "The difference between Fastline exports and those of Postwell is small.",
        "You can send letters with Fastline, Postwell and others.",
        "The nightly run writes exports for Fastline as well as Postwell.",
    ],
)
def test_things_that_could_change_places_without_harm_stay(sentence: str) -> None:
    assert made_of(sentence, sentence) == {}


def test_a_neighbour_that_says_the_same_of_its_own_thing_lends_it_to_nobody() -> None:
    window = "The nightly export sends letters with Fastline. The nightly export sends letters with Postwell."
    assert made_of("The nightly export sends letters with Fastline.", window) == {}


def test_falsifying_uses_what_stands_beside_when_it_is_told() -> None:
    sentence = "The plan called Meadow costs $45 per month."
    edit, labels = falsified(sentence, [], seeded(), PLANS)["exchanged price"]
    assert edit == "The plan called Meadow costs $12 per month."
    assert labels == (CONTRADICTED,)
    assert not any(kind.startswith("exchanged") for kind in falsified(sentence, [], seeded()))


def test_an_exchanged_name_may_only_be_not_stated() -> None:
    sentence = "The export from Fastline overrides every address that Postwell has sent before."
    assert falsified(sentence, [], seeded(), sentence)["exchanged name"][1] == (CONTRADICTED, NOT_STATED)


def test_tables_are_read_with_their_headings() -> None:
    (table,) = tables(TABLE)
    assert table.columns == ("Plan", "Price", "Log retention", "Webhooks")
    assert table.lines[0] == plain("| Brook | $12 | 7 days | Yes |")


def cells() -> dict[str, tuple[str, str, str]]:
    (table,) = tables(TABLE)
    return {row[0]: (row[1], row[2], row[3]) for row in table.rows}


def test_a_claim_of_a_table_is_true_exactly_when_its_cell_is_that_rows() -> None:
    held = cells()
    told = [one for seed in range(40) for one in table_claims(TABLE, seeded(seed))]
    assert {one.kind for one in told} == {"supported", "contradicted", "not stated"}
    for one in told:
        plan = next(name for name in held if name in one.claim)
        price, retention, webhooks = held[plan]
        amounts = re.findall(r"\$\d+|\d+ (?:days|years)", one.claim)
        is_true = (
            amounts[0] in (price, retention)
            if amounts
            else bool(re.search(r"\bno\b|\bnot\b|without", one.claim)) == (webhooks == "No")
        )
        assert is_true == (one.kind != "contradicted"), one
        assert (plan in one.window) == (one.kind != "not stated"), one


def test_a_table_without_rule_or_rows_states_nothing() -> None:
    assert not list(tables("| a | b |\n| c | d |\n| e | f |\n| g | h |"))
    assert not list(tables("| a | b |\n| --- | --- |\n| c | d |"))


def test_every_amount_of_a_made_up_world_is_claimed_of_its_owner_and_of_another() -> None:
    kinds = set()
    for seed in range(120):
        told = list(world_claims((), (), seeded(seed)))
        kinds |= {one.kind for one in told}
        true, false = ({one.claim for one in told if one.kind == kind} for kind in ("supported", "contradicted"))
        assert not true & false
        assert len({one.window for one in told}) == 1
        assert abs(len(true) - len(false)) <= 3
        for one in told:
            if one.kind != "not stated":
                for amount in re.findall(r"[$€£]\d+|\d+%|\d+ [MG]B", one.claim):
                    assert amount in one.window
    assert kinds == {"supported", "contradicted", "not stated"}


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("You can export all invoices as files from the page.", "All invoices can be exported as files from the page."),
        ("To see the old invoices, open the page of the account.", "Open the page of the account to see the old invoices."),
        ("The link in the letter ends 24 hours after it was sent.", "The link in the letter ends one day after it was sent."),
        ("The import allows you to move the invoices of last year.", "With the import, you can move the invoices of last year."),
        ("Every file of the page may have 40MB at most.", "Every file of the page may have 40 megabytes at most."),
    ],
)
def test_voice_order_and_amounts_are_told_another_way(sentence: str, expected: str) -> None:
    assert expected in {kept(sentence, seeded(seed)) for seed in range(60)}


def test_an_untrue_sentence_told_again_keeps_what_makes_it_untrue() -> None:
    edit = "Every invoice of the year is kept (for 9 years), including those that were sent by Postwell."
    told = {kept(edit, seeded(seed), whole=True) for seed in range(40)}
    assert all("Postwell" in one and re.search(r"9|nine", one) for one in told)
    assert not all("Postwell" in kept(edit, seeded(seed)) for seed in range(40))
