"""Where sentences begin and end in documentation text, by offset, in linear time; and what is left of it without Markdown.

Every pattern here either matches at the first character it is tried at or stops within a bounded number of steps, so that no
input makes it backtrack over what it has read.
"""

# The quotation marks and full stops of many scripts are meant as they stand.
# ruff: noqa: RUF001

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

Span = tuple[int, int]

_FENCE = re.compile(r"(?P<mark>`{3,}+(?![^`\n]*+`)|~{3,})")
_HEADING = re.compile(r"#{1,6}(?=[ \t]|\Z)")
_RULE = re.compile(r"(?:[-*_=][ \t]*+){3,}+\Z|=++\Z|-++\Z")
_ADMONITION = re.compile(r":::|!!![ \t]|\?\?\?[+ \t]|\[![A-Za-z]{1,20}\][ \t]*\Z|\{[:%#/]|\[\^?[^\[\]]{1,200}\]:[ \t]")
_TAGS_ONLY = re.compile(r"(?:</?[A-Za-z!][^<>]*+>[ \t]*+)++\Z|(?:\{%[^%]*+%\}[ \t]*+)++\Z|</?>\Z")
_LIST_MARK = re.compile(r"(?:[-*+•]|\d{1,3}[.)]|[A-Za-z][)])[ \t]{1,8}(?:\[[ xX]\][ \t])?")
_QUOTE_MARK = re.compile(r"(?:>[ \t]?){1,16}+[ \t]*+")

_CLOSERS = "\"'”’»›)]}*_`」』）】〉》"
_END_MARK = re.compile(rf"[.!?…؟۔।॥]++[{re.escape(_CLOSERS)}]*+|[。！？｡．]++[{re.escape(_CLOSERS)}]*+")
_BACKTICKS = re.compile(r"`++")
_WORD_BEFORE = re.compile(r"[\w.&-]*\Z")
_LOOK_BACK_CHARS = 24

_ABBREVIATIONS = """
    e.g eg i.e ie vs v cf al approx fig figs no nos vol ch sec para pp p ed eds mr mrs ms dr prof st sr jr rev gen col lt capt
    hon dept est incl excl resp viz min max ref ver esp
    z.b d.h u.a u.ä bzw ca evtl ggf inkl exkl vgl nr abb tab bspw sog str dipl ing hr fr s.o s.u o.g v.a
    p.ej ej sra srta dra ud uds núm pág págs art av cap tel aprox
"""
_NEVER_LAST = frozenset(_ABBREVIATIONS.split())
_ALSO_WORDS = frozenset(("no", "max", "min", "ref"))
_LAST_BEFORE_CAPITAL = frozenset(("etc", "inc", "ltd", "corp", "co", "usw", "usf", "a.m", "p.m"))
_GERMAN_MONTHS = "Januar Februar März April Mai Juni Juli August September Oktober November Dezember Jan Feb Mär Apr Jun Jul"
_MONTHS = frozenset(_GERMAN_MONTHS.lower().split())


def sentences(text: str) -> list[Span]:
    """The spans of the text's sentences, in order, without overlap and without white space around them.

    List items, table rows, headings, rules, admonition markers, lines of nothing but tags, and whole fenced code blocks are
    units of their own. The marker of a list item or quotation is left outside, so that a quote reads as a sentence; every
    other character that is not white space lies in exactly one span.
    """
    return [span for start, end, is_prose in _blocks(text) for span in (_split(text, start, end) if is_prose else [(start, end)])]


def _blocks(text: str) -> Iterator[tuple[int, int, bool]]:
    """Stripped blocks in order; True for prose, which is split further, False for units that stay whole."""
    prose: Span | None = None
    fence: _OpenFence | None = None
    for start, end in _lines(text):
        body = _after_quote_mark(text, start, end)
        if fence is not None and fence.quoted and body == start:
            yield fence.start, fence.end, False
            fence = None
        if fence is not None:
            fence.end = max(fence.end, end if start < end else 0)
            if fence.is_closed_by(text[body if fence.quoted else start : end]):
                yield fence.start, fence.end, False
                fence = None
            continue
        kind = _line_kind(text, body, end)
        if kind != "prose" and prose is not None:
            yield *prose, True
            prose = None
        if kind == "fence":
            fence = _OpenFence(_matched(_FENCE, text, body), body, end, quoted=body > start)
        elif kind == "unit":
            yield body, end, False
        elif kind == "item":
            prose = (body + len(_matched(_LIST_MARK, text, body)), end)
        elif kind == "prose":
            prose = (prose[0] if prose else body, end)
        if prose is not None and _ends_with_break(text, end):
            yield *prose, True
            prose = None
    if prose is not None:
        yield *prose, True
    if fence is not None:
        yield fence.start, fence.end, False


@dataclass(slots=True)
class _OpenFence:
    """A fenced code block whose closing line has not been seen; `quoted` when its lines carry a quotation's mark."""

    mark: str
    start: int
    end: int
    quoted: bool

    def is_closed_by(self, line: str) -> bool:
        return line.startswith(self.mark) and not line.strip(self.mark[0])


def _matched(pattern: re.Pattern[str], text: str, start: int) -> str:
    found = pattern.match(text, start)
    return found[0] if found else ""


def _lines(text: str) -> Iterator[Span]:
    """Each line's span without the white space around it; empty for blank lines."""
    start = 0
    while start < len(text):
        newline = text.find("\n", start)
        end = len(text) if newline < 0 else newline
        line = text[start:end]
        left = start + len(line) - len(line.lstrip())
        yield left, max(left, start + len(line.rstrip()))
        start = end + 1


def _after_quote_mark(text: str, start: int, end: int) -> int:
    mark = _QUOTE_MARK.match(text, start, end)
    return min(mark.end(), end) if mark else start


def _line_kind(text: str, start: int, end: int) -> str:
    """One of blank, fence, unit, item, prose."""
    if start >= end:
        return "blank"
    first = text[start]
    if first in "`~" and _FENCE.match(text, start, end):
        return "fence"
    if first == "|" or _HEADING.match(text, start, end) or _RULE.match(text, start, end):
        return "unit"
    if _ADMONITION.match(text, start, end) or _TAGS_ONLY.match(text, start, end):
        return "unit"
    mark = _LIST_MARK.match(text, start, end)
    return "item" if mark and mark.end() < end else "prose"


def _ends_with_break(text: str, end: int) -> bool:
    """Whether Markdown breaks the line here: two spaces, a backslash or a break tag before the newline."""
    return (
        text.startswith("  ", end)
        or text[end - 1] == "\\"
        or text[max(0, end - 6) : end].lower().endswith(("<br>", "<br/>", "<br />"))
    )


def _split(text: str, start: int, end: int) -> list[Span]:
    """The sentences of one block of prose."""
    spans: list[Span] = []
    code = _code_spans(text, start, end)
    inside = next(code, None)
    begin = start
    for mark in _END_MARK.finditer(text, start, end):
        while inside is not None and inside[1] <= mark.start():
            inside = next(code, None)
        if inside is not None and inside[0] <= mark.start():
            continue
        stop = mark.end()
        if stop < end and _is_end(text, begin, mark, end):
            spans.append((begin, stop))
            begin = _next_word(text, stop, end)
    if begin < end:
        spans.append((begin, end))
    return spans


def _code_spans(text: str, start: int, end: int) -> Iterator[Span]:
    """Inline code: a run of backticks up to the next run of the same length (CommonMark 6.1), found in one pass."""
    runs = [(mark.start(), mark.end()) for mark in _BACKTICKS.finditer(text, start, end)]
    following: dict[int, int] = {}
    partner = [-1] * len(runs)
    for index in range(len(runs) - 1, -1, -1):
        length = runs[index][1] - runs[index][0]
        partner[index] = following.get(length, -1)
        following[length] = index
    index = 0
    while index < len(runs):
        if partner[index] < 0:
            index += 1
            continue
        yield runs[index][0], runs[partner[index]][1]
        index = partner[index] + 1


def _is_end(text: str, begin: int, mark: re.Match[str], end: int) -> bool:
    """Whether a sentence that began at `begin` ends with this mark."""
    stop = mark.end()
    if mark[0][0] in "。！？｡．":
        return True
    if not text[stop].isspace():
        return False
    following = _next_word(text, stop, end)
    while following < end and text[following] in "\"'“‘«‹([*_`¿¡":
        following += 1
    is_lower = following < end and text[following].islower()
    if mark[0][0] != ".":
        return not is_lower
    if mark[0].startswith(".."):
        return not is_lower
    found = _WORD_BEFORE.search(text, max(begin, mark.start() - _LOOK_BACK_CHARS), mark.start())
    word = found[0] if found else ""
    if mark.start() - len(word) <= begin and word.isdigit():
        return False
    return _word_may_end(word, text[following : following + 12], is_lower=is_lower)


def _word_may_end(word: str, following: str, *, is_lower: bool) -> bool:
    """Whether a full stop after this word ends the sentence, given the beginning of the next word."""
    lowered = word.lower()
    if lowered in _LAST_BEFORE_CAPITAL:
        return not is_lower
    if lowered in _NEVER_LAST and not (lowered in _ALSO_WORDS and word.islower()):
        return False
    if len(word) == 1 and word.isalpha() and word != "I":
        return False
    if "." in word and all(len(part) <= 2 and part.isalpha() for part in word.split(".")):
        return False
    if word.isdigit() and len(word) <= 2:
        return re.split(r"\W", following, maxsplit=1)[0].lower() not in _MONTHS
    return not (is_lower and len(word) <= 3)


def _next_word(text: str, start: int, end: int) -> int:
    """Past the white space from `start`, and past the quotation's mark when that led to a new line."""
    here = start
    while here < end and text[here].isspace():
        here += 1
    return _after_quote_mark(text, here, end) if "\n" in text[start:here] else here


_FENCE_LINE = re.compile(r"^[ \t]{0,64}+(?:`{3,}+|~{3,}+)[^\n]{0,200}$", re.MULTILINE)
_LINE_MARK = re.compile(
    r"^[ \t]{0,64}+(?:>[ \t]?){0,16}+[ \t]{0,64}+"
    r"(?:#{1,6}[ \t]++|(?:[-*+•]|\d{1,3}[.)])[ \t]++(?:\[[ xX]\][ \t])?|:::[^\n]{0,200}|\[![A-Za-z]{1,20}\])?+",
    re.MULTILINE,
)
_IMAGE = re.compile(r"!\[([^\[\]]{0,500})\](?:\([^()]{0,2000}\)|\[[^\[\]]{0,200}\])")
_LINK = re.compile(r"\[([^\[\]]{0,1000})\](?:\((?:[^()]|\([^()]{0,200}\)){0,2000}+\)|\[[^\[\]]{0,200}\])")
_DEFINITION = re.compile(r"^[ \t]{0,3}+\[[^\[\]]{1,200}\]:[ \t][^\n]{0,2000}$", re.MULTILINE)
_AUTOLINK = re.compile(r"<((?:https?|mailto):[^<>\s]{1,2000})>")
_TAG = re.compile(r"</?[A-Za-z!][^<>]{0,2000}>|</?>")
_TEMPLATE = re.compile(r"\{[%#:][^{}]{0,1000}\}")
_CODE = re.compile(r"`{1,3}([^`]{1,4000})`{1,3}")
_STARS = re.compile(r"(?<=[^\s\\])\*{1,3}|(?<!\\)\*{1,3}(?=\S)|~~")
_UNDERSCORES = re.compile(r"(?<![^\W_])(?<!\\)_{1,3}(?=[^\W_])|(?<=[^\W_])_{1,3}(?![\w])")
_TABLE_RULE = re.compile(r"^[ \t]{0,64}+\|?[ \t:|-]{3,}+$", re.MULTILINE)
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")


def plain(text: str) -> str:
    """The text as a reader hears it: links as their words, no emphasis, tags, fences, list or table marks; one line.

    For scoring only. A quote is always cut from the text itself.
    """
    text = _without_comments(text)
    text = _DEFINITION.sub(" ", _FENCE_LINE.sub(" ", text))
    text = _LINK.sub(r"\1", _IMAGE.sub(r"\1", text))
    text = _LINE_MARK.sub("", _TABLE_RULE.sub(" ", text))
    parts = _CODE.split(text)
    parts[::2] = [_without_marks(part) for part in parts[::2]]
    return " ".join(html.unescape("".join(parts)).split())


def _without_marks(text: str) -> str:
    text = _TEMPLATE.sub(" ", _TAG.sub(" ", _AUTOLINK.sub(r"\1", text))).replace("|", " ")
    return _ESCAPE.sub(r"\1", _UNDERSCORES.sub("", _STARS.sub("", text)))


def _without_comments(text: str) -> str:
    """Each `<!-- ... -->` is a space; one that is never closed stays."""
    parts: list[str] = []
    here = 0
    while (start := text.find("<!--", here)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        parts.append(text[here:start])
        here = end + 3
    return " ".join([*parts, text[here:]])
