"""Bombs are refused, or read, within the limits of SECURITY.md row 14: 200 MB, and a second of CPU where they are refused.

Each bomb is read by a fresh interpreter under hard limits of the operating system. CPU is limited to whole seconds, so that the
limit of 10 leaves room for a slow machine and for starting the interpreter; what the limit catches takes minutes.
"""

import io
import json
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import docx
import pytest

if not Path("/proc/self/status").exists():
    pytest.skip("peak memory is read from /proc, which this system has not", allow_module_level=True)

_READ = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
from surefoot.core.errors import SurefootError
from surefoot.domain.documents import TrustTier
from surefoot.retrieval.chunking import chunk
from surefoot.retrieval.readers import RawFile, ReadLimits, read
uri, path, cut = sys.argv[1:]
limits = ReadLimits(max_bytes=20_000_000, max_pages=2_000, memory_mb=512, cpu_seconds=60)
try:
    found = read(RawFile(uri, open(path, "rb").read()), limits)
    said = f"read {len(found)}"
    if cut == "cut":
        for document in found:
            chunk("t", document, default_trust=TrustTier.REVIEWED, target_tokens=200, overlap_tokens=20)
except SurefootError as error:
    said = str(error)
# getrusage would count what the process that started this one had in memory, so the own peak comes from the kernel's table.
own = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([said, max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) // 1024]))
"""


def outcome(tmp_path: Path, uri: str, body: bytes, *, cut: bool = False) -> tuple[str, int]:
    """What was said, and the peak of resident memory in MB, of the reader or of its worker."""
    path = tmp_path / "bomb"
    path.write_bytes(body)
    done = subprocess.run(
        [sys.executable, "-c", _READ, uri, str(path), "cut" if cut else "read"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"killed or crashed with {done.returncode}: {done.stderr[-500:]}"
    said, peak_mb = json.loads(done.stdout)
    return said, peak_mb


def assert_refused(tmp_path: Path, uri: str, body: bytes, reason: str) -> None:
    said, peak_mb = outcome(tmp_path, uri, body)
    assert reason in said
    assert "\n" not in said
    assert "Traceback" not in said
    assert str(tmp_path) not in said
    assert peak_mb < 200


def archive(**parts: bytes) -> bytes:
    """A DOCX whose parts are replaced by, or get besides, the given ones; `__` in a name stands for a slash."""
    whole = io.BytesIO()
    docx.Document().save(whole)
    out = io.BytesIO()
    given = {name.replace("__", "/").replace("_xml", ".xml"): content for name, content in parts.items()}
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for part in source.infolist():
            target.writestr(part.filename, given.pop(part.filename, source.read(part)))
        for name, content in given.items():
            target.writestr(name, content)
    return out.getvalue()


def word_xml(body: bytes, declaration: bytes = b"") -> bytes:
    space = b'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    return b'<?xml version="1.0"?>' + declaration + b"<w:document " + space + b"><w:body>" + body + b"</w:body></w:document>"


def pdf(*objects: bytes) -> bytes:
    """A PDF of these objects, numbered from 1; the first is the catalog."""
    out = io.BytesIO(b"%PDF-1.5\n")
    out.seek(0, 2)
    places = []
    for number, content in enumerate(objects, start=1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%b\nendobj\n" % (number, content))
    table = out.tell()
    out.write(
        b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + b"".join(b"%010d 00000 n \n" % place for place in places)
    )
    out.write(b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, table))
    return out.getvalue()


CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"
FONT = b"<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"


def page_with(content: bytes) -> bytes:
    packed = zlib.compress(content, 9)
    stream = b"<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream" % (len(packed), packed)
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Resources " + FONT + b" /Contents 4 0 R >>"
    return pdf(CATALOG, b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>", page, stream)


def test_an_archive_part_that_unpacks_to_far_more_is_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path, "a.docx", archive(word__document_xml=b" " * 400_000_000), "archive bomb")
    assert_refused(tmp_path, "a.docx", archive(word__media=b"\0" * 30_000_000), "archive bomb")


def test_many_archive_parts_are_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path, "a.docx", archive(**{f"x{n}": b"" for n in range(6_000)}), "too many parts")


def test_entity_bombs_in_a_docx_are_refused_in_every_encoding(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    declaration = f'<!DOCTYPE w [<!ENTITY e0 "x">{entities}]>'.encode()
    body = b"<w:p><w:r><w:t>&e11;</w:t></w:r></w:p>"
    assert_refused(tmp_path, "a.docx", archive(word__document_xml=word_xml(body, declaration)), "document type or entities")
    wide = word_xml(body, declaration).replace(b'"1.0"', b'"1.0" encoding="utf-16"', 1).decode().encode("utf-16")
    assert_refused(tmp_path, "a.docx", archive(word__document_xml=wide), "document type or entities")
    outside = b'<!DOCTYPE w [<!ENTITY e11 SYSTEM "file:///etc/passwd">]>'
    assert_refused(tmp_path, "a.docx", archive(word__document_xml=word_xml(body, outside)), "document type or entities")


def test_deeply_nested_and_very_many_xml_elements_are_refused(tmp_path: Path) -> None:
    deep = b"<w:p>" * 50_000 + b"</w:p>" * 50_000
    assert_refused(tmp_path, "a.docx", archive(word__document_xml=word_xml(deep)), "nested too deep")
    assert_refused(tmp_path, "a.docx", archive(word__document_xml=word_xml(b"<w:p/>\n" * 3_000_000)), "archive bomb")


def test_a_pdf_of_a_hundred_thousand_pages_is_refused(tmp_path: Path) -> None:
    kids = b" ".join(b"%d 0 R" % number for number in range(3, 100_003))
    pages = [b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"] * 100_000
    honest = pdf(CATALOG, b"<< /Type /Pages /Count 100000 /Kids [" + kids + b"] >>", *pages)
    assert_refused(tmp_path, "a.pdf", honest, "100000 pages, more than the 2000 allowed")
    lying = pdf(CATALOG, b"<< /Type /Pages /Count 1 /Kids [" + kids + b"] >>", *pages)
    assert_refused(tmp_path, "a.pdf", lying, "page tree entry limit")


def test_a_pdf_whose_page_tree_leads_in_a_circle_is_refused(tmp_path: Path) -> None:
    circle = pdf(CATALOG, b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>", b"<< /Type /Pages /Count 1 /Kids [2 0 R 2 0 R] >>")
    assert_refused(tmp_path, "a.pdf", circle, "cyclic")


def test_a_pdf_stream_that_unpacks_to_far_more_is_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path, "a.pdf", page_with(b" " * 300_000_000), "far more than a page")
    assert_refused(tmp_path, "a.pdf", page_with(b"BT /F1 9 Tf (a) Tj ET\n" * 3_000_000), "far more than a page")


def test_deeply_nested_pdf_objects_are_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path, "a.pdf", pdf(CATALOG, b"[" * 200_000 + b"]" * 200_000), "nested too deep")
    assert_refused(tmp_path, "a.pdf", page_with(b"BT " + b"[" * 200_000 + b"]" * 200_000 + b" TJ ET"), "nested too deep")


def test_gzip_that_unpacks_to_far_more_is_refused(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, wbits=31)
    packed = b"".join(packer.compress(b" " * 10_000_000) for _ in range(100)) + packer.flush()
    assert_refused(tmp_path, "a.jsonl.gz", packed, "unpacks to more")


@pytest.mark.parametrize("tag", ["<div>", "<b><i>", "<ul><li>", "<table><tr><td>", "<svg><a>", "<li><dd>"])
def test_html_of_a_hundred_thousand_nested_tags_is_refused(tmp_path: Path, tag: str) -> None:
    assert_refused(tmp_path, "a.html", (tag * 100_000).encode(), "400 deep")


def test_json_nested_deep_is_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path, "a.jsonl", b"[" * 5_000_000, "no line is a valid section")
    assert_refused(tmp_path, "a.jsonl", b'{"id":' * 500_000, "no line is a valid section")


@pytest.mark.parametrize(
    ("uri", "piece", "times"),
    [
        ("a.md", "x", 2_000_000),
        ("a.md", ">", 200_000),
        ("a.md", "- ", 100_000),
        ("a.md", "> - ", 50_000),
        ("a.md", "[", 500_000),
        ("a.md", "`", 500_000),
        ("a.md", "*a", 300_000),
        ("a.md", "<!--", 200_000),
        ("a.md", "\t x", 100_000),
        ("a.md", "# a\n", 50_000),
        ("a.md", "a\n", 100_000),
        ("a.md", "---\n", 50_000),
        ("a.md", "import a from 'b'\n", 50_000),
        ("a.txt", " \t", 1_000_000),
        ("a.txt", "a. ", 300_000),
        ("a.html", "<p>x", 200_000),
        ("a.html", "<!--", 300_000),
        ("a.html", "<script>", 200_000),
        ("a.html", "<", 1_000_000),
        ("a.html", "<br/>", 300_000),
        ("a.html", "<p hidden>", 200_000),
    ],
)
def test_monotonous_text_is_read_and_cut_within_the_limits(tmp_path: Path, uri: str, piece: str, times: int) -> None:
    said, peak_mb = outcome(tmp_path, uri, b"start\n\n" + (piece * times).encode() + b"\n\nend", cut=True)
    assert said == "read 1"
    assert peak_mb < 400


def test_a_table_cell_that_claims_a_billion_columns_is_read_once(tmp_path: Path) -> None:
    cell = b'<w:tc><w:tcPr><w:gridSpan w:val="1000000000"/></w:tcPr><w:p><w:r><w:t>cell</w:t></w:r></w:p></w:tc>'
    table = b"<w:tbl><w:tblPr/><w:tblGrid/><w:tr>" + cell + b"</w:tr></w:tbl>"
    said, peak_mb = outcome(tmp_path, "a.docx", archive(word__document_xml=word_xml(table)))
    assert said == "read 1"
    assert peak_mb < 200
