"""A process that is killed loses nothing it acknowledged and leaves nothing half."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from surefoot.adapters.sql.store import SqlStore
from tests.contracts.store_rows import ACME, corpus
from tests.faults.store_units import assert_whole

ROOT = Path(__file__).parents[2]
POINTS = ("began", "replaced", "rights", "published")


def _child(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.faults.store_child", f"sqlite:///{folder / 'surefoot.db'}", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@contextmanager
def _reopened(folder: Path) -> Iterator[SqlStore]:
    store = SqlStore(f"sqlite:///{folder / 'surefoot.db'}")
    store.migrate()
    yield store
    store.close()


@pytest.mark.parametrize("point", POINTS)
def test_a_unit_of_work_killed_at_any_point_leaves_the_committed_ones_whole(tmp_path: Path, point: str) -> None:
    with _child(tmp_path, "units", point) as child:
        assert child.stdout is not None
        said = [child.stdout.readline().strip() for _ in range(4)]
        child.kill()
    assert said == ["committed 1", "committed 2", "committed 3", point]
    with _reopened(tmp_path) as store:
        assert_whole(store, 3)
        # The dead process holds no lock: the next writer goes on where the last commit ended.
        with store.begin() as work:
            work.corpora.publish(ACME, expected_generation=3, state=corpus(4))
            work.commit()


@pytest.mark.parametrize("acknowledged_first", [1, 50, 400])
def test_every_append_that_returned_before_the_kill_is_in_the_ledger(tmp_path: Path, acknowledged_first: int) -> None:
    with _child(tmp_path, "appends") as child:
        assert child.stdout is not None
        acknowledged = [child.stdout.readline().strip() for _ in range(acknowledged_first)]
        child.kill()
        acknowledged += child.stdout.read().split()
    with _reopened(tmp_path) as store:
        rows = {reply_id: store.replies.get(ACME, reply_id) for reply_id in acknowledged}
        assert [reply_id for reply_id, row in rows.items() if row is None or row["reply_id"] != reply_id] == []
        # At most the one append that each of the eight threads had under way was committed without being acknowledged.
        assert len(acknowledged) <= store.replies.count(ACME) <= len(acknowledged) + 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_store_opened_before_a_fork_serves_parent_and_child(tmp_path: Path) -> None:
    with _child(tmp_path, "fork") as child:
        said, _ = child.communicate()
    assert (child.returncode, said.strip()) == (0, "child ended with 0")
    with _reopened(tmp_path) as store:
        assert store.replies.count(ACME) == 4
        with store.begin() as work:
            assert sorted(work.documents.hashes(ACME)) == ["doc_child", "doc_parent"]
