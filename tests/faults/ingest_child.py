"""A process that ingests and stands still at a named point, to be killed there. Run by test_ingest_kill."""

import sys
from pathlib import Path

from surefoot.adapters.embedded_index.index import EmbeddedIndex
from surefoot.adapters.memory.encoder import HashingEncoder
from surefoot.adapters.sql.store import SqlStore
from surefoot.domain.identity import EVERYONE, TenantId
from surefoot.ports import IndexChange
from tests.world import TENANT, build_world, markdown, readable_from

NEW_PAGES = 100


def reach(point: str, wanted: str) -> None:
    """At the wanted point: say so and wait for the end, which comes from outside."""
    if point == wanted:
        sys.stdout.write("reached\n")
        sys.stdout.flush()
        sys.stdin.read()


class PointedIndex(EmbeddedIndex):
    """The real index, with a point after a generation is built and one before old generations are removed."""

    point = ""

    def build(self, tenant: TenantId, base: int, target: int, change: IndexChange) -> None:
        super().build(tenant, base, target, change)
        reach("built", self.point)

    def keep_only(self, tenant: TenantId, generations: frozenset[int]) -> None:
        reach("published", self.point)
        super().keep_only(tenant, generations)


def new_pages() -> list[object]:
    """The documents that the killed ingest was about to publish in place of the old one."""
    return [markdown(f"page-{n:03}.md", f"# Page {n}\n\nThe new number of this page is {n}.\n") for n in range(NEW_PAGES)]


def main(folder: Path, point: str) -> None:
    """Replace the old document by the new pages, standing still at the point."""
    store = SqlStore(f"sqlite:///{folder / 'surefoot.db'}")
    encoder = HashingEncoder()
    index = PointedIndex(folder / "index", readable_from(store), dimensions=encoder.dimensions)
    index.point = point
    world = build_world(store, index, encoder)

    def tell(stage: str, done: int, total: int) -> None:
        reach(f"{stage}:{done}", point)

    world.ingest.put(TENANT, new_pages(), source="test", default_principals=frozenset({EVERYONE}), prune=True, progress=tell)
    sys.stdout.write("the point was never reached\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
