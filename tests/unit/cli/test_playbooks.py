"""`surefoot actions playbook` as an operator uses it on a stopped installation."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from surefoot.cli.main import app

RUNNER = CliRunner()
GIVEN = {"user_id": "usr_nora01", "account_id": "acc_fernhill1", "data_region": "eu"}


def test_a_playbook_is_previewed_and_cancelled_in_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert RUNNER.invoke(app, ["init", "--tenant", "acme"]).exit_code == 0

    def called(*words: str) -> str:
        ended = RUNNER.invoke(app, ["actions", "playbook", *words])
        assert ended.exit_code == 0, ended.output
        return ended.output

    assert "set_up_accounting 1.0.0" in called("list")
    viewer = ("--as", "nora", "--tenant", "acme")
    own = ("--context", "user_id=usr_nora01", "--context", "account_id=acc_fernhill1")
    # No evidence is cited and no host is set up, so it is refused, and says at which step and why.
    shown = json.loads(called("simulate", "set_up_accounting", json.dumps(GIVEN), *viewer, *own, "--json"))
    assert (shown["outcome"], shown["why"]) == ("refused", "step 1 is denied")
    assert "not enough evidence" in called("show", shown["parent"]["run_id"], *viewer)
    wrong = RUNNER.invoke(app, ["actions", "playbook", "simulate", "set_up_accounting", "{}", *viewer])
    assert wrong.exit_code == 2
