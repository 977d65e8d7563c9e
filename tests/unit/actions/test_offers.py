"""What is offered without a model: only what is asked for, with nothing guessed."""

from typing import Any

import pytest

from surefoot.actions.offers import Offer, Offers
from surefoot.actions.registry import Registry, load_registry
from surefoot.actions.requests import is_opposite, is_request
from surefoot.adapters.memory.encoder import HashingEncoder
from tests.unit.actions.declared import spec_of

REGISTRY = load_registry()
ALL = frozenset(spec.name for spec in REGISTRY.all())
VIEWER = {"user_id": "usr_nora01", "account_id": "acc_fernhill1", "plan": "growth"}


def offer(question: str, viewer: Any = VIEWER, locale: str = "en", allowed: frozenset[str] = ALL) -> Offer | None:
    return Offers(REGISTRY, HashingEncoder()).offer(question, viewer, locale, allowed)


def test_what_is_asked_for_is_offered_with_its_reason_and_what_is_left_to_fill_in() -> None:
    found = offer("pin the payouts page to my sidebar")
    assert found is not None
    assert (found.action, found.version, found.title) == ("pin_shortcut", "1.0.0", "Pin a shortcut")
    assert found.schema_hash == REGISTRY.get("pin_shortcut").schema_hash
    assert found.arguments == {"user_id": "usr_nora01"}
    assert [(missing.name, missing.title) for missing in found.missing] == [("page", "Page")]
    assert found.reason == "You asked to: pin the payouts page to my sidebar"


def test_an_action_that_is_not_allowed_is_never_offered() -> None:
    assert offer("pin the payouts page to my sidebar", allowed=ALL - {"pin_shortcut"}) is None
    assert offer("pin the payouts page to my sidebar", allowed=frozenset()) is None


@pytest.mark.parametrize(
    "viewer",
    [{}, {"user_id": "nora"}, {"user_id": 7}, {"user_id": None}, {"viewer": VIEWER}, {"user_id": {"user_id": "usr_nora01"}}],
)
def test_an_argument_that_the_viewer_context_does_not_hold_rightly_is_left_to_the_person(viewer: Any) -> None:
    found = offer("pin the payouts page to my sidebar", viewer)
    assert found is not None
    assert found.arguments == {}
    assert [missing.name for missing in found.missing] == ["user_id", "page"]


def test_no_argument_is_taken_from_the_question() -> None:
    found = offer("pin the payouts page to my sidebar for usr_someone9", {})
    assert found is not None
    assert found.arguments == {}


def test_only_declared_paths_of_the_viewer_context_are_read_and_their_values_normalised() -> None:
    spec = spec_of(("properties/note/x-context", "viewer.about.note"))
    registry = Registry({("send_note", 1): spec}, "fingerprint")
    viewer = {"user_id": "usr_nora01", "about": {"note": "  HELLO "}, "send_at": "2026-11-25T09:00:00Z", "count": 3}
    found = Offers(registry, HashingEncoder(), threshold=0.3).offer("send me a note", viewer, "en", {"send_note"})
    assert found is not None
    assert found.arguments == {"user_id": "usr_nora01", "note": "hello"}
    assert [missing.name for missing in found.missing] == ["send_at"]


def test_the_newest_version_of_an_action_is_offered() -> None:
    newer = spec_of(("x-action/version", "2.0.0"))
    registry = Registry({("send_note", 1): spec_of(), ("send_note", 2): newer}, "fingerprint")
    found = Offers(registry, HashingEncoder(), threshold=0.3).offer("send me a note", {}, "en", {"send_note"})
    assert found is not None
    assert found.version == "2.0.0"


@pytest.mark.parametrize(
    ("question", "locale"),
    [
        ("how do I pin the payouts page to my sidebar?", "en"),
        ("can I pin the payouts page to my sidebar?", "en"),
        ("I pinned the payouts page to my sidebar", "en"),
        ("please tell me how to pin the payouts page to my sidebar", "en"),
        ("could you explain how to pin the payouts page to my sidebar?", "en"),
        ("the payouts page is pinned to my sidebar", "en"),
        ("pin the payouts page to my sidebar?", "en"),
        ("wie schalte ich die automatische Steuer ein", "de"),
        ("¿cómo activo los recordatorios de pago?", "es"),
        ("", "en"),
        ("   ?!", "en"),
        ("pin the payouts page to my sidebar " * 20, "en"),
    ],
)
def test_a_question_for_knowledge_and_a_telling_are_not_requests(question: str, locale: str) -> None:
    assert not is_request(question, locale)
    assert offer(question, locale=locale) is None


@pytest.mark.parametrize(
    ("question", "locale"),
    [
        ("pin the payouts page", "en"),
        ("please, could you pin the payouts page?", "en"),
        ("I'd like to pin the payouts page", "en"),
        ("I want the payouts page pinned", "en-GB"),
        ("bitte schalte die automatische Steuer ein", "de-AT"),
        ("können Sie die automatische Steuer einschalten?", "de"),
        ("ich möchte erinnert werden", "de"),
        ("activa los recordatorios de pago", "es"),
        ("¿puedes activar los recordatorios?", "es"),
        ("pin the payouts page", "xx"),
    ],
)
def test_a_wish_is_a_request_in_each_language(question: str, locale: str) -> None:
    assert is_request(question, locale)


@pytest.mark.parametrize(
    ("question", "locale"),
    [
        ("don't pin the payouts page to my sidebar", "en"),
        ("unpin the payouts page from my sidebar", "en"),
        ("turn automatic tax for us off", "en"),
        ("schalte die automatische Steuer aus", "de"),
        ("desactiva los recordatorios de pago", "es"),
    ],
)
def test_the_opposite_of_an_action_is_not_a_request_for_it(question: str, locale: str) -> None:
    assert is_opposite(question, locale)
    assert offer(question, locale=locale) is None


def test_an_action_that_is_itself_asked_for_with_such_a_word_is_offered() -> None:
    spec = spec_of(("title", "Delete a note"), ("x-action/examples/0/says", "delete my note"))
    offers = Offers(Registry({("send_note", 1): spec}, "fingerprint"), HashingEncoder(), threshold=0.3)
    assert offers.offer("please delete my note", {}, "en", {"send_note"}) is not None


def test_one_word_is_too_little_to_offer_anything() -> None:
    assert offer("shortcut") is None
    assert offer("reminders") is None


def test_a_long_question_is_shortened_in_the_reason() -> None:
    found = Offers(REGISTRY, HashingEncoder(), threshold=0.0).offer("pin the payouts page " + "very " * 40, VIEWER, "en", ALL)
    assert found is not None
    assert len(found.reason) <= 140
    assert found.reason.endswith("\u2026")


def test_a_deed_that_the_action_is_never_asked_for_with_counts_against_it() -> None:
    # The same words in another order, so that nothing but the word for the deed differs.
    offers = Offers(REGISTRY, HashingEncoder(), threshold=0.0)
    known = offers.offer("pin translated payouts page sidebar", VIEWER, "en", {"pin_shortcut"})
    other = offers.offer("translated pin payouts page sidebar", VIEWER, "en", {"pin_shortcut"})
    assert known is not None
    assert other is not None
    assert known.score - other.score > 0.1
