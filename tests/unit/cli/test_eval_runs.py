"""`surefoot eval run`: stored, resumed after a kill, the same for any number of workers, replayed without a model, over a URL."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from click.testing import Result
from typer.testing import CliRunner

from surefoot.api.app import create_app
from surefoot.bootstrap import build
from surefoot.cli.ingest import ingest_path
from surefoot.cli.main import app
from surefoot.cli.signing import ensure_signing_key
from surefoot.core.settings import load_settings
from surefoot.domain.policies import NO_MODELS
from surefoot.evals.results import CaseResult
from surefoot.evals.run_store import open_run
from surefoot.sample.tenant import TENANT, documents_folder
from surefoot.sample.workplace import sample_host

SAMPLE = Path(__file__).parents[3] / "eval_sets" / "sample"
SEATS = "# Seats\n\nOpen Billing, choose Seats and click Add seat. The new seat is charged from the same day on.\n"
EXPORT = "# Export\n\nInvoices are exported as CSV files from the Reports page. An export holds at most 10,000 invoices.\n"
SALARIES = "---\nprincipals: [group:staff]\n---\n# Salaries\n\nThe salaries are paid on the 25th of each month.\n"
SUITE = """format: 1
id: small
title: Seats and exports
purpose: To be run by a test
licence: Apache-2.0
source: this test
corpus: {kind: documents, path: docs, people: people.json}
cases: [cases.jsonl]
"""
ASK = {"task": "ask", "kind": "answer", "why": "a test", "viewer": "nora"}
CASES: list[dict[str, Any]] = [
    ASK
    | {"id": "seat", "question": "When is a new seat charged?", "expect": "answer", "gold_uris": ["seats.md"]}
    | {"expected_facts": ["same day"]},
    ASK
    | {"id": "export", "question": "How many invoices does an export hold at most?", "expect": "answer"}
    | {"gold_uris": ["export.md"], "expected_facts": ["10,000"]},
    ASK | {"id": "how", "question": "How do I export invoices?", "expect": "answer", "gold_uris": ["export.md"]},
    ASK
    | {"id": "secret", "question": "When are the salaries paid?", "expect": "insufficient_evidence"}
    | {"hidden_uris": ["salaries.md"], "forbidden": ["25th"]},
    ASK
    | {"id": "staff", "viewer": "ben", "question": "When are the salaries paid?", "expect": "answer"}
    | {"gold_uris": ["salaries.md"], "expected_facts": ["25th"]},
    ASK | {"id": "chess", "question": "Who won the chess championship in 1972?", "expect": "out_of_scope"},
    ASK
    | {"id": "follow", "earlier": ["How do I add a seat?"], "question": "When is it charged?", "expect": "answer"}
    | {"gold_uris": ["seats.md"]},
    ASK
    | {"id": "thin", "question": "Can invoices of unused seats be exported?", "expect": "answer"}
    | {"gold_uris": ["export.md"]},
    # No document says this, so the case can only fail.
    ASK | {"id": "never", "question": "Where is the moon base?", "expect": "answer", "gold_uris": ["moon.md"]},
    {"task": "retrieve", "kind": "page", "why": "a test", "id": "rank", "question": "CSV export", "level": "page"}
    | {"gold": ["export.md"]},
    {"task": "support", "kind": "supported", "why": "a test", "id": "pair", "claim": "A seat is charged from the same day on."}
    | {"evidence": ["The new seat is charged from the same day on."], "supported": True},
]
PEOPLE = [{"name": "nora", "user": "nora"}, {"name": "ben", "user": "ben", "principals": ["group:staff"]}]
GATES = """format = 1
[gates.answers]
metric = "share.passed"
at_least = {least}
min_n = 1
level = "blocking"
why = "a test"
"""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No surefoot.toml or cache of the machine reaches the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def suite(*, least: float | None = None, copies: int = 1) -> Path:
    folder = Path("suite")
    (folder / "docs").mkdir(parents=True, exist_ok=True)
    for name, text in (("seats", SEATS), ("export", EXPORT), ("salaries", SALARIES)):
        (folder / "docs" / f"{name}.md").write_text(text, encoding="utf-8")
    cases = [case | {"id": f"{case['id']}-{copy}"} for copy in range(copies) for case in CASES]
    (folder / "cases.jsonl").write_text("\n".join(map(json.dumps, cases)), encoding="utf-8")
    (folder / "people.json").write_text(json.dumps(PEOPLE), encoding="utf-8")
    (folder / "suite.yaml").write_text(SUITE + ("" if least is None else "gates: gates.toml\n"), encoding="utf-8")
    if least is not None:
        (folder / "gates.toml").write_text(GATES.format(least=least), encoding="utf-8")
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["eval", "run", *map(str, arguments), "--runs", "runs"])


def results(ended: Result) -> list[CaseResult]:
    """What the run of this output stored."""
    return list(open_run(Path(json.loads(ended.stdout)["folder"])).results())


def judged(found: list[CaseResult]) -> list[tuple[Any, ...]]:
    """Everything of the results that neither the clock nor chance decides."""
    timeless = {"latency_ms", "first_claim_ms"}
    return [
        (each.key, each.passed, each.error, each.failures, {n: v for n, v in each.measures.items() if n not in timeless})
        for each in found
    ]


def test_a_run_is_stored_with_every_trace_and_reported() -> None:
    ended = run(suite(), "--json")
    assert ended.exit_code == 0, ended.output
    told = json.loads(ended.stdout)
    assert (told["cases"], told["errors"], told["colour"]) == (len(CASES), 0, None)
    found = {result.case_id: result for result in results(ended)}
    assert {name for name, result in found.items() if result.passed} >= {"seat-0", "export-0", "secret-0", "chess-0", "rank-0"}
    seat = found["seat-0"]
    reply: Any = seat.trace["reply"]
    assert reply["answer"]["claims"][0]["citations"][0]["uri"] == "seats.md"
    assert (seat.measures["citation_recall"], seat.measures["citation_coverage"], seat.measures["answerable"]) == (1.0, 1.0, True)
    assert (found["secret-0"].measures["leaked"], found["secret-0"].measures["said_forbidden"]) == (False, False)
    assert found["rank-0"].measures["mrr"] == 1.0
    folder = Path(told["folder"])
    assert {path.name for path in folder.iterdir()} >= {"manifest.json", "cases.jsonl", "report.html", "report.json", "junit.xml"}
    assert open_run(folder).manifest.finished_at is not None


def test_a_blocking_gate_that_fails_ends_with_exit_code_1_and_a_stored_verdict() -> None:
    green, red = run(suite(least=0.1), "--json"), run(suite(least=1.0), "--json")
    assert (green.exit_code, json.loads(green.stdout)["colour"]) == (0, "green"), green.output
    found = json.loads(red.stdout)
    assert (red.exit_code, found["colour"], found["gates"][0]["state"]) == (1, "red", "failed")
    assert (Path(found["folder"]) / "verdict.json").is_file()
    text = run(suite(least=0.1))
    assert "no gate failed" in text.stdout


def test_one_and_eight_workers_give_the_same_results() -> None:
    alone, together = run(suite(copies=3), "--workers", 1, "--json"), run(suite(copies=3), "--workers", 8, "--json")
    assert judged(results(together)) == judged(results(alone))
    assert len(results(alone)) == 3 * len(CASES)


def test_a_run_that_is_killed_goes_on_to_the_results_of_one_that_is_not() -> None:
    folder = suite(copies=12)
    whole = run(folder, "--json")
    command = [sys.executable, "-c", "from surefoot.cli.main import app; app()", "eval", "run", str(folder), "--runs", "killed"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ.copy()) as child:
        place = _first_line(child)
        child.send_signal(signal.SIGKILL)
        child.wait()
    lines = place.read_bytes().count(b"\n")
    assert 0 < lines < 12 * len(CASES)
    place.write_bytes(place.read_bytes() + b'{"suite": "small", "case_id": "se')
    resumed = CliRunner().invoke(app, ["eval", "run", str(folder), "--runs", "killed", "--resume", "latest", "--json"])
    assert resumed.exit_code == 0, resumed.output
    assert judged(results(resumed)) == judged(results(whole))


def _first_line(child: "subprocess.Popen[bytes]") -> Path:
    """The file of results, once it has some."""
    while child.poll() is None:
        for path in Path("killed").glob("*/cases.jsonl"):
            if path.stat().st_size:
                return path
        threading.Event().wait(0.005)
    raise AssertionError("The run ended before it could be killed.")


def test_a_run_does_not_go_on_when_its_cases_changed() -> None:
    ended = run(suite(), "--json")
    assert ended.exit_code == 0, ended.output
    refused = run(suite(copies=2), "--resume", "latest")
    assert refused.exit_code == 2
    assert "the cases or files of suite 'small'" in refused.stderr.replace("\n", " ")


def test_a_recorded_run_is_replayed_to_the_same_results_without_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ("--limit", 30, "--model", "scripted:honest", "--escalate-floor", 0, "--json")
    recorded = run(SAMPLE, *asked, "--record", "calls.jsonl")
    assert recorded.exit_code in (0, 1), recorded.output
    escalated = [result for result in results(recorded) if result.measures.get("escalated")]
    assert len(escalated) > 5

    def nothing(*_: object) -> object:
        raise AssertionError("A replay makes no model.")

    monkeypatch.setattr("surefoot.bootstrap.scripted_model", nothing)
    replayed = run(SAMPLE, *asked, "--replay", "calls.jsonl", "--workers", 4)
    assert judged(results(replayed)) == judged(results(recorded))
    Path("calls.jsonl").write_text("", encoding="utf-8")
    missing = results(run(SAMPLE, *asked, "--replay", "calls.jsonl"))
    errors = {result.case_id: result.error for result in missing if result.error}
    assert set(errors) >= {result.case_id for result in escalated}
    assert all(f"case 'sample/{name}/1'" in error and "--record" in error for name, error in errors.items())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--record", "a", "--replay", "b", "--model", "scripted:honest"), "--record or --replay, not both"),
        (("--record", "a"), "need the --model"),
        (("--url", "http://127.0.0.1:1", "--model", "scripted:honest"), "asks its own models"),
        (("--replay", "none.jsonl", "--model", "scripted:honest"), "There is no recording"),
        (("--url", "ftp://127.0.0.1", "--signing-key", "key.jwk"), "cannot be called"),
        (("--url", "http://127.0.0.1:1"), "signing key"),
        (("--resume", "evr_0"), "holds no eval run"),
    ],
)
def test_options_that_cannot_be_are_refused_with_a_sentence(arguments: tuple[str, ...], said: str) -> None:
    Path("key.jwk").write_text('{"kid": "k", "alg": "EdDSA", "d": "secret"}', encoding="utf-8")
    ended = run(suite(), *arguments)
    assert ended.exit_code == 2, ended.output
    assert said in ended.stderr.replace("\n", " ")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The sample tenant behind a real server on loopback; its development key is in `folder`."""
    folder.mkdir()
    with sample_host(folder) as host:
        settings = load_settings(
            folder=folder, env={}, overrides={"data_dir": folder, "tenant": TENANT, "offline": True}
        ).settings
        surefoot = build(settings, policy=NO_MODELS, rules=host.rules, hosts=host.hosts)
        surefoot.start()
        with surefoot.store.begin() as work:
            work.tenants.create(TENANT, now=surefoot.clock.now())
            work.commit()
        ensure_signing_key(surefoot, TENANT)
        ingest_path(surefoot, TENANT, str(documents_folder()))
        server = uvicorn.Server(uvicorn.Config(create_app(surefoot), port=0, log_level="critical"))
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            while not (server.started and server.servers):
                threading.Event().wait(0.01)
            yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
            surefoot.close()


def sample_without(files: Sequence[str], tmp_path: Path) -> Path:
    """The sample suite without these files, whose cases a server cannot be given, on today: a server has no other day."""
    folder = tmp_path / "sample"
    folder.mkdir()
    for path in SAMPLE.iterdir():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        if path.name == "suite.yaml":
            lines = [line for line in lines if not any(name in line for name in (*files, "gates.toml", "as_of:"))]
        (folder / path.name).write_text("".join(lines), encoding="utf-8")
    return folder


def test_in_process_and_over_a_url_the_same_cases_are_judged_alike(tmp_path: Path) -> None:
    folder = sample_without(("support.jsonl", "rankings.jsonl"), tmp_path)
    chosen = ("--limit", 40, "--seed", 3, "--json")
    here = results(run(folder, *chosen))
    with served(tmp_path / "served") as url:
        there = results(run(folder, *chosen, "--url", url, "--signing-key", tmp_path / "served" / "keys" / f"{TENANT}.jwk"))
    assert {result.task for result in here} == {"ask", "act", "policy"}
    assert judged(there) == judged(here)


def test_a_simulation_stands_in_no_other_cases_way(tmp_path: Path) -> None:
    folder = sample_without(("support.jsonl", "rankings.jsonl"), tmp_path)
    text = (folder / "suite.yaml").read_text(encoding="utf-8")
    (folder / "suite.yaml").write_text(text[: text.index("cases:")] + "cases: [policies.jsonl]\n", encoding="utf-8")
    alone, together = run(folder, "--json"), run(folder, "--repeat", 3, "--workers", 4, "--json")
    passed = [result.passed for result in results(alone)]
    assert any(passed)
    assert [result.error for result in results(together)] == [""] * 3 * len(passed)
    assert [result.passed for result in results(together)] == passed * 3


def test_a_server_is_not_given_cases_that_it_cannot_answer(tmp_path: Path) -> None:
    with served(tmp_path / "served") as url:
        key = tmp_path / "served" / "keys" / f"{TENANT}.jwk"
        ended = run(suite(), "--url", url, "--signing-key", key)
    assert ended.exit_code == 2
    assert "cannot be given; run it in process" in ended.stderr.replace("\n", " ")
