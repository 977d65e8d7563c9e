"""Units of work that touch every repository, and the proof that a store holds whole ones only."""

from collections.abc import Callable

from surefoot.adapters.sql.store import SqlStore
from surefoot.domain.identity import Principal
from surefoot.ports import UnitOfWork
from tests.contracts.store_rows import ACME, ANN, NOW, chunks, corpus, document


def write_one(work: UnitOfWork, number: int, at: Callable[[str], None]) -> None:
    """One unit of work over every repository; `at` is told each point it comes to."""
    row = document(f"d{number}", supersedes=(f"d{number - 1}.md",))
    work.tenants.create(ACME, now=NOW)
    at("began")
    work.documents.replace(ACME, row, chunks(row))
    at("replaced")
    work.access.put(ACME, row.document_id, frozenset({ANN}))
    at("rights")
    work.corpora.publish(ACME, expected_generation=number - 1, state=corpus(number))
    at("published")


def assert_whole(store: SqlStore, units: int) -> None:
    """The store holds the first `units` units of work of the child, each with all its parts, and nothing else."""
    rows = [document(f"d{number}", supersedes=(f"d{number - 1}.md",)) for number in range(1, units + 1)]
    with store.begin() as work:
        state = work.corpora.state(ACME)
        assert state == (corpus(units, acl_epoch=units) if units else state)
        assert state.generation == units
        assert work.documents.page(ACME, after=None, limit=100) == rows
        assert len(work.documents.chunks_of(ACME, [row.document_id for row in rows])) == len(rows) * len(chunks(document("x")))
        assert work.access.readable(ACME, frozenset({ANN, Principal("everyone")})).documents == {r.document_id for r in rows}
        assert len(work.documents.supersessions(ACME)) == units
