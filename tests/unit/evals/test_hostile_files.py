"""Files of suites, cases and gates that somebody wrote badly, or to do harm, are refused in a sentence and soon."""

import gzip
from pathlib import Path

import pytest
from tests.unit.evals.test_suites import CASES, CORPUS, HEAD, folder, refusal

from surefoot.core.errors import InvalidEvalSet
from surefoot.evals.gates_file import load_gates, parse_gates
from surefoot.evals.suites import load_suite


@pytest.mark.parametrize(
    "value",
    [
        "as_of: 2026-02-30",
        "as_of: 2026-13-01T99:00:00Z",
        "as_of: !!python/object/apply:os.system [true]",
        "as_of: !!timestamp tomorrow",
        "gates: !!int many",
        "gates: !!binary '%'",
        "gates: !secret x",
        "gates: " + "9" * 5000,
        "gates: " + "[" * 5000 + "]" * 5000,
        "gates: {? [a, b] : c}",
        "gates: &a [*a]",
        "a: &a [x, x, x, x]\nb: &b [*a, *a, *a, *a]\nc: &c [*b, *b, *b, *b]\nd: [*c, *c, *c, *c]",
        'gates: "\\0"',
    ],
)
def test_a_suite_file_that_holds_what_none_has_is_refused_with_its_line(tmp_path: Path, value: str) -> None:
    said = refusal(folder(tmp_path, text=HEAD + CORPUS + CASES + value + "\n"))
    assert "suite.yaml, line " in said and len(said) < 2_000


def test_a_suite_file_larger_than_any_suite_is_not_read(tmp_path: Path) -> None:
    place = folder(tmp_path, text=HEAD + CORPUS + CASES + "# " + "x" * 2_000_000)
    assert "larger than" in refusal(place)


@pytest.mark.parametrize("named", ["docs", "../.."])
def test_a_folder_is_no_file_of_cases(tmp_path: Path, named: str) -> None:
    place = folder(tmp_path, text=HEAD + CORPUS + f"cases: [{named}]\n")
    assert "cannot be read" in refusal(place)


def test_a_case_that_never_ends_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    place = folder(tmp_path, text=HEAD + CORPUS + "cases: [cases.jsonl.gz]\n")
    with gzip.open(place / "cases.jsonl.gz", "wb") as stream:
        for _ in range(64):
            stream.write(b"x" * 1_000_000)
    assert "line 1: it is longer than" in refusal(place)


@pytest.mark.parametrize("text", ["a = " + "[" * 20_000, "a" + ".a" * 20_000 + " = 1", "[gates.x]\nwhere = " + "{a=" * 20_000])
def test_gates_that_are_nested_without_end_are_refused(text: str) -> None:
    with pytest.raises(InvalidEvalSet, match="gates"):
        parse_gates(text, "gates.toml")


def test_gates_larger_than_any_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "gates.toml"
    path.write_text("# " + "x" * 2_000_000)
    with pytest.raises(InvalidEvalSet, match="larger than"):
        load_gates(path)


def test_a_value_that_was_refused_is_not_repeated_at_length() -> None:
    with pytest.raises(InvalidEvalSet) as refused:
        parse_gates(
            f'[gates.a]\nmetric = "share.passed"\nat_least = "{"x" * 5000}"\nmin_n = 1\nlevel = "blocking"\nwhy = "."\n', "g"
        )
    assert len(str(refused.value)) < 1_000


def test_a_suite_that_was_well_is_still_read(tmp_path: Path) -> None:
    assert load_suite(folder(tmp_path, text=HEAD + CORPUS + CASES + "as_of: 2026-02-28\n"), {}).as_of is not None
