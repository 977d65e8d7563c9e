import pytest

from surefoot.assistant.premises import false_premise
from surefoot.sample.golden import golden_cases
from tests.unit.assistant.dialogues import cases, cited_whole, quoted

CASES = cases("premises.jsonl")
WRONG = [case for case in CASES if case["corrected"]]
ORDINARY = [case for case in CASES if not case["corrected"]]
CARDS = quoted(
    "Refunds to cards arrive within 5 to 10 business days.", title="Refund a payment", heading="How long a refund takes"
)


def test_there_are_enough_cases_of_both_kinds() -> None:
    assert len(WRONG) >= 30 and len(ORDINARY) >= 60


@pytest.mark.parametrize("case", ORDINARY, ids=lambda case: case["question"])
def test_an_ordinary_question_is_never_corrected(case: dict) -> None:  # type: ignore[type-arg]
    assert false_premise(case["question"], cited_whole(case["uri"]), "en") is None


def test_false_premises_are_corrected_with_the_questions_own_number() -> None:
    found = [false_premise(case["question"], cited_whole(case["uri"]), "en") for case in WRONG]
    right = [one is not None and case["shows"] in one.note for one, case in zip(found, WRONG, strict=True)]
    assert sum(right) >= 0.9 * len(WRONG)
    assert sum(one is not None for one in found) == sum(right), "a correction names another thing than what is wrong"


def test_no_golden_question_is_corrected_even_with_a_whole_document_cited() -> None:
    for case in (each for each in golden_cases() if each.kind != "false-premise"):
        for uri in case.gold_uris:
            if uri.endswith(".md"):
                assert false_premise(case.question, cited_whole(uri), "en") is None, case.question


def test_the_note_says_what_the_question_said_and_names_the_citation_that_says_otherwise() -> None:
    found = false_premise("Why do refunds to cards take 3 days?", [CARDS], "en")
    assert found is not None
    assert (found.note, found.citation) == ("Your question says 3 days; the document says otherwise:", CARDS)


@pytest.mark.parametrize("days", [5, 7, 10])
def test_a_number_within_the_stated_range_is_right(days: int) -> None:
    assert false_premise(f"Why do refunds to cards take {days} days?", [CARDS], "en") is None


def test_another_unit_for_the_same_length_of_time_is_right() -> None:
    trial = quoted("The free trial lasts 2 weeks.")
    assert false_premise("Why does the free trial last 14 days?", [trial], "en") is None
    assert false_premise("Why does the free trial last 10 days?", [trial], "en") is not None


def test_nothing_is_corrected_when_any_cited_sentence_has_the_questions_number() -> None:
    either = quoted("Refunds to cards took 3 days in the past.", heading="Refunds to cards")
    assert false_premise("Why do refunds to cards take 3 days?", [CARDS, either], "en") is None


def test_a_denial_with_an_exception_corrects_nothing() -> None:
    question = "Since drafts are counted, how many may I have?"
    assert false_premise(question, [quoted("Drafts are not counted.")], "en") is not None
    assert false_premise(question, [quoted("Drafts are not counted unless they are sent.")], "en") is None


def test_a_long_story_is_left_alone() -> None:
    question = "Why do refunds to cards take 3 days?"
    assert false_premise("Please help. " * 40 + question, [CARDS], "en") is None


def test_what_a_person_says_happened_to_them_is_not_corrected() -> None:
    assert false_premise("Why has my refund to a card taken 20 days?", [CARDS], "en") is None


def test_questions_and_sources_of_other_languages_are_left_alone() -> None:
    german = quoted("Erstattungen auf Karten dauern 5 Tage.", locale="de")
    assert false_premise("Warum dauern Erstattungen auf Karten 3 Tage?", [german], "de") is None
    assert (
        false_premise("Why do refunds to cards take 3 days?", [quoted(CARDS.quote, title=CARDS.title, locale="de")], "en") is None
    )
