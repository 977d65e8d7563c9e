"""Prompts: files with declared variables, inserted once and verbatim, known by what they hold."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.assistant.draft import parse_draft
from surefoot.core.errors import InvalidSettings
from surefoot.domain.drafts import Draft
from surefoot.llm.prompts import Prompt, load_prompts

ROOT = Path(__file__).parents[3]


def write(folder: Path, name: str, text: str, *, front: str | None = None) -> None:
    head = front if front is not None else f"id: {name}\npurpose: A trial.\nvariables: [a, b]\n"
    (folder / f"{name}.md").write_text(f"---\n{head}---\n{text}\n", encoding="utf-8")


def test_the_shipped_prompts_are_those_that_the_house_asks_for() -> None:
    prompts = load_prompts()
    assert {name: prompt.variables for name, prompt in prompts.by_id.items()} == {
        "actions": ("actions",),
        "answer": (),
        "judge": (),
        "repair": ("problems",),
        "second_opinion": (),
        "standalone_question": (),
    }


def test_the_prompts_are_found_at_the_root_of_the_repository_too() -> None:
    assert load_prompts(ROOT / "prompts") == load_prompts()


def test_the_answer_prompt_names_every_key_and_reason_of_the_draft_and_nothing_that_does_not_exist() -> None:
    text = load_prompts().get("answer").render()
    for word in ("claims", "text", "citations", "chunk_id", "quote", "actions", "cannot_answer", "reason", "missing"):
        assert f"`{word}`" in text or f'"{word}"' in text
    for reason in ("not_in_passages", "conflicting", "unclear_question"):
        assert f"`{reason}`" in text


def test_the_examples_of_the_answer_prompt_keep_its_own_rules() -> None:
    text = load_prompts().get("answer").render()
    examples = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert len(examples) == 2
    said = re.findall(r'says: "(.+?)" Question', text)[0]
    for example in examples:
        assert list(example) == ["claims", "actions", "cannot_answer"]
        assert example["actions"] == []
        assert bool(example["claims"]) == (example["cannot_answer"] is None)
        for claim in example["claims"]:
            assert all(citation["quote"] in said and citation["chunk_id"] in text for citation in claim["citations"])


def test_the_examples_of_the_answer_prompt_are_drafts_as_they_are_read() -> None:
    examples = [line for line in load_prompts().get("answer").render().splitlines() if line.startswith("{")]
    drafts = [parse_draft(example) for example in examples]
    assert all(isinstance(draft, Draft) for draft in drafts), drafts


def test_the_example_of_a_standalone_question_is_the_json_it_asks_for() -> None:
    text = load_prompts().get("standalone_question").render()
    assert json.loads(text.splitlines()[-1]) == {"question": "Can I extend the free trial?"}


def test_values_are_inserted_verbatim_and_never_expanded_again(tmp_path: Path) -> None:
    write(tmp_path, "trial", "{{a}} then {{b}} then {{a}}")
    prompt = load_prompts(tmp_path).get("trial")
    assert prompt.render(a="{{b}}", b=r"\g<1>{{a}}") == r"{{b}} then \g<1>{{a}} then {{b}}"


@given(st.text(), st.text())
def test_any_value_stands_in_the_text_as_it_is(one: str, other: str) -> None:
    prompt = Prompt("trial", "A trial.", ("a", "b"), "<{{a}}|{{b}}>", "")
    assert prompt.render(a=one, b=other) == f"<{one}|{other}>"


@pytest.mark.parametrize(("given", "named"), [({"a": "1"}, "'b' is missing"), ({"a": "1", "b": "2", "c": "3"}, "'c' is not one")])
def test_a_missing_or_unknown_variable_is_refused(tmp_path: Path, given: dict[str, str], named: str) -> None:
    write(tmp_path, "trial", "{{a}}{{b}}")
    with pytest.raises(InvalidSettings, match=named):
        load_prompts(tmp_path).get("trial").render(**given)


def test_an_unknown_prompt_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidSettings, match="actions, answer, judge, repair, second_opinion, standalone_question"):
        load_prompts().get("anwser")


@pytest.mark.parametrize(
    ("text", "front", "named"),
    [
        ("x", "id: other\npurpose: p\nvariables: []\n", "must be the file's name"),
        ("x", "id: trial\nvariables: []\n", "purpose"),
        ("x", "id: trial\npurpose: p\nvariables: []\nversion: 2\n", "version"),
        ("x", "id: trial\npurpose: p\nvariables: none\n", "variables"),
        ("x", "[", "front matter"),
        ("x", "- id\n", "front matter"),
        ("{{a}}", "id: trial\npurpose: p\nvariables: []\n", "'a'"),
        ("x", "id: trial\npurpose: p\nvariables: [a]\n", "'a'"),
        ("{{a}}", "id: trial\npurpose: p\nvariables: [a, a]\n", "'a'"),
        ("{{ a }}", "id: trial\npurpose: p\nvariables: []\n", "begins no"),
        ("{{A}}", "id: trial\npurpose: p\nvariables: []\n", "begins no"),
        ("", "id: trial\npurpose: p\nvariables: []\n", "no text"),
    ],
)
def test_a_prompt_file_that_is_not_in_order_is_refused_by_name(tmp_path: Path, text: str, front: str, named: str) -> None:
    write(tmp_path, "trial", text, front=front)
    with pytest.raises(InvalidSettings, match=re.escape(named)) as caught:
        load_prompts(tmp_path)
    assert "trial.md" in str(caught.value)


def test_front_matter_is_required_and_a_folder_without_prompts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="no prompts"):
        load_prompts(tmp_path)
    (tmp_path / "trial.md").write_text("Just text.", encoding="utf-8")
    with pytest.raises(InvalidSettings, match="front matter"):
        load_prompts(tmp_path)
    (tmp_path / "trial.md").write_bytes(b"\xff")
    with pytest.raises(InvalidSettings, match="UTF-8"):
        load_prompts(tmp_path)


def test_changing_one_prompt_changes_its_fingerprint_and_that_of_all_and_no_other(tmp_path: Path) -> None:
    write(tmp_path, "one", "{{a}}{{b}}")
    write(tmp_path, "two", "{{a}}{{b}}")
    before = load_prompts(tmp_path)
    write(tmp_path, "two", "{{a}} {{b}}")
    after = load_prompts(tmp_path)
    assert before.get("one").fingerprint == after.get("one").fingerprint
    assert before.get("two").fingerprint != after.get("two").fingerprint
    assert before.fingerprint != after.fingerprint


def test_a_checkout_with_other_line_ends_has_the_same_fingerprint(tmp_path: Path) -> None:
    write(tmp_path, "trial", "{{a}}\n{{b}}")
    before = load_prompts(tmp_path)
    path = tmp_path / "trial.md"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert load_prompts(tmp_path) == before
