"""Rules of the JSONL section reader."""

import gzip
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from surefoot.core.errors import PayloadTooLarge, UnreadableDocument
from surefoot.domain.documents import SourceDocument, TrustTier
from surefoot.domain.identity import EVERYONE, TenantId
from surefoot.retrieval.chunking import chunk
from surefoot.retrieval.readers import RawFile, ReadLimits, RightsOverride, read

LIMITS = ReadLimits(max_bytes=20_000_000, max_pages=10, memory_mb=512, cpu_seconds=20)


def line(number: int, page: str = "/a", **fields: object) -> str:
    return json.dumps(
        {"id": f"{page}#{number}", "page": page, "title": "T", "heading": f"H{number}", "text": f"Body {number}."} | fields
    )


def documents(*lines: str, mask: bool = False, rights: RightsOverride | None = None) -> list[SourceDocument]:
    raw = RawFile("docs.jsonl", "\n".join(lines).encode(), rights=rights)
    return read(raw, LIMITS, mask_faq_headings=mask)


def test_each_page_is_a_document_and_each_line_a_section_with_an_exact_span() -> None:
    first, second = documents(line(1, heading=""), line(2, "/b", path=["Up"]), line(3))
    assert (first.uri, second.uri, first.title) == ("/a", "/b", "T")
    assert first.text == "Body 1.\n\n## H3\n\nBody 3.\n\n"
    assert [(s.heading, s.anchor, first.text[s.start : s.end]) for s in first.sections] == [
        ("", "/a#1", "Body 1."),
        ("H3", "/a#3", "Body 3."),
    ]
    assert second.sections[0].path == ("Up",)


def test_a_page_is_as_new_as_its_newest_section() -> None:
    moments = [{"updated_at": "2024-01-01"}, {"updated_at": "2025-02-02T00:00:00Z"}, {"updated_at": None}]
    assert documents(*(line(n, **fields) for n, fields in enumerate(moments)))[0].updated_at == datetime(2025, 2, 2, tzinfo=UTC)


def test_meta_is_kept_as_text() -> None:
    assert documents(line(1, meta={"plan": "team", "beta": True, "hidden": False}))[0].meta == {
        "plan": "team",
        "beta": "true",
        "hidden": "false",
    }


def test_a_private_page_is_nobodys_unless_the_operator_says_otherwise() -> None:
    private = line(1, meta={"private": True})
    assert documents(private)[0].principals == frozenset()
    assert documents(private, line(2))[0].principals == frozenset()
    assert documents(line(1, meta={"private": False}))[0].principals is None
    assert documents(private, rights=RightsOverride(frozenset({EVERYONE})))[0].principals == {EVERYONE}


def test_stated_principals_are_the_pages_and_sections_that_differ_make_it_private() -> None:
    assert documents(line(1, principals=["group:a"]), line(2, principals=["group:a"]))[0].principals == {"group:a"}
    assert documents(line(1, principals=["group:a"]), line(2))[0].principals == frozenset()


def test_masked_headings_of_faq_sections_stay_out_of_index_and_body() -> None:
    source = documents(line(1, is_faq=True, heading="Why?"), line(2, is_faq=False), mask=True)[0]
    chunks = chunk(TenantId("t"), source, default_trust=TrustTier.REVIEWED, target_tokens=50, overlap_tokens=0)
    assert [section.heading_indexed for section in source.sections] == [False, True]
    assert "Why?" not in chunks[0].encoder_text()
    assert "H2" in chunks[1].encoder_text()
    assert documents(line(1, is_faq=True))[0].sections[0].heading_indexed


@pytest.mark.parametrize(
    "bad",
    [
        "{not json",
        "[]", "1", '{"id": "x"}', line(9, id=""), line(9, page=3), line(9, text=None), line(9, text="a\0b"),
        line(9, path="x"),
        line(9, meta=[]), line(9, is_faq="yes"), line(9, updated_at="soon"), line(9, updated_at=5), line(9, principals=["all"]),
        line(9, meta={"private": "perhaps"}), '{"id": "/a#9", "id": "/a#8", "page": "/a", "title": "", "text": "x"}',
        '{"id": "/a#9", "page": "/a", "title": "", "text": "x", "meta": {"n": NaN}}',
        line(9).replace("Body", "\\ud800"), "[" * 100_000, line(1),
    ],
)  # fmt: skip
def test_a_malformed_line_is_reported_by_number_and_the_rest_goes_on(bad: str) -> None:
    source = documents(line(1), bad, line(3))[0]
    assert len(source.sections) == 2
    assert source.warnings[0].startswith("line 2 is left out: ")
    assert "\n" not in source.warnings[0]
    assert len(source.warnings[0]) < 300


def test_many_malformed_lines_are_reported_in_short() -> None:
    warnings = documents(line(1), *["{"] * 50)[0].warnings
    assert len(warnings) == 21
    assert warnings[-1] == "30 more lines are left out."


def test_a_file_without_a_valid_line_is_unreadable() -> None:
    with pytest.raises(UnreadableDocument, match="no line is a valid section; line 1"):
        documents("{}", "{}")


def test_gzip_is_undone_within_the_limit() -> None:
    packed = gzip.compress(line(1).encode())
    assert read(RawFile("d.jsonl.gz", packed), LIMITS)[0].uri == "/a"
    with pytest.raises(PayloadTooLarge, match="unpacks"):
        read(RawFile("d.jsonl.gz", gzip.compress(b" " * 30_000_000)), LIMITS)
    with pytest.raises(UnreadableDocument, match="cut off"):
        read(RawFile("d.jsonl.gz", packed[:-9]), LIMITS)
    with pytest.raises(UnreadableDocument, match="damaged"):
        read(RawFile("d.jsonl.gz", packed[:10] + b"\xff" * 20), LIMITS)


def test_the_segment_corpus_is_read_whole() -> None:
    folder = Path(os.environ.get("SUREFOOT_TEST_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
    path = folder / "segment_docs.sections.jsonl.gz"
    if not path.is_file():
        pytest.skip("the Segment corpus is not here; set SUREFOOT_TEST_DATA")
    found = read(RawFile(path.name, path.read_bytes()), LIMITS)
    with gzip.open(path) as rows:
        texts = {row["id"]: row["text"] for row in map(json.loads, rows)}
    assert {s.anchor: d.text[s.start : s.end] for d in found for s in d.sections} == texts
