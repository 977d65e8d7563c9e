"""`surefoot demo` as a process: what it says, what its page's backend gives out, and that nothing is left of it."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from surefoot.sample.tenant import documents_folder

START_SECONDS = 120


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def demo(temporary: Path) -> Iterator[tuple[subprocess.Popen[str], list[str], str]]:
    """The running process, the lines of its terminal part, and the address it serves."""
    (temporary / "work").mkdir()
    (temporary / "work" / "surefoot.toml").write_text('tenant = "not-the-demo"\ndata_dir = "must-not-appear"\n')
    (temporary / "tmp").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", "from surefoot.cli.main import app; app()", "demo", "--port", "0"],
        cwd=temporary / "work",
        env={**os.environ, "TMPDIR": str(temporary / "tmp"), "SUREFOOT_TENANT": "not-the-demo", "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith("Try: "):
            break
    address = re.search(r"http://127\.0\.0\.1:\d+", "\n".join(lines))
    try:
        assert address is not None, lines
        yield process, lines, address[0]
    finally:
        process.kill()
        process.wait(START_SECONDS)
        process.stdout.close()


def ask(address: str, person: str, question: str) -> dict[str, Any]:
    transport = httpx.HTTPTransport(retries=20)
    with httpx.Client(transport=transport, base_url=address, timeout=30) as client:
        token = client.post("/demo/token", json={"person": person}).json()["token"]
        reply = client.post("/v1/ask", json={"question": question}, headers={"Authorization": f"Bearer {token}"})
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


def test_the_terminal_part_reads_every_document_and_shows_every_outcome_as_expected(demo: Any) -> None:
    _, lines, _ = demo
    documents = sum(1 for path in documents_folder().rglob("*") if path.is_file() and not path.name.endswith(".access.yaml"))
    text = "\n".join(lines)
    assert f"pennyfern: {documents} added, 0 changed" in text
    assert "skipped" not in text
    assert "warning" not in text
    assert "not as expected" not in text
    assert "Refused (stale_evidence)" in text
    assert "Refused (conflicting_evidence)" in text
    assert re.search(r"\(troubleshooting/sign-in-problems\.md, characters \d+-\d+, \d{4}-\d\d-\d\d\)", text)
    assert "$0.00 possible spend" in text


def test_two_people_get_different_results_over_http(demo: Any) -> None:
    _, _, address = demo
    question = "When does the SCIM token run out?"
    allowed, refused = ask(address, "ada", question), ask(address, "nora", question)
    assert allowed["kind"] == "answer"
    assert {citation["uri"] for claim in allowed["answer"]["claims"] for citation in claim["citations"]} == {"enterprise/scim.md"}
    assert refused["kind"] == "refusal"
    assert "scim" not in json.dumps(refused).lower()


def test_a_citation_points_at_the_very_characters_of_its_document(demo: Any) -> None:
    _, _, address = demo
    reply = ask(address, "nora", "my account is locked after wrong passwords, how long do I wait")
    for claim in reply["answer"]["claims"]:
        for citation in claim["citations"]:
            text = (documents_folder() / citation["uri"]).read_text(encoding="utf-8")
            assert text[citation["start"] : citation["end"]] == citation["quote"]


def test_nothing_is_left_when_the_demo_is_stopped(demo: Any, temporary: Path) -> None:
    process, _, _ = demo
    assert list((temporary / "tmp").glob("surefoot-demo-*")) != []
    process.send_signal(signal.SIGTERM)
    assert process.wait(START_SECONDS) == 0
    assert list((temporary / "tmp").glob("surefoot-demo-*")) == []
    assert [path.name for path in (temporary / "work").iterdir()] == ["surefoot.toml"]


def test_the_terminal_part_alone_is_one_json_document_that_says_what_was_asked_and_shown(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from surefoot.cli.main import app; app()", "demo", "--no-serve", "--json"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=START_SECONDS, check=True)
    found = json.loads(ended.stdout)
    assert (found["spent_usd"], found["tokens"]) == (0.0, 0)
    assert [step["step"] for step in found["acted"] if not step["as_expected"]] == []
    walked = {one["step"] for one in found["acted"]}
    assert {"preview", "apply", "undo", "restored", "approve", "undo a playbook", "a changed byte is seen"} <= walked
    assert [one["as_expected"] for one in found["asked"]] == [True] * 6
    assert found["ingest"]["skipped"] == []
    assert list(tmp_path.iterdir()) == []
