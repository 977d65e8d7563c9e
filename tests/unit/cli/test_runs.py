"""`surefoot actions` as an operator uses it on a stopped installation."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from surefoot.cli.main import app

RUNNER = CliRunner()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    assert RUNNER.invoke(app, ["init", "--tenant", "acme"]).exit_code == 0
    return tmp_path


def called(*words: str) -> tuple[int, str]:
    ended = RUNNER.invoke(app, ["actions", *words, "--tenant", "acme"])
    return ended.exit_code, ended.output


def test_a_switched_off_action_is_denied_with_the_reason_and_works_again_when_on(home: Path) -> None:
    pin = ("simulate", "pin_shortcut", '{"user_id": "usr_nora01", "page": "payouts"}', "--env", "production")
    assert "is off in production" in called("switch", "pin_shortcut", "--reason", "It pins the wrong page.")[1]
    status, said = called(*pin, "--as", "usr_nora01", "--key", "one")
    assert (status, "denied" in said, "It pins the wrong page." in said) == (0, True, True)
    assert called("switch", "pin_shortcut", "--on")[1].strip() == "pin_shortcut is on in production."
    assert "denied" not in called(*pin, "--as", "usr_nora01", "--key", "two")[1]


@pytest.mark.parametrize("words", [("switch",), ("switch", "pin_shortcut", "--all")])
def test_a_switch_names_one_action_or_all_of_them(home: Path, words: tuple[str, ...]) -> None:
    assert called(*words)[0] == 2


def test_a_switch_of_an_unknown_action_is_refused(home: Path) -> None:
    assert called("switch", "no_such_action")[0] == 2


def test_autonomy_begins_at_one_click_without_evidence(home: Path) -> None:
    code, said = called("autonomy", "pin_shortcut")
    assert (code, said.splitlines()[0]) == (0, "pin_shortcut: one_click")
    assert "0 of 0 proposals" in said and "parity at least 0.000" in said
    assert called("autonomy", "pin_shortcut", "--confirm-by", "ada")[1] == said, "there is nothing to confirm"


def test_settling_takes_a_word_and_a_run_that_exists(home: Path) -> None:
    assert called("settle", "run_" + "0" * 32)[0] == 2
    assert called("settle", "run_" + "0" * 32, "--happened")[0] == 2


def test_without_runs_the_list_says_how_to_begin(home: Path) -> None:
    assert "No runs yet" in called("runs")[1]


def test_a_passage_that_the_viewer_may_not_read_supports_no_run(home: Path) -> None:
    (home / "secret.md").write_text("# Secret\n\nPayouts arrive every Monday.\n")
    assert RUNNER.invoke(app, ["ingest", "secret.md", "--tenant", "acme", "--access", "group:finance"]).exit_code == 0
    asked = RUNNER.invoke(app, ["ask", "When do payouts arrive?", "--tenant", "acme", "-p", "group:finance", "--json"])
    chunk = re.findall(r"chk_[0-9a-f]{24}", asked.output)[0]
    pin = ("simulate", "pin_shortcut", '{"user_id": "usr_nora01", "page": "payouts"}', "--as", "usr_nora01", "--citation", chunk)
    status, said = called(*pin, "--key", "one")
    assert (status, "not yours to read" in said) == (2, True)
    assert "No runs yet" in called("runs")[1]
    assert "not yours to read" not in called(*pin, "--key", "two", "-p", "group:finance")[1]


def test_nobody_acts_on_somebody_else_from_the_terminal_either(home: Path) -> None:
    pin = ("simulate", "pin_shortcut", '{"user_id": "usr_nora01", "page": "payouts"}')
    assert "not yours" in called(*pin, "--as", "felix", "--key", "one")[1]
    assert "not yours" not in called(*pin, "--as", "nora", "--context", "user_id=usr_nora01", "--key", "two")[1]
