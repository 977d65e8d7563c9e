"""Retrieval is scored by the first chunk of each section and page, without the pages that hold the question's own words."""

from tests.unit.evals.builders import passage

from surefoot.domain.answers import Passage
from surefoot.evals.corpora import chunk_map
from surefoot.evals.datasets import Question
from surefoot.evals.retrieval_run import rank_all, summarise

PASSAGES = [
    passage("1", page="/a", anchor="/a#x"),
    passage("2", page="/a", anchor="/a#x"),
    passage("3", page="/b"),
    passage("4", page="/a", anchor="/a#y"),
    passage("5", page="/c", anchor="/c#z"),
]
MAP = chunk_map(p.chunk for p in PASSAGES)


def faq(gold: str, page: str) -> Question:
    return Question(qid=gold, question="How?", gold_sections=[gold], gold_pages=[page], source="faq_heading")


def link(page: str, linked_from: list[str]) -> Question:
    return Question(
        qid=page, question="the z", gold_sections=[], gold_pages=[page], source="link_anchor", linked_from=linked_from
    )


def search(_: str) -> list[Passage]:
    return PASSAGES


def test_chunks_of_one_section_and_page_count_once() -> None:
    (section, page), left_out = rank_all(search, [faq("/a#y", "/a")], MAP)
    assert section.ranked == ("/a#x", "/b", "/a#y", "/c#z")
    assert page.ranked == ("/a", "/b", "/c")
    assert left_out == []


def test_text_before_any_heading_is_the_section_of_the_page_itself() -> None:
    (section, _), _ = rank_all(search, [faq("/b", "/b")], MAP)
    report = summarise([section])
    assert report.rows[0].mrr.value == 0.5


def test_pages_that_link_to_the_gold_page_are_taken_out() -> None:
    (page,), _ = rank_all(search, [link("/c", ["/a"])], MAP)
    assert page.level == "page"
    assert page.ranked == ("/b", "/c")


def test_a_question_whose_gold_was_not_indexed_is_left_out_and_named() -> None:
    rankings, left_out = rank_all(search, [faq("/gone#x", "/gone")], MAP)
    assert rankings == []
    assert left_out == ["/gone#x"]


def test_each_source_and_level_has_its_row() -> None:
    rankings, left_out = rank_all(search, [faq("/a#x", "/a"), faq("/a#y", "/a"), link("/c", [])], MAP)
    report = summarise(rankings, left_out)
    assert [(row.source, row.level, row.n) for row in report.rows] == [
        ("faq_heading", "section", 2),
        ("faq_heading", "page", 2),
        ("link_anchor", "page", 1),
    ]
    section, page, linked = report.rows
    assert section.mrr.value == (1 + 1 / 3) / 2
    assert section.recall_at_10.value == 1.0
    assert section.ndcg_at_10.value == 0.75
    assert page.ndcg_at_10.value == 1.0
    assert linked.mrr.value == 1 / 3


def test_progress_counts_every_question() -> None:
    seen: list[tuple[int, int]] = []
    rank_all(search, [faq("/a#x", "/a"), faq("/gone#x", "/gone")], MAP, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
