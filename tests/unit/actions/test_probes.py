"""The probes pass on the receiver kit, and each breakage of a host is found by its probe."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from surefoot.actions.probe_session import ProbeSubject
from surefoot.actions.probes import PROBES, ProbeResult, run_probes
from surefoot.cli.main import app
from surefoot.core.clock import FixedClock
from surefoot.core.errors import InvalidInput
from surefoot.domain.actions import Env
from surefoot.sample.host_app import SampleHostApp, serve_host_app
from surefoot.sample.tenant import TENANT
from tests.unit.actions.broken_hosts import Client, Wrong

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"p" * 32).decode()
EVERY = [probe.name for probe in PROBES]


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[SampleHostApp]:
    made = SampleHostApp(tmp_path / "pennyfern.db", FixedClock(NOW))
    yield made
    made.close()


@pytest.fixture
def hosts(sample: SampleHostApp) -> Wrong:
    return Wrong(sample, SECRET, FixedClock(NOW))


def subject(secret: str = SECRET) -> ProbeSubject:
    path = "/assistant/actions/pin_shortcut"
    one, other = ({"user_id": "usr_nora01", "page": page} for page in ("payouts", "invoices"))
    return ProbeSubject(TENANT, "pin_shortcut", "1.0.0", path, one, other, secret)


def failed(results: list[ProbeResult]) -> list[str]:
    return [result.name for result in results if not result.has_passed]


def test_the_receiver_kit_passes_all_eight_and_is_left_as_it_was(hosts: Wrong, sample: SampleHostApp) -> None:
    before = [sample.state_hash(env) for env in Env]
    results = run_probes(Client(hosts.right), subject(), FixedClock(NOW))
    assert [result.name for result in results] == EVERY and len(EVERY) == 8
    assert failed(results) == [] and all(result.seen and result.expected for result in results)
    assert [sample.state_hash(env) for env in Env] == before


@pytest.mark.parametrize(
    ("fault", "found_by"),
    [
        ("forgets_deliveries", ["replay"]),
        ("hides_replays", ["replay"]),
        ("ignores_the_body", ["mismatch"]),
        ("takes_any_signature", ["wrong_signature"]),
        ("takes_any_age", ["old_timestamp"]),
        ("ignores_etags", ["stale_etag"]),
        ("calls_every_run_unknown", ["unknown_run"]),
    ],
)
def test_a_fault_is_found_by_its_probe_and_by_no_other(hosts: Wrong, fault: str, found_by: list[str]) -> None:
    results = run_probes(Client(getattr(hosts, fault)), subject(), FixedClock(NOW))
    assert failed(results) == found_by, [(r.name, r.seen) for r in results if not r.has_passed]
    assert all(result.mend for result in results if not result.has_passed)


@pytest.mark.parametrize(
    ("fault", "found_by"),
    [("stores_simulations", "simulate_changes_nothing"), ("forgets_to_undo", "undo_restores"), ("knows_no_runs", "unknown_run")],
)
def test_a_fault_that_several_probes_feel_is_found_by_its_own(hosts: Wrong, fault: str, found_by: str) -> None:
    assert found_by in failed(run_probes(Client(getattr(hosts, fault)), subject(), FixedClock(NOW)))


def test_a_host_that_does_not_answer_fails_every_probe_and_the_reason_is_shown(hosts: Wrong) -> None:
    results = run_probes(Client(hosts.is_down), subject(), FixedClock(NOW))
    assert failed(results) == EVERY and all("connection refused" in result.seen for result in results)


def test_a_host_with_another_secret_fails_the_probes_that_need_an_answer(hosts: Wrong) -> None:
    other = "whsec_" + base64.b64encode(b"q" * 32).decode()
    assert failed(run_probes(Client(hosts.right), subject(other), FixedClock(NOW))) == EVERY


def test_two_equal_argument_sets_are_refused(hosts: Wrong) -> None:
    same = ProbeSubject(TENANT, "pin_shortcut", "1.0.0", "/assistant/actions/pin_shortcut", {"a": 1}, {"a": 1}, SECRET)
    with pytest.raises(InvalidInput, match="--other-arguments"):
        run_probes(Client(hosts.right), same, FixedClock(NOW))


def test_the_command_probes_over_http_and_its_exit_code_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SUREFOOT_OFFLINE", raising=False)
    monkeypatch.setenv("PENNYFERN_SECRET", SECRET)
    monkeypatch.setenv("WRONG_SECRET", "whsec_" + base64.b64encode(b"q" * 32).decode())
    host = SampleHostApp(tmp_path / "served.db")
    with serve_host_app(host, SECRET) as url:
        asked = ["actions", "probe", url, "--tenant", TENANT, "--secret-env"]
        right = CliRunner().invoke(app, [*asked, "PENNYFERN_SECRET"])
        wrong = CliRunner().invoke(app, [*asked, "WRONG_SECRET"])
        unset = CliRunner().invoke(app, [*asked, "NO_SUCH_SECRET"])
    host.close()
    assert right.exit_code == 0 and "8 of 8 probes passed." in right.output
    assert wrong.exit_code == 1 and "to mend:" in wrong.output
    assert unset.exit_code == 2
    assert SECRET not in right.output + wrong.output + unset.output
