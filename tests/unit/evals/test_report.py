"""Reports say the same in text and in JSON, and JSON has no NaN."""

import json

from tests.unit.evals.builders import answer, draft, passage, refusal

from surefoot.domain.answers import Tier
from surefoot.domain.documents import ChunkId
from surefoot.evals import answers_run, groundedness_run, report, retrieval_run
from surefoot.evals.corpora import chunk_map
from surefoot.evals.datasets import ForeignQuestion, GroundednessPair, Question
from surefoot.evals.model_use import Asked

GOLD = passage("g", page="/a", anchor="/a#gold")
MAP = chunk_map([GOLD.chunk])
FAQ = Question(qid="f", question="How?", gold_sections=["/a#gold"], gold_pages=["/a"], source="faq_heading")


def retrieval_report() -> retrieval_run.RetrievalReport:
    return retrieval_run.summarise(retrieval_run.rank_all(lambda _: [GOLD], [FAQ], MAP)[0], ["gone"])


def answers_report() -> answers_run.AnswersReport:
    def ask(_: str, without: frozenset[ChunkId]) -> Asked:
        return Asked(refusal(0.1) if without else answer(0.9, GOLD), {"answer": 1.5})

    return answers_run.summarise(answers_run.ask_all(ask, [FAQ], [ForeignQuestion(question="Who?")], MAP)[0])


def test_columns_are_aligned_to_the_widest_cell() -> None:
    assert report.table(("name", "n"), [("a", "10"), ("longer", "2")]) == ["name     n", "a       10", "longer   2"]


def test_retrieval_text_names_each_row_and_what_was_left_out() -> None:
    lines = report.retrieval_text(retrieval_report()).splitlines()
    assert lines[1].split() == [
        "faq_heading",
        "section",
        "1",
        "1.000",
        "[1.000,",
        "1.000]",
        "1.000",
        "[1.000,",
        "1.000]",
        "1.000",
        "[1.000,",
        "1.000]",
    ]
    assert lines[-1] == "left out, because their gold is not among the sections: 1 (gone)"


def test_answers_text_has_every_table() -> None:
    text = report.answers_text(answers_report())
    assert "answers without a citation: 0" in text
    assert "present vs removed" in text
    assert "present vs foreign" in text
    assert "faq_heading, present + removed" in text
    assert "insufficient_evidence" in text
    assert "Brier" in text
    assert "p95 ms" in text


def test_what_models_did_is_printed_when_one_was_asked() -> None:
    def ask(_: str, without: frozenset[ChunkId]) -> Asked:
        steps = (draft("unsupported", nano_usd=3000), draft(purpose="repair", nano_usd=3000))
        return Asked(refusal(0.1), {}) if without else Asked(answer(0.4, GOLD, tier=Tier.SMALL), {}, steps)

    text = report.answers_text(answers_run.summarise(answers_run.ask_all(ask, [FAQ], [], MAP)[0], escalate_floor=0.0))
    assert "asked a model for 1 of 2 questions (0.500 [0.095, 0.905]), 1 repairs" in text
    assert "drafts: 1 accepted, 1 unsupported; answers by 1 small" in text
    assert "200 input and 20 output tokens, $0.0000 in all, $0.000003 a question" in text
    assert "floor        least  asked" in text
    assert "altered quotes: 0" in text
    assert "asked a model" not in report.answers_text(answers_report())


def test_an_answers_report_of_nothing_is_still_printed() -> None:
    assert "answers without a citation: 0" in report.answers_text(answers_run.summarise([], ["gone"]))


def test_a_figure_that_is_not_defined_is_a_dash() -> None:
    found = groundedness_run.run(lambda *_: 0.9, [GroundednessPair(claim="c", evidence=["e"], supported=True)], threshold=0.5)
    text = report.groundedness_text(found)
    assert [line.split() for line in text.splitlines() if line.startswith("AUROC")] == [["AUROC", "-"]]


def test_json_carries_the_facts_of_the_run_and_every_figure() -> None:
    for found in (retrieval_report(), answers_report()):
        back = json.loads(json.dumps(report.as_json(found, {"chunks": 1}), allow_nan=False))
        assert back["chunks"] == 1
        assert back["rows"][0]["source"] == "faq_heading"
    estimate = json.loads(json.dumps(report.as_json(retrieval_report(), {})))["rows"][0]["ndcg_at_10"]
    assert estimate == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 1}
