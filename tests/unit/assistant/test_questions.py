import pytest

from surefoot.assistant.questions import QuestionKind, analyse_question


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("How do I export invoices?", QuestionKind.HOW),
        ("How many seats do I get?", QuestionKind.NUMBER),
        ("What is the maximum file size?", QuestionKind.NUMBER),
        ("Why was my card declined?", QuestionKind.WHY),
        ("When is the trial over?", QuestionKind.WHEN),
        ("Where do I find my invoices?", QuestionKind.WHERE),
        ("Can I export to CSV?", QuestionKind.POSSIBLE),
        ("Is it possible to pause?", QuestionKind.POSSIBLE),
        ("What is a credit note?", QuestionKind.DEFINITION),
        ("What is the difference between a refund and a credit note?", QuestionKind.DIFFERENCE),
        ("Who can approve refunds?", QuestionKind.WHO),
        ("invoice numbers", QuestionKind.OTHER),
        ("Wie viele Nutzer sind enthalten?", QuestionKind.NUMBER),
        ("¿Cómo devuelvo un pago?", QuestionKind.HOW),
    ],
)
def test_the_kind_of_a_question_is_what_it_asks_for(text: str, kind: QuestionKind) -> None:
    assert analyse_question(text, "en").kind is kind


def test_the_terms_are_stems_without_question_words() -> None:
    assert analyse_question("How do I export the invoices?", "en").terms == ("export", "invoic")


def test_a_question_of_stop_words_keeps_them() -> None:
    assert analyse_question("Who are you?", "en").terms


def test_what_an_answer_must_agree_with_is_kept() -> None:
    facts = analyse_question("Why does `invoice_id` fail with 422 in Xero?", "en").facts
    assert "invoice_id" in facts.identifiers
    assert "422" in facts.numbers
    assert "xero" in facts.names
