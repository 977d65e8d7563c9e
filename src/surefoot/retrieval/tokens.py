"""Token counts in cl100k_base, offline: the vocabulary is the file that the installed litellm distribution ships."""

import hashlib
import importlib.util
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from threading import Lock

import tiktoken

from surefoot.core.errors import MissingDependency, MissingModel

_ENCODING = "cl100k_base"
_VOCABULARY = "litellm_core_utils/tokenizers/9b5ad71b2ce5302211f9c61530b329a4922fc6a4"
_VOCABULARY_SHA256 = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
_CACHE_VARIABLE = "TIKTOKEN_CACHE_DIR"
# tiktoken's matcher overflows its stack on very long runs of mixed white space, so that it never sees more than this at once.
_WINDOW_CHARS = 16_000
_SEAM_CHARS = 1_000
_loading = Lock()


def count_tokens(text: str) -> int:
    """How many cl100k_base tokens the text has; words such as `<|endoftext|>` count as ordinary text.

    A text of more than 16,000 characters is counted window by window, which may add a token per window.
    Raises MissingDependency or MissingModel when the vocabulary is not there or not the right one.
    """
    encoding = _encoding()
    if len(text) <= _WINDOW_CHARS:
        return len(encoding.encode_ordinary(text))
    return sum(len(encoding.encode_ordinary(text[start:end])) for start, end in _windows(text))


def token_starts(text: str) -> list[int]:
    """The character offset at which each token begins, never descending; a token inside a character begins at that character."""
    encoding = _encoding()
    starts: list[int] = []
    for start, end in _windows(text):
        window = text[start:end]
        lengths = [len(piece) for piece in encoding.decode_tokens_bytes(encoding.encode_ordinary(window))]
        char_of_byte = None if window.isascii() else [at for at, char in enumerate(window) for _ in char.encode()]
        here = 0
        for length in lengths:
            starts.append(start + (here if char_of_byte is None else char_of_byte[here]))
            here += length
    return starts


def vocabulary_path() -> Path:
    """Where the vocabulary lies. The package that ships it is located, never imported. Raises MissingDependency, MissingModel."""
    spec = importlib.util.find_spec("litellm")
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not folders:
        raise MissingDependency("The package litellm, which ships the token vocabulary, is missing; run `pip install litellm`.")
    path = Path(folders[0], _VOCABULARY)
    if not path.is_file():
        raise MissingModel(f"litellm is installed without {_VOCABULARY!r}; run `pip install --force-reinstall litellm`.")
    return path


def _windows(text: str) -> Iterator[tuple[int, int]]:
    """Spans of at most 16,000 characters that cover the text, cut before a space where there is one near the end."""
    start = 0
    while len(text) - start > _WINDOW_CHARS:
        limit = start + _WINDOW_CHARS
        space = text.rfind(" ", limit - _SEAM_CHARS, limit)
        end = space if space > start else limit
        yield start, end
        start = end
    if start < len(text):
        yield start, len(text)


@cache
def _encoding() -> tiktoken.Encoding:
    with _loading:
        return _load(vocabulary_path())


def _load(path: Path) -> tiktoken.Encoding:
    """The encoding, from this file alone: its hash is checked first, so tiktoken finds no reason to fetch it."""
    if hashlib.sha256(path.read_bytes()).hexdigest() != _VOCABULARY_SHA256:
        raise MissingModel(f"The vocabulary {path.name!r} is damaged; run `pip install --force-reinstall litellm`.")
    before = os.environ.get(_CACHE_VARIABLE)
    os.environ[_CACHE_VARIABLE] = str(path.parent)
    try:
        return tiktoken.get_encoding(_ENCODING)
    finally:
        if before is None:
            del os.environ[_CACHE_VARIABLE]
        else:
            os.environ[_CACHE_VARIABLE] = before
