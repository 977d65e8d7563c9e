"""Documents as they were read, and the chunks they are cut into. All offsets are characters (code points) of `text`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType

from surefoot.core.ids import derived_id, digest
from surefoot.domain.identity import Principal, TenantId

DocumentId = NewType("DocumentId", str)
ChunkId = NewType("ChunkId", str)


class TrustTier(StrEnum):
    """How much a source is trusted; conflicting sources are settled in favour of the higher tier."""

    OFFICIAL = "official"
    REVIEWED = "reviewed"
    COMMUNITY = "community"

    @property
    def rank(self) -> int:
        """Higher is trusted more; official is 2."""
        return {"official": 2, "reviewed": 1, "community": 0}[self.value]


# Between title, path and heading, as they are indexed.
HEADINGS_APART = " > "


@dataclass(frozen=True, slots=True)
class Section:
    """The run of text under one heading, up to the next heading of any level.

    `start:end` of the document's text is the body without its heading line. `path` are the headings above it, outermost
    first, without the document's title and without its own `heading`. `anchor` is the section's id within or across the
    document (`page#anchor` in JSONL sources). `heading_indexed=False` keeps the heading out of both search legs (evals
    whose questions are the headings themselves).
    """

    heading: str
    path: tuple[str, ...]
    start: int
    end: int
    anchor: str = ""
    page_number: int | None = None
    heading_indexed: bool = True


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """What a reader returns. `text` is the exact text that citations point into: the file's own text for text formats,
    the extracted text for HTML, PDF and DOCX. `sections` are in order, do not overlap and need not cover all of it.

    `principals` is None when the source states none (the ingest default then applies) and empty when it states nobody.
    `supersedes` are uris of documents of the same tenant that this one replaces. `pages` are the starts of the pages of a
    paged format, ascending, the first being 0; empty for others. `warnings` are sentences for the ingest report.
    """

    uri: str
    title: str
    text: str
    sections: tuple[Section, ...]
    locale: str = "en"
    updated_at: datetime | None = None
    valid_until: datetime | None = None
    trust: TrustTier | None = None
    principals: frozenset[Principal] | None = None
    supersedes: tuple[str, ...] = ()
    pages: tuple[int, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def content_hash(self) -> str:
        """A hash of everything but the rights: equal hashes mean nothing needs to be cut, encoded or indexed again."""
        fields = (self.uri, self.title, self.text, self.locale, str(self.updated_at), str(self.valid_until), str(self.trust))
        sections = (repr((s.heading, s.path, s.start, s.end, s.anchor, s.page_number, s.heading_indexed)) for s in self.sections)
        return digest(*fields, *sections, "\0".join(self.supersedes), repr(self.pages), repr(sorted(self.meta.items())))


@dataclass(frozen=True, slots=True)
class Document:
    """A document as the store holds it; the row of one published version.

    `source` names the feed it came from (a folder, a file, `api`); a feed that is read again deletes what it no longer has.
    """

    document_id: DocumentId
    uri: str
    source: str
    title: str
    text: str
    content_hash: str
    locale: str
    trust: TrustTier
    updated_at: datetime | None
    valid_until: datetime | None
    supersedes: tuple[str, ...]
    meta: Mapping[str, str]
    ingested_at: datetime


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage-sized piece of one document: `text == document.text[start:end]`, always.

    `superseded` is true when another document of the tenant states that it replaces this one's document.
    """

    chunk_id: ChunkId
    document_id: DocumentId
    uri: str
    ordinal: int
    start: int
    end: int
    text: str
    title: str
    heading: str
    path: tuple[str, ...]
    anchor: str
    page_number: int | None
    token_count: int
    locale: str
    trust: TrustTier
    updated_at: datetime | None
    valid_until: datetime | None
    superseded: bool = False
    heading_indexed: bool = True

    def headings(self) -> str:
        """Title, path and heading as they are indexed, ` > ` between them; a masked heading is left out."""
        own = (self.heading,) if self.heading_indexed and self.heading else ()
        parts: list[str] = []
        for part in (self.title, *self.path, *own):
            if part and (not parts or parts[-1] != part):
                parts.append(part)
        return HEADINGS_APART.join(parts)

    def encoder_text(self) -> str:
        """What the vector leg encodes: the headings, then the text."""
        headings = self.headings()
        return f"{headings}\n{self.text}" if headings else self.text


def document_id(tenant: TenantId, uri: str) -> DocumentId:
    """The document's id: a pure function of tenant and uri, so that re-ingest finds it and tenants never share one."""
    return DocumentId(derived_id("doc", tenant, uri))


def chunk_id(document: DocumentId, content_hash: str, start: int, end: int) -> ChunkId:
    """The chunk's id: it changes when the document's content does, so an old id never names new text."""
    return ChunkId(derived_id("chk", document, content_hash, str(start), str(end)))
