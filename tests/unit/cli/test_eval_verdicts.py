"""`surefoot eval verdict`: show, put and clear, on files as an operator has them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from surefoot.cli.main import app
from surefoot.domain.verdict_file import verdict_to_json
from surefoot.domain.verdicts import GateResult, GateState, Verdict

NOW = datetime(2026, 6, 1, 3, tzinfo=UTC)
RED = GateResult("leaks", "share.leaked", GateState.FAILED, True, 0.0, False, 200, because="1 of 200 replies leaked; none may.")
WARNING = GateResult("latency", "p95.latency_ms", GateState.FAILED, False, 400.0, False, 200, surfaces=("help",))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with the tenant acme."""
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["init", "--tenant", "acme"]).exit_code == 0
    yield tmp_path


def verdict(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["eval", "verdict", *arguments, "--tenant", "acme"])


def run_of(folder: Path, name: str, *results: GateResult, **fields: object) -> Path:
    run = folder / name
    run.mkdir()
    made = replace(Verdict(f"vrd_{name}", f"evr_{name}", ("sample",), NOW, results), **fields)  # type: ignore[arg-type]
    (run / "verdict.json").write_text(verdict_to_json(made), encoding="utf-8")
    return run


def test_a_verdict_is_put_shown_and_cleared(folder: Path) -> None:
    assert "no verdict stands" in verdict("show").stdout
    put = verdict("put", str(run_of(folder, "a", RED, WARNING)))
    assert put.exit_code == 0 and "vrd_a stands, red (before: none)" in put.stdout
    shown = verdict("show")
    assert shown.exit_code == 1, "a script sees that it is red"
    assert "BLOCKS  leaks on all surfaces: 1 of 200 replies leaked; none may." in shown.stdout
    assert "warns   latency on help:" in shown.stdout
    cleared = verdict("clear", "--why", "The gate was wrong.")
    assert cleared.exit_code == 0 and "vrd_a, red, is cleared" in cleared.stdout
    assert verdict("show").exit_code == 0 and "nothing has changed" in verdict("clear", "--why", "Again.").stdout


def test_a_program_reads_the_whole_verdict(folder: Path) -> None:
    assert json.loads(verdict("show", "--json").stdout) == {"tenant": "acme", "standing": None}
    verdict("put", str(run_of(folder, "a", RED, valid_until=NOW) / "verdict.json"))
    shown = verdict("show", "--json")
    standing = json.loads(shown.stdout)["standing"]
    assert shown.exit_code == 1
    assert (standing["colour"], standing["is_stale"], standing["results"][0]["gate"]) == ("red", True, "leaks")


def test_a_stale_verdict_is_said_to_be_stale(folder: Path) -> None:
    verdict("put", str(run_of(folder, "a", valid_until=NOW)))
    shown = verdict("show")
    assert shown.exit_code == 0 and "It is stale since 2026-06-01 03:00 UTC" in shown.stdout


def test_what_holds_no_verdict_is_refused_with_what_to_do(folder: Path) -> None:
    (folder / "bare").mkdir()
    refused = verdict("put", str(folder / "bare"))
    assert refused.exit_code == 2 and "has no verdict.json" in refused.stderr
    (folder / "bare" / "verdict.json").write_text("{}")
    assert verdict("put", str(folder / "bare")).exit_code == 2


def test_clearing_needs_a_reason(folder: Path) -> None:
    assert verdict("clear").exit_code == 2
    assert verdict("clear", "--why", " ").exit_code == 2


def test_a_typo_in_the_tenants_name_is_no_green_verdict(folder: Path) -> None:
    missing = CliRunner().invoke(app, ["eval", "verdict", "show", "--tenant", "acmee"])
    assert missing.exit_code == 2 and "unknown_tenant" in missing.stderr
