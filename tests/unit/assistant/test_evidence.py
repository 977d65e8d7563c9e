import pytest

from surefoot.assistant.answerability import ENCODED_UNITS, gather
from surefoot.assistant.evidence import Weights
from surefoot.assistant.questions import analyse_question
from surefoot.assistant.units import ChunkReader
from surefoot.ports import Vectors
from tests.unit.assistant.passages import ENCODER, Text, retrieved


class CountingEncoder:
    """The hashing encoder, keeping what it was asked to encode."""

    fingerprint = ENCODER.fingerprint
    dimensions = ENCODER.dimensions

    def __init__(self) -> None:
        self.texts: list[str] = []

    def encode(self, texts: list[str]) -> Vectors:
        self.texts.extend(texts)
        return ENCODER.encode(texts)

    def encode_query(self, text: str) -> Vectors:
        return ENCODER.encode_query(text)


def whole(question: str, *texts: Text) -> dict[str, float]:
    return gather(analyse_question(question, "en"), retrieved(question, texts), ChunkReader(), ENCODER).whole


def passages(question: str, *texts: Text) -> list[dict[str, float]]:
    """The features of each text's passage, in the order of the texts."""
    found = retrieved(question, texts)
    evidence = gather(analyse_question(question, "en"), found, ChunkReader(), ENCODER)
    by_text = {p.chunk.text: row for p, row in zip(found.passages, evidence.passages, strict=True)}
    return [by_text[text.text] for text in texts]


def test_coverage_is_the_weighted_share_of_the_question_s_terms() -> None:
    weights = Weights({"refund": 3.0, "arriv": 1.0})
    assert weights.covered(frozenset({"refund", "other"})) == pytest.approx(0.75)
    assert weights.covered(frozenset()) == 0.0
    assert Weights({}).covered(frozenset({"a"})) == 0.0


def test_a_heading_counts_where_it_is_indexed() -> None:
    (plain,) = passages("When do refunds arrive?", Text("It takes five business days."))
    (headed,) = passages("When do refunds arrive?", Text("It takes five business days.", heading="When refunds arrive"))
    assert plain["coverage"] == 0.0
    assert headed["coverage"] == 1.0


def test_the_question_itself_is_no_evidence_of_its_answer() -> None:
    repeated, linked, stated = passages(
        "When do refunds arrive?",
        Text("When do refunds arrive?"),
        Text("- [When do refunds arrive?](https://example.com/faq)"),
        Text("Refunds arrive within five days."),
    )
    assert repeated["coverage"] == linked["coverage"] == 0.0
    assert repeated["quotable_share"] == 0.0
    assert stated["coverage"] == 1.0


def test_identifiers_numbers_and_names_must_be_found() -> None:
    with_code, without = passages(
        "Why does Xero answer 422?",
        Text("Xero answers 422 when a field is missing."),
        Text("The service answers when a field is there."),
    )
    assert with_code["hard_facts_found"] == 1.0
    assert without["hard_facts_found"] == 0.0


def test_words_and_names_that_no_passage_has_are_counted() -> None:
    found = whole("Can I pay invoices with Dogecoin?", Text("You pay invoices by card."))
    assert found["names_nowhere"] == 1.0
    assert 0 < found["terms_nowhere"] < 1


def test_an_answer_in_the_form_asked_for_is_seen() -> None:
    number, words = passages(
        "How many seats are in the plan?", Text("The plan has 15 seats."), Text("The plan has seats for people.")
    )
    assert number["form_share"] == 1.0
    assert words["form_share"] == 0.0


def test_no_more_sentences_are_encoded_than_the_budget_allows() -> None:
    encoder = CountingEncoder()
    texts = [Text(" ".join(f"Refunds of kind {n} arrive on day {n + m}." for n in range(8))) for m in range(9)]
    question = "When do refunds arrive?"
    gather(analyse_question(question, "en"), retrieved(question, texts), ChunkReader(), encoder)
    assert 0 < len(encoder.texts) <= ENCODED_UNITS


def test_without_passages_everything_is_nothing() -> None:
    found = whole("When do refunds arrive?")
    assert found["covered_by_all"] == 0.0
    assert found["dense_top"] == 0.0
    assert found["terms_nowhere"] == 1.0
