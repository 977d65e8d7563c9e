"""PDF: one section per page, page numbers kept; parsed in a process with limits."""

from datetime import datetime

from surefoot.core.clock import parse_moment
from surefoot.domain.documents import Section, SourceDocument
from surefoot.retrieval.readers.plain import title_from_uri
from surefoot.retrieval.readers.raw import RawFile, ReadLimits
from surefoot.retrieval.readers.sandbox import run_worker


def read_pdf(raw: RawFile, limits: ReadLimits) -> SourceDocument:
    """The pages' text, a form feed between them; `pages` are their starts. The file's own title and date are taken when stated.

    Raises UnreadableDocument for an encrypted, damaged or image-only file, one with too many pages, and one that takes
    more memory or time than the limits.
    """
    found = run_worker("pdf", raw.body, limits)
    parts: list[str] = []
    sections: list[Section] = []
    starts: list[int] = []
    here = 0
    for number, page in enumerate(found["pages"], start=1):
        starts.append(here)
        sections.append(Section("", (), here, here + len(page), anchor=f"page={number}", page_number=number))
        parts.append(page)
        here += len(page) + 1
    return SourceDocument(
        uri=raw.uri,
        title=found["title"].strip() or title_from_uri(raw.uri),
        text="\f".join(parts),
        sections=tuple(sections),
        updated_at=stated_moment(found["modified"]),
        pages=tuple(starts),
        warnings=tuple(f"page {number} is left out: it unpacks to far more than text." for number in found["left_out"]),
    )


def stated_moment(text: str) -> datetime | None:
    """The moment that the file states, or None when it states none that can be read."""
    try:
        return parse_moment(text)
    except (ValueError, OverflowError):
        return None
