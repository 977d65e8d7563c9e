"""The process that parses PDF, DOCX and large HTML. It is run by its path, binds itself first, and imports a parser after.

Usage: worker.py KIND MEMORY_MB CPU_SECONDS MAX_PAGES MAX_BYTES MAX_OUTPUT_BYTES, with the document on standard input; the answer
is one JSON object on standard output: the content, or `refused` with the reason, or `missing` with a package's name.
"""

import io
import json
import resource
import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MAX_PART_BYTES = 32_000_000
MAX_UNPACKED_BYTES = 96_000_000
MAX_RATIO = 150
MAX_PARTS = 5_000
MAX_DEPTH = 100
MAX_ELEMENTS = 1_000_000
MAX_STREAM_BYTES = 16_000_000
MAX_TOKENS = 300_000


class Refused(Exception):
    """The document is refused; the message is the reason for a person."""


def bind(memory_mb: int, cpu_seconds: int, max_output_bytes: int) -> None:
    """From here on this process is ended when it takes more memory, CPU time or output, and it writes no core file."""
    wanted = (
        (resource.RLIMIT_AS, memory_mb << 20, memory_mb << 20),
        (resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + 1),
        (resource.RLIMIT_FSIZE, max_output_bytes + 1, max_output_bytes + 1),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_NOFILE, 64, 64),
    )
    for name, soft, hard in wanted:
        # A limit that this process was started under stays; it may only become stricter.
        _, ceiling = resource.getrlimit(name)
        ceiling = hard if ceiling == resource.RLIM_INFINITY else ceiling
        resource.setrlimit(name, (min(soft, ceiling), min(hard, ceiling)))


def read_pdf(body: bytes, max_pages: int) -> dict[str, Any]:
    """The text of each page, with title and date where the file states them."""
    import pypdf
    from pypdf.errors import LimitReachedError, PyPdfError

    pypdf.overwrite_configuration(
        zlib_maximum_output_length=MAX_STREAM_BYTES,
        lzw_maximum_output_length=MAX_STREAM_BYTES,
        run_length_maximum_output_length=MAX_STREAM_BYTES,
        array_based_stream_maximum_output_length=MAX_STREAM_BYTES,
        stream_decoding_work_maximum_length=2 * MAX_STREAM_BYTES,
        stream_parsing_work_maximum_count=MAX_TOKENS,
        page_tree_maximum_entries=2 * max_pages + 100,
        xform_maximum_invocations_per_extraction=500,
    )
    try:
        reader = pypdf.PdfReader(io.BytesIO(body), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Refused("it is encrypted and needs a password; save it without one.")
        catalog: Any = reader.trailer["/Root"]
        root: Any = catalog["/Pages"]
        if int(root.get("/Count", 0)) > max_pages:
            raise Refused(f"it has {int(root['/Count'])} pages, more than the {max_pages} allowed (max_document_pages).")
        pages: list[str] = []
        left_out: list[int] = []
        for page in _limited(reader, max_pages):
            try:
                pages.append(str(page.extract_text() or ""))
            except LimitReachedError:
                # One page drawn from hundreds of thousands of strokes is no reason to lose the others.
                pages.append("")
                left_out.append(len(pages))
        stated = reader.metadata
        title = str(stated.title or "") if stated else ""
        modified = _pdf_date(stated)
    except pypdf.errors.DependencyError:
        raise Refused("it is encrypted; save it without a password.") from None
    except PyPdfError as error:
        raise Refused(f"the PDF is damaged: {_one_line(error)}") from None
    if not any(page.strip() for page in pages):
        if left_out:
            raise Refused("its pages unpack to far more than a page of text holds.")
        raise Refused("it has no text; its pages are probably images. Run text recognition (OCR) on it first.")
    return {"pages": pages, "left_out": left_out, "title": title, "modified": modified}


def _limited(reader: Any, max_pages: int) -> Iterator[Any]:
    for number, page in enumerate(reader.pages, start=1):
        if number > max_pages:
            raise Refused(f"it has more than the {max_pages} pages allowed (max_document_pages).")
        yield page


def _pdf_date(stated: Any) -> str:
    """The modification date, else the creation date; nothing when the file's own date is malformed."""
    for name in ("modification_date", "creation_date"):
        try:
            moment = getattr(stated, name, None)
        except ValueError:
            continue
        if moment is not None:
            return str(moment.isoformat())
    return ""


def read_docx(body: bytes) -> dict[str, Any]:
    """The paragraphs and tables in order, with title and date where the file states them."""
    _refuse_bad_archive(body)
    import docx
    from docx.opc.exceptions import OpcError

    try:
        document = docx.Document(io.BytesIO(body))
        styles = {style.style_id: style.name or "" for style in document.styles}
        blocks = [block for item in document.iter_inner_content() for block in _docx_block(item, styles)]
        stated = document.core_properties
        title = stated.title or ""
        modified = stated.modified or stated.created
    except (OpcError, KeyError, ValueError, AttributeError, IndexError) as error:
        raise Refused(f"the DOCX is damaged: {_one_line(error)}") from None
    if not any(block["text"].strip() for block in blocks):
        raise Refused("it has no text.")
    return {"blocks": blocks, "title": title, "modified": modified.isoformat() if modified else ""}


def _docx_block(item: Any, styles: dict[str, str]) -> Iterator[dict[str, Any]]:
    """A heading with its level, a list item, a paragraph, or a table as `|` rows; `styles` are the names by id."""
    if hasattr(item, "rows"):
        from docx.table import _Cell

        # `row.cells` repeats a cell for each column that it says it spans, which may be any number.
        rows = [[" ".join(_Cell(cell, item).text.split()).replace("|", "\\|") for cell in row._tr.tc_lst] for row in item.rows]
        lines = [f"| {' | '.join(row)} |" for row in rows if any(row)]
        if lines:
            yield {"kind": "table", "level": 0, "text": "\n".join(lines)}
        return
    text = item.text.strip()
    if not text:
        return
    # The paragraph's own `style` would search all styles each time.
    style = styles.get(item._p.style or "", "")
    level = style.removeprefix("Heading ")
    if style == "Title":
        yield {"kind": "title", "level": 0, "text": text}
    elif style.startswith("Heading ") and level.isdigit():
        yield {"kind": "heading", "level": int(level), "text": text}
    elif style.startswith("List"):
        yield {"kind": "item", "level": 0, "text": text}
    else:
        yield {"kind": "paragraph", "level": 0, "text": text}


def _refuse_bad_archive(body: bytes) -> None:
    """Raises Refused for what is not a DOCX, or would unpack to far more than it is, or holds XML made to grow."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(body))
        parts = archive.infolist()
        names = {part.filename for part in parts}
        if "word/document.xml" not in names and "[Content_Types].xml" not in names:
            raise Refused("it is an archive, but not a DOCX.")
        if len(parts) > MAX_PARTS or len(names) != len(parts):
            raise Refused("its archive has too many parts, or two of the same name.")
        for part in parts:
            is_bomb = part.file_size > 1_000_000 and part.file_size > MAX_RATIO * max(1, part.compress_size)
            if is_bomb or part.file_size > MAX_PART_BYTES:
                raise Refused(
                    f"its part {part.filename[:80]!r} unpacks to {part.file_size} bytes, which looks like an archive bomb."
                )
        if sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES:
            raise Refused(f"it unpacks to more than {MAX_UNPACKED_BYTES} bytes.")
        for part in parts:
            if part.filename.lower().endswith((".xml", ".rels")):
                _refuse_bad_xml(part.filename, archive.read(part))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise Refused(f"the archive is damaged or encrypted: {_one_line(error)}") from None


def _refuse_bad_xml(name: str, content: bytes) -> None:
    """Reads the part once as a stream: no document type, no entities, limited depth and number of elements."""
    from xml.sax import SAXException
    from xml.sax.handler import ContentHandler

    from defusedxml import DefusedXmlException
    from defusedxml.expatreader import DefusedExpatParser

    class Counter(ContentHandler):
        depth = elements = 0

        def startElement(self, name: str, attrs: object) -> None:  # noqa: N802
            self.depth += 1
            self.elements += 1
            if self.depth > MAX_DEPTH or self.elements > MAX_ELEMENTS:
                raise Refused("its XML is nested too deep or has too many elements.")

        def endElement(self, name: str) -> None:  # noqa: N802
            self.depth -= 1

    parser = DefusedExpatParser(forbid_dtd=True)
    parser.setContentHandler(Counter())
    try:
        parser.parse(io.BytesIO(content))
    except DefusedXmlException:
        raise Refused(f"its part {name[:80]!r} declares a document type or entities, which no DOCX needs.") from None
    except SAXException as error:
        raise Refused(f"its part {name[:80]!r} is not valid XML: {_one_line(error)}") from None


def read_page(body: bytes) -> dict[str, Any]:
    """The page's text, headings and what it states."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
    from dataclasses import asdict

    from surefoot.retrieval.readers.html import extract_page

    return asdict(extract_page(body.decode()))


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _printable(value: Any) -> Any:
    """The value with its texts free of NUL and of halves of surrogate pairs, which some files hold and no store takes."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {key: _printable(entry) for key, entry in value.items()}
    return [_printable(entry) for entry in value] if isinstance(value, list | tuple) else value


def main(arguments: list[str]) -> None:
    """The answer is on standard output, whatever happens to the document."""
    kind, *limits = arguments
    memory_mb, cpu_seconds, max_pages, max_bytes, max_output_bytes = map(int, limits)
    bind(memory_mb, cpu_seconds, max_output_bytes)
    warnings.simplefilter("ignore")
    try:
        body = sys.stdin.buffer.read(4 * max_bytes)
        answer = read_pdf(body, max_pages) if kind == "pdf" else read_docx(body) if kind == "docx" else read_page(body)
    except Refused as refusal:
        answer = {"refused": str(refusal)}
    except MemoryError:
        answer = {"refused": f"reading it takes more than {memory_mb} MB (reader_memory_mb)."}
    except RecursionError:
        answer = {"refused": "its objects are nested too deep."}
    except ModuleNotFoundError as error:
        answer = {"missing": error.name}
    except Exception as error:  # noqa: BLE001 - This is the outermost edge: a parser's own failure is the document's.
        answer = {"refused": f"the file is damaged: {_one_line(error)}"}
    sys.stdout.write(json.dumps(_printable(answer)))


if __name__ == "__main__":
    main(sys.argv[1:])
