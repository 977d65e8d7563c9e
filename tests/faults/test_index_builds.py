"""A build that is killed at any point harms nobody, and damaged files are named instead of being answered from."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from surefoot.adapters.embedded_index import generations
from surefoot.adapters.embedded_index.index import EmbeddedIndex
from surefoot.core.errors import CorruptIndex, SurefootError
from surefoot.domain.identity import EVERYONE
from tests.contracts.index_worlds import ACME, DIMENSIONS, Rights, World, change, chunk, names

ROOT = Path(__file__).parent.parent.parent
STEPS = ("terms", "vectors", "lexical", "written", "synced")

# The child says which step it has reached and waits there for ever; the parent kills it at the step it wants.
CHILD = """
import sys
from pathlib import Path
from surefoot.adapters.embedded_index.index import EmbeddedIndex
from tests.contracts.index_worlds import ACME, DIMENSIONS, Rights, change, chunk

def step(name):
    if name == sys.argv[2]:
        print(name, flush=True)
        sys.stdin.read()

index = EmbeddedIndex(Path(sys.argv[1]), Rights().readable, dimensions=DIMENSIONS, step=step)
added = [chunk("c", n) for n in range(600)]
index.build(ACME, 1, 2, change(*added, remove=["b"] if sys.argv[3] == "remove" else []))
"""


def _world(folder: Path) -> World:
    rights = Rights()
    for document in "abcd":
        rights.put(ACME, document, [EVERYONE])
    return World(EmbeddedIndex(folder, rights.readable, dimensions=DIMENSIONS), rights)


@pytest.mark.parametrize("kind", ["add", "remove"])
@pytest.mark.parametrize("step", STEPS)
def test_a_build_killed_at_a_step_leaves_the_base_whole_and_the_next_build_works(tmp_path: Path, step: str, kind: str) -> None:
    world = _world(tmp_path)
    world.index.build(ACME, 0, 1, change(chunk("a"), chunk("b")))
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path), step, kind],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(ROOT)])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == step
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    left = {path.name for path in (tmp_path / ACME).iterdir()} - {"g000001", ".lock"}
    assert len(left) == 1
    assert left.pop().startswith(".building-")
    for fresh in (world, _world(tmp_path)):
        assert names(fresh.dense("retention")) == names(fresh.lexical("retention")) == ["a#0", "b#0"]
    world.index.build(ACME, 1, 2, change(chunk("d"), remove=["a"]))
    assert names(world.lexical("retention", generation=2)) == ["b#0", "d#0"]
    assert names(world.dense("retention", generation=1)) == ["a#0", "b#0"]
    assert {path.name for path in (tmp_path / ACME).iterdir()} == {"g000001", "g000002", ".lock"}


def test_a_build_that_fails_leaves_no_trace(tmp_path: Path) -> None:
    world = _world(tmp_path)
    world.index.build(ACME, 0, 1, change(chunk("a")))

    def fail(name: str) -> None:
        if name == "written":
            raise OSError("No space left on device")

    failing = EmbeddedIndex(tmp_path, world.rights.readable, dimensions=DIMENSIONS, step=fail)
    with pytest.raises(OSError, match="No space"):
        failing.build(ACME, 1, 2, change(chunk("b")))
    assert {path.name for path in (tmp_path / ACME).iterdir()} == {"g000001", ".lock"}


def _files(folder: Path) -> list[str]:
    """Every file that a build writes, by its name within the generation; Tantivy's by their kind alone."""
    world = _world(folder)
    world.index.build(ACME, 0, 1, change(*(chunk("a", n) for n in range(600))))
    generation = folder / ACME / "g000001"
    return sorted(str(path.relative_to(generation)) for path in generation.rglob("*") if path.is_file())


@pytest.mark.parametrize("damage", ["truncated", "longer", "emptied", "removed", "flipped"])
def test_every_damaged_file_is_noticed_before_anything_is_answered(tmp_path: Path, damage: str) -> None:
    written = _files(tmp_path / "sample")
    assert len(written) >= 12
    for place in range(len(written)):
        folder = tmp_path / str(place)
        damaged = folder / ACME / "g000001" / _files(folder)[place]
        content = damaged.read_bytes()
        if not content:
            continue
        match damage:
            case "truncated":
                damaged.write_bytes(content[: len(content) // 2])
            case "longer":
                damaged.write_bytes(content + b"\0")
            case "emptied":
                damaged.write_bytes(b"")
            case "removed":
                damaged.unlink()
            case _:
                middle = len(content) // 2
                damaged.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        for ask in (_world(folder).dense, _world(folder).lexical):
            with pytest.raises(CorruptIndex, match="--reindex"):
                ask("retention")
        with pytest.raises(CorruptIndex):
            _world(folder).index.build(ACME, 1, 2, change(chunk("b")))
        with pytest.raises(CorruptIndex):
            _embedded(folder).verify(ACME, 1)


def _embedded(folder: Path) -> EmbeddedIndex:
    return EmbeddedIndex(folder, Rights().readable, dimensions=DIMENSIONS)


def test_a_whole_generation_verifies(tmp_path: Path) -> None:
    _files(tmp_path)
    _embedded(tmp_path).verify(ACME, 1)


def test_large_files_are_checked_by_size_when_opened_and_by_content_on_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generations, "_HASH_AT_OPEN_BYTES", 0)
    _files(tmp_path)
    vectors = tmp_path / ACME / "g000001" / "vectors.npy"
    content = vectors.read_bytes()
    vectors.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert len(_world(tmp_path).dense("retention")) == 100
    with pytest.raises(CorruptIndex, match="vectors"):
        _embedded(tmp_path).verify(ACME, 1)
    vectors.write_bytes(content[:-4])
    with pytest.raises(CorruptIndex, match="vectors"):
        _world(tmp_path).dense("retention")


def test_a_generation_in_the_place_of_another_is_noticed(tmp_path: Path) -> None:
    world = _world(tmp_path)
    world.index.build(ACME, 0, 1, change(chunk("a")))
    (tmp_path / ACME / "g000001").rename(tmp_path / ACME / "g000002")
    with pytest.raises(CorruptIndex, match="generation 1"):
        world.dense("retention", generation=2)
    (tmp_path / "globex").mkdir()
    (tmp_path / ACME / "g000002").rename(tmp_path / "globex" / "g000001")
    with pytest.raises(SurefootError):
        world.dense("retention", generation=1)


def test_a_base_that_is_missing_asks_to_be_rebuilt(tmp_path: Path) -> None:
    with pytest.raises(CorruptIndex, match="--reindex"):
        _world(tmp_path).index.build(ACME, 4, 5, change(chunk("a")))
