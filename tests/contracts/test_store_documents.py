"""What every store promises about documents, chunks and transactions over them."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surefoot.core.errors import Conflict, InvalidInput
from surefoot.domain.documents import ChunkId, DocumentId
from surefoot.ports import Store
from tests.contracts.store_rows import ACME, ANN, chunks, document


def put(store: Store, *names: str, **options: object) -> None:
    """The named documents are published, two chunks each."""
    with store.begin() as work:
        for name in names:
            row = document(name, **options)  # type: ignore[arg-type]
            work.documents.replace(ACME, row, chunks(row))
        work.commit()


def test_a_document_comes_back_as_it_was_put(store: Store) -> None:
    row = document("a", text="Größe: 5 µm 🦶\r\n\tend", supersedes=("b.md", "b.md", "a, b.md"))
    with store.begin() as work:
        work.documents.replace(ACME, row, chunks(row))
        assert work.documents.get(ACME, row.document_id) == row
        work.commit()
    with store.begin() as work:
        assert work.documents.get(ACME, row.document_id) == row
        assert work.documents.get(ACME, DocumentId("doc_b")) is None


def test_chunks_come_back_by_id_as_they_were_put_and_unknown_ids_are_missing(store: Store) -> None:
    row = document("a")
    put(store, "a", "b")
    with store.begin() as work:
        wanted = [chunk.chunk_id for chunk in chunks(row)]
        assert work.documents.chunks(ACME, [*wanted, ChunkId("chk_x"), wanted[0]]) == {c.chunk_id: c for c in chunks(row)}
        assert work.documents.chunks(ACME, []) == {}


def test_moments_come_back_aware_and_in_utc(store: Store) -> None:
    put(store, "a")
    with store.begin() as work:
        found = work.documents.get(ACME, DocumentId("doc_a"))
    assert found is not None and found.updated_at is not None
    assert found.updated_at == document("a").updated_at
    assert found.updated_at.utcoffset() is not None


def test_replacing_leaves_no_chunk_and_no_supersession_of_the_earlier_version(store: Store) -> None:
    put(store, "a", "b", supersedes=("old.md",))
    newer = document("a", text="Other text here.")
    other = [replace(chunk, chunk_id=ChunkId("chk_new")) for chunk in chunks(newer, 1)]
    with store.begin() as work:
        work.documents.replace(ACME, newer, other)
        work.commit()
    with store.begin() as work:
        assert work.documents.chunks_of(ACME, [newer.document_id]) == other
        assert work.documents.chunks(ACME, [chunks(newer)[0].chunk_id]) == {}
        assert work.documents.supersessions(ACME) == {DocumentId("doc_b"): ("old.md",)}
        assert work.documents.hashes(ACME)[newer.document_id] == newer.content_hash


def test_replacing_a_document_leaves_its_rights(store: Store) -> None:
    with store.begin() as work:
        work.access.put(ACME, DocumentId("doc_a"), frozenset({ANN}))
        work.commit()
    put(store, "a")
    put(store, "a", text="New words in it.")
    with store.begin() as work:
        assert work.access.of(ACME, [DocumentId("doc_a")]) == {"doc_a": {ANN}}


def test_deleting_takes_documents_chunks_and_rights_and_ignores_unknown_ids(store: Store) -> None:
    put(store, "a", "b", "c", supersedes=("z.md",))
    with store.begin() as work:
        for name in ("a", "b"):
            work.access.put(ACME, DocumentId(f"doc_{name}"), frozenset({ANN}))
        work.documents.delete(ACME, iter([DocumentId("doc_a"), DocumentId("doc_c"), DocumentId("doc_nothing")]))
        work.commit()
    with store.begin() as work:
        assert list(work.documents.hashes(ACME)) == ["doc_b"]
        assert [chunk.document_id for chunk in work.documents.chunks_of(ACME, _ids("a", "b", "c"))] == ["doc_b", "doc_b"]
        assert list(work.documents.supersessions(ACME)) == ["doc_b"]
        assert work.access.of(ACME, _ids("a", "b", "c")) == {"doc_b": {ANN}}


def test_hashes_are_of_all_documents_or_of_one_source(store: Store) -> None:
    put(store, "a", "b", source="folder")
    put(store, "c", source="api")
    with store.begin() as work:
        assert work.documents.hashes(ACME) == {f"doc_{name}": document(name).content_hash for name in "abc"}
        assert sorted(work.documents.hashes(ACME, source="folder")) == ["doc_a", "doc_b"]
        assert sorted(work.documents.hashes(ACME, source="nowhere")) == []


def test_pages_follow_each_other_in_id_order_without_gap_or_repeat(store: Store) -> None:
    names = ["b", "a-b", "aB", "Ab", "a_b", "a", "ä"]
    put(store, *names)
    with store.begin() as work:
        seen: list[DocumentId] = []
        after = None
        while page := work.documents.page(ACME, after=after, limit=2):
            assert len(page) <= 2
            seen += [row.document_id for row in page]
            after = seen[-1]
        assert seen == sorted(f"doc_{name}" for name in names)
        assert work.documents.page(ACME, after=None, limit=0) == []
        assert work.documents.page(ACME, after=None, limit=1)[0].text == document("a").text


def test_chunks_of_documents_come_by_document_and_ordinal(store: Store) -> None:
    twelve = document("b", text="x" * 48)
    put(store, "c", "a")
    with store.begin() as work:
        work.documents.replace(ACME, twelve, chunks(twelve, 12)[::-1])
        found = [(chunk.document_id, chunk.ordinal) for chunk in work.documents.chunks_of(ACME, _ids("c", "b", "a", "x"))]
        assert found == [("doc_a", 0), ("doc_a", 1), *(("doc_b", n) for n in range(12)), ("doc_c", 0), ("doc_c", 1)]
        assert work.documents.chunks_of(ACME, []) == []


def test_a_chunk_is_superseded_while_another_document_says_so(store: Store) -> None:
    put(store, "old", "other")
    put(store, "new", supersedes=("gone.md", "old.md"))

    def superseded() -> set[str]:
        with store.begin() as work:
            found = work.documents.chunks_of(ACME, _ids("old", "other", "new"))
            assert {c.chunk_id: c for c in found} == work.documents.chunks(ACME, [c.chunk_id for c in found])
            return {chunk.document_id for chunk in found if chunk.superseded}

    assert superseded() == {"doc_old"}
    with store.begin() as work:
        work.documents.delete(ACME, [DocumentId("doc_new")])
        assert {c.superseded for c in work.documents.chunks_of(ACME, _ids("old"))} == {False}
        work.commit()
    assert superseded() == set()


def test_a_document_that_names_itself_does_not_supersede_itself(store: Store) -> None:
    put(store, "a", supersedes=("a.md",))
    with store.begin() as work:
        assert {chunk.superseded for chunk in work.documents.chunks_of(ACME, _ids("a"))} == {False}


def test_superseded_is_never_taken_from_the_chunk_that_was_put(store: Store) -> None:
    row = document("a")
    with store.begin() as work:
        work.documents.replace(ACME, row, [replace(chunk, superseded=True) for chunk in chunks(row)])
        assert {chunk.superseded for chunk in work.documents.chunks_of(ACME, _ids("a"))} == {False}


def test_supersessions_name_every_uri_in_order(store: Store) -> None:
    put(store, "a")
    put(store, "b", supersedes=("z.md", "a.md", "y.md"))
    with store.begin() as work:
        assert work.documents.supersessions(ACME) == {"doc_b": ("z.md", "a.md", "y.md")}


def test_many_ids_are_no_problem(store: Store) -> None:
    put(store, "a")
    many = [ChunkId(f"chk_{number}") for number in range(70_000)]
    with store.begin() as work:
        assert len(work.documents.chunks(ACME, [*many, *(chunk.chunk_id for chunk in chunks(document("a")))])) == 2


def test_a_nul_character_is_refused_alike_by_every_store(store: Store) -> None:
    row = document("a", text="One\0Two")
    with store.begin() as work, pytest.raises(InvalidInput, match=r"a\.md"):
        work.documents.replace(ACME, row, [])


def test_chunks_of_another_document_are_refused(store: Store) -> None:
    with store.begin() as work, pytest.raises(ValueError, match="doc_a"):
        work.documents.replace(ACME, document("a"), chunks(document("b")))


def test_a_write_that_failed_half_way_cannot_be_committed(store: Store) -> None:
    put(store, "a")
    twice = chunks(document("b"), 1) * 2
    with store.begin() as work:
        with pytest.raises(Conflict):
            work.documents.replace(ACME, document("b"), twice)
        with pytest.raises(Conflict):
            work.commit()
    with store.begin() as work:
        assert list(work.documents.hashes(ACME)) == ["doc_a"]


def test_a_chunk_id_belongs_to_one_document(store: Store) -> None:
    put(store, "a")
    thief = [replace(chunk, document_id=DocumentId("doc_b")) for chunk in chunks(document("a"))]
    with store.begin() as work, pytest.raises(Conflict):
        work.documents.replace(ACME, document("b"), thief)


def _ids(*names: str) -> list[DocumentId]:
    return [DocumentId(f"doc_{name}") for name in names]


_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=40)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=_TEXT, title=_TEXT, path=st.lists(_TEXT, max_size=3), meta=st.dictionaries(_TEXT, _TEXT, max_size=3))
def test_whatever_text_is_put_comes_back_to_the_character(
    store: Store, text: str, title: str, path: list[str], meta: dict[str, str]
) -> None:
    row = replace(document("any", text=text), title=title, meta=meta)
    piece = replace(chunks(row, 1)[0], text=text, end=len(text), path=tuple(path), title=title)
    with store.begin() as work:
        work.documents.replace(ACME, row, [piece])
        work.commit()
    with store.begin() as work:
        assert work.documents.get(ACME, row.document_id) == row
        assert work.documents.chunks(ACME, [piece.chunk_id]) == {piece.chunk_id: piece}
