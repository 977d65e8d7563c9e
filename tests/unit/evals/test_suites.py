"""Suites are read strictly: what is wrong is said in a sentence that names file and line and what to do."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from surefoot.core.errors import InvalidEvalSet
from surefoot.evals.cases import AskCase, RetrieveCase, SupportCase
from surefoot.evals.suites import Suite, case_schema, load_suite, suite_schema

ROOT = Path(__file__).parents[3]
HEAD = """format: 1
id: small
title: A small suite
purpose: To be read
licence: Apache-2.0
source: this test
"""
CORPUS = "corpus: {kind: documents, path: docs, people: people.json}\n"
CASES = "cases: [cases.jsonl]\n"
CASE = {"id": "a-1", "task": "ask", "kind": "answer", "why": "a test", "viewer": "nora", "question": "?", "expect": "answer"}
PEOPLE = [{"name": "nora", "user": "nora", "principals": ["group:staff"]}]


def folder(
    tmp_path: Path, *, text: str = HEAD + CORPUS + CASES, cases: Sequence[Any] = (CASE,), people: Sequence[Any] = PEOPLE
) -> Path:
    (tmp_path / "docs").mkdir(exist_ok=True)
    (tmp_path / "docs" / "seats.md").write_text("# Seats\n\nA seat costs $9.\n", encoding="utf-8")
    (tmp_path / "suite.yaml").write_text(text, encoding="utf-8")
    lines = [case if isinstance(case, str) else json.dumps(case) for case in cases]
    (tmp_path / "cases.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "people.json").write_text(json.dumps(people), encoding="utf-8")
    return tmp_path


def refusal(place: Path, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(InvalidEvalSet) as refused:
        load_suite(place, environ or {})
    return str(refused.value)


def test_a_suite_is_read_whole(tmp_path: Path) -> None:
    suite = load_suite(folder(tmp_path), {})
    assert (suite.id, suite.licence, suite.corpus.kind, suite.corpus.path) == (
        "small",
        "Apache-2.0",
        "documents",
        tmp_path / "docs",
    )
    assert [type(case) for case in suite.cases] == [AskCase]
    assert set(suite.people) == {"everyone", "nora"}
    assert suite.facts().cases == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + CORPUS + CASES + "colour: red\n", "suite.yaml, line 9: colour: Extra inputs are not permitted"),
        (HEAD.replace("format: 1", "format: 2") + CORPUS + CASES, "suite.yaml, line 1: format: Input should be 1"),
        (HEAD.replace("title: A small suite\n", "") + CORPUS + CASES, "suite.yaml, line 1: title: Field required"),
        (HEAD + CORPUS + CASES + "title: Another\n", "suite.yaml, line 9: 'title' stands here twice; keep one of them"),
        (HEAD + "corpus: {kind: web}\n" + CASES, "suite.yaml, line 7: corpus: Input tag 'web'"),
        (HEAD + "corpus:\n  kind: documents\n  path: nowhere\n" + CASES, "suite.yaml, line 9: there is no"),
        (HEAD + CORPUS + "cases: [missing.jsonl]\n", "suite.yaml, line 8: there is no"),
        (
            HEAD + CORPUS + 'cases:\n  - {file: "${EVAL_DATA}/q.jsonl", as: questions}\n',
            "suite.yaml, line 9: ${EVAL_DATA} is not set",
        ),
        (HEAD + CORPUS + "cases:\n  - {file: cases.jsonl, as: riddles}\n", "suite.yaml, line 9: cases.0.as: Input should be"),
        (HEAD + CORPUS + "cases: []\n", "suite.yaml, line 8: cases: Tuple should have at least 1 item"),
        (HEAD + "corpus: [\n", "suite.yaml, line 8: "),
        (HEAD + CORPUS + CASES + "gates: gates.toml\n", "suite.yaml, line 9: there is no"),
    ],
)
def test_a_defect_of_the_suite_file_is_named_by_its_line(tmp_path: Path, text: str, said: str) -> None:
    assert said in refusal(folder(tmp_path, text=text))


@pytest.mark.parametrize(
    ("cases", "said"),
    [
        ([CASE, CASE | {"task": "sing", "id": "a-2"}], "cases.jsonl, line 2: the row: Input tag 'sing'"),
        ([CASE | {"questoin": "?"}], "cases.jsonl, line 1: ask.questoin: Extra inputs are not permitted"),
        ([CASE | {"expect": "maybe"}], "cases.jsonl, line 1: ask.expect"),
        ([CASE | {"why": " "}], "cases.jsonl, line 1: ask.why"),
        ([CASE, "", CASE | {"question": "again?"}], "the id 'a-1' is used in"),
        ([CASE | {"viewer": "mallory"}], "cases.jsonl, line 1: nobody is called 'mallory'; use one of everyone, nora"),
        (['{"id": "a-1", "id": "a-2"}'], "cases.jsonl, line 1: The JSON names the key 'id' twice"),
        ([""], "holds no cases"),
    ],
)
def test_a_defect_of_a_case_is_named_by_its_line(tmp_path: Path, cases: list[Any], said: str) -> None:
    assert said in refusal(folder(tmp_path, cases=cases))


@pytest.mark.parametrize(
    ("people", "said"),
    [
        ([PEOPLE[0], PEOPLE[0]], "people.json: the name 'nora' is used twice"),
        ([PEOPLE[0] | {"principals": ["everything:*"]}], "'nora' cannot be a viewer: 'everything:*' is not a principal"),
        ([{"name": "nora"}], "people.json: 0.user: Field required"),
    ],
)
def test_a_defect_of_the_people_is_named(tmp_path: Path, people: list[Any], said: str) -> None:
    assert said in refusal(folder(tmp_path, people=people))


def test_a_folder_without_a_suite_file_is_refused(tmp_path: Path) -> None:
    assert "a suite is a folder with a suite.yaml" in refusal(tmp_path)


def external(tmp_path: Path, kind: str, rows: Sequence[Any]) -> Suite:
    data = tmp_path / "data"
    data.mkdir(exist_ok=True)
    (data / "rows.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    text = HEAD + "corpus: {kind: none}\n" + f'cases: [{{file: "${{DATA}}/rows.jsonl.gz", as: {kind}}}]\n'
    return load_suite(folder(tmp_path, text=text), {"DATA": str(data)})


QUESTIONS = [
    {"qid": "f/1", "question": "How?", "gold_sections": ["/p#a"], "gold_pages": ["/p"], "source": "faq_heading"},
    {"qid": "l1", "question": "words", "gold_sections": [], "gold_pages": ["/q"], "source": "link_anchor", "linked_from": ["/r"]},
]


def test_questions_become_a_case_for_each_level_of_their_gold(tmp_path: Path) -> None:
    cases = external(tmp_path, "questions", QUESTIONS).cases
    assert all(isinstance(case, RetrieveCase) for case in cases)
    found = [(c.id.split(".")[-1], c.gold, c.exclude, c.viewer) for c in cases if isinstance(c, RetrieveCase)]
    assert found == [
        ("section", ("/p#a",), (), "everyone"),
        ("page", ("/p",), (), "everyone"),
        ("page", ("/q",), ("/r",), "everyone"),
    ]
    assert len({case.id for case in cases}) == 3


def test_answers_pass_over_questions_whose_words_link_to_the_answer(tmp_path: Path) -> None:
    (case,) = external(tmp_path, "answers", QUESTIONS).cases
    assert isinstance(case, AskCase)
    assert (case.expect, case.gold_uris) == ("answer", ("/p",))


def test_foreign_questions_must_be_refused_and_pairs_be_told_apart(tmp_path: Path) -> None:
    (foreign,) = external(tmp_path, "foreign", [{"question": "Chess?"}]).cases
    assert isinstance(foreign, AskCase)
    assert foreign.expect != "answer"
    (pair,) = external(tmp_path, "pairs", [{"claim": "a", "evidence": ["b"], "supported": False}]).cases
    assert isinstance(pair, SupportCase)
    assert pair.supported is False


def test_the_fingerprint_moves_with_cases_people_documents_and_the_suite_file_and_with_nothing_else(tmp_path: Path) -> None:
    before = load_suite(folder(tmp_path), {}).fingerprint
    assert load_suite(folder(tmp_path), {}).fingerprint == before
    changed = {
        load_suite(folder(tmp_path, cases=[CASE | {"question": "Other?"}]), {}).fingerprint,
        load_suite(folder(tmp_path, people=[PEOPLE[0] | {"plan": "pro"}]), {}).fingerprint,
        load_suite(folder(tmp_path, text=HEAD + CORPUS + CASES + "# a word\n"), {}).fingerprint,
    }
    place = folder(tmp_path)
    (place / "docs" / "seats.md").write_text("# Seats\n\nA seat costs $10.\n", encoding="utf-8")
    assert len(changed | {load_suite(place, {}).fingerprint, before}) == 5


def test_a_sample_of_the_cases_is_the_same_for_a_seed_and_keeps_their_order(tmp_path: Path) -> None:
    suite = load_suite(folder(tmp_path, cases=[CASE | {"id": f"a-{n}"} for n in range(50)]), {})
    ids = [case.id for case in suite.cases]
    drawn = [case.id for case in suite.sampled(10, seed=1).cases]
    assert drawn == [case.id for case in suite.sampled(10, seed=1).cases] != [case.id for case in suite.sampled(10, seed=2).cases]
    assert drawn == sorted(drawn, key=ids.index)
    assert suite.sampled(10, seed=1).fingerprint not in (suite.fingerprint, suite.sampled(10, seed=2).fingerprint)


@pytest.mark.parametrize(("name", "schema"), [("suite", suite_schema()), ("case", case_schema())])
def test_the_committed_schema_is_that_of_the_code(name: str, schema: dict[str, Any]) -> None:
    assert json.loads((ROOT / "eval_sets" / f"{name}.schema.json").read_text(encoding="utf-8")) == schema


def test_the_sample_suite_is_read_and_every_case_is_one_of_its_own() -> None:
    suite = load_suite(ROOT / "eval_sets" / "sample", {})
    assert suite.tasks == {"ask", "act", "policy", "support", "retrieve"}
    assert len({case.id for case in suite.cases}) == len(suite.cases) >= 200
