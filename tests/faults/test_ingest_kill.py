"""kill -9 at named points of an ingest: readers see the old corpus or the new one, and the next ingest goes on."""

import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from surefoot.retrieval.lease import LEASE_SECONDS
from tests.faults.ingest_child import NEW_PAGES, new_pages
from tests.world import disk_world, markdown

ROOT = Path(__file__).parent.parent.parent
OLD = markdown("old.md", "# Old\n\nThe old number of this page is zero.\n")


def kill_at(point: str, folder: Path) -> None:
    command = [sys.executable, "-m", "tests.faults.ingest_child", str(folder), point]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "reached\n"
        child.kill()


@pytest.mark.parametrize(
    ("point", "is_published"),
    [("read:50", False), ("encode:0", False), ("encode:64", False), ("index:0", False), ("built", False), ("published", True)],
)
def test_a_killed_ingest_is_all_or_nothing_and_the_next_one_goes_on(tmp_path: Path, point: str, is_published: bool) -> None:
    world = disk_world(tmp_path)
    world.put(OLD)
    world.index.close()
    world.store.close()
    kill_at(point, tmp_path)
    world = disk_world(tmp_path)
    seen = world.found("number of this page")
    assert all(("new" in text) == is_published for text in seen)
    assert seen
    world.clock.advance(timedelta(seconds=LEASE_SECONDS + 1))
    report = world.put(*new_pages(), prune=True)
    assert report.unchanged == (NEW_PAGES if is_published else 0)
    assert report.encoded_chunks == {"encode:64": NEW_PAGES - 64, "index:0": 0, "built": 0, "published": 0}.get(point, NEW_PAGES)
    assert all("new" in text for text in world.found("number of this page"))
    world.index.close()
    world.store.close()


def test_readers_never_see_half_of_an_update(tmp_path: Path) -> None:
    world = disk_world(tmp_path)
    editions = {
        word: [markdown(f"{n}.md", f"# Page {n}\n\nThe {word} edition of this page.\n") for n in range(6)]
        for word in ("alpha", "beta")
    }
    world.put(*editions["alpha"])
    is_over, mixed, reads = threading.Event(), [], []

    def read() -> None:
        while not is_over.is_set():
            texts = world.found("edition of this page")
            words = {word for word in editions for text in texts if word in text}
            reads.append(len(texts))
            if len(words) != 1 or len(texts) != len(editions["alpha"]):
                mixed.append(texts)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for turn in range(12):
        world.put(*editions["beta" if turn % 2 == 0 else "alpha"])
    is_over.set()
    for reader in readers:
        reader.join()
    world.index.close()
    world.store.close()
    assert mixed == []
    assert len(reads) > 12
