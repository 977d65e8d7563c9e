"""The one analyser: what counts as a term, for every lexical engine and for the measures of an answer's evidence."""

import re
import threading
import unicodedata
from collections.abc import Iterable

import Stemmer

from surefoot.domain.stop_words import STOP_WORDS

# Raise this when the same text would give other terms; indexes then ask to be rebuilt.
ANALYSER_VERSION = 1
MAX_TERM_CHARACTERS = 64

_SNOWBALL = {
    "ar": "arabic",
    "ca": "catalan",
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "nb": "norwegian",
    "ne": "nepali",
    "nl": "dutch",
    "nn": "norwegian",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}

# Scripts written without spaces (Thai to Khmer, kana, Han, Hangul) are cut into overlapping pairs of characters.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
# Python's \w leaves out combining marks, without which Indic, Arabic and Hebrew words fall apart.
_MARKS = "\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff"
_WORD = rf"(?:[^\W_]|[{_MARKS}])"
_TOKEN = re.compile(rf"{_WORD}+(?:['._\-]+{_WORD}+)*")
_UNSPACED_RUN = re.compile(rf"[{_UNSPACED}]+")
# A lone letter is not a hump, so that iOS, OAuth and IDs stay words.
_HUMP = re.compile(r"(?<=[A-Za-z][a-z0-9])(?=[A-Z])|(?<=[A-Z][A-Z])(?=[A-Z][a-z]{2})")
_JOINT = re.compile(r"[._\-]+")

_MAX_REMEMBERED_TOKENS = 50_000
_thread = threading.local()


def primary_language(locale: str) -> str:
    """The language subtag in lower case: `de` for `de-AT` and `de_CH.UTF-8`; an empty locale gives an empty string."""
    return re.split(r"[-_.]", locale.strip().lower(), maxsplit=1)[0]


def fingerprint() -> str:
    """Changes whenever `terms` could give other terms for the same text."""
    return f"lexicon-{ANALYSER_VERSION}/snowball-{Stemmer.version()}"


def terms(text: str, locale: str = "en", *, keep_stop_words: bool = False) -> list[str]:
    """The terms of the text in order: NFKC, lower case, Snowball-stemmed, without stop words unless they are kept.

    A name written with joints (`snake_case`, `api.example.com`, `v1.2`, `camelCase`) gives itself whole and then its
    parts, so that it is found by either. A language without a stemmer or a stop list goes without; scripts that do not
    put spaces between words give overlapping pairs of characters. No term holds white space or is longer than
    MAX_TERM_CHARACTERS. Safe from many threads.
    """
    language = primary_language(locale)
    remembered = _remembered(language, keep_stop_words)
    found: list[str] = []
    for match in _TOKEN.finditer(unicodedata.normalize("NFKC", text).replace("\u2019", "'")):
        token = match.group()
        known = remembered.get(token)
        if known is None:
            known = tuple(_terms_of(token, language, keep_stop_words))
            if len(remembered) >= _MAX_REMEMBERED_TOKENS:
                remembered.clear()
            remembered[token] = known
        found.extend(known)
    return found


def query_terms(question: str, locale: str, languages: Iterable[str]) -> list[str]:
    """The distinct terms to look a question up by, in order, in an index whose texts are in these languages.

    A text can only be met by terms analysed as it was, so the question is read in each of the languages; words that are
    stop words in the asker's own locale are dropped first.
    """
    own = primary_language(locale)
    spoken = sorted({primary_language(language) for language in languages}) or [own]
    if own in spoken:
        spoken = [own, *(language for language in spoken if language != own)]
    else:
        question = " ".join(word for word in question.split() if terms(word, own))
    return list(dict.fromkeys(term for language in spoken for term in terms(question, language)))


def _remembered(language: str, keep_stop_words: bool) -> dict[str, tuple[str, ...]]:
    memory: dict[tuple[str, bool], dict[str, tuple[str, ...]]] | None = getattr(_thread, "memory", None)
    if memory is None:
        memory = _thread.memory = {}
    return memory.setdefault((language, keep_stop_words), {})


def _stemmer(language: str) -> "Stemmer.Stemmer | None":
    """This thread's stemmer: a stemmer keeps state between calls and must not be shared."""
    stemmers: dict[str, Stemmer.Stemmer] | None = getattr(_thread, "stemmers", None)
    if stemmers is None:
        stemmers = _thread.stemmers = {}
    if language not in stemmers and language in _SNOWBALL:
        stemmers[language] = Stemmer.Stemmer(_SNOWBALL[language])
    return stemmers.get(language)


def _terms_of(token: str, language: str, keep_stop_words: bool) -> list[str]:
    if _UNSPACED_RUN.search(token):
        return _pairs(token, language, keep_stop_words)
    pieces = [piece for part in _JOINT.split(token) for piece in _HUMP.split(part)]
    found: list[str] = []
    whole = token.lower()
    if not keep_stop_words and whole in STOP_WORDS.get(language, frozenset()):
        return found
    if len(pieces) > 1 and len(whole) <= MAX_TERM_CHARACTERS:
        found.append(whole)
    for piece in pieces:
        found.extend(_words_of(piece.lower(), language, keep_stop_words))
    return found


def _words_of(word: str, language: str, keep_stop_words: bool) -> list[str]:
    """The word's terms. English keeps its apostrophes, which its stop list and stemmer know; elsewhere they are elisions."""
    stop_words = STOP_WORDS.get(language, frozenset())
    stemmer = _stemmer(language)
    found = []
    for raw in [word] if language == "en" else word.split("'"):
        if not raw or (not keep_stop_words and (raw in stop_words or (len(raw) == 1 and raw.isalpha()))):
            continue
        stem = stemmer.stemWord(raw) if stemmer is not None else raw
        found.append(stem[:MAX_TERM_CHARACTERS])
    return found


def _pairs(token: str, language: str, keep_stop_words: bool) -> list[str]:
    found: list[str] = []
    end = 0
    for run in _UNSPACED_RUN.finditer(token):
        if end < run.start():
            found.extend(_terms_of(token[end : run.start()].strip("'._-"), language, keep_stop_words))
        characters = run.group()
        found.extend(characters[i : i + 2] for i in range(max(1, len(characters) - 1)))
        end = run.end()
    if end < len(token):
        found.extend(_terms_of(token[end:].strip("'._-"), language, keep_stop_words))
    return found
