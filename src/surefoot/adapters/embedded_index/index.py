"""The embedded index: one folder a tenant, one folder a generation, read through memory maps."""

import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from surefoot.adapters.embedded_index.columns import Columns, Mask, Names, as_names, no_columns
from surefoot.adapters.embedded_index.generations import (
    FORMAT,
    MANIFEST_FILE,
    Generations,
    Manifest,
    read_manifest,
    verify,
    write_manifest,
)
from surefoot.adapters.embedded_index.lexical import LexicalEngine, LexicalReader, Ranked, write_terms
from surefoot.adapters.embedded_index.lexical_rank_bm25 import RankBm25Engine
from surefoot.adapters.embedded_index.lexical_tantivy import TantivyEngine
from surefoot.adapters.embedded_index.vectors_faiss import CodeError, ExactScan, code_error, write_vectors
from surefoot.adapters.embedded_index.visibility import Visible, VisibleCache, visible_rows
from surefoot.core.errors import CorruptIndex, InvalidInput, StaleGeneration
from surefoot.domain import lexicon
from surefoot.domain.documents import ChunkId
from surefoot.domain.filters import Everything, Filter, ReadAccess
from surefoot.domain.identity import TenantId
from surefoot.ports import Hit, IndexCapabilities, IndexChange, ReadableDocuments, Vectors

_ENGINES: dict[str, Callable[[], LexicalEngine]] = {"tantivy": TantivyEngine, "rank-bm25": RankBm25Engine}
_COLUMNS_FILE, _DOCUMENTS_FILE, _CHUNKS_FILE = "columns.npy", "documents.npy", "chunks.npy"
_VISIBLE_CACHE_BYTES = 64_000_000


def _ignore(step: str) -> None:
    """Building goes on."""


@dataclass(frozen=True)
class _Generation:
    """An open generation. `serial` differs for every opening in this process, so that nothing cached under it can outlive
    the files it was made from; `stamp` tells whether the folder still holds those files.
    """

    serial: int
    stamp: tuple[int, int]
    folder: Path
    manifest: Manifest
    columns: Columns
    chunks: Names
    scan: ExactScan
    lexical: LexicalReader

    @cached_property
    def languages(self) -> frozenset[str]:
        return frozenset(lexicon.primary_language(locale) for locale in self.manifest.locales)

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """The rows in order of their chunk ids."""
        return np.argsort(self.chunks, kind="stable")

    def chunk_ids(self, rows: NDArray[np.intp]) -> list[ChunkId]:
        return [ChunkId(name.decode()) for name in self.chunks[rows].tolist()]

    def rows_of(self, chunks: Sequence[ChunkId]) -> dict[ChunkId, int]:
        """The row of each of these chunks that is here."""
        if not len(self.chunks):
            return {}
        # A longer id would be cut to the array's width by the search; comparing whole ids afterwards shows it.
        wanted = as_names(chunks).astype(self.chunks.dtype)
        places = np.searchsorted(self.chunks, wanted, sorter=self.order).clip(max=len(self.chunks) - 1)
        rows = self.order[places]
        found = zip(chunks, rows.tolist(), self.chunk_ids(rows), strict=True)
        return {chunk: row for chunk, row, name in found if name == chunk}


class EmbeddedIndex:
    """The ChunkIndex of one machine: many reading threads and processes, one building process a tenant.

    `step` is told where a build has got to: `terms`, `vectors`, `lexical`, `written`, `synced`.
    """

    def __init__(
        self,
        folder: Path,
        readable: ReadableDocuments,
        *,
        dimensions: int,
        lexical_backend: str = "tantivy",
        open_tenants: int = 50,
        step: Callable[[str], None] = _ignore,
    ) -> None:
        if lexical_backend not in _ENGINES:
            raise InvalidInput(f"There is no lexical backend {lexical_backend!r}; choose one of {sorted(_ENGINES)}.")
        self._generations = Generations(folder)
        self._readable = readable
        self._dimensions = dimensions
        self._engine = _ENGINES[lexical_backend]()
        self._open_limit = open_tenants
        self._step = step
        self._serials = itertools.count()
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[TenantId, int], _Generation] = OrderedDict()
        self._visible = VisibleCache(_VISIBLE_CACHE_BYTES)

    @property
    def capabilities(self) -> IndexCapabilities:
        return IndexCapabilities("embedded", exact_dense=True, atomic_generations=True, lexical_backends=tuple(_ENGINES))

    @property
    def fingerprint(self) -> str:
        return f"embedded-{FORMAT}/{self._engine.fingerprint}/{lexicon.fingerprint()}/{self._dimensions}"

    def build(self, tenant: TenantId, base: int, target: int, change: IndexChange) -> None:
        if change.vectors.shape != (len(change.add), self._dimensions):
            raise ValueError(f"Vectors are {change.vectors.shape}; {len(change.add)} chunks need {self._dimensions} columns.")
        old = self._base(tenant, base)
        columns = old.columns if old is not None else no_columns()
        keep: Mask = ~columns.in_documents(change.remove)
        kept = columns if keep.all() else columns.kept(keep)
        chunk_ids = [chunk.chunk_id for chunk in change.add]
        names = as_names(chunk_ids) if old is None else np.concatenate([old.chunks[keep], as_names(chunk_ids)])
        if len(np.unique(names)) < len(names):
            raise ValueError(f"A chunk id of tenant {tenant!r} comes twice; remove its document in the same change.")
        with self._generations.building(tenant, target, self._step) as folder:
            terms = (lexicon.terms(chunk.encoder_text(), chunk.locale) for chunk in change.add)
            write_terms(folder, None if old is None else old.folder, keep, terms)
            self._step("terms")
            added = np.ascontiguousarray(change.vectors, np.float32)
            vectors = added if old is None else np.concatenate([old.scan.vectors[keep], added])
            write_vectors(folder, vectors)
            self._step("vectors")
            columns = kept.extended(change.add).with_superseded(change.superseded)
            unchanged = old is not None and keep.all() and len(keep) > 0
            self._engine.write(folder, columns.column("document"), old.folder if old and unchanged else None, len(keep))
            self._step("lexical")
            for name, array in ((_COLUMNS_FILE, columns.rows), (_DOCUMENTS_FILE, columns.documents), (_CHUNKS_FILE, names)):
                np.save(folder / name, array)
            error = code_error(vectors)
            manifest = Manifest(
                tenant, target, len(columns), self._dimensions, self.fingerprint, columns.locales, astuple(error), {}
            )
            write_manifest(folder, manifest)
            self._step("written")
        self._close_gone()

    def lexical(
        self, tenant: TenantId, generation: int, access: ReadAccess, where: Filter, query: str, locale: str, depth: int
    ) -> list[Hit]:
        held = self._held(tenant, generation)
        if held is None or depth <= 0:
            return []
        words = lexicon.query_terms(query, locale, held.languages)
        visible = self._visible_rows(tenant, held, access, where)
        if not words or not visible.count:
            return []
        return _hits(held, held.lexical.best(words, visible, depth), depth)

    def dense(
        self, tenant: TenantId, generation: int, access: ReadAccess, where: Filter, query: Vectors, depth: int
    ) -> list[Hit]:
        self._check_query(query)
        held = self._held(tenant, generation)
        if held is None or depth <= 0:
            return []
        visible = self._visible_rows(tenant, held, access, where)
        return _hits(held, held.scan.best(query, visible, depth), depth)

    def similarities(
        self, tenant: TenantId, generation: int, access: ReadAccess, query: Vectors, chunks: Sequence[ChunkId]
    ) -> Mapping[ChunkId, float]:
        self._check_query(query)
        held = self._held(tenant, generation)
        if held is None:
            return {}
        mask = self._visible_rows(tenant, held, access, Everything()).mask
        rows = {chunk: row for chunk, row in held.rows_of(chunks).items() if mask[row]}
        scores = held.scan.scores(query, np.fromiter(rows.values(), np.intp, len(rows)))
        return dict(zip(rows, scores.tolist(), strict=True))

    def keep_only(self, tenant: TenantId, generations: frozenset[int]) -> None:
        self._generations.keep_only(tenant, generations)
        self._close_gone()

    def drop(self, tenant: TenantId) -> None:
        self._generations.drop(tenant)
        self._close_gone()

    def verify(self, tenant: TenantId, generation: int) -> None:
        """Returns when every byte of the generation is as it was written; raises CorruptIndex or StaleGeneration if not.

        Opening a generation checks every file's size and the hashes of all but the large ones; this reads everything.
        """
        verify(self._generations.folder(tenant, generation), tenant, generation)

    def close(self) -> None:
        """Nothing is held open; files that a running call still reads close when it ends."""
        with self._lock:
            self._open.clear()
        self._visible.forget_if(lambda key: True)

    def _check_query(self, query: Vectors) -> None:
        if query.shape != (self._dimensions,):
            raise ValueError(f"The query vector is {query.shape}; this index holds {self._dimensions} dimensions.")

    def _visible_rows(self, tenant: TenantId, held: _Generation, access: ReadAccess, where: Filter) -> Visible:
        """The rows that the viewer may read and that pass the filter.

        Rights are cached under the epoch that the store read them at, never under one that the caller names: a caller who
        is behind is served by the newest rights, and rights that lag behind the caller are not kept for its epoch.
        """
        key = (held.serial, access.principals, access.epoch, held.columns.cache_key(where))
        found = self._visible.get(key)
        if found is not None:
            return found
        if not access.principals:
            return visible_rows(held.columns, np.zeros(len(held.columns), np.bool_))
        snapshot = self._readable(tenant, access.principals)
        mask = held.columns.in_documents(snapshot.documents)
        if not isinstance(where, Everything):
            mask &= held.columns.mask(where)
        visible = visible_rows(held.columns, mask)
        self._visible.put((held.serial, access.principals, snapshot.epoch, key[-1]), visible)
        return visible

    def _base(self, tenant: TenantId, base: int) -> _Generation | None:
        try:
            return self._held(tenant, base)
        except StaleGeneration as error:
            raise CorruptIndex(
                f"Generation {base} of tenant {tenant!r}, to build on, is missing; rebuild with `surefoot ingest --reindex`."
            ) from error

    def _held(self, tenant: TenantId, generation: int) -> _Generation | None:
        """The generation, open; None for generation 0, which is empty. The least recently used ones make room for it.

        Whether its files are still there is looked at every time: one that was removed, or dropped and built again under
        the same number, is not served from what this process has open.
        """
        if generation == 0:
            return None
        key, folder = (tenant, generation), self._generations.folder(tenant, generation)
        with self._lock:
            held = self._open.get(key)
            if held is not None:
                self._open.move_to_end(key)
        if held is not None and _stamp(folder) == held.stamp:
            return held
        self._close_gone()
        opened = self._opened(tenant, generation, folder)
        with self._lock:
            self._open[key] = opened
            self._open.move_to_end(key)
            while len(self._open) > self._open_limit:
                self._open.popitem(last=False)
        return opened

    def _opened(self, tenant: TenantId, generation: int, folder: Path) -> _Generation:
        stamp = _stamp(folder)
        manifest = read_manifest(folder, tenant, generation)
        if manifest.fingerprint != self.fingerprint:
            raise CorruptIndex(
                f"Generation {generation} of tenant {tenant!r} was laid out as {manifest.fingerprint!r}, not as"
                f" {self.fingerprint!r}; rebuild it with `surefoot ingest --reindex`."
            )
        try:
            rows, documents, chunks = (
                np.asarray(np.load(folder / name, mmap_mode="r", allow_pickle=False))
                for name in (_COLUMNS_FILE, _DOCUMENTS_FILE, _CHUNKS_FILE)
            )
            scan, lexical = ExactScan(folder, CodeError(*manifest.code_error)), self._engine.open(folder)
        except (OSError, ValueError, RuntimeError) as error:
            if not (folder / MANIFEST_FILE).exists():
                raise StaleGeneration(f"Generation {generation} of tenant {tenant!r} went while it was opened.") from error
            raise CorruptIndex(
                f"Generation {generation} of tenant {tenant!r} cannot be opened: {error}; rebuild it with"
                " `surefoot ingest --reindex`."
            ) from error
        columns = Columns(rows, documents, manifest.locales)
        return _Generation(next(self._serials), stamp, folder, manifest, columns, chunks, scan, lexical)

    def _close_gone(self) -> None:
        """Generations whose files were removed or replaced are not held open any more."""
        with self._lock:
            for key, held in list(self._open.items()):
                if _stamp(held.folder) != held.stamp:
                    del self._open[key]
            serials = {held.serial for held in self._open.values()}
        self._visible.forget_if(lambda key: isinstance(key, tuple) and key[0] not in serials)


def _hits(held: _Generation, ranked: Ranked, depth: int) -> list[Hit]:
    """The best `depth` of these rows, ties by chunk id."""
    rows, scores = ranked
    if len(scores) > depth:
        least = np.partition(scores, -depth)[-depth]
        rows, scores = rows[scores >= least], scores[scores >= least]
    hits = [Hit(name, score) for name, score in zip(held.chunk_ids(rows), scores.tolist(), strict=True)]
    return sorted(hits, key=lambda hit: (-hit.score, hit.chunk_id))[:depth]


def _stamp(folder: Path) -> tuple[int, int]:
    """What tells this folder's files from any that bore the same name; (0, 0) when there are none."""
    try:
        status = (folder / MANIFEST_FILE).stat()
    except FileNotFoundError:
        return (0, 0)
    return (status.st_ino, status.st_mtime_ns)
