"""The language of a sentence, or that it cannot be told."""

import pytest

from surefoot.domain.languages import language_of


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Refunds arrive within five days of the request, and you will be told."),
        ("de", "Die Erstattung kommt nach fünf Tagen, wenn sie nicht abgelehnt wird."),
        ("es", "Los reembolsos llegan en cinco días y no se pueden cancelar."),
        ("fr", "Les remboursements arrivent dans les cinq jours et ils sont pour vous."),
        ("ru", "Возврат приходит в течение пяти дней."),
        ("ja", "返金は五日以内に届きます。"),
        ("zh", "退款在五天内到达。"),
        ("ko", "환불은 닷새 안에 도착합니다."),
        ("ar", "يصل المبلغ خلال خمسة أيام."),
    ],
)
def test_a_sentence_is_told_by_its_script_and_small_words(language: str, text: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize("text", ["", "42", "Settings > Billing", "surefoot export --all", "Refunds arrive.", "API"])
def test_what_does_not_tell_is_left_open(text: str) -> None:
    assert language_of(text) == ""


def test_a_foreign_name_does_not_change_the_language() -> None:
    assert language_of("The 返金 button is in the settings of your account.") == "en"
