"""Plain text: bytes to characters, and a document of one section."""

import codecs
import re
from pathlib import PurePosixPath

from surefoot.core.errors import UnreadableDocument
from surefoot.domain.documents import Section, SourceDocument
from surefoot.retrieval.readers.raw import RawFile

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decode(body: bytes) -> str:
    """The characters of the bytes: by their byte order mark, which is left out, else as UTF-8.

    Raises UnreadableDocument for anything else, and for NUL characters, which no text has.
    """
    mark, encoding = next(((mark, name) for mark, name in _BYTE_ORDER_MARKS if body.startswith(mark)), (b"", "utf-8"))
    try:
        text = body[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        raise UnreadableDocument(f"byte {error.start + len(mark)} is not {encoding.upper()}; save the file as UTF-8.") from None
    if "\0" in text:
        raise UnreadableDocument("it holds NUL characters, so it is not text.")
    return text


def title_from_uri(uri: str) -> str:
    """The file's name as a title: `guides/getting-started.md` is `Getting started`; an index is named by its folder."""
    path = PurePosixPath(uri.split("?")[0].split("#")[0])
    stem = path.name.split(".")[0] or path.name
    if stem.lower() in ("index", "readme") and path.parent.name:
        stem = path.parent.name
    words = re.sub(r"[-_\s]+", " ", stem).strip()
    return words[:1].upper() + words[1:] or uri


def read_plain(raw: RawFile) -> SourceDocument:
    """The whole file as one section without a heading."""
    text = decode(raw.body)
    return SourceDocument(raw.uri, title_from_uri(raw.uri), text, (Section("", (), 0, len(text)),))
