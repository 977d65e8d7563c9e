"""Cut a document into passage-sized chunks that never cross a section and always point back to its exact text."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from surefoot.domain.documents import Chunk, Section, SourceDocument, TrustTier, chunk_id, document_id
from surefoot.domain.identity import TenantId
from surefoot.domain.sentences import sentences
from surefoot.retrieval.tokens import count_tokens, token_starts

# Part of the ingest fingerprint: another number means that the same document would be cut differently.
CHUNKER_VERSION = 1
HARD_LIMIT_RATIO = 1.3

_FENCE = re.compile(r"`{3,}+(?![^`\n]*+`)|~{3,}")
_TINY_RATIO = 0.25


@dataclass(frozen=True, slots=True)
class _Piece:
    """A span that is not cut further, and about how many tokens it has."""

    start: int
    end: int
    tokens: int


def chunk(
    tenant: TenantId,
    document: SourceDocument,
    *,
    default_trust: TrustTier,
    target_tokens: int,
    overlap_tokens: int,
    superseded: bool = False,
) -> list[Chunk]:
    """The document's chunks, in order, each within one section and `text == document.text[start:end]`.

    Every character of a section that is not white space is in at least one chunk. A section that fits in 1.3 x
    `target_tokens` is one chunk; a longer one is cut between paragraphs, list blocks, tables and fenced code, then between
    sentences or lines, then words, and as a last resort between characters, so that no chunk exceeds the 1.3. A chunk that
    follows another of its section begins with about `overlap_tokens` of it, whole sentences where they fit. A section
    without a body gives no chunk.
    """
    identity = document_id(tenant, document.uri)
    content_hash = document.content_hash()
    chunks: list[Chunk] = []
    for section in document.sections:
        for start, end, tokens in _cut(document.text, section.start, section.end, target_tokens, overlap_tokens):
            chunks.append(
                Chunk(
                    chunk_id=chunk_id(identity, content_hash, start, end),
                    document_id=identity,
                    uri=document.uri,
                    ordinal=len(chunks),
                    start=start,
                    end=end,
                    text=document.text[start:end],
                    title=document.title,
                    heading=section.heading,
                    path=section.path,
                    anchor=section.anchor,
                    page_number=_page_number(document, section, start),
                    token_count=tokens,
                    locale=document.locale,
                    trust=document.trust or default_trust,
                    updated_at=document.updated_at,
                    valid_until=document.valid_until,
                    superseded=superseded,
                    heading_indexed=section.heading_indexed,
                )
            )
    return chunks


def _page_number(document: SourceDocument, section: Section, start: int) -> int | None:
    """The page on which the span begins, from 1; the section's own number where the document has no page starts."""
    return bisect_right(document.pages, start) if document.pages else section.page_number


def _cut(text: str, start: int, end: int, target: int, overlap: int) -> Iterator[tuple[int, int, int]]:
    """Start, end and token count of each chunk of one section."""
    start, end = _strip(text, start, end)
    if start == end:
        return
    hard = max(1, int(target * HARD_LIMIT_RATIO))
    total = count_tokens(text[start:end])
    if total <= hard:
        yield start, end, total
        return
    overlap = min(overlap, target // 2)
    pieces = list(_pieces(text, start, end, target, hard - overlap))
    previous: int | None = None
    for first, last in _pack(text, pieces, min(target, hard - overlap), hard - overlap):
        for span in _within(text, first, last, hard):
            begin, stop, tokens = span
            if overlap and previous is not None:
                begin, tokens = _with_overlap(text, previous, *span, overlap, hard)
            yield begin, stop, tokens
            previous = begin


def _pieces(text: str, start: int, end: int, target: int, hard: int) -> Iterator[_Piece]:
    """The section as pieces of at most `hard` tokens: blocks that fit stay whole, others are cut finer and finer."""
    for block_start, block_end in _blocks(text, start, end):
        tokens = count_tokens(text[block_start:block_end])
        if tokens <= hard:
            yield _Piece(block_start, block_end, tokens)
            continue
        for unit_start, unit_end in _units(text, block_start, block_end):
            tokens = count_tokens(text[unit_start:unit_end])
            if tokens <= hard:
                yield _Piece(unit_start, unit_end, tokens)
            else:
                yield from _words(text, unit_start, unit_end, min(target, hard))


def _blocks(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Runs of lines between blank lines; a fenced code block is one whatever is in it."""
    begin: int | None = None
    last = start
    fence = ""
    for line_start, line_end in _lines(text, start, end):
        line = text[line_start:line_end].strip()
        if fence:
            last = line_end
            if line.startswith(fence) and not line.strip(fence[0]):
                fence = ""
                if begin is not None:
                    yield _strip(text, begin, last)
                begin = None
            continue
        opening = _FENCE.match(line)
        if (not line or opening) and begin is not None:
            yield _strip(text, begin, last)
            begin = None
        if line:
            fence = opening[0] if opening else ""
            begin = line_start if begin is None else begin
            last = line_end
    if begin is not None:
        yield _strip(text, begin, last)


def _units(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The lines of fenced code, else sentences (of a table, rows) with their markers; nothing but space is left out."""
    block = text[start:end]
    if _FENCE.match(block):
        spans = [_strip(text, *line) for line in _lines(text, start, end)]
        yield from (span for span in spans if span[0] < span[1])
        return
    stops = [start + stop for _, stop in sentences(block)]
    here = start
    for stop in [*stops[:-1], end]:
        yield _strip(text, here, stop)
        here = stop


def _words(text: str, start: int, end: int, limit: int) -> Iterator[_Piece]:
    """The span in pieces of about `limit` tokens, cut after white space where there is some, else between characters."""
    starts = token_starts(text[start:end])
    here = start
    while here < end:
        token = bisect_right(starts, here - start) - 1
        stop = end
        if token + limit < len(starts):
            stop = max(start + starts[token + limit], here + 1)
            space = _last_space(text, (here + stop) // 2, stop)
            stop = stop if space < 0 else space
        left, right = _strip(text, here, stop)
        if left < right:
            yield _Piece(left, right, bisect_right(starts, stop - start - 1) - token)
        here = stop


def _last_space(text: str, start: int, end: int) -> int:
    """The offset just after the last white space in the span, or -1."""
    for at in range(end - 1, start - 1, -1):
        if text[at].isspace():
            return at + 1
    return -1


def _pack(text: str, pieces: list[_Piece], target: int, hard: int) -> list[tuple[int, int]]:
    """Neighbouring pieces joined up to about `target` tokens; a tiny one joins its neighbour when both fit in `hard`.

    A line that introduces what follows it (it ends with a colon) is not drawn to what is before it.
    """
    groups: list[_Piece] = []
    for piece in pieces:
        if groups:
            last = groups[-1]
            joined = last.tokens + piece.tokens + 1
            is_tiny = last.tokens < _TINY_RATIO * target or (
                piece.tokens < _TINY_RATIO * target and text[piece.end - 1] not in ":\uff1a"
            )
            if joined <= target or (is_tiny and joined <= hard):
                groups[-1] = _Piece(last.start, piece.end, joined)
                continue
        groups.append(piece)
    return [(group.start, group.end) for group in groups]


def _within(text: str, start: int, end: int, hard: int) -> Iterator[tuple[int, int, int]]:
    """The span, halved as often as it takes for its true token count to be at most `hard`.

    Counts of parts do not add up exactly to the count of the whole, so what was packed is counted once more.
    """
    tokens = count_tokens(text[start:end])
    if tokens <= hard or end - start == 1:
        yield start, end, tokens
        return
    middle = (start + end) // 2
    space = _last_space(text, (start + middle) // 2, middle)
    middle = middle if space < 0 else space
    for part in ((start, middle), (middle, end)):
        left, right = _strip(text, *part)
        if left < right:
            yield from _within(text, left, right, hard)


def _with_overlap(text: str, previous: int, start: int, end: int, tokens: int, overlap: int, hard: int) -> tuple[int, int]:
    """An earlier start, after the previous chunk's, and the token count from there; unchanged where nothing fits."""
    before = text[previous:start]
    begin = len(before)
    for sentence_start, _ in reversed(sentences(before)):
        if count_tokens(before[sentence_start:]) > overlap:
            break
        begin = sentence_start
    if begin == len(before):
        starts = token_starts(before)
        earliest = starts[max(0, len(starts) - overlap)]
        begin = next(
            (at for at in range(max(1, earliest), len(before)) if before[at - 1].isspace() > before[at].isspace()), begin
        )
    total = count_tokens(text[previous + begin : end])
    return (previous + begin, total) if 0 < begin < len(before) and total <= hard else (start, tokens)


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end:
        newline = text.find("\n", start, end)
        stop = end if newline < 0 else newline
        yield start, stop
        start = stop + 1


def _strip(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end
