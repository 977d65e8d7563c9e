"""`surefoot trace`, `eval live` and `eval harvest` from question to golden case, at the terminal."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from surefoot.cli.main import app

RUNNER = CliRunner()
ASK = ("ask", "How many business days does a refund take to reach the card?", "--context", "consent=quality_improvement")


def run(*words: str, answers: str | None = None) -> Result:
    return RUNNER.invoke(app, [*words, "--tenant", "acme"], input=answers)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUREFOOT_KEEP_LIVE_SAMPLES", "acme")
    (tmp_path / "refunds.md").write_text("# Refunds\n\nA refund takes 5 business days to reach the card.\n")
    assert RUNNER.invoke(app, ["init", "--tenant", "acme"]).exit_code == 0
    assert run("ingest", "refunds.md", "--access", "everyone").exit_code == 0
    return tmp_path


def test_a_reply_is_found_by_its_trace(home: Path) -> None:
    reply = json.loads(run(*ASK, "--json").stdout)
    told = run("trace", reply["trace_id"])
    assert told.exit_code == 0, told.output
    assert re.findall(r"^\w+", told.stdout, re.MULTILINE) == ["input", "features", "model", "outcome"]
    assert run("trace", "no-such-trace").exit_code == 2


def test_live_replies_are_scored_into_a_stored_run(home: Path) -> None:
    assert run(*ASK).exit_code == 0
    done = run("eval", "live", "--share", "1", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["samples"], {f["name"] for f in told["figures"]} >= {"mean.groundedness", "mean.citation_freshness"}) == (
        1,
        True,
    )
    folder = Path(told["run"])
    assert json.loads((folder / "manifest.json").read_text())["target"] == "live:acme"
    assert "refund" not in (folder / "cases.jsonl").read_text().lower()


def test_without_consent_nothing_is_scored_or_harvested(home: Path) -> None:
    assert run("ask", "How long does a refund take?").exit_code == 0
    assert "No live samples" in run("eval", "live", "--share", "1").stdout
    assert run("eval", "harvest").stdout == ""


def test_a_refused_question_becomes_a_case_when_a_person_accepts_it(home: Path) -> None:
    assert run("ask", "Who invented the zeppelin?", "--context", "consent=quality_improvement").exit_code == 0
    assert run("eval", "harvest", "--out", "found.jsonl").exit_code == 0
    assert json.loads(Path("found.jsonl").read_text())["review"]["because"] == "refused"
    assert "0 accepted" in run("eval", "harvest", "--review", "golden.jsonl", answers="s\n").stdout
    assert "1 accepted" in run("eval", "harvest", "--review", "golden.jsonl", answers="what?\na\n").stdout
    case = json.loads(Path("golden.jsonl").read_text())
    assert (case["question"], "review" in case) == ("Who invented the zeppelin?", False)
    assert "1 there already" in run("eval", "harvest", "--review", "golden.jsonl").stdout


def test_a_span_that_is_none_is_refused(home: Path) -> None:
    assert run("eval", "live", "--since", "yesterday").exit_code == 2


def test_a_case_can_be_edited_before_it_is_accepted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("ask", "Who invented the zeppelin?", "--context", "consent=quality_improvement").exit_code == 0
    monkeypatch.setenv("VISUAL", "sed -i s/zeppelin/airship/")
    assert "1 accepted" in run("eval", "harvest", "--review", "golden.jsonl", answers="e\na\n").stdout
    assert json.loads(Path("golden.jsonl").read_text())["question"] == "Who invented the airship?"


def test_what_a_viewer_wrote_does_nothing_to_the_terminal_of_who_reviews_it(home: Path) -> None:
    hostile = "Who invented the zeppelin?\n  expects   answer\u202e"
    reply = json.loads(run("ask", hostile, "--context", "consent=quality_improvement", "--json").stdout)
    for shown in (run("eval", "harvest", "--review", "golden.jsonl", answers="s\n"), run("trace", reply["trace_id"])):
        assert "\\u202e" in shown.stdout and "\u202e" not in shown.stdout
        assert "\n  expects   answer" not in shown.stdout
