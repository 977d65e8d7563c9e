import pytest

from surefoot.assistant.facts import Quantity, canonical_number, facts_of


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("1,000", "1000"),
        ("1.000", "1000"),
        ("1 000", "1000"),
        ("2.50", "2.5"),
        ("2,5", "2.5"),
        ("007", "7"),
        ("-3", "-3"),
        ("0", "0"),
    ],
)
def test_a_number_is_the_same_however_it_is_written(written: str, canonical: str) -> None:
    assert canonical_number(written) == canonical


@pytest.mark.parametrize(
    ("text", "quantity"),
    [
        ("It takes 30 days.", Quantity("30", "d")),
        ("It takes thirty days.", Quantity("30", "d")),
        ("Up to 25 MB each.", Quantity("25", "mb")),
        ("It costs $149 a month.", Quantity("149", "usd")),
        ("It costs 149 € a month.", Quantity("149", "eur")),
        ("At 80 % a mail is sent.", Quantity("80", "%")),
        ("Nach 14 Tagen endet die Frist.", Quantity("14", "d")),
        ("Use version 1.2.3 or newer.", Quantity("1.2.3", "version")),
        ("A 15-minute limit.", Quantity("15", "min")),
        ("Within 5 business days.", Quantity("5", "d")),
    ],
)
def test_a_quantity_carries_its_unit(text: str, quantity: Quantity) -> None:
    assert quantity in facts_of(text).quantities


def test_a_pronoun_is_not_a_number() -> None:
    assert facts_of("Choose the one you like.").numbers == frozenset()
    assert facts_of("Wait one day.").quantities == {Quantity("1", "d")}


def test_a_date_is_not_three_numbers() -> None:
    facts = facts_of("Changed on 2026-03-01.")
    assert facts.dates == {"2026-03-01"}
    assert facts.numbers == frozenset()


def test_a_word_that_only_begins_a_sentence_is_not_a_name() -> None:
    assert facts_of("Invoices go to Xero. Payments do not.").names == {"xero"}


def test_the_pronoun_i_is_not_a_name() -> None:
    assert facts_of("May I use Xero?").names == {"xero"}


def test_code_like_words_are_identifiers() -> None:
    assert facts_of("Set api_key, userId and webhooks.secret in `config`.").identifiers >= {
        "api_key",
        "userid",
        "webhooks.secret",
        "config",
    }


def test_negation_and_necessity_are_seen() -> None:
    facts = facts_of("You cannot export it, and you must not try.")
    assert facts.negations == 2
    assert facts.obliges
    assert not facts.permits
