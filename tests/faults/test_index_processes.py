"""Several processes read while one builds: every answer is one generation's, whole."""

import os
import subprocess
import sys
from pathlib import Path

from surefoot.adapters.embedded_index.index import EmbeddedIndex
from surefoot.domain.identity import EVERYONE
from tests.contracts.index_worlds import ACME, DIMENSIONS, Rights, change, chunk

ROOT = Path(__file__).parent.parent.parent
GENERATIONS = 12

# The child asks the generation that the file names until that is the last one, and says how often it met a stale one.
CHILD = """
import sys
from pathlib import Path
from surefoot.adapters.embedded_index.index import EmbeddedIndex
from surefoot.core.errors import StaleGeneration
from surefoot.domain.identity import EVERYONE
from tests.contracts.index_worlds import ACME, ALL, DIMENSIONS, Rights, vector

folder, last = Path(sys.argv[1]), int(sys.argv[2])
rights = Rights()
for n in range(last + 1):
    rights.put(ACME, f"d{n}", [EVERYONE])
index = EmbeddedIndex(folder / "index", rights.readable, dimensions=DIMENSIONS)
seen, stale = set(), 0
print("ready", flush=True)
while last not in seen:
    generation = int((folder / "current").read_text())
    try:
        access = rights.access(ACME, EVERYONE)
        by_words = index.lexical(ACME, generation, access, ALL, "retention", "en", 1000)
        by_vector = index.dense(ACME, generation, access, ALL, vector("retention"), 1000)
    except StaleGeneration:
        stale += 1
        continue
    expected = sorted(f"d{generation}#{n}" for n in range(600 + generation))
    for hits in (by_words, by_vector):
        assert sorted(hit.chunk_id for hit in hits) == expected, (generation, len(hits))
    seen.add(generation)
print("done", len(seen), stale, flush=True)
"""


def test_every_answer_is_of_one_generation_while_another_process_builds(tmp_path: Path) -> None:
    index = EmbeddedIndex(tmp_path / "index", Rights().readable, dimensions=DIMENSIONS)

    def publish(generation: int) -> None:
        added = [chunk(f"d{generation}", n) for n in range(600 + generation)]
        index.build(ACME, generation - 1, generation, change(*added, remove=[f"d{generation - 1}"]))
        (tmp_path / "next").write_text(str(generation), encoding="ascii")
        (tmp_path / "next").replace(tmp_path / "current")
        index.keep_only(ACME, frozenset({generation}))

    publish(1)
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path), str(GENERATIONS)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(ROOT)])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for generation in range(2, GENERATIONS + 1):
        publish(generation)
    for child in children:
        said, error = child.communicate(timeout=120)
        assert child.returncode == 0, error
        assert said.startswith("done")


def test_rights_are_those_of_the_reading_process(tmp_path: Path) -> None:
    rights = Rights()
    rights.put(ACME, "a", ["group:staff"])
    EmbeddedIndex(tmp_path, rights.readable, dimensions=DIMENSIONS).build(ACME, 0, 1, change(chunk("a")))
    held = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"group:staff" not in held
    assert EVERYONE.encode() not in held
