"""JSON Lines in which each line is one section of a page; every page becomes a document."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from surefoot.core.clock import parse_moment
from surefoot.core.errors import InvalidInput, PayloadTooLarge, UnreadableDocument
from surefoot.core.strict_json import parse_json
from surefoot.domain.documents import Section, SourceDocument
from surefoot.domain.identity import Principal
from surefoot.retrieval.readers.front_matter import NOBODY, stated_flag, stated_principals
from surefoot.retrieval.readers.plain import decode
from surefoot.retrieval.readers.raw import RawFile, ReadLimits

_GZIP_MAGIC = b"\x1f\x8b"
_MAX_REPORTED_LINES = 20


@dataclass(frozen=True, slots=True)
class _Line:
    """One section as its line states it; `principals` is None when the line states none."""

    anchor: str
    page: str
    title: str
    path: tuple[str, ...]
    heading: str
    text: str
    is_faq: bool
    updated_at: datetime | None
    meta: dict[str, str]
    principals: frozenset[Principal] | None


def read_sections(raw: RawFile, limits: ReadLimits, *, mask_faq_headings: bool) -> list[SourceDocument]:
    """One document per page, pages and sections in the order of their first line; uri is the page, anchor the section's id.

    Needs `id`, `page`, `title` and `text`; `path`, `heading`, `is_faq`, `updated_at`, `meta` and `principals` may be
    missing. `text` of the document is each heading as a `## ` line and the section's text below it. A page is as new as
    its newest section. A page any of whose sections is marked `private`, or whose sections differ in their principals,
    is nobody's. A line that is malformed is reported by number and the rest goes on; when none is valid the file is
    unreadable. With `mask_faq_headings`, headings of `is_faq` sections are kept out of both search legs. Gzip is undone.
    """
    body = _unpacked(raw.body, limits.max_bytes) if raw.body.startswith(_GZIP_MAGIC) else raw.body
    pages: dict[str, list[_Line]] = {}
    problems: list[str] = []
    seen: set[str] = set()
    for number, line in enumerate(decode(body).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            section = _line(parse_json(line.encode()))
            if section.anchor in seen:
                raise InvalidInput(f"the id {section.anchor[:80]!r} was used before")
        except InvalidInput as error:
            problems.append(f"line {number} is left out: {error}")
            continue
        seen.add(section.anchor)
        pages.setdefault(section.page, []).append(section)
    if not pages:
        raise UnreadableDocument(f"no line is a valid section; {problems[0] if problems else 'the file is empty.'}")
    if len(problems) > _MAX_REPORTED_LINES:
        problems[_MAX_REPORTED_LINES:] = [f"{len(problems) - _MAX_REPORTED_LINES} more lines are left out."]
    documents = [_document(page, lines, mask_faq_headings) for page, lines in pages.items()]
    return list(_with_problems(documents, problems))


def looks_like_sections(body: bytes) -> bool:
    """Whether the first line is a section, so that the file may be read as one without being named `.jsonl`."""
    try:
        _line(parse_json(body[:1_000_000].split(b"\n", 1)[0]))
    except InvalidInput:
        return False
    return True


def _unpacked(body: bytes, max_bytes: int) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(body, max_bytes + 1)
    except zlib.error:
        raise UnreadableDocument("the gzip data is damaged.") from None
    if len(unpacked) > max_bytes:
        raise PayloadTooLarge(f"it unpacks to more than the {max_bytes} bytes allowed (max_document_bytes).")
    if not unpacker.eof:
        raise UnreadableDocument("the gzip data is cut off.")
    return unpacked


def _line(value: Any) -> _Line:
    if not isinstance(value, dict):
        raise InvalidInput("it is not an object")
    path = [] if value.get("path") is None else value["path"]
    meta = {} if value.get("meta") is None else value["meta"]
    if not isinstance(path, list) or not all(isinstance(entry, str) for entry in path):
        raise InvalidInput("'path' is not a list of headings")
    if not isinstance(meta, dict):
        raise InvalidInput("'meta' is not an object")
    is_faq = value.get("is_faq", False)
    if not isinstance(is_faq, bool):
        raise InvalidInput("'is_faq' is not true or false")
    return _Line(
        anchor=_text(value, "id"),
        page=_text(value, "page"),
        title=_text(value, "title", may_be_empty=True),
        path=tuple(path),
        heading=_text(value, "heading", may_be_empty=True).replace("\r", " ").replace("\n", " ").strip(),
        text=_text(value, "text", may_be_empty=True),
        is_faq=is_faq,
        updated_at=_updated_at(value),
        meta={str(key): _flag_text(entry) for key, entry in meta.items() if isinstance(entry, str | int | float)},
        principals=_principals(value, meta),
    )


def _text(value: dict[str, Any], name: str, *, may_be_empty: bool = False) -> str:
    text = value.get(name, "" if name == "heading" else None)
    if not isinstance(text, str) or "\0" in text or not (text or may_be_empty):
        raise InvalidInput(f"{name!r} is missing or not a text")
    return text


def _updated_at(value: dict[str, Any]) -> datetime | None:
    stated = value.get("updated_at")
    if stated is None:
        return None
    try:
        return parse_moment(stated)
    except (ValueError, TypeError, AttributeError):
        raise InvalidInput(f"'updated_at' {str(stated)[:80]!r} is not an ISO 8601 date") from None


def _principals(value: dict[str, Any], meta: dict[str, Any]) -> frozenset[Principal] | None:
    """Rights that cannot be read make the line malformed: it is left out rather than shown to anybody."""
    if "principals" in value:
        return stated_principals(value["principals"])
    return NOBODY if stated_flag(meta.get("private")) else None


def _flag_text(value: str | int | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _document(page: str, lines: list[_Line], mask_faq_headings: bool) -> SourceDocument:
    parts: list[str] = []
    sections: list[Section] = []
    here = 0
    for line in lines:
        head = f"## {line.heading}\n\n" if line.heading else ""
        start = here + len(head)
        end = start + len(line.text)
        is_masked = mask_faq_headings and line.is_faq
        sections.append(Section(line.heading, line.path, start, end, anchor=line.anchor, heading_indexed=not is_masked))
        parts += [head, line.text, "\n\n"]
        here = end + 2
    stated = {line.principals for line in lines}
    warnings: tuple[str, ...] = ()
    if len(stated) > 1:
        warnings = ("its sections differ in their rights, so the whole page is private.",)
    elif stated == {NOBODY}:
        warnings = ("it is marked private, so nobody reads it.",)
    meta = {key: value for line in reversed(lines) for key, value in line.meta.items()}
    return SourceDocument(
        uri=page,
        title=lines[0].title,
        text="".join(parts),
        sections=tuple(sections),
        updated_at=max((line.updated_at for line in lines if line.updated_at is not None), default=None),
        principals=NOBODY if len(stated) > 1 else stated.pop(),
        meta=meta,
        warnings=warnings,
    )


def _with_problems(documents: list[SourceDocument], problems: list[str]) -> Iterator[SourceDocument]:
    """The file's problems are told once, with its first document."""
    for document in documents:
        yield replace(document, warnings=(*problems, *document.warnings)) if problems else document
        problems = []
