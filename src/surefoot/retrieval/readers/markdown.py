"""Markdown and MDX: sections by heading, with offsets into the file's own text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from markdown_it import MarkdownIt

from surefoot.core.errors import UnreadableDocument
from surefoot.domain.documents import Section, SourceDocument
from surefoot.domain.sentences import plain
from surefoot.retrieval.readers.front_matter import FrontMatter, read_front_matter
from surefoot.retrieval.readers.plain import decode, title_from_uri
from surefoot.retrieval.readers.raw import RawFile

_NEWLINE = re.compile(r"\r\n?|\n")
_EXPLICIT_ID = re.compile(r"[ \t]*\{:?[ \t]*(?:#([\w./:-]{1,200}))?[^{}\n]{0,200}\}[ \t]*\Z")
_NOT_IN_SLUG = re.compile(r"[^\w\- ]")
_IMPORT = re.compile(r"import\b[^;'\"]{0,2000}+(['\"])[^'\"\n]{1,500}+\1[ \t]*;?[ \t]*(?=[\r\n]|\Z)")
_EXPORT = re.compile(r"export[ \t]+(?:const|let|var|default|function|async|class|\{|\*)")
_BLANK_LINE = re.compile(r"\n[ \t]*\r?(?=\n)")
_COMMENTS = (("<!--", "-->"), ("{/*", "*/}"))


@dataclass(frozen=True, slots=True)
class _Heading:
    """A heading's level, its text as Markdown, and the span of its lines."""

    level: int
    markup: str
    start: int
    end: int


def read_markdown(raw: RawFile) -> SourceDocument:
    """The file's sections, in order. `text` is the whole file, front matter included; no section reaches into that.

    The title is the front matter's, else the first heading of level 1, else the file's name. The section under a heading
    that repeats the title has no heading of its own. Import and export statements and comments at the beginning of a
    section are left out of it; elsewhere the text stands as written. Anchors are the heading's explicit id or its slug.
    """
    text = decode(raw.body)
    stated = read_front_matter(text)
    try:
        headings = list(_headings(text, stated.body_start))
    except RecursionError:
        raise UnreadableDocument("its blocks are nested too deep.") from None
    first_title = next((_words(heading.markup)[0] for heading in headings if heading.level == 1), "")
    title = stated.title or first_title or title_from_uri(raw.uri)
    sections = tuple(_sections(text, stated.body_start, headings, title))
    return document_of(raw.uri, text, title, sections, stated)


def document_of(uri: str, text: str, title: str, sections: tuple[Section, ...], stated: FrontMatter) -> SourceDocument:
    """The document with everything that its front matter states."""
    return SourceDocument(
        uri=uri,
        title=title,
        text=text,
        sections=sections,
        locale=stated.locale or "en",
        updated_at=stated.updated_at,
        valid_until=stated.valid_until,
        trust=stated.trust,
        principals=stated.principals,
        supersedes=stated.supersedes,
        meta=stated.meta,
        warnings=stated.warnings,
    )


def slug(heading: str) -> str:
    """The heading as documentation sites write it in links: lower case, hyphens for spaces, no punctuation."""
    return _NOT_IN_SLUG.sub("", heading.lower()).strip().replace(" ", "-")


@cache
def _parser() -> MarkdownIt:
    """A CommonMark parser of blocks alone. Inline syntax and link definitions are no business of sections."""
    parser = MarkdownIt("commonmark")
    parser.core.ruler.enableOnly(["normalize", "block"])
    parser.disable("reference")
    return parser


def _headings(text: str, body_start: int) -> Iterator[_Heading]:
    """Headings outside lists and quotations, in order."""
    body = text[body_start:]
    line_starts = [body_start, *(body_start + newline.end() for newline in _NEWLINE.finditer(body)), len(text)]
    tokens = _parser().parse(body)
    for opening, content in pairwise(tokens):
        if opening.type == "heading_open" and opening.level == 0 and opening.map is not None:
            first, last = opening.map
            end = line_starts[min(last, len(line_starts) - 1)]
            yield _Heading(int(opening.tag[1:]), content.content, line_starts[first], end)


def _words(markup: str) -> tuple[str, str]:
    """The heading as plain text, and its explicit id or nothing."""
    explicit = _EXPLICIT_ID.search(markup[-420:])
    if explicit is None:
        return plain(markup), ""
    return plain(markup[: len(markup) - len(explicit[0])]), explicit[1] or ""


def _sections(text: str, body_start: int, headings: list[_Heading], title: str) -> Iterator[Section]:
    above: list[tuple[int, str]] = []
    seen: dict[str, int] = {}
    ends = [heading.start for heading in headings] + [len(text)]
    start = _content_start(text, body_start, ends[0])
    if text[start : ends[0]].strip():
        yield Section("", (), start, ends[0])
    for heading, end in zip(headings, ends[1:], strict=True):
        words, explicit = _words(heading.markup)
        while above and above[-1][0] >= heading.level:
            above.pop()
        own = "" if words == title and not above else words
        path = tuple(name for _, name in above if name)
        above.append((heading.level, own))
        anchor = explicit or slug(words)
        repeats = seen.get(anchor, 0)
        seen[anchor] = repeats + 1
        anchor = f"{anchor}-{repeats}" if repeats else anchor
        yield Section(own, path, _content_start(text, heading.end, end), end, anchor=anchor)


def _content_start(text: str, start: int, end: int) -> int:
    """Past white space, comments, and import and export statements."""
    while start < end:
        if text[start].isspace():
            start += 1
            continue
        closing = next((mark for opening, mark in _COMMENTS if text.startswith(opening, start)), "")
        found = text.find(closing, start, end) if closing else -1
        statement = _IMPORT.match(text, start, end)
        if found >= 0:
            start = found + len(closing)
        elif statement is not None:
            start = statement.end()
        elif _EXPORT.match(text, start, end):
            blank = _BLANK_LINE.search(text, start, end)
            start = blank.end() if blank else end
        else:
            break
    return min(start, end)
