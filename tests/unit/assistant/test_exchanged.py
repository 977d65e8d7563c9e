"""A claim whose every word is in the evidence is still noticed when it says them of the wrong thing."""

import pytest

from surefoot.assistant.exchanged import Exchanged, Kind, exchanged

PLANS = ("Brook costs $12 a month and has 3 desks.", "Meadow costs $45 a month and has 20 desks.", "Ask us about the rest.")
BOXES = ("A small box of tea costs $12.", "A large box of tea costs $45.")
LIMITS = ("Letters are stored for 6 months under Harbour and for 4 years under Lighthouse.",)
TOOLS = ("Letters are written with Fastline.", "The nightly run sends every letter to Postwell before it ends.")


def seen(claim: str, units: tuple[str, ...], nearest: int = 0) -> Exchanged:
    return exchanged(claim, units, units[nearest])


@pytest.mark.parametrize(
    ("claim", "units", "value"),
    [
        ("Meadow costs $12 a month.", PLANS, "12"),
        ("Brook has 20 desks.", PLANS, "20"),
        ("A large box costs $12.", BOXES, "12"),
        ("Letters are stored for 4 years under Harbour.", LIMITS, "4"),
        ("Under Lighthouse, letters are stored for 6 months.", LIMITS, "6"),
    ],
)
def test_a_value_that_is_anothers_is_noticed(claim: str, units: tuple[str, ...], value: str) -> None:
    assert seen(claim, units).values == (value,)
    assert f"The evidence says “{value}” of something else." in seen(claim, units).reasons()


@pytest.mark.parametrize(
    ("claim", "units"),
    [
        ("Meadow costs $45 a month.", PLANS),
        ("Brook has 3 desks.", PLANS),
        ("A large box costs $45.", BOXES),
        ("A month of Meadow is $45, and 20 desks come with it.", PLANS),
        ("Letters are stored for 4 years under Lighthouse.", LIMITS),
        ("Under Harbour, letters are stored for 6 months.", LIMITS),
    ],
)
def test_a_value_said_of_its_own_is_let_be(claim: str, units: tuple[str, ...]) -> None:
    assert seen(claim, units).values == ()


@pytest.mark.parametrize(
    ("claim", "kind", "stated"),
    [
        ("The nightly run sends every letter to Fastline before it ends.", Kind.NAME, "postwell"),
        ("The nightly run sends every letter to Postwell after it ends.", Kind.OPPOSITE, "before"),
        ("The nightly run carries every letter to Postwell before it ends.", None, ""),
        ("The nightly run sends all the letters to Postwell before it ends.", None, ""),
    ],
)
def test_a_word_in_anothers_place_is_named_by_its_kind(claim: str, kind: Kind | None, stated: str) -> None:
    found = exchanged(claim, TOOLS, TOOLS[1]).in_place
    assert [(each.kind, each.stated) for each in found] == ([] if kind is None else [(kind, stated)])


def test_a_role_in_anothers_place_is_noticed() -> None:
    units = ("Only the manager may close the ledger.", "An agent may read it.")
    assert seen("Only the agent may close the ledger.", units).reasons() == [
        "The claim says “agent” where the evidence says “manager”."
    ]
    assert not seen("Only the supervisor may close the ledger.", units)


@pytest.mark.parametrize(
    ("claim", "kind"),
    [
        ("The letter is kept for 9 days.", Kind.NUMBER),
        ("The letter is kept for 5 weeks.", Kind.UNIT),
        ("The letters are kept for 5 days.", None),
        ("The letter is retained for 5 days.", None),
        ("The letter is kept for five days.", None),
    ],
)
def test_numbers_and_units_are_told_from_synonyms(claim: str, kind: Kind | None) -> None:
    found = seen(claim, ("The letter is kept for 5 days.",)).in_place
    assert [each.kind for each in found] == ([] if kind is None else [kind])


def test_what_another_sentence_says_as_nearly_is_not_exchanged() -> None:
    units = ("The port of Harbour is 81 for letters.", "The port of Lighthouse is 99 for letters.")
    assert not exchanged("The port of Lighthouse is 99 for letters.", units, units[0]).in_place


def test_a_question_and_another_language_are_let_be() -> None:
    assert not seen("Meadow costs $12 a month?", PLANS).values
    assert not exchanged("Meadow costs $12 a month.", PLANS, PLANS[0], "de")


def test_two_names_that_changed_places_are_noticed_unless_they_are_joined() -> None:
    units = ("The list from Fastline overrides what Postwell has sent.", "We write to Fastline and to Postwell at night.")
    assert seen("The list from Postwell overrides what Fastline has sent.", units).changed_places
    assert not seen("We write to Postwell and to Fastline at night.", units, 1).changed_places


def test_not_required_is_no_opposite_of_optional() -> None:
    assert not seen("A stamp is not required here.", ("A stamp is optional here.",))
    assert seen("A stamp is required here.", ("A stamp is optional here.",)).in_place[0].kind is Kind.OPPOSITE


def test_nothing_is_exchanged_where_there_is_nothing() -> None:
    assert exchanged("", (), "") == Exchanged((), (), changed_places=False)
    assert exchanged("Brook costs $12.", (), "").reasons() == []


def test_of_a_claim_with_very_many_values_the_same_few_are_looked_at() -> None:
    claim = " ".join(f"The Starter plan {value} costs ${value}." for value in range(100, 2_100))
    units = [f"The Growth plan {value} costs ${value + 1}." for value in range(100, 2_100)]
    first = exchanged(claim, units, units[0])
    assert first == exchanged(claim, units, units[0])
    assert len(first.values) <= 40
