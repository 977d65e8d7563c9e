import pytest

from surefoot.assistant.conflicts import disagree
from surefoot.assistant.facts import facts_of
from surefoot.assistant.units import Unit, analyse
from tests.unit.assistant.passages import Text, chunk_of


def unit(text: str) -> Unit:
    return analyse(chunk_of(Text(text))).units[0]


def disagreement(first: str, second: str, question: str = "") -> str:
    return disagree(unit(first), unit(second), facts_of(question))


@pytest.mark.parametrize(
    ("first", "second", "about"),
    [
        ("Refunds arrive within 5 days.", "Refunds arrive within 10 days.", "numbers"),
        ("Refunds arrive within 2 days.", "Refunds arrive within 3 weeks.", "numbers"),
        ("The trial ends on 2026-03-01.", "The trial ends on 2026-04-01.", "dates"),
        ("Members can delete invoices.", "Members cannot delete invoices.", "whether it is so"),
        ("Payouts are sent by the bank Norda.", "Payouts are sent by the bank Velt.", "names"),
    ],
)
def test_two_statements_of_one_fact_may_disagree(first: str, second: str, about: str) -> None:
    assert disagreement(first, second) == about
    assert disagreement(second, first) == about


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Refunds arrive within 5 days.", "Refunds arrive within five days."),
        ("Refunds arrive within 14 days.", "Refunds arrive within 2 weeks."),
        ("Refunds arrive within 5 days.", "Invoices are kept for 10 days."),
        ("Files may have 25 MB.", "Files may have 100 pages."),
        ("Plans have 3 or 5 seats.", "Plans have 5 seats."),
        ("Use version 1.2.3 of the library.", "Use version 1.2.4 of the library."),
    ],
)
def test_other_words_other_facts_and_other_measures_do_not_disagree(first: str, second: str) -> None:
    assert disagreement(first, second) == ""


def test_what_the_question_names_is_not_in_dispute() -> None:
    assert disagreement("For 5 seats you pay $9.", "For 20 seats you pay $9.", "What do 5 seats and 20 seats cost?") == ""


def test_statements_that_share_only_their_words_of_time_state_no_common_fact() -> None:
    refund = "Refunds of SEPA and ACH debits take 3 to 5 business days."
    payment = "A SEPA direct debit takes up to 6 business days until it is certain, an ACH debit up to 4 business days."
    assert disagreement(refund, payment, "How long does a refund take?") == ""
