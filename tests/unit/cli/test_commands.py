"""The terminal, as a person uses it: from an empty folder to a cited answer, and what it says when something is wrong."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from surefoot.adapters.sql.store import SqlStore
from surefoot.cli.main import app
from surefoot.domain.audit import AuditEntry
from surefoot.domain.identity import TenantId, Viewer
from surefoot.domain.keys import Issuer
from surefoot.governance.audit import AuditTrail
from surefoot.governance.tokens import DEVELOPMENT_ISSUER, verify
from tests.contracts.store_rows import ACME, NOW, verdict
from tests.evidence_folder import evidence_folder

Run = Callable[..., Result]
REFUNDS = "# Refunds\n\nRefunds are paid within 14 days of the request.\n"
RUNBOOK = "---\nprincipals: [group:support]\n---\n# Importer runbook\n\nRestart the importer with the blue button.\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs `surefoot` in an empty folder that holds ./docs with two documents."""
    monkeypatch.chdir(tmp_path)
    for variable in ("SUREFOOT_DATA_DIR", "SUREFOOT_TENANT", "SUREFOOT_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "refunds.md").write_text(REFUNDS)
    (tmp_path / "docs" / "runbook.md").write_text(RUNBOOK)
    runner = CliRunner()

    def surefoot(*words: str, answer: str | None = None) -> Result:
        return runner.invoke(app, list(words), input=answer, catch_exceptions=False)

    yield surefoot


@pytest.fixture
def ready(run: Run) -> Run:
    """The same, with the tenant created and the documents ingested."""
    assert run("init", "docs", "--tenant", "acme", "--access", "everyone").exit_code == 0
    return run


def asked(ready: Run, *words: str) -> dict[str, object]:
    result = ready("ask", *words, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.stdout)
    return found


def test_init_makes_a_tenant_that_later_commands_find_by_themselves(ready: Run) -> None:
    assert '"acme"' in Path("surefoot.toml").read_text()
    listed = json.loads(ready("documents", "list", "--json").stdout)
    assert [(row["uri"], row["principals"]) for row in listed] == [
        ("refunds.md", ["everyone"]),
        ("runbook.md", ["group:support"]),
    ]


def test_init_again_changes_nothing_and_shows_no_second_secret(ready: Run) -> None:
    before = Path("surefoot.toml").read_text()
    result = ready("init", "--tenant", "acme")
    assert result.exit_code == 0
    assert "exists already" in result.stdout
    assert "sk_" not in result.stdout
    assert Path("surefoot.toml").read_text() == before


def test_the_development_key_is_readable_by_its_owner_alone(ready: Run) -> None:
    path = Path("surefoot-data/keys/acme.jwk")
    assert path.stat().st_mode & 0o777 == 0o600
    assert Path("surefoot-data").stat().st_mode & 0o777 == 0o700


def test_every_cited_span_is_the_file_s_own_text(ready: Run) -> None:
    reply = asked(ready, "Within how many days are refunds paid?")
    assert reply["outcome_kind"] == "answer"
    for claim in reply["outcome"]["claims"]:  # type: ignore[index]
        for citation in claim["citations"]:
            text = (Path("docs") / citation["uri"]).read_text()
            assert text[citation["start"] : citation["end"]] == citation["quote"]


def test_two_viewers_with_different_rights_get_different_replies(ready: Run) -> None:
    question = "How do I restart the importer?"
    assert asked(ready, question)["outcome_kind"] == "refusal"
    assert asked(ready, question, "--principal", "group:support")["outcome_kind"] == "answer"


def test_a_change_of_rights_holds_for_the_next_question_without_ingesting(ready: Run) -> None:
    assert "nobody" in ready("access", "refunds.md", "nobody").stdout
    assert asked(ready, "Within how many days are refunds paid?")["outcome_kind"] == "refusal"
    ready("access", "refunds.md", "everyone")
    assert asked(ready, "Within how many days are refunds paid?")["outcome_kind"] == "answer"


def test_ingesting_again_encodes_nothing_and_deletes_what_the_folder_lost(ready: Run) -> None:
    Path("docs/runbook.md").unlink()
    report = json.loads(ready("ingest", "docs", "--json").stdout)
    assert (report["unchanged"], report["deleted"], report["encoded_chunks"]) == (1, 1, 0)


def test_documents_without_rights_are_private_and_the_report_says_how_to_open_them(run: Run) -> None:
    run("init", "--tenant", "acme")
    result = run("ingest", "docs")
    assert result.exit_code == 0
    assert "private" in result.stdout
    assert "--access" in result.stdout
    assert asked(run, "Within how many days are refunds paid?")["outcome_kind"] == "refusal"


def test_a_token_names_the_viewer_and_verifies_with_the_stored_issuer(ready: Run) -> None:
    token = ready("token", "--user", "ann", "--principal", "group:support", "--plan", "pro").stdout.strip()
    private = json.loads(Path("surefoot-data/keys/acme.jwk").read_text())
    public = {name: value for name, value in private.items() if name != "d"}
    issuer = Issuer(TenantId("acme"), DEVELOPMENT_ISSUER, "EdDSA", "surefoot", {private["kid"]: public})
    from surefoot.core.clock import SystemClock

    viewer = verify(token, [issuer], SystemClock().now())
    assert viewer == Viewer(TenantId("acme"), "ann", viewer.principals, plan="pro", locale="en")
    assert sorted(viewer.principals) == ["group:support"]


def test_deleting_asks_first(ready: Run) -> None:
    assert ready("documents", "delete", "refunds.md", answer="n\n").exit_code == 1
    assert len(json.loads(ready("documents", "list", "--json").stdout)) == 2
    assert ready("documents", "delete", "refunds.md", "--yes").exit_code == 0
    assert len(json.loads(ready("documents", "list", "--json").stdout)) == 1


def test_a_server_key_is_shown_once_listed_without_secret_and_revocable(ready: Run) -> None:
    key_id, secret = ready("keys", "create", "nightly sync").stdout.split()
    listing = ready("keys", "list").stdout
    assert key_id in listing
    assert secret not in listing
    assert ready("keys", "revoke", key_id, "--yes").exit_code == 0
    assert ready("keys", "revoke", key_id, "--yes").exit_code == 2
    revoked = {row["key_id"]: row["revoked_at"] for row in json.loads(ready("keys", "list", "--json").stdout)}
    assert revoked[key_id] is not None


def test_doctor_finds_nothing_wrong_here_and_says_what_is_wrong_elsewhere(ready: Run) -> None:
    assert ready("doctor").exit_code == 0
    for file in Path("surefoot-data/index/acme").rglob("*"):
        if file.is_file():
            file.write_bytes(b"")
    result = ready("doctor", "--json")
    failed = [row for row in json.loads(result.stdout) if not row["ok"]]
    assert result.exit_code == 3
    assert [row["check"] for row in failed] == ["corpora"]
    assert "--reindex" in failed[0]["detail"]
    assert ready("ingest", "--reindex").exit_code == 0
    assert ready("doctor").exit_code == 0


def test_doctor_says_what_the_evidence_model_is_used_for_and_when_its_file_is_another(
    ready: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = evidence_folder(tmp_path / "evidence", ships=("relevance", "support"))
    monkeypatch.setenv("SUREFOOT_EVIDENCE_MODEL", f"onnx:{folder}")
    result = ready("doctor")
    assert result.exit_code == 0
    assert re.search(r"ok   evidence model: onnx:tiny:\w{16}, used for order, support\n", result.stdout)
    (folder / "model.int8.onnx").write_bytes(b"something else")
    result = ready("doctor")
    assert result.exit_code == 3
    assert re.search(r"FAIL evidence model: \[missing_model\] .*does not match its manifest", result.stdout)
    monkeypatch.setenv("SUREFOOT_EVIDENCE_MODEL", "off")
    assert "ok   evidence model: none; evidence_model is 'off'" in ready("doctor").stdout


def test_doctor_says_what_stands_what_is_kept_and_that_the_audit_key_fits(ready: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    said = ready("doctor").stdout
    assert "ok   verdicts: none stands" in said
    assert "delivered events 90 days, budget meters 400 days" in said and "live samples of no tenant" in said
    assert re.search(r"ok   audit key: \S+audit.key, 0 chains", said)
    monkeypatch.setenv("SUREFOOT_DELIVERED_EVENTS_DAYS", "none")
    monkeypatch.setenv("SUREFOOT_KEEP_LIVE_SAMPLES", "acme")
    with closing(SqlStore("sqlite:///surefoot-data/surefoot.db")) as store, store.begin() as work:
        work.verdicts.put(ACME, verdict("a", valid_until=datetime(2026, 6, 3, tzinfo=UTC)), now=NOW)
        key = Path("surefoot-data/keys/audit.key")
        AuditTrail(store, key.read_bytes()).record(work, ACME, AuditEntry(NOW, "ann", "run.applied", "run_1", {}))
        work.commit()
    result = ready("doctor")
    assert result.exit_code == 0
    assert "ok   verdicts: acme red (leaks) from 2026-06-01, STALE since 2026-06-03 00:00 UTC" in result.stdout
    assert "delivered events for ever" in result.stdout and "30 days, of acme" in result.stdout
    assert "audit.key, 1 chains begin with it" in result.stdout
    key.chmod(0o640)
    assert "FAIL audit key: [invalid_settings]" in ready("doctor").stdout
    key.chmod(0o600)
    key.write_bytes(b"another key" * 9)
    result = ready("doctor")
    assert result.exit_code == 3 and "FAIL audit key: [audit_broken]" in result.stdout


def test_doctor_prints_each_setting_with_its_origin_and_no_secret(ready: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUREFOOT_DATABASE_URL", "postgresql+psycopg://user:hunter2@nowhere.invalid/db")
    result = ready("doctor", "--settings")
    assert result.exit_code == 0
    assert "hunter2" not in result.output
    assert "SUREFOOT_DATABASE_URL" in result.stdout
    assert "surefoot.toml" in result.stdout


@pytest.mark.parametrize(
    ("words", "exit_code", "said"),
    [
        (("ask", "hello", "--tenant", "stranger"), 2, "surefoot init --tenant stranger"),
        (("ask", "hello", "--tenant", "Not A Name"), 2, "cannot name a tenant"),
        (("ask", ""), 2, "empty"),
        (("ask", "hello", "--principal", "admins"), 2, "is not a principal"),
        (("ingest", "nowhere"), 2, "nowhere"),
        (("ingest",), 2, "--reindex"),
        (("access", "nowhere.md"), 2, "documents list"),
        (("token", "--user", "ann", "--ttl", "9999"), 2, "900"),
        (("keys", "create", "x", "--scope", "root"), 2, "ingest"),
        (("ingest", "http://127.0.0.1/x"), 2, "not a public web address"),
    ],
)
def test_every_mistake_gets_one_line_that_says_what_to_do(ready: Run, words: tuple[str, ...], exit_code: int, said: str) -> None:
    result = ready(*words)
    assert result.exit_code == exit_code, result.output
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_a_broken_settings_file_is_named(run: Run) -> None:
    Path("surefoot.toml").write_text("chunk_tokens = 'many'\n")
    result = run("doctor")
    assert result.exit_code == 2
    assert "chunk_tokens" in result.stderr
