"""Which reader reads a file: by its extension, else by its media type, else by what the bytes look like."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import PurePosixPath

from surefoot.core.errors import PayloadTooLarge, UnreadableDocument
from surefoot.domain.documents import SourceDocument
from surefoot.retrieval.readers.docx import read_docx
from surefoot.retrieval.readers.html import read_html
from surefoot.retrieval.readers.markdown import read_markdown
from surefoot.retrieval.readers.pdf import read_pdf
from surefoot.retrieval.readers.plain import read_plain
from surefoot.retrieval.readers.raw import RawFile, ReadLimits
from surefoot.retrieval.readers.sections_jsonl import looks_like_sections, read_sections

EXTENSIONS: Mapping[str, str] = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".mdx": "markdown",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".pdf": "pdf",
    ".docx": "docx",
    ".txt": "plain",
    ".text": "plain",
    ".jsonl": "sections",
    ".ndjson": "sections",
    ".jsonl.gz": "sections",
}
MEDIA_TYPES: Mapping[str, str] = {
    "text/markdown": "markdown",
    "text/x-markdown": "markdown",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "application/pdf": "pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "text/plain": "plain",
    "application/jsonl": "sections",
    "application/x-ndjson": "sections",
}
_UNSAID = ("", "application/octet-stream", "binary/octet-stream")


def read(raw: RawFile, limits: ReadLimits, *, mask_faq_headings: bool = False) -> list[SourceDocument]:
    """The documents of the file: one, or one per page of a JSONL section file.

    What an operator states beside the file wins over what the file says, field by field. Raises PayloadTooLarge or
    UnreadableDocument with the reason in one line; the message names neither the file nor any path of this machine.
    """
    if len(raw.body) > limits.max_bytes:
        raise PayloadTooLarge(f"it has {len(raw.body)} bytes, more than the {limits.max_bytes} allowed (max_document_bytes).")
    if not raw.body.strip():
        raise UnreadableDocument("it is empty.")
    match format_of(raw):
        case "markdown":
            documents = [read_markdown(raw)]
        case "html":
            documents = [read_html(raw, limits)]
        case "pdf":
            documents = [read_pdf(raw, limits)]
        case "docx":
            documents = [read_docx(raw, limits)]
        case "plain":
            documents = [read_plain(raw)]
        case _:
            documents = read_sections(raw, limits, mask_faq_headings=mask_faq_headings)
    return [_with_outside_facts(document, raw) for document in documents]


def extension_of(name: str) -> str:
    """The extension in lower case with its dot, `.jsonl.gz` as a whole; empty when there is none."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(name.split("?")[0].split("#")[0]).suffixes]
    return "".join(suffixes[-2:]) if suffixes[-2:] == [".jsonl", ".gz"] else "".join(suffixes[-1:])


def format_of(raw: RawFile) -> str:
    """The format's name. Raises UnreadableDocument when it is none of those that are read."""
    extension = extension_of(raw.uri)
    if extension in EXTENSIONS:
        return EXTENSIONS[extension]
    media_type = (raw.media_type or "").split(";")[0].strip().lower()
    if media_type in MEDIA_TYPES:
        return MEDIA_TYPES[media_type]
    sniffed = _sniff(raw.body, is_named=bool(extension)) if media_type in _UNSAID else ""
    if not sniffed:
        what = extension or media_type or "no extension, and the bytes look like none"
        raise UnreadableDocument(f"not a supported format ({what}); supported are {', '.join(EXTENSIONS)}.")
    return sniffed


def _sniff(body: bytes, *, is_named: bool) -> str:
    """The format by the bytes; text without an extension is read as Markdown, of which plain text is a part."""
    start = body[:1024].lstrip().lower()
    if start.startswith(b"%pdf-"):
        return "pdf"
    if start.startswith(b"pk\x03\x04") and b"word/" in body:
        return "docx"
    if start.startswith((b"<!doctype html", b"<html")):
        return "html"
    if is_named or b"\0" in body[:4096]:
        return ""
    if looks_like_sections(body):
        return "sections"
    return "" if body.lstrip()[:1] in (b"{", b"[") else "markdown"


def _with_outside_facts(document: SourceDocument, raw: RawFile) -> SourceDocument:
    updated_at: datetime | None = document.updated_at or raw.modified_at
    rights = raw.rights
    if rights is None:
        return replace(document, updated_at=updated_at)
    return replace(
        document,
        updated_at=updated_at,
        principals=document.principals if rights.principals is None else rights.principals,
        trust=rights.trust or document.trust,
        valid_until=rights.valid_until or document.valid_until,
    )
