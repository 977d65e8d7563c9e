"""Rules of PDF and DOCX reading and of the process they are parsed in."""

import io
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import docx
import pytest
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from surefoot.core.errors import UnreadableDocument
from surefoot.domain.documents import SourceDocument
from surefoot.retrieval.readers import RawFile, ReadLimits, read
from surefoot.retrieval.readers.sandbox import run_worker

LIMITS = ReadLimits(max_bytes=20_000_000, max_pages=50, memory_mb=512, cpu_seconds=20)


def pdf(*pages: str, title: str = "", password: str = "") -> bytes:
    """A PDF with one line of text per page; an empty page has no text at all."""
    writer = PdfWriter()
    font = writer._add_object(
        DictionaryObject(
            {
                NameObject("/Type"): NameObject("/Font"),
                NameObject("/Subtype"): NameObject("/Type1"),
                NameObject("/BaseFont"): NameObject("/Helvetica"),
            }
        )
    )
    for text in pages:
        page = writer.add_blank_page(200, 200)
        if text:
            stream = DecodedStreamObject()
            stream.set_data(f"BT /F1 12 Tf 10 100 Td ({text}) Tj ET".encode())
            page[NameObject("/Contents")] = writer._add_object(stream)
            page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})})
    writer.add_metadata({"/Title": title, "/ModDate": "D:20240506120000+02'00'"})
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def word() -> bytes:
    document = docx.Document()
    document.core_properties.title = ""
    document.core_properties.modified = datetime(2024, 5, 6)  # noqa: DTZ001 - The format's times are UTC without saying so.
    document.add_paragraph("Before.")
    document.add_heading("Install", 1)
    document.add_paragraph("Run it.")
    document.add_paragraph("one", style="List Bullet")
    document.add_paragraph("two", style="List Bullet")
    document.add_heading("Linux", 2)
    table = document.add_table(2, 2)
    for at, cell in enumerate(cell for row in table.rows for cell in row.cells):
        cell.text = f"c{at}"
    document.add_heading("Use", 1)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def document(uri: str, body: bytes, **changes: int) -> SourceDocument:
    limits = ReadLimits(**({"max_bytes": 20_000_000, "max_pages": 50, "memory_mb": 512, "cpu_seconds": 20} | changes))
    return read(RawFile(uri, body), limits)[0]


def test_each_pdf_page_is_a_section_that_knows_its_number() -> None:
    source = document("a/price-list.pdf", pdf("First page.", "Second page.", title="Prices"))
    assert (source.title, source.updated_at) == ("Prices", datetime(2024, 5, 6, 10, tzinfo=UTC))
    assert [(s.page_number, source.text[s.start : s.end]) for s in source.sections] == [(1, "First page."), (2, "Second page.")]
    assert source.pages == (0, 12)


def test_a_pdf_without_a_title_is_named_by_its_file() -> None:
    assert document("a/price-list.pdf", pdf("Text.")).title == "Price list"


def test_word_headings_lists_and_tables_are_kept() -> None:
    source = document("manual.docx", word())
    assert source.text == "Before.\n\nInstall\n\nRun it.\n\n- one\n- two\n\nLinux\n\n| c0 | c1 |\n| c2 | c3 |\n\nUse"
    bodies = [(s.heading, s.path, source.text[s.start : s.end].strip()) for s in source.sections]
    assert source.title == "Install"
    assert bodies == [
        ("", (), "Before."),
        ("", (), "Run it.\n\n- one\n- two"),
        ("Linux", (), "| c0 | c1 |\n| c2 | c3 |"),
        ("Use", (), ""),
    ]
    assert source.updated_at == datetime(2024, 5, 6, tzinfo=UTC)


def test_a_very_long_word_file_is_read_whole() -> None:
    whole, out = io.BytesIO(word()), io.BytesIO()
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for part in source.infolist():
            content = source.read(part)
            if part.filename == "word/document.xml":
                more = b"".join(b"<w:p><w:r><w:t>paragraph %d</w:t></w:r></w:p>" % number for number in range(40_000))
                content = content.replace(b"<w:body>", b"<w:body>" + more)
            target.writestr(part.filename, content)
    assert document("a.docx", out.getvalue()).text.count("paragraph") == 40_000


def test_signature_and_media_type_choose_the_reader_when_the_name_does_not() -> None:
    assert document("download", pdf("Text.")).text == "Text."
    assert document("download.bin", word()).title == "Install"
    assert read(RawFile("page", b"<p>x</p>", "text/html; charset=utf-8"), LIMITS)[0].text == "x"


@pytest.mark.parametrize("uri", ["a.json", "a.bin", "a.csv", "a"])
def test_other_formats_are_refused_by_name(uri: str) -> None:
    with pytest.raises(UnreadableDocument, match="not a supported format"):
        document(uri, b'{"a": 1}' if uri != "a.bin" else b"\0\1\2")


def test_an_encrypted_pdf_is_refused() -> None:
    with pytest.raises(UnreadableDocument, match="encrypted"):
        document("a.pdf", pdf("Text.", password="secret"))


def test_a_pdf_of_images_says_that_it_has_no_text() -> None:
    with pytest.raises(UnreadableDocument, match="OCR"):
        document("a.pdf", pdf("", ""))


@pytest.mark.parametrize("keep", [8, 100, 400])
def test_a_truncated_pdf_is_refused_in_one_line(keep: int) -> None:
    with pytest.raises(UnreadableDocument) as refusal:
        document("a.pdf", pdf("Text.")[:keep])
    assert "\n" not in str(refusal.value)
    assert "/" not in str(refusal.value).replace("/Root", "").replace("/Pages", "")


@pytest.mark.parametrize("body", [b"PK\3\4nonsense", b"not a zip", word()[:2000]])
def test_a_damaged_docx_is_refused(body: bytes) -> None:
    with pytest.raises(UnreadableDocument, match=r"damaged|not a DOCX"):
        document("a.docx", body)


def test_a_pdf_with_more_pages_than_allowed_is_refused() -> None:
    with pytest.raises(UnreadableDocument, match="3 pages, more than the 2 allowed"):
        document("a.pdf", pdf("a", "b", "c"), max_pages=2)


def test_one_page_that_unpacks_to_far_too_much_costs_only_itself() -> None:
    source = document("a.pdf", pdf("Text.", "a) Tj (" * 200_000 + "b"))
    assert source.text == "Text.\f"
    assert source.warnings == ("page 2 is left out: it unpacks to far more than text.",)


def test_the_parser_gets_no_environment_and_no_arguments_but_limits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spy = tmp_path / "spy"
    spy.write_text('#!/bin/sh\nprintf \'{"seen": "%s %s"}\' "$(env | cut -d= -f1 | sort | xargs)" "$*"\n')
    spy.chmod(0o755)
    monkeypatch.setenv("SUREFOOT_SECRET", "x")
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    monkeypatch.setattr(sys, "executable", str(spy))
    seen = run_worker("pdf", b"", LIMITS)["seen"]
    assert "SUREFOOT_SECRET" not in seen
    assert seen.split("-I -B ")[0].split() in ([], ["PWD"], ["PWD", "SHLVL", "_"], ["OLDPWD", "PWD", "SHLVL", "_"])
    assert seen.split("worker.py ")[1] == "pdf 512 20 50 20000000 64000000"


def test_a_worker_that_takes_too_much_is_ended_and_named() -> None:
    with pytest.raises(UnreadableDocument, match="MB"):
        document("a.pdf", pdf("Text."), memory_mb=20)
    with pytest.raises(UnreadableDocument, match="CPU seconds"):
        document("a.pdf", pdf(*["a) Tj (" * 20_000] * 40), cpu_seconds=1)
