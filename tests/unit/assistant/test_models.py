"""The shipped model files and the code that reads them."""

import json
from importlib.resources import files

import pytest

from surefoot.adapters.memory.encoder import HashingEncoder
from surefoot.assistant.answerability import Judge, answer_features, gather, shipped_model
from surefoot.assistant.groundedness import compare, shipped_support_model
from surefoot.assistant.questions import analyse_question
from surefoot.assistant.scorecard import Scorecard, Term, logistic
from surefoot.assistant.units import ChunkReader
from tests.unit.assistant.passages import ENCODER, Text, retrieved, term

QUESTION = "When do refunds arrive?"


def evidence_of(*texts: str):  # type: ignore[no-untyped-def]
    found = retrieved(QUESTION, [Text(text) for text in texts])
    return gather(analyse_question(QUESTION, "en"), found, ChunkReader(), ENCODER)


def test_every_feature_that_the_shipped_cards_name_is_measured() -> None:
    evidence = evidence_of("Refunds arrive within 5 days.", "Invoices are sent by email.")
    model = shipped_model()
    assert {term.name for term in model.passage.terms} <= set(evidence.passages[0])
    measured = set(answer_features(evidence, [1.0, 0.0]))
    for card in (model.answer, model.scope):
        assert {term.name for term in card.terms} <= measured


def test_every_feature_that_the_shipped_support_card_names_is_measured() -> None:
    measured = set(compare("Refunds arrive.", ["Refunds arrive late."], HashingEncoder(), "en").features())
    assert {term.name for term in shipped_support_model().support.terms} <= measured


def test_the_model_files_say_how_they_were_made_and_how_good_they_are() -> None:
    for name in ("answerability", "support"):
        about = json.loads((files("surefoot") / "models" / f"{name}.json").read_text(encoding="utf-8"))["about"]
        assert about["command"].startswith(f"python -m training.{name} ")
        assert any(key.startswith("figures") for key in about)


def test_the_judge_prefers_the_passage_that_has_the_question_s_words() -> None:
    evidence = evidence_of("Zebras graze near rivers.", "Refunds arrive within 5 days.")
    judgement = Judge(shipped_model()).judge(evidence)
    best = evidence.retrieved.passages[judgement.order[0]]
    assert best.chunk.text == "Refunds arrive within 5 days."
    assert sorted(judgement.order) == [0, 1]
    assert judgement.confidence == pytest.approx(judgement.answerable * judgement.in_scope)


def test_a_scorecard_is_its_formula() -> None:
    card = Scorecard(0.5, (Term(name="a", mean=1.0, scale=2.0, low=0.0, high=3.0, weight=4.0),))
    assert card.logit({"a": 2.0}) == pytest.approx(0.5 + 4.0 * (2.0 - 1.0) / 2.0)
    assert card.logit({"a": 99.0}) == card.logit({"a": 3.0})
    assert card.probability({"a": 2.0}) == pytest.approx(logistic(2.5))


def test_a_scorecard_does_not_guess_a_missing_feature() -> None:
    with pytest.raises(KeyError):
        Scorecard(0.0, (term("a", 1.0),)).logit({"b": 1.0})


@pytest.mark.parametrize("value", [-1000.0, 0.0, 1000.0])
def test_the_logistic_curve_never_overflows(value: float) -> None:
    assert 0.0 <= logistic(value) <= 1.0
