"""Which language a sentence is in, by its script and its small words; empty where that does not tell."""

import re
from functools import cache

from surefoot.domain.stop_words import STOP_WORDS

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
_LONGEST_READ_CHARACTERS = 4_000
_LEAST_SMALL_WORDS = 2
# So many more small words than of the next language have to be there; the languages of Europe share many of theirs.
_LEAD = 1.3
# Scripts that one of the languages we are asked in has to itself, and those that several share.
_SCRIPTS = (
    ("ja", "\u3040-\u30ff"),
    ("ko", "\uac00-\ud7af\u1100-\u11ff"),
    ("zh", "\u3400-\u4dbf\u4e00-\u9fff"),
    ("th", "\u0e00-\u0e7f"),
    ("el", "\u0370-\u03ff"),
    ("he", "\u0590-\u05ff"),
    ("hi", "\u0900-\u097f"),
    ("ar", "\u0600-\u06ff"),
    ("ru", "\u0400-\u04ff"),
)
_IN_SCRIPT = tuple((language, re.compile(f"[{characters}]")) for language, characters in _SCRIPTS)
_SCRIPT_SHARE = 0.3


def language_of(text: str) -> str:
    """The primary language subtag, such as `de`; empty when the text has too few small words or they fit two languages.

    A text of which a third is in a script of its own is in that script's language; kana decide before Han, which both use.
    """
    read = text[:_LONGEST_READ_CHARACTERS]
    letters = sum(map(str.isalpha, read))
    for language, pattern in _IN_SCRIPT:
        if letters and len(pattern.findall(read)) >= _SCRIPT_SHARE * letters:
            return language
    counts: dict[str, int] = {}
    for word in _WORD.findall(read.lower().replace("\u2019", "'")):
        for language in _languages_of().get(word, ()):
            counts[language] = counts.get(language, 0) + 1
    first, second, *_ = *sorted(counts.items(), key=lambda item: (-item[1], item[0])), ("", 0), ("", 0)
    return first[0] if first[1] >= _LEAST_SMALL_WORDS and first[1] >= _LEAD * second[1] and first[1] > second[1] else ""


@cache
def _languages_of() -> dict[str, tuple[str, ...]]:
    """The languages that have the word among their small words."""
    found: dict[str, list[str]] = {}
    for language, words in STOP_WORDS.items():
        for word in words:
            found.setdefault(word, []).append(language)
    return {word: tuple(languages) for word, languages in found.items()}
