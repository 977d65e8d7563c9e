"""The suite of docs/howto/evaluate.md runs as it is printed, and its gates hold."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from surefoot.cli.main import app

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "evaluate.md"
FILE = re.compile(r"^```[a-z]+ ([\w/]+\.\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that a reader of the page has made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, text in FILE.findall(PAGE.read_text(encoding="utf-8")):
        path = tmp_path / "first" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "first"


def run(*arguments: str) -> tuple[int, dict[str, object]]:
    ended = CliRunner().invoke(app, ["eval", "run", "first", "--runs", "runs", "--json", *arguments])
    return ended.exit_code, json.loads(ended.stdout)


def test_the_suite_of_the_page_passes_as_it_is_printed(first: Path) -> None:
    names = {str(path.relative_to(first)) for path in first.rglob("*") if path.is_file()}
    assert names == {"suite.yaml", "people.json", "cases.jsonl", "gates.toml", "docs/refunds.md", "docs/approvals.md"}
    code, told = run()
    assert (code, told["colour"], told["passed"], told["errors"]) == (0, "green", told["cases"], 0)
    assert CliRunner().invoke(app, ["eval", "baseline", "latest", "--runs", "runs"]).exit_code == 0
    code, told = run("--against", "baseline")
    assert (code, told["colour"]) == (0, "green")


def test_the_gate_on_leaks_of_the_page_is_red_when_the_page_forgets_whose_the_approvals_are(first: Path) -> None:
    approvals = first / "docs" / "approvals.md"
    approvals.write_text(approvals.read_text(encoding="utf-8").split("---\n")[-1], encoding="utf-8")
    code, told = run()
    gates = told["gates"]
    assert isinstance(gates, list)
    assert (code, [gate["gate"] for gate in gates if gate["state"] == "failed" and gate["gate"].endswith("no-leaks")]) == (
        1,
        ["first.no-leaks"],
    )
