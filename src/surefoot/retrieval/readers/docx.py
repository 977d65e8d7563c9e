"""DOCX: sections by heading style; parsed in a process with limits."""

from collections.abc import Iterator, Sequence
from typing import Any

from surefoot.domain.documents import Section, SourceDocument
from surefoot.retrieval.readers.markdown import slug
from surefoot.retrieval.readers.pdf import stated_moment
from surefoot.retrieval.readers.plain import title_from_uri
from surefoot.retrieval.readers.raw import RawFile, ReadLimits
from surefoot.retrieval.readers.sandbox import run_worker


def read_docx(raw: RawFile, limits: ReadLimits) -> SourceDocument:
    """The text with list items as `- ` lines and tables as `|` rows, one section per heading.

    The title is the paragraph in Title style, else the file's own, else the first heading of level 1, else its name.
    Raises UnreadableDocument for archive bombs, XML with entities, damaged files, and files beyond the limits.
    """
    found = run_worker("docx", raw.body, limits)
    blocks: list[dict[str, Any]] = found["blocks"]
    titles = [block["text"] for block in blocks if block["kind"] == "title"]
    tops = [block["text"] for block in blocks if block["kind"] == "heading" and block["level"] == 1]
    title = next(iter([*titles, *filter(None, [found["title"].strip()]), *tops]), title_from_uri(raw.uri))
    text, spans = _joined(blocks)
    return SourceDocument(
        uri=raw.uri,
        title=title,
        text=text,
        sections=tuple(_sections(text, blocks, spans, title)),
        updated_at=stated_moment(found["modified"]),
    )


def _joined(blocks: Sequence[dict[str, Any]]) -> tuple[str, list[tuple[int, int]]]:
    """The whole text, a blank line between blocks but none between list items, and each block's span in it."""
    parts: list[str] = []
    spans: list[tuple[int, int]] = []
    here = 0
    before = ""
    for block in blocks:
        gap = "" if not parts else "\n" if block["kind"] == before == "item" else "\n\n"
        words = f"- {block['text']}" if block["kind"] == "item" else block["text"]
        parts += [gap, words]
        spans.append((here + len(gap), here + len(gap) + len(words)))
        here, before = spans[-1][1], block["kind"]
    return "".join(parts), spans


def _sections(text: str, blocks: Sequence[dict[str, Any]], spans: list[tuple[int, int]], title: str) -> Iterator[Section]:
    above: list[tuple[int, str]] = []
    opening = ("", 0, 0)
    for block, (start, end) in zip(blocks, spans, strict=True):
        if block["kind"] not in ("heading", "title"):
            continue
        if opening[0] or text[opening[2] : start].strip():
            yield _section(opening, start, above, title)
        if opening[0]:
            above.append((opening[1], opening[0]))
        level = block["level"]
        while above and above[-1][0] >= level:
            above.pop()
        opening = (block["text"], level, end)
    if opening[0] or text[opening[2] :].strip():
        yield _section(opening, len(text), above, title)


def _section(opening: tuple[str, int, int], end: int, above: list[tuple[int, str]], title: str) -> Section:
    words, _, start = opening
    own = "" if words == title else words
    return Section(own, tuple(name for _, name in above if name != title), start, end, anchor=slug(words))
