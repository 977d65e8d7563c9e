"""Stored runs are reported, compared, pinned and pruned from the terminal, and nothing is run again."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from surefoot.cli.main import app
from surefoot.evals.results import CaseResult, RunManifest, SuiteFacts
from surefoot.evals.run_store import RunWriter

START = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
GATES = """
format = 1
[gates.passed]
metric = "share.passed"
at_least = 0.9
min_n = 10
level = "blocking"
why = "Most cases must pass."
"""
RUN = CliRunner()


def stored(runs: Path, name: str, passed: int, *, of: int = 40, suite: str = "sample") -> str:
    manifest = RunManifest(
        run_id=name,
        started_at=START,
        target="in process",
        seed=0,
        repeat=1,
        suites=(SuiteFacts(id=suite, title="The sample", fingerprint="f" * 64, cases=of),),
    )
    with RunWriter(runs / name, manifest) as writer:
        for number in range(of):
            is_passed = number < passed
            writer.append(
                CaseResult(
                    suite=suite,
                    case_id=f"c{number:02}",
                    task="ask",
                    kind="answer",
                    trial=0,
                    passed=is_passed,
                    measures={"answered": is_passed},
                    slices={},
                    title=f"question {number}",
                    why="it must be answered",
                    failures=() if is_passed else ("No gold document is cited.",),
                )
            )
        writer.finish(START + timedelta(minutes=1))
    return name


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def test_a_report_is_written_beside_its_run(runs: Path) -> None:
    stored(runs, "evr_1", 36)
    done = RUN.invoke(app, ["eval", "report", "--runs", str(runs), "--json"])
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["passed"], said["cases"], said["colour"]) == (36, 40, None)
    assert all(Path(path).parent == runs / "evr_1" for path in said["pages"].values())
    assert "No gold document is cited." in (runs / "evr_1" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("passed", "colour", "code"), [(40, "green", 0), (20, "red", 1)])
def test_gates_given_to_a_report_judge_the_stored_run_anew(
    runs: Path, tmp_path: Path, passed: int, colour: str, code: int
) -> None:
    stored(runs, "evr_1", passed)
    gates = tmp_path / "gates.toml"
    gates.write_text(GATES, encoding="utf-8")
    done = RUN.invoke(app, ["eval", "report", "latest", "--runs", str(runs), "--gates", str(gates), "--json"])
    assert (done.exit_code, json.loads(done.stdout)["colour"]) == (code, colour)


def test_a_difference_names_the_cases_that_got_worse(runs: Path) -> None:
    stored(runs, "evr_1", 38)
    stored(runs, "evr_2", 12)
    done = RUN.invoke(app, ["eval", "diff", "evr_1", "evr_2", "--runs", str(runs)])
    assert done.exit_code == 0, done.stderr
    assert "regressed" in done.stdout
    assert "worse: sample/c12: question 12" in done.stdout
    assert "26 worse, 0 better, 14 unchanged" in done.stdout


def test_a_run_does_not_differ_from_itself(runs: Path) -> None:
    stored(runs, "evr_1", 30)
    done = RUN.invoke(app, ["eval", "diff", "evr_1", "evr_1", "--runs", str(runs)])
    assert "no metric moved by more than chance explains" in done.stdout
    assert "0 worse, 0 better, 40 unchanged" in done.stdout


def test_runs_without_a_common_case_are_not_compared(runs: Path) -> None:
    stored(runs, "evr_1", 30)
    stored(runs, "evr_2", 30, suite="other")
    done = RUN.invoke(app, ["eval", "diff", "evr_1", "evr_2", "--runs", str(runs)])
    assert done.exit_code == 2
    assert "no case in common" in done.stderr


def test_the_pinned_baseline_is_what_later_runs_are_compared_with(runs: Path) -> None:
    for number, passed in enumerate((38, 37, 12), start=1):
        stored(runs, f"evr_{number}", passed)
    assert "no baseline" in RUN.invoke(app, ["eval", "baseline", "--runs", str(runs)]).stdout
    assert RUN.invoke(app, ["eval", "baseline", "evr_1", "--runs", str(runs)]).stdout == "evr_1\n"
    pruned = json.loads(RUN.invoke(app, ["eval", "prune", "--yes", "--keep", "1", "--runs", str(runs), "--json"]).stdout)
    assert pruned == {"gone": ["evr_2"], "kept": ["evr_1", "evr_3"]}
    said = json.loads(RUN.invoke(app, ["eval", "diff", "baseline", "--runs", str(runs), "--json"]).stdout)
    assert (said["before"], said["after"], len(said["regressed"])) == ("evr_1", "evr_3", 26)


def test_runs_are_only_deleted_when_somebody_says_so(runs: Path) -> None:
    for number in (1, 2):
        stored(runs, f"evr_{number}", 30)
    done = RUN.invoke(app, ["eval", "prune", "--keep", "1", "--runs", str(runs)], input="n\n")
    assert done.exit_code == 1 and len(list(runs.iterdir())) == 2
    RUN.invoke(app, ["eval", "prune", "--keep", "1", "--runs", str(runs)], input="y\n")
    assert [each.name for each in runs.iterdir()] == ["evr_2"]


def test_a_run_that_is_not_there_is_said_with_what_to_do(runs: Path) -> None:
    done = RUN.invoke(app, ["eval", "report", "evr_9", "--runs", str(runs)])
    assert done.exit_code == 2
    assert "holds no eval run" in done.stderr
