"""Several processes count into one folder, and a scrape of any of them is the sum of all; the folder goes with the server."""

import os
import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from surefoot.adapters.prometheus_observer import PrometheusObserver
from surefoot.cli.serve import shared_counts

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
# Counts so many times, then tells what a scrape of this process would tell.
_WORKER = """
import sys
from surefoot.adapters.prometheus_observer import PrometheusObserver
from surefoot.domain.identity import TenantId
observer = PrometheusObserver(tenants=True)
for _ in range(int(sys.argv[1])):
    observer.requested(TenantId("acme"), "pin_shortcut", is_valid=True)
    observer.metered(TenantId("acme"), "help", 0.2 * int(sys.argv[1]))
sys.stdout.write(observer.exposition().decode())
"""


def worker(times: int, **env: str) -> dict[str, float]:
    """What a scrape of a process that counted so often tells."""
    ended = subprocess.run(
        [sys.executable, "-c", _WORKER, str(times)], env=os.environ | env, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    families = list(text_string_to_metric_families(ended.stdout))
    assert not [label for f in families for s in f.samples for label in s.labels if label == "pid"]
    return {sample.name: sample.value for family in families for sample in family.samples if "le" not in sample.labels}


def test_a_scrape_of_one_process_is_the_sum_of_two_and_of_those_that_ended(tmp_path: Path) -> None:
    first = worker(2, **{_FOLDER: str(tmp_path)})
    second = worker(3, **{_FOLDER: str(tmp_path)})
    third = worker(0, **{_FOLDER: str(tmp_path)})
    name = "surefoot_action_requests_total"
    assert (first[name], second[name], third[name]) == (2, 5, 5)
    assert third["surefoot_budget_share_count"] == 5
    assert third["surefoot_budget_burn"] == 0.6000000000000001, "of a gauge the latest word counts, whoever said it"
    assert not [each for each in third if each.startswith("process_")], "those are of one process"


def test_without_the_folder_each_process_counts_for_itself() -> None:
    assert worker(2)["surefoot_action_requests_total"] == 2
    assert "process_start_time_seconds" in worker(1)


def test_the_folder_of_several_workers_is_their_own_and_gone_afterwards() -> None:
    with shared_counts(2):
        folder = Path(os.environ[_FOLDER])
        assert folder.is_dir()
        worker(1)
        assert list(folder.glob("*.db"))
    assert not folder.exists() and _FOLDER not in os.environ


def test_one_worker_needs_no_folder() -> None:
    with shared_counts(1):
        assert _FOLDER not in os.environ
    assert PrometheusObserver().exposition()
