"""HTML: the text a visitor reads, in sections by heading. Markup that would cost more to parse than it holds is refused first."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from selectolax.lexbor import LexborHTMLParser, LexborNode

from surefoot.core.clock import parse_moment
from surefoot.core.errors import UnreadableDocument
from surefoot.domain.documents import Section, SourceDocument
from surefoot.retrieval.readers.front_matter import read_front_matter
from surefoot.retrieval.readers.markdown import document_of, slug
from surefoot.retrieval.readers.plain import decode, title_from_uri
from surefoot.retrieval.readers.raw import RawFile, ReadLimits
from surefoot.retrieval.readers.sandbox import run_worker

MAX_OPEN_ELEMENTS = 400
MAX_CHARS_IN_PROCESS = 256_000

_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9:-]{0,40})")
_UNREAD = re.compile(r"<!--|<(script|style)(?=[\s/>])", re.IGNORECASE)
_COMMENT_END = re.compile(r"--!?>")
_ELEMENT_END = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in ("script", "style")}
# Elements without an end tag.
_VOID_NAMES = "area base br col embed hr img input link meta param source track wbr keygen frame"
# Their end tags may be left out: a parser closes one before it opens the next, outside SVG and MathML.
_TABLE_NAMES = "tr td th tbody thead tfoot colgroup html head body"
_UNSEEN_NAMES = "script style nav template noscript svg iframe object canvas head button x-select textarea dialog"
_BLOCK_NAMES = (
    "address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer form header hgroup hr "
    "li main ol p pre section summary table tr ul caption"
)
_VOID = frozenset(_VOID_NAMES.split())
_SELF_CLOSING_OUTSIDE_SVG = frozenset(_TABLE_NAMES.split())
_UNSEEN = frozenset(_UNSEEN_NAMES.split())
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_ITEMS, _DESCRIPTIONS = frozenset(("li",)), frozenset(("dt", "dd"))
_SELECT = re.compile(r"(</?)select(?=[\s/>])", re.IGNORECASE)

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_HIDDEN_STYLE = re.compile(r"(?:display\s{0,9}:\s{0,9}none|visibility\s{0,9}:\s{0,9}hidden)", re.IGNORECASE)
_SPACE = re.compile(r"\s+")
_DATE_METAS = ("article:modified_time", "last-modified", "dcterms.modified", "date", "article:published_time")


@dataclass(slots=True)
class _Writer:
    """The text so far, and where its headings lie as (level, words, anchor, start, end)."""

    parts: list[str] = field(default_factory=list)
    length: int = 0
    line: list[str] = field(default_factory=list)
    gap: str = ""
    prefix: str = ""
    is_in_cell: bool = False
    is_layout: bool = False
    headings: list[tuple[int, str, str, int, int]] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.line.append(text)

    def end_line(self, gap: str) -> tuple[int, int] | None:
        """The line is finished and `gap` or more stands before the next; its span, or None when it holds nothing."""
        line = _SPACE.sub(" ", "".join(self.line)).strip()
        self.line.clear()
        span = self._put(self.prefix + line) if line else None
        self.prefix = "" if line else self.prefix
        self.gap = max(self.gap, gap, key=len) if self.parts else ""
        return span

    def block(self, text: str) -> None:
        """The text stands as it is, on lines of its own."""
        self.end_line("\n\n")
        self._put(text)
        self.gap = "\n\n"

    def _put(self, text: str) -> tuple[int, int]:
        self.parts += [self.gap, text]
        start = self.length + len(self.gap)
        self.length = start + len(text)
        self.gap = ""
        return start, self.length


@dataclass(frozen=True, slots=True)
class Page:
    """What is taken from a page: its visible text, its headings as (level, words, anchor, start, end), and what it states."""

    text: str
    headings: list[tuple[int, str, str, int, int]]
    named: str
    language: str
    dates: list[str]


def read_html(raw: RawFile, limits: ReadLimits) -> SourceDocument:
    """The text of the page's main part (all of it when it names none), one section per heading.

    Scripts, styles, navigation, templates and hidden elements are left out. List items become `- ` lines, table rows `|`
    lines and preformatted text fenced code. The title is the first h1, else the title element. The date is the page's
    modified-time meta. Raises UnreadableDocument when more than 400 elements stand open at once, which no page needs and
    which makes parsing quadratic. A page of more than 256,000 characters is parsed in a process with limits.
    """
    source = decode(raw.body)
    stated = read_front_matter(source)
    markup = _SELECT.sub(r"\1x-select", _without_unread(source[stated.body_start :]))
    _refuse_deep(markup)
    if len(markup) > MAX_CHARS_IN_PROCESS:
        found = run_worker("html", markup.encode(), limits)
        page = Page(
            found["text"], [tuple(heading) for heading in found["headings"]], found["named"], found["language"], found["dates"]
        )
    else:
        page = extract_page(markup)
    first = next((words for level, words, *_ in page.headings if level == 1), "")
    title = stated.title or first or page.named or title_from_uri(raw.uri)
    document = document_of(raw.uri, page.text, title, tuple(_sections(page, title)), stated)
    locale = stated.locale or page.language[:35] or "en"
    return replace(document, locale=locale, updated_at=document.updated_at or _date(page.dates))


def extract_page(markup: str) -> Page:
    """The page that the markup stands for; see read_html for what is left out."""
    tree = LexborHTMLParser(markup)
    root = tree.css_first("main, [role=main]") or tree.body or tree.root
    writer = _Writer()
    if root is not None:
        _write(root, writer)
        writer.end_line("")
    named = tree.css_first("head > title")
    html = tree.css_first("html[lang]")
    stated: dict[str, str] = {}
    for meta in tree.css("meta[content]"):
        name = (meta.attributes.get("property") or meta.attributes.get("name") or "").lower()
        stated.setdefault(name, (meta.attributes.get("content") or "")[:100])
    return Page(
        text="".join(writer.parts),
        headings=writer.headings,
        named=_SPACE.sub(" ", named.text()).strip() if named is not None else "",
        language=(html.attributes.get("lang") or "") if html is not None else "",
        dates=[stated[name] for name in _DATE_METAS if name in stated],
    )


def _without_unread(markup: str) -> str:
    """The markup without comments, scripts and styles, in one pass; what is never closed goes up to the end."""
    parts: list[str] = []
    here = 0
    while (found := _UNREAD.search(markup, here)) is not None:
        parts.append(markup[here : found.start()])
        name = (found[1] or "").lower()
        end = _ELEMENT_END[name].search(markup, found.end()) if name else _COMMENT_END.search(markup, found.start() + 2)
        if end is None:
            return " ".join(parts)
        close = markup.find(">", end.start()) if name else end.end() - 1
        here = len(markup) if close < 0 else close + 1
    return " ".join([*parts, markup[here:]])


def _refuse_deep(markup: str) -> None:
    """Raises UnreadableDocument when the tags leave too many elements open. Counting too many is safe, too few is not."""
    lowered = markup.lower()
    exempt = _VOID | {"p"}
    if "<li" not in lowered or not ("<dd" in lowered or "<dt" in lowered):
        exempt |= _ITEMS | _DESCRIPTIONS
    if "<svg" not in lowered and "<math" not in lowered:
        exempt |= _SELF_CLOSING_OUTSIDE_SVG
    still_open: dict[str, int] = {}
    depth = 0
    for tag in _TAG.finditer(lowered):
        name = tag[2]
        if name in exempt:
            continue
        if not tag[1]:
            still_open[name] = still_open.get(name, 0) + 1
            depth += 1
        elif still_open.get(name):
            still_open[name] -= 1
            depth -= 1
        if depth > MAX_OPEN_ELEMENTS:
            raise UnreadableDocument(f"its elements are nested, or left open, more than {MAX_OPEN_ELEMENTS} deep.")


def _write(root: LexborNode, writer: _Writer) -> None:
    """Every visible node's text is written, without recursion."""
    node: LexborNode | None = root
    while node is not None:
        below = _open(node, writer)
        if below is not None:
            node = below
            continue
        while node is not None:
            _close(node, writer)
            # Nodes are compared by identity: their equality compares the markup of everything below them.
            if node.mem_id == root.mem_id:
                return
            following = node.next
            if following is not None:
                node = following
                break
            node = node.parent


def _open(node: LexborNode, writer: _Writer) -> LexborNode | None:
    """The node has begun; returns its first child when that is to be written."""
    tag = node.tag or ""
    if tag == "-text":
        writer.say(node.text(deep=False))
        return None
    if tag == "br":
        _break(writer, "\n")
        return None
    if tag in _UNSEEN or tag.startswith("-") or _is_hidden(node):
        return None
    if tag == "pre":
        code = node.text().strip("\n").rstrip()
        fence = "````" if "```" in code else "```"
        if code.strip():
            writer.block(f"{fence}\n{code}\n{fence}")
        return None
    if tag == "table":
        writer.is_layout = node.css_first("table table, h1, h2, h3, h4, h5, h6, pre") is not None
    if tag in ("td", "th") and not writer.is_layout:
        writer.say(" | ")
        writer.is_in_cell = True
    elif tag in _BLOCKS or tag in _HEADINGS or tag in ("td", "th"):
        _break(writer, "\n" if tag in ("li", "tr") else "\n\n")
        writer.prefix = "- " if tag == "li" and not writer.is_in_cell else writer.prefix
    return node.child


def _break(writer: _Writer, gap: str) -> None:
    """The line ends here; within a table's cell it goes on after a space."""
    if writer.is_in_cell:
        writer.say(" ")
    else:
        writer.end_line(gap)


def _close(node: LexborNode, writer: _Writer) -> None:
    tag = node.tag or ""
    if tag in _HEADINGS:
        writer.prefix = ""
        words = _SPACE.sub(" ", "".join(writer.line)).strip().rstrip("#¶").strip()
        writer.line[:] = [words]
        span = writer.end_line("\n\n")
        if span is not None:
            writer.headings.append((_HEADINGS[tag], words, node.attributes.get("id") or "", *span))
    elif tag in ("td", "th"):
        writer.is_in_cell = False
        if writer.is_layout:
            writer.end_line("\n\n")
    elif tag == "tr" and not writer.is_layout:
        if "".join(writer.line).strip(" |\n\t"):
            writer.say(" |")
        else:
            writer.line.clear()
        writer.end_line("\n")
    elif tag in _BLOCKS:
        _break(writer, "\n" if tag == "li" else "\n\n")
        writer.prefix = "" if tag == "li" else writer.prefix


def _is_hidden(node: LexborNode) -> bool:
    attributes = node.attributes
    if not attributes:
        return False
    style = attributes.get("style")
    return "hidden" in attributes or attributes.get("aria-hidden") == "true" or bool(style and _HIDDEN_STYLE.search(style))


def _sections(page: Page, title: str) -> Iterator[Section]:
    """One section per heading, and one for the text before the first."""
    above: list[tuple[int, str]] = []
    starts = [start for *_, start, _ in page.headings] + [len(page.text)]
    if page.text[: starts[0]].strip():
        yield Section("", (), 0, starts[0])
    for (level, words, anchor, _, end), following in zip(page.headings, starts[1:], strict=True):
        while above and above[-1][0] >= level:
            above.pop()
        own = "" if words == title and not above else words
        yield Section(own, tuple(name for _, name in above if name), end, following, anchor=anchor or slug(words))
        above.append((level, own))


def _date(stated: list[str]) -> datetime | None:
    """The first of the dates that can be read."""
    for text in stated:
        try:
            return parse_moment(text)
        except ValueError:
            continue
    return None
