"""`surefoot actions check`, as a person reads it and as a program does."""

import json
from pathlib import Path

from typer.testing import CliRunner

from surefoot.cli.main import app
from tests.unit.actions.declared import changed


def test_the_shipped_actions_are_right() -> None:
    result = CliRunner().invoke(app, ["actions", "check"])
    assert result.exit_code == 0
    assert "ok    suggest_upgrade_within_policy 1.0.0" in result.stdout
    assert "wrong" not in result.stdout


def test_every_problem_is_printed_and_fails_the_gate(tmp_path: Path) -> None:
    (tmp_path / "send_note.v1.json").write_text(json.dumps(changed(("x-action/risk", "none"), ("title", ""))), encoding="utf-8")
    (tmp_path / "other.v1.json").write_bytes(b"{")
    result = CliRunner().invoke(app, ["actions", "check", str(tmp_path)])
    assert result.exit_code == 1
    assert result.stdout.count("wrong ") == 3
    as_json = CliRunner().invoke(app, ["actions", "check", str(tmp_path), "--json"])
    assert as_json.exit_code == 1
    report = json.loads(as_json.stdout)
    assert report["actions"] == []
    assert {(problem["file"], problem["place"]) for problem in report["problems"]} == {
        ("other.v1.json", ""),
        ("send_note.v1.json", "title"),
        ("send_note.v1.json", "x-action.risk"),
    }


def test_a_folder_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["actions", "check", str(tmp_path / "nowhere")])
    assert result.exit_code == 2
