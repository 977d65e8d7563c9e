"""Evaluation files are read strictly: a bad row is named by file and line, and nothing is guessed."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from surefoot.core.errors import InvalidEvalSet
from surefoot.evals import datasets

SECTION = {"id": "/a#b", "page": "/a", "title": "A", "path": [], "heading": "B", "text": "Body.", "is_faq": True, "meta": {}}
FAQ = {"qid": "q1", "question": "How?", "gold_sections": ["/a#b"], "gold_pages": ["/a"], "source": "faq_heading"}
LINK = {
    "qid": "q2",
    "question": "the B",
    "gold_sections": [],
    "gold_pages": ["/a"],
    "source": "link_anchor",
    "linked_from": ["/c"],
}
PAIR = {"claim": "It is so.", "evidence": ["It is so, they say."], "supported": True}


def written(folder: Path, *rows: Any, name: str = "rows.jsonl") -> Path:
    path = folder / name
    data = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows).encode() + b"\n"
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def test_plain_and_gzipped_files_read_the_same(tmp_path: Path) -> None:
    plain = datasets.load_questions(written(tmp_path, FAQ, LINK))
    zipped = datasets.load_questions(written(tmp_path, FAQ, LINK, name="rows.jsonl.gz"))
    assert plain == zipped
    assert [q.source for q in plain] == ["faq_heading", "link_anchor"]
    assert plain[1].linked_from == ["/c"]


def test_blank_lines_do_not_count_as_rows_but_as_lines(tmp_path: Path) -> None:
    with pytest.raises(InvalidEvalSet, match="line 3"):
        datasets.load_questions(written(tmp_path, FAQ, "", {**FAQ, "qid": 7}))


def test_further_fields_are_allowed(tmp_path: Path) -> None:
    (row,) = datasets.load_sections(written(tmp_path, SECTION))
    assert (row.id, row.is_faq) == ("/a#b", True)


@pytest.mark.parametrize(
    ("load", "row", "complaint"),
    [
        (datasets.load_questions, {**FAQ, "gold_pages": []}, "gold_pages"),
        (datasets.load_questions, {**FAQ, "gold_sections": []}, "gold_sections is empty"),
        (datasets.load_questions, {**FAQ, "source": "guessed"}, "source"),
        (datasets.load_questions, {**FAQ, "question": "  "}, "question"),
        (datasets.load_questions, {k: v for k, v in FAQ.items() if k != "qid"}, "qid"),
        (datasets.load_questions, '{"qid": nope}', "not valid JSON"),
        (datasets.load_questions, '{"qid": "a", "qid": "b"}', "twice"),
        (datasets.load_questions, "[]", "the row"),
        (datasets.load_sections, {**SECTION, "is_faq": "yes"}, "is_faq"),
        (datasets.load_sections, {**SECTION, "text": None}, "text"),
        (datasets.load_foreign_questions, {"qid": "x"}, "question"),
        (datasets.load_groundedness_pairs, {**PAIR, "supported": 1}, "supported"),
        (datasets.load_groundedness_pairs, {**PAIR, "evidence": []}, "evidence"),
        (datasets.load_groundedness_pairs, {**PAIR, "evidence": "It is so."}, "evidence"),
    ],
)
def test_a_bad_row_is_named_by_file_line_and_field(tmp_path: Path, load: Any, row: Any, complaint: str) -> None:
    path = written(tmp_path, row)
    with pytest.raises(InvalidEvalSet, match=complaint) as caught:
        load(path)
    assert f"{path}, line 1: " in str(caught.value)


def test_an_id_used_twice_names_both_lines(tmp_path: Path) -> None:
    with pytest.raises(InvalidEvalSet, match=r"line 3: qid 'q1' was used in line 1"):
        datasets.load_questions(written(tmp_path, FAQ, LINK, FAQ))


def test_a_file_that_is_absent_empty_or_no_gzip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidEvalSet, match="cannot be read"):
        datasets.load_sections(tmp_path / "absent.jsonl")
    with pytest.raises(InvalidEvalSet, match="holds no rows"):
        datasets.load_sections(written(tmp_path, ""))
    broken = tmp_path / "broken.jsonl.gz"
    broken.write_bytes(b"not gzip at all")
    with pytest.raises(InvalidEvalSet, match="cannot be read"):
        datasets.load_sections(broken)
    broken.write_bytes(gzip.compress(json.dumps(FAQ).encode())[:-6])
    with pytest.raises(InvalidEvalSet, match="cannot be read"):
        datasets.load_questions(broken)


def test_a_long_value_is_shortened_in_the_message(tmp_path: Path) -> None:
    with pytest.raises(InvalidEvalSet) as caught:
        datasets.load_sections(written(tmp_path, {**SECTION, "heading": ["x" * 5000]}))
    assert len(str(caught.value)) < 400


def test_another_tenants_questions_serve_as_foreign_ones(tmp_path: Path) -> None:
    rows = datasets.load_foreign_questions(written(tmp_path, FAQ, {"question": "Who won?"}))
    assert [(row.question, row.source) for row in rows] == [("How?", "faq_heading"), ("Who won?", None)]
