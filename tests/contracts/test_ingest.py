"""Ingest: what is published, what it costs, and that it is all or nothing. Run in memory and on disk."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from surefoot.adapters.memory.encoder import HashingEncoder
from surefoot.core.errors import EncoderMismatch, NotFound, UnknownTenant, WriterBusy
from surefoot.domain.corpora import SkippedFile
from surefoot.domain.identity import EVERYONE, Principal, TenantId
from surefoot.ports import Vectors
from surefoot.retrieval.lease import WriterLease
from tests.world import TENANT, World, disk_world, markdown, memory_world, reader

REFUNDS = markdown("refunds.md", "# Refunds\n\nRefunds are paid within 14 days.\n")
INVOICES = markdown("invoices.md", "# Invoices\n\nInvoices are sent on the first of the month.\n")


class BreakingEncoder(HashingEncoder):
    """An encoder whose machine fails after so many texts."""

    def __init__(self, *, texts: int) -> None:
        super().__init__()
        self.left = texts

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.left -= len(texts)
        if self.left < 0:
            raise ConnectionError("The machine went away.")
        return super().encode(texts)


class OtherEncoder(HashingEncoder):
    """The same vectors under another name."""

    @property
    def fingerprint(self) -> str:
        return "another-encoder"


@pytest.fixture(params=["memory", "disk"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    made = memory_world() if request.param == "memory" else disk_world(tmp_path)
    yield made
    made.index.close()
    made.store.close()


def test_a_published_document_is_found_with_exact_offsets(world: World) -> None:
    report = world.put(REFUNDS)
    passage = world.searcher.search(reader(), "when are refunds paid").passages[0]
    assert (report.added, report.encoded_chunks) == (1, 1)
    assert REFUNDS.body.decode()[passage.chunk.start : passage.chunk.end] == passage.chunk.text


def test_unchanged_documents_are_neither_encoded_nor_indexed_again(world: World) -> None:
    first = world.put(REFUNDS, INVOICES)
    second = world.put(REFUNDS, INVOICES)
    assert (second.unchanged, second.encoded_chunks, second.generation) == (2, 0, first.generation)


def test_a_changed_document_replaces_its_old_text(world: World) -> None:
    world.put(REFUNDS, INVOICES)
    report = world.put(markdown("refunds.md", "# Refunds\n\nRefunds are paid within 30 days.\n"), INVOICES)
    assert (report.changed, report.unchanged, report.encoded_chunks) == (1, 1, 1)
    texts = " ".join(world.found("when are refunds paid"))
    assert "30 days" in texts
    assert "14 days" not in texts


def test_a_feed_that_lost_a_document_deletes_it_and_only_its_own(world: World) -> None:
    world.ingest.put(TENANT, [INVOICES], source="another", default_principals=frozenset({EVERYONE}))
    world.put(REFUNDS, markdown("plans.md", "# Plans\n\nThe Pro plan costs 20 euros.\n"))
    report = world.put(REFUNDS, prune=True)
    assert report.deleted == 1
    found = " ".join(world.found("pro plan costs refunds invoices"))
    assert "Pro plan" not in found
    assert "Invoices" in found


def test_a_document_that_passes_from_one_feed_to_another_is_reported(world: World) -> None:
    assert world.put(REFUNDS, INVOICES).warnings == ()
    report = world.ingest.put(TENANT, [REFUNDS], source="another", default_principals=frozenset({EVERYONE}))
    assert ["refunds.md" in warning and "another" in warning for warning in report.warnings] == [True]
    assert world.ingest.put(TENANT, [REFUNDS], source="another").warnings == ()


def test_a_document_that_became_unreadable_keeps_its_last_good_version(world: World) -> None:
    world.put(REFUNDS)
    report = world.put(markdown("refunds.md", "\0\0\0\0"), prune=True)
    assert report.deleted == 0
    assert [skipped.uri for skipped in report.skipped] == ["refunds.md"]
    assert "14 days" in " ".join(world.found("when are refunds paid"))


def test_what_is_skipped_is_reported_and_the_rest_goes_on(world: World) -> None:
    report = world.ingest.put(
        TENANT, [SkippedFile("x.bin", "not a supported format"), REFUNDS, markdown("empty.md", "   ")], source="test"
    )
    assert [skipped.uri for skipped in report.skipped] == ["x.bin", "empty.md"]
    assert all(skipped.reason for skipped in report.skipped)
    assert report.added == 1


def test_without_stated_or_default_rights_a_new_document_is_private(world: World) -> None:
    report = world.put(REFUNDS, access=None)
    assert world.found("when are refunds paid") == []
    assert any("private" in warning for warning in report.warnings)


def test_a_default_given_later_opens_documents_that_state_nothing(world: World) -> None:
    world.put(REFUNDS, access=None)
    report = world.put(REFUNDS)
    assert (report.rights_changed, report.encoded_chunks) == (1, 0)
    assert world.found("when are refunds paid") != []


def test_without_a_default_rights_set_since_are_kept(world: World) -> None:
    world.put(REFUNDS)
    world.ingest.set_rights(TENANT, "refunds.md", frozenset({Principal("group:finance")}))
    world.put(markdown("refunds.md", "# Refunds\n\nRefunds are paid within 30 days.\n"), access=None)
    assert world.found("when are refunds paid") == []
    assert world.found("when are refunds paid", reader("bob", "group:finance")) != []


def test_rights_stated_in_the_document_win_over_the_default(world: World) -> None:
    world.put(markdown("runbook.md", "---\nprincipals: [group:support]\n---\n# Runbook\n\nRestart the importer.\n"))
    assert world.found("restart the importer") == []
    assert world.found("restart the importer", reader("bob", "group:support")) != []


def test_a_change_of_rights_takes_effect_on_the_next_question(world: World) -> None:
    world.put(REFUNDS)
    assert world.found("when are refunds paid") != []
    assert world.ingest.set_rights(TENANT, "refunds.md", frozenset())
    assert world.found("when are refunds paid") == []
    assert not world.ingest.set_rights(TENANT, "refunds.md", frozenset())
    assert world.ingest.set_rights(TENANT, "refunds.md", frozenset({EVERYONE}))
    assert world.found("when are refunds paid") != []


def test_rights_of_an_unknown_document_cannot_be_set(world: World) -> None:
    with pytest.raises(NotFound):
        world.ingest.set_rights(TENANT, "nothing.md", frozenset({EVERYONE}))


def test_deleting_takes_a_document_out_at_once_and_ignores_unknown_uris(world: World) -> None:
    world.put(REFUNDS, INVOICES)
    assert world.ingest.delete(TENANT, ["refunds.md", "nothing.md"]).deleted == 1
    assert "Refunds" not in " ".join(world.found("when are refunds paid"))


def test_a_superseded_document_is_stale_from_the_publication_of_its_successor(world: World) -> None:
    world.put(REFUNDS)
    world.put(markdown("refunds-2026.md", "---\nsupersedes: refunds.md\n---\n# Refunds\n\nRefunds are paid within 30 days.\n"))
    retrieved = world.searcher.search(reader(), "when are refunds paid")
    assert [passage.chunk.uri for passage in retrieved.passages] == ["refunds-2026.md"]
    assert [passage.chunk.uri for passage in retrieved.stale] == ["refunds.md"]
    world.ingest.delete(TENANT, ["refunds-2026.md"])
    assert [p.chunk.uri for p in world.searcher.search(reader(), "when are refunds paid").passages] == ["refunds.md"]


def test_an_unknown_tenant_is_refused(world: World) -> None:
    with pytest.raises(UnknownTenant):
        world.ingest.put(TenantId("stranger"), [REFUNDS], source="test")


def test_a_tenant_has_one_writer_at_a_time(world: World) -> None:
    with WriterLease(world.store, TENANT, world.clock), pytest.raises(WriterBusy):
        world.put(REFUNDS)
    assert world.put(REFUNDS).added == 1


def many(count: int) -> list[object]:
    return [markdown(f"page-{n:03}.md", f"# Page {n}\n\nThe number of this page is {n}.\n") for n in range(count)]


def test_an_interrupted_ingest_leaves_the_corpus_as_it_was_and_resumes(tmp_path: Path) -> None:
    world = disk_world(tmp_path)
    world.put(REFUNDS)
    world.index.close()
    world.store.close()
    broken = disk_world(tmp_path, BreakingEncoder(texts=100))
    with pytest.raises(ConnectionError):
        broken.put(*many(200))
    assert broken.found("number of this page") == ["Refunds are paid within 14 days."]
    broken.index.close()
    broken.store.close()
    again = disk_world(tmp_path)
    report = again.put(*many(200))
    assert (report.added, report.encoded_chunks) == (200, 200 - 64)
    again.index.close()
    again.store.close()


def test_another_encoder_is_refused_until_the_corpus_is_reindexed(tmp_path: Path) -> None:
    world = disk_world(tmp_path)
    world.put(REFUNDS, INVOICES)
    world.index.close()
    world.store.close()
    other = disk_world(tmp_path, OtherEncoder())
    with pytest.raises(EncoderMismatch, match="reindex"):
        other.found("when are refunds paid")
    with pytest.raises(EncoderMismatch, match="reindex"):
        other.put(REFUNDS)
    report = other.ingest.reindex(TENANT)
    assert (report.chunks, report.encoded_chunks) == (2, 2)
    assert "14 days" in other.found("when are refunds paid")[0]
    other.index.close()
    other.store.close()
