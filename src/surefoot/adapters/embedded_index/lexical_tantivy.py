"""BM25 by Tantivy over terms that are analysed already: one small index a tenant, so its statistics are its own."""

import os
import shutil
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import tantivy
from numpy.typing import NDArray

from surefoot.adapters.embedded_index.lexical import SAME_SCORE, Ranked, level, read_terms
from surefoot.adapters.embedded_index.visibility import Visible

_FOLDER = "tantivy"
_WRITER_BYTES = 64_000_000
_TERMS, _ROW, _DOCUMENT = "terms", "row", "document"

# The cost of naming one visible document in a query, in hits that could be fetched and dropped instead (measured).
_DOCUMENT_COST_IN_HITS = 10
_SPARE_HITS = 16
_MORE_HITS = 4


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field(_TERMS, tokenizer_name="whitespace", index_option="freq")
    builder.add_unsigned_field(_ROW, fast=True)
    builder.add_unsigned_field(_DOCUMENT, indexed=True)
    return builder.build()


class TantivyEngine:
    """Writes and opens Tantivy folders."""

    @property
    def fingerprint(self) -> str:
        return f"tantivy-{tantivy.tantivy.__version__.split('index_format')[-1].strip()}"

    def write(self, folder: Path, documents: NDArray[np.uint32], base: Path | None, base_rows: int) -> None:
        """With a base only the new rows are added, to hard links of its files. Without one all rows are written afresh:
        Tantivy goes on counting deleted rows in its statistics and keeping their words on disk, so rows never are deleted.
        """
        target = folder / _FOLDER
        target.mkdir()
        if base is not None:
            _link(base / _FOLDER, target)
        index = tantivy.Index.open(str(target)) if base is not None else tantivy.Index(_schema(), path=str(target))
        writer = index.writer(_WRITER_BYTES, num_threads=1)
        first = base_rows if base is not None else 0
        rows = zip(islice(read_terms(folder), first, None), documents[first:].tolist(), strict=True)
        for row, (terms, document) in enumerate(rows, start=first):
            entry = tantivy.Document()
            entry.add_text(_TERMS, terms)
            entry.add_unsigned(_ROW, row)
            entry.add_unsigned(_DOCUMENT, document)
            writer.add_document(entry)
        writer.commit()
        writer.wait_merging_threads()
        for lock in target.glob(".*.lock"):
            lock.unlink()

    def open(self, folder: Path) -> "TantivyReader":
        return TantivyReader(folder / _FOLDER)


class TantivyReader:
    """The lexical leg by Tantivy."""

    def __init__(self, folder: Path) -> None:
        index = tantivy.Index.open(str(folder))
        # Generations never change, so nothing needs to watch the folder.
        index.config_reader("manual")
        self._schema = index.schema
        self._searcher = index.searcher()

    def best(self, words: Sequence[str], visible: Visible, depth: int) -> Ranked:
        """Few visible documents are named in the query itself. Many are filtered as hits come in, which are fetched until
        the best `depth` visible ones are certain. Either way the ranking is that of the visible rows alone.
        """
        rows = len(visible.mask)
        fetch = min(rows, depth * rows // max(1, visible.count) * 3 // 2 + _SPARE_HITS)
        query, hidden = self._any_of(words), not visible.everything
        if hidden and visible.documents is not None and len(visible.documents) * _DOCUMENT_COST_IN_HITS < fetch:
            query, hidden = self._within(query, visible.documents), False
            fetch = min(rows, depth + _SPARE_HITS)
        while True:
            found, scores = self._fetch(query, fetch)
            exhausted = len(found) < fetch or fetch >= rows
            last = scores[-1] if len(scores) else 0.0
            if hidden:
                keep = visible.mask[found]
                found, scores = found[keep], scores[keep]
            if exhausted or (len(found) >= depth and last < scores[depth - 1] * (1 - 2 * SAME_SCORE)):
                return found, level(scores)
            fetch = min(rows, fetch * _MORE_HITS)

    def _fetch(self, query: tantivy.Query, limit: int) -> Ranked:
        hits = self._searcher.search(query, limit=limit, count=False).hits
        rows = self._searcher.fast_field_values(_ROW, [address for _, address in hits])
        return np.array(rows, np.intp), np.array([score for score, _ in hits], np.float64)

    def _any_of(self, words: Sequence[str]) -> tantivy.Query:
        terms = (tantivy.Query.term_query(self._schema, _TERMS, word, index_option="freq") for word in words)
        return tantivy.Query.boolean_query([(tantivy.Occur.Should, term) for term in terms])

    def _within(self, query: tantivy.Query, documents: NDArray[np.uint32]) -> tantivy.Query:
        named = tantivy.Query.term_set_query(self._schema, _DOCUMENT, documents.tolist())
        return tantivy.Query.boolean_query(
            [(tantivy.Occur.Must, query), (tantivy.Occur.Must, tantivy.Query.const_score_query(named, 0.0))]
        )


def _link(source: Path, target: Path) -> None:
    """The target has the source's files: data files by hard link where the disk allows it, for they are never written
    to again, and the two lists of files as copies, for they are. Locks stay with the source.
    """
    for file in source.iterdir():
        if file.suffix == ".lock":
            continue
        if file.suffix == ".json":
            shutil.copyfile(file, target / file.name)
            continue
        try:
            os.link(file, target / file.name)
        except OSError:
            shutil.copyfile(file, target / file.name)
