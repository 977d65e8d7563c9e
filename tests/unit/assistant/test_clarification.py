import pytest

from surefoot.assistant.clarification import needs_clarification
from surefoot.assistant.refusals import insufficient, no_evidence
from surefoot.domain.answers import Answer, Claim, Refusal, RefusalReason
from tests.unit.assistant.dialogues import quoted
from tests.unit.assistant.passages import Text, retrieved

THIN = insufficient([], (), 0.2)
LIMITS = (
    Text("Limits of the API apply to every key.", heading="API limits", title="Developers"),
    Text("Limits of an import apply to every file.", heading="Import limits", title="Data"),
    Text("Limits of a workspace apply to every plan.", heading="Workspace limits", title="Plans"),
)


def asked(question: str, *texts: Text, outcome: Answer | Refusal = THIN) -> Refusal | None:
    return needs_clarification(question, "en", retrieved(question, texts), outcome)


def test_a_short_question_that_several_headings_could_mean_gets_choices() -> None:
    found = asked("limits?", *LIMITS)
    assert found is not None and found.reason is RefusalReason.NEEDS_CLARIFICATION
    assert set(found.choices) == {"Developers: API limits?", "Data: Import limits?", "Plans: Workspace limits?"}
    assert found.message and found.would_help and found.confidence == THIN.confidence


def test_every_choice_stands_on_a_cited_place_so_that_rights_are_checked_for_it() -> None:
    found = asked("limits?", *LIMITS)
    assert found is not None
    assert [f"{place.title}: {place.heading}?" for place in found.closest] == list(found.choices)
    assert all(place.quote for place in found.closest)


def test_at_most_four_choices_are_offered() -> None:
    many = [Text(f"Limits apply to thing {place}.", heading=f"Limits {name}") for place, name in enumerate("ABCDEF")]
    found = asked("limits?", *many)
    assert found is not None and len(found.choices) == 4


def test_a_question_that_is_a_heading_itself_names_its_topic() -> None:
    assert asked("import limits", *LIMITS[:2], Text("Import limits of an account.", heading="Accounts", title="Help")) is None
    assert asked("Import limits?", LIMITS[1], Text("Import limits of an account.", heading="Accounts", title="Help")) is None
    assert asked("import limit", LIMITS[1], Text("The import limits of accounts.", heading="Accounts", title="Help")) is not None


@pytest.mark.parametrize(
    "question", ["What are the limits of an import of customers?", "limits of error limit_reached?", "500?", "what is it?"]
)
def test_a_question_that_names_its_topic_or_nothing_is_not_asked_back(question: str) -> None:
    assert asked(question, *LIMITS) is None


def test_passages_under_one_heading_are_one_meaning() -> None:
    assert asked("limits?", LIMITS[0], Text("Limits of keys differ.", heading="API limits", title="Developers")) is None


def test_a_passage_that_does_not_speak_of_it_is_not_what_was_meant() -> None:
    assert asked("limits?", LIMITS[0], Text("Refunds arrive soon.", heading="Refunds", title="Payments")) is None


def test_only_thin_evidence_is_asked_about() -> None:
    answer = Answer((Claim("Limits apply.", (quoted("Limits apply."),), 1.0),), 0.9)
    assert asked("limits?", *LIMITS, outcome=answer) is None
    assert asked("limits?", *LIMITS, outcome=no_evidence()) is None
    assert asked("limits?") is None
