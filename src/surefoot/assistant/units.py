"""A passage cut into units that may be quoted: sentences, list items, table rows, code blocks; each with what it says."""

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from threading import Lock

import numpy as np

from surefoot.domain.documents import Chunk, ChunkId
from surefoot.domain.lexicon import terms
from surefoot.domain.sentences import plain, sentences
from surefoot.ports import Encoder, Vectors

_ITEM_BEFORE = re.compile(r"(?:^|\n)[ \t>]{0,64}(?:[-*+•]|\d{1,3}[.)]|[A-Za-z][)])[ \t]{1,8}(?:\[[ xX]\][ \t])?\Z")
_NUMBERED_BEFORE = re.compile(r"\d{1,3}[.)][ \t]{1,8}\Z")
_MARK_LINE = re.compile(r"(?::::|!!!|\?\?\?|\[!|\{[:%#/]|\[\^?[^\]]{1,200}\]:|</?[A-Za-z!]|[-*_=]{2,}\s*\Z|\|[\s:|-]+\Z)")
_LONE_LINK = re.compile(r"(?:!?\[[^\[\]]{0,500}\]\([^()\s]{0,2000}\)|<?https?://\S+)[.\s]*\Z")
_IMPORT_LINE = re.compile(r"(?:import|export)\s.{1,300}\Z")
_MAX_KEPT_CHUNKS = 4096
_LONGEST_ENCODED_CHARACTERS = 400
_LIST_LOOK_BACK = 80


class UnitKind(StrEnum):
    """What a unit is, as far as quoting goes."""

    SENTENCE = "sentence"
    ITEM = "item"
    STEP = "step"
    ROW = "row"
    CODE = "code"
    HEADING = "heading"
    QUESTION = "question"
    MARK = "mark"


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of a chunk. `start:end` are characters of the chunk's text; `plain` is it without Markdown, for scoring.

    `opens_list` says that it ends with a colon, so that what follows belongs to it.
    """

    start: int
    end: int
    kind: UnitKind
    plain: str
    terms: frozenset[str]
    pairs: frozenset[tuple[str, str]]
    opens_list: bool

    @property
    def says_something(self) -> bool:
        """Whether it may be quoted on its own: prose, a list item or a table row of at least two content terms."""
        return self.kind in (UnitKind.SENTENCE, UnitKind.ITEM, UnitKind.STEP, UnitKind.ROW) and len(self.terms) >= 2


@dataclass(frozen=True, slots=True)
class Analysed:
    """A chunk's text and headings taken apart. `terms` and `pairs` are those of units that state something: a link to a
    question, or the question again, is no evidence of its answer. `heading_terms` are those of title, path and own heading,
    where indexed.
    """

    units: tuple[Unit, ...]
    terms: frozenset[str]
    pairs: frozenset[tuple[str, str]]
    heading_terms: frozenset[str]

    @property
    def quotable_share(self) -> float:
        """The part of the text's characters, 0..1, that may be quoted."""
        total = sum(unit.end - unit.start for unit in self.units)
        return sum(unit.end - unit.start for unit in self.units if unit.says_something) / total if total else 0.0

    @property
    def code_share(self) -> float:
        """The part of the text's characters, 0..1, that stands in code blocks."""
        total = sum(unit.end - unit.start for unit in self.units)
        return sum(unit.end - unit.start for unit in self.units if unit.kind is UnitKind.CODE) / total if total else 0.0


class ChunkReader:
    """Analyses chunks and keeps the last few thousand: a chunk's id changes with its text, so nothing goes stale.

    The vectors of units that were encoded are kept with them, for one encoder a reader.
    """

    def __init__(self, capacity: int = _MAX_KEPT_CHUNKS) -> None:
        self._capacity = capacity
        self._kept: OrderedDict[ChunkId, Analysed] = OrderedDict()
        self._vectors: OrderedDict[tuple[ChunkId, int], Vectors] = OrderedDict()
        self._lock = Lock()

    def read(self, chunk: Chunk) -> Analysed:
        """The chunk taken apart. Safe from many threads."""
        with self._lock:
            known = self._kept.get(chunk.chunk_id)
            if known is not None:
                self._kept.move_to_end(chunk.chunk_id)
                return known
        analysed = analyse(chunk)
        with self._lock:
            self._kept[chunk.chunk_id] = analysed
            while len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
        return analysed

    def vectors(self, wanted: Sequence[tuple[ChunkId, Unit]], encoder: Encoder) -> Vectors:
        """`(len(wanted), dimensions)` float32, unit rows: each unit's plain text, cut at 400 characters."""
        keys = [(chunk, unit.start) for chunk, unit in wanted]
        with self._lock:
            found = {key: self._vectors[key] for key in keys if key in self._vectors}
            for key in found:
                self._vectors.move_to_end(key)
        missing = [(key, unit) for key, (_, unit) in zip(keys, wanted, strict=True) if key not in found]
        if missing:
            rows = encoder.encode([unit.plain[:_LONGEST_ENCODED_CHARACTERS] for _, unit in missing])
            fresh = {key: row for (key, _), row in zip(missing, rows, strict=True)}
            found |= fresh
            with self._lock:
                self._vectors |= fresh
                while len(self._vectors) > 2 * self._capacity:
                    self._vectors.popitem(last=False)
        return np.stack([found[key] for key in keys])


def analyse(chunk: Chunk) -> Analysed:
    """The chunk's units in reading order and the terms of its text and headings."""
    units = tuple(_unit(chunk, start, end) for start, end in sentences(chunk.text))
    stating = [unit for unit in units if unit.kind not in (UnitKind.QUESTION, UnitKind.MARK)]
    return Analysed(
        units=units,
        terms=frozenset().union(*(unit.terms for unit in stating)),
        pairs=frozenset().union(*(unit.pairs for unit in stating)),
        heading_terms=frozenset(terms(chunk.headings(), chunk.locale)),
    )


def _unit(chunk: Chunk, start: int, end: int) -> Unit:
    raw = chunk.text[start:end]
    words = plain(raw)
    found = terms(words, chunk.locale)
    return Unit(
        start=start,
        end=end,
        kind=_kind(chunk, start, raw, words),
        plain=words,
        terms=frozenset(found),
        pairs=frozenset((a, b) for a, b in pairwise(found) if a != b),
        opens_list=words.endswith((":", "\uff1a")),
    )


def _kind(chunk: Chunk, start: int, raw: str, words: str) -> UnitKind:
    if raw.startswith(("```", "~~~")):
        return UnitKind.CODE
    if raw.startswith("#") or (words and words == chunk.heading):
        return UnitKind.HEADING
    if any(mark.match(raw) for mark in (_MARK_LINE, _IMPORT_LINE, _LONE_LINK)) or not any(map(str.isalnum, words)):
        return UnitKind.MARK
    if words.endswith(("?", "\uff1f")):
        return UnitKind.QUESTION
    if raw.startswith("|"):
        return UnitKind.ROW
    before = chunk.text[max(0, start - _LIST_LOOK_BACK) : start]
    if _ITEM_BEFORE.search(before):
        return UnitKind.STEP if _NUMBERED_BEFORE.search(before) else UnitKind.ITEM
    return UnitKind.SENTENCE
