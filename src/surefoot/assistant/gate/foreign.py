"""What must stand in a quote letter by letter to stand in a claim: links, addresses, numbers to call, markup, code, blobs."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from surefoot.domain.sentences import plain

_WORD = re.compile(r"[^\W_]+")
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}\Z")
# Every pattern is tried on text that is NFKC-normalised, in lower case, with single spaces.
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("link", re.compile(r"[a-z][a-z0-9+.-]{1,20}:/{1,3}\S{1,2000}")),
    ("link", re.compile(r"\b(?:www|ftp)\d?\.\S{1,2000}")),
    ("link", re.compile(r"\b(?:mailto|javascript|vbscript|callto|hxxps?)\s?:\s?\S{1,2000}")),
    ("link", re.compile(r"\b(?:data|tel|sms|file|blob|about):\S{1,2000}")),
    ("link", re.compile(r"(?<![\w@.-])\w[\w-]{0,62}(?:\.\w[\w-]{0,62}){0,8}\.[^\W\d_][\w-]{1,23}\b(?!@)(?:[/?#]\S{0,2000})?")),
    ("link", re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b(?:[:/]\S{0,2000})?")),
    ("link", re.compile(r"\b\w{1,63}\s?[\[({<]?\s?\b(?:dot|punkt|punto)\b\s?[\])}>]?\s?(?:com|net|org|io|dev|app|co|de|ru)\b")),
    ("link", re.compile(r"\b\w{1,63}\s?[\[({<]\s?\.\s?[\])}>]\s?\w{2,24}\b")),
    ("address", re.compile(r"\S{0,64}@\S{1,255}")),
    ("address", re.compile(r"\b[\w.-]{1,64}\s?[\[({<]\s?(?:at|ät)\s?[\])}>]\s?[\w.-]{1,255}")),
    ("phone number", re.compile(r"(?<![\w.])(?:\+|00)?\(?\d(?:[ ().\u2010-\u2015/-]{0,3}\d){6,40}(?!\w)")),
    ("markup", re.compile(r"</?[a-z!?][^<>]{0,2000}>?|<>|</>")),
    ("markup", re.compile(r"!?\[[^\[\]]{0,1000}\]\s?(?:\([^()\s]{0,2000}[^()]{0,200}\)?|\[[^\[\]]{0,200}\]|:\s?\S{1,2000})")),
    ("markup", re.compile(r"\{[%#:{][^{}]{0,1000}\}{1,2}|<!--|-->|```|~~~|\$\{[^{}]{0,200}\}")),
    # The seams of a prompt or a draft: an attribute, the end of a tag, the joints of JSON.
    ("markup", re.compile(r"\b\w{1,40}=[\"\u201c']|[\"\u201d']\s?>|[\"\u201d'\]}]\s?[}\]]|[{\[]\s?[\"\u201c]\w{1,40}\b")),
    ("markup", re.compile(r"\b\w{1,40}[\"\u201d]\s?:\s?[\"\u201c\[{]|\\[nrt\"]")),
    ("encoded text", re.compile(r"(?=[a-z0-9+/_-]{0,80}[0-9+/])[a-z0-9+/_-]{24,4000}={0,2}")),
    ("encoded text", re.compile(r"\b[a-z0-9]{40,4000}={0,2}|\b(?:0x)?(?=[a-f]*\d)[0-9a-f]{16,4000}\b")),
    ("encoded text", re.compile(r"(?:%[0-9a-f]{2}){2,1000}|(?:\\[xu][0-9a-f]{2,4}){1,1000}|(?:&#?x?\w{1,10};)+")),
    ("code", re.compile(r"`[^`]{1,2000}`?")),
    ("code", re.compile(r"\b(?:curl|wget|sudo|npx|chmod|chown|powershell|invoke-webrequest|xp_cmdshell)\s\S{1,200}")),
    ("code", re.compile(r"\b(?:rm|bash|sh|zsh|cmd|python3?|perl|node|nc)\s[-/]\w{1,20}")),
    ("code", re.compile(r"(?<![\w-])--?[a-z][\w-]{0,60}(?==)|(?<![\w-])--[a-z][\w-]{1,60}")),
    ("code", re.compile(r"(?:\||&&|;)\s?(?:sh|bash|sudo|rm|curl|wget)\b")),
    ("code", re.compile(r"(?<![\w.])(?:~|\.{1,2})?/[\w.~-]{1,200}(?:/[\w.~-]{1,200}){0,40}|\b[a-z]:\\\S{1,200}|\\\\\w\S{1,200}")),
)  # fmt: skip
_TRAILING = ".,;:!?'\"\u2019\u201d)"
_EDGE = re.compile(r"[\w]")
_JOINT = re.compile(r"[.@/:_-]")
# Never shown, not even from a document: they change the order of what is read or hide what is written.
_ALWAYS_FORBIDDEN = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u206a\u206b\u206c\u206d\u206e\u206f")
_LINE_SPACE = frozenset("\n\r\t")


@dataclass(frozen=True, slots=True)
class Foreign:
    """A piece of a claim that is in none of its quotes, and what kind of thing it is."""

    kind: str
    text: str


@lru_cache(maxsize=4096)
def folded(text: str) -> str:
    """The text as two spellings of the same characters are compared: NFKC, lower case, single spaces."""
    lowered: str = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(lowered.split())


def foreign(claim: str, quotes: Sequence[str]) -> Iterator[Foreign]:
    """Each link, address, piece of markup, code or encoded text of the claim that is not letter by letter in a quote."""
    said = folded(claim)
    texts = [folded(quote) for quote in quotes]
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(said):
            piece = match[0].strip().rstrip(_TRAILING)
            if kind == "phone number" and _DATE.match(piece):
                continue
            # A run of encoded text is often the inside of an address; a part of a longer run is no worse than the whole.
            found = str.__contains__ if kind == "encoded text" else holds
            if piece and not any(found(text, piece) or found(text, match[0].strip()) for text in texts):
                yield Foreign(kind, piece)
    hidden = _hidden_words(claim, texts)
    if hidden:
        yield Foreign("markup", hidden)


def holds(text: str, piece: str) -> bool:
    """Whether the piece stands in the text as whole tokens: `evil.com` is not in `not-evil.com.example`."""
    here = text.find(piece)
    while here >= 0:
        if _is_edge(text, here, -1) and _is_edge(text, here + len(piece), 1):
            return True
        here = text.find(piece, here + 1)
    return False


def _is_edge(text: str, place: int, direction: int) -> bool:
    """Whether a token may begin or end between this character and the one before it, looking outward from the piece."""
    outside = text[place - 1 : place] if direction < 0 else text[place : place + 1]
    inside = text[place : place + 1] if direction < 0 else text[place - 1 : place]
    if not outside or not _EDGE.match(inside):
        return True
    if _EDGE.match(outside):
        return False
    beyond = text[place - 2 : place - 1] if direction < 0 else text[place + 1 : place + 2]
    return not (_JOINT.match(outside) and beyond and _EDGE.match(beyond))


def _hidden_words(claim: str, quotes: Sequence[str]) -> str:
    """A word that is in the claim but not in what is left of it for scoring, unless the quotes have it too; else empty."""
    written, read = Counter(_WORD.findall(folded(claim))), Counter(_WORD.findall(folded(plain(claim))))
    word: str
    for word in (written - read) | (read - written):
        if not any(holds(quote, word) for quote in quotes):
            return word
    return ""


def unseen_characters(claim: str, quotes: Sequence[str]) -> list[str]:
    """The control, format and private characters of the claim that may not be shown, as code points, each once.

    Those that some scripts are written with (joiners, direction marks) may stand where a quote has them between the same
    neighbours; controls, bidi overrides and tag characters never.
    """
    found = []
    for place, character in enumerate(claim):
        category = unicodedata.category(character)
        if category not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") or character in _LINE_SPACE:
            continue
        around = claim[max(0, place - 1) : place + 2]
        never = category not in ("Cf", "Zl", "Zp") or character in _ALWAYS_FORBIDDEN or ord(character) >= 0xE0000
        if never or not any(around in quote for quote in quotes):
            found.append(f"U+{ord(character):04X}")
    return list(dict.fromkeys(found))
