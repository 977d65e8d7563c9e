"""From files to a published corpus. The store's commit is the one moment at which readers see the change, all of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

from surefoot.core.clock import Clock
from surefoot.core.errors import EncoderMismatch, NotFound, PayloadTooLarge, UnknownTenant, UnreadableDocument
from surefoot.core.ids import digest
from surefoot.domain.corpora import CorpusState, IngestReport, SkippedFile
from surefoot.domain.documents import Chunk, Document, DocumentId, SourceDocument, TrustTier, document_id
from surefoot.domain.identity import Principal, TenantId
from surefoot.ports import ChunkIndex, Encoder, IndexChange, Store, Vectors
from surefoot.retrieval.chunking import CHUNKER_VERSION, chunk
from surefoot.retrieval.lease import WriterLease
from surefoot.retrieval.readers import RawFile, ReadLimits, read

Progress = Callable[[str, int, int], None]
_ENCODE_BATCH = 64


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """How documents are read and cut; see Settings for the meaning and defaults of each."""

    chunk_tokens: int
    chunk_overlap_tokens: int
    limits: ReadLimits
    default_trust: TrustTier = TrustTier.REVIEWED


@dataclass(slots=True)
class _Plan:
    """What one ingest is going to change, gathered file by file."""

    documents: dict[DocumentId, tuple[Document, list[Chunk]]] = field(default_factory=dict)
    rights: dict[DocumentId, frozenset[Principal]] = field(default_factory=dict)
    seen: set[DocumentId] = field(default_factory=set)
    removed: set[DocumentId] = field(default_factory=set)
    unchanged: int = 0
    private: int = 0
    skipped: list[SkippedFile] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class Ingest:
    """Writes a tenant's corpus; one writer a tenant at a time, any number of readers meanwhile."""

    def __init__(self, store: Store, index: ChunkIndex, encoder: Encoder, clock: Clock, options: IngestOptions) -> None:
        self._store = store
        self._index = index
        self._encoder = encoder
        self._clock = clock
        self._options = options

    def put(
        self,
        tenant: TenantId,
        files: Iterable[RawFile | SkippedFile],
        *,
        source: str,
        default_principals: frozenset[Principal] | None = None,
        prune: bool = False,
        mask_faq_headings: bool = False,
        progress: Progress | None = None,
    ) -> IngestReport:
        """The files' documents are published, all at once; a file that cannot be read is in the report and the rest goes on.

        Documents whose content is unchanged are not cut, encoded or indexed again. With `prune`, documents of this
        `source` that are no longer among the files are deleted. `default_principals` apply to documents that state no
        rights; None leaves theirs as they are, and a new document without stated rights is then private. Interrupted, the
        corpus stays as it was and the next call finds the vectors made so far. Raises WriterBusy, UnknownTenant,
        EncoderMismatch.
        """
        started = perf_counter()
        with WriterLease(self._store, tenant, self._clock):
            state = self._writable_state(tenant)
            plan = self._read(tenant, files, source, default_principals, mask_faq_headings, progress)
            if prune:
                self._prune(tenant, source, plan)
            return self._publish(tenant, state, plan, started, progress)

    def delete(self, tenant: TenantId, uris: Sequence[str]) -> IngestReport:
        """The documents with these uris are gone from answers at once; uris that do not exist are ignored."""
        started = perf_counter()
        with WriterLease(self._store, tenant, self._clock):
            state = self._writable_state(tenant)
            with self._store.begin() as work:
                known = work.documents.hashes(tenant)
            plan = _Plan(removed={document_id(tenant, uri) for uri in uris} & set(known))
            return self._publish(tenant, state, plan, started, None)

    def set_rights(self, tenant: TenantId, uri: str, principals: frozenset[Principal]) -> bool:
        """The document may be read by exactly these principals from the next question on; True when that is a change.

        Needs no lease and no re-index. Raises NotFound.
        """
        document = document_id(tenant, uri)
        with self._store.begin() as work:
            if work.documents.get(tenant, document) is None:
                raise NotFound(f"There is no document {uri!r} in this tenant.")
            changed = work.access.put(tenant, document, principals)
            work.commit()
        return changed

    def reindex(self, tenant: TenantId, *, progress: Progress | None = None) -> IngestReport:
        """All published chunks are encoded and indexed afresh with this process's encoder and analyser."""
        started = perf_counter()
        with WriterLease(self._store, tenant, self._clock):
            with self._store.begin() as work:
                if not work.tenants.exists(tenant):
                    raise UnknownTenant
                state = work.corpora.state(tenant)
                documents = sorted(work.documents.hashes(tenant))
                chunks = work.documents.chunks_of(tenant, documents)
                superseded = _superseded(tenant, work.documents.supersessions(tenant))
            vectors, encoded = self._vectors(tenant, chunks, progress)
            target = state.generation + 1
            _tell(progress, "index", 0, 1)
            change = IndexChange(frozenset(), chunks, vectors, superseded & frozenset(documents))
            self._index.build(tenant, 0, target, change)
            with self._store.begin() as work:
                work.corpora.publish(
                    tenant,
                    expected_generation=state.generation,
                    state=self._state(target, len(documents), len(chunks)),
                )
                work.commit()
            self._index.keep_only(tenant, frozenset({state.generation, target}))
            self._store.vectors.keep_only(tenant, self._encoder.fingerprint, frozenset(map(_text_hash, chunks)))
            _tell(progress, "index", 1, 1)
        return IngestReport(
            unchanged=len(documents),
            chunks=len(chunks),
            encoded_chunks=encoded,
            generation=target,
            seconds=perf_counter() - started,
        )

    def _writable_state(self, tenant: TenantId) -> CorpusState:
        with self._store.begin() as work:
            if not work.tenants.exists(tenant):
                raise UnknownTenant(f"There is no tenant {tenant!r}; create it with `surefoot init --tenant {tenant}`.")
            state = work.corpora.state(tenant)
        ours = (self._encoder.fingerprint, self._index.fingerprint)
        if state.generation and (state.encoder_fingerprint, state.index_fingerprint) != ours:
            raise EncoderMismatch(
                f"The corpus of {tenant!r} was indexed with {state.encoder_fingerprint!r} / {state.index_fingerprint!r}, "
                f"this process runs {ours[0]!r} / {ours[1]!r}; run `surefoot ingest --reindex --tenant {tenant}` once, "
                "then this again."
            )
        return state

    def _read(
        self,
        tenant: TenantId,
        files: Iterable[RawFile | SkippedFile],
        source: str,
        default_principals: frozenset[Principal] | None,
        mask_faq_headings: bool,
        progress: Progress | None,
    ) -> _Plan:
        with self._store.begin() as work:
            known = work.documents.hashes(tenant)
            own = work.documents.hashes(tenant, source=source)
            superseded = _superseded(tenant, work.documents.supersessions(tenant))
        plan = _Plan()
        for count, file in enumerate(files, start=1):
            if isinstance(file, SkippedFile):
                plan.skipped.append(file)
                continue
            try:
                documents = read(file, self._options.limits, mask_faq_headings=mask_faq_headings)
            except (UnreadableDocument, PayloadTooLarge) as error:
                plan.skipped.append(SkippedFile(file.uri, str(error)))
                continue
            for document in documents:
                self._plan_document(tenant, document, source, default_principals, known, superseded, plan)
            _tell(progress, "read", count, 0)
        taken = sorted(row.uri for identity, (row, _) in plan.documents.items() if identity in known and identity not in own)
        if taken:
            plan.warnings.append(
                f"{len(taken)} documents, {taken[0]!r} first, came from another feed before and belong to {source!r} now; "
                "if these are different documents, ingest the folder above both."
            )
        if plan.private:
            plan.warnings.append(
                f"{plan.private} new documents state no rights and are private (nobody reads them); "
                "state principals in them or run again with --access."
            )
        return plan

    def _plan_document(
        self,
        tenant: TenantId,
        document: SourceDocument,
        source: str,
        default_principals: frozenset[Principal] | None,
        known: Mapping[DocumentId, str],
        superseded: frozenset[DocumentId],
        plan: _Plan,
    ) -> None:
        identity = document_id(tenant, document.uri)
        if identity in plan.seen:
            plan.skipped.append(SkippedFile(document.uri, "a document with the same uri was read before in this run"))
            return
        plan.seen.add(identity)
        plan.warnings += [f"{document.uri}: {warning}" for warning in document.warnings]
        principals = default_principals if document.principals is None else document.principals
        if principals is not None:
            plan.rights[identity] = principals
        elif identity not in known:
            plan.rights[identity] = frozenset()
            plan.private += 1
        options = self._options
        cut = f"{CHUNKER_VERSION}:{options.chunk_tokens}:{options.chunk_overlap_tokens}:{options.default_trust}"
        content_hash = digest(document.content_hash(), cut, source)
        if known.get(identity) == content_hash:
            plan.unchanged += 1
            return
        chunks = chunk(
            tenant,
            document,
            default_trust=options.default_trust,
            target_tokens=options.chunk_tokens,
            overlap_tokens=options.chunk_overlap_tokens,
            superseded=identity in superseded,
        )
        if not chunks:
            plan.skipped.append(SkippedFile(document.uri, "it has no text to answer from"))
            plan.rights.pop(identity, None)
            return
        row = Document(
            document_id=identity,
            uri=document.uri,
            source=source,
            title=document.title,
            text=document.text,
            content_hash=content_hash,
            locale=document.locale,
            trust=document.trust or options.default_trust,
            updated_at=document.updated_at,
            valid_until=document.valid_until,
            supersedes=document.supersedes,
            meta=document.meta,
            ingested_at=self._clock.now(),
        )
        plan.documents[identity] = (row, chunks)

    def _prune(self, tenant: TenantId, source: str, plan: _Plan) -> None:
        """Mark this source's documents that were not seen. What could not be read keeps its last good version."""
        collections = [file.uri for file in plan.skipped if file.uri.endswith((".jsonl", ".jsonl.gz"))]
        if collections:
            plan.warnings.append(
                f"Nothing was deleted, because {collections[0]!r} could not be read and may hold many documents."
            )
            return
        with self._store.begin() as work:
            known = work.documents.hashes(tenant, source=source)
        kept = plan.seen | {document_id(tenant, file.uri) for file in plan.skipped}
        plan.removed |= set(known) - kept

    def _publish(
        self, tenant: TenantId, state: CorpusState, plan: _Plan, started: float, progress: Progress | None
    ) -> IngestReport:
        with self._store.begin() as work:
            known = work.documents.hashes(tenant)
            gone = sorted(plan.removed | (set(plan.documents) & set(known)))
            old_chunks = work.documents.chunks_of(tenant, gone)
            supersessions = dict(work.documents.supersessions(tenant))
        generation, chunk_count, encoded = state.generation, state.chunks, 0
        if plan.documents or plan.removed:
            added = [chunk for _, chunks in plan.documents.values() for chunk in chunks]
            vectors, encoded = self._vectors(tenant, added, progress)
            remaining = (set(known) | set(plan.documents)) - plan.removed
            supersessions |= {identity: row.supersedes for identity, (row, _) in plan.documents.items()}
            superseded = _superseded(tenant, {d: uris for d, uris in supersessions.items() if d in remaining})
            generation += 1
            chunk_count += len(added) - len(old_chunks)
            _tell(progress, "index", 0, 1)
            change = IndexChange(frozenset(gone), added, vectors, superseded & remaining)
            self._index.build(tenant, state.generation, generation, change)
        rights_changed = self._commit(tenant, state, plan, generation, chunk_count, known)
        if generation != state.generation:
            self._index.keep_only(tenant, frozenset({state.generation, generation}))
            kept = {_text_hash(chunk) for _, chunks in plan.documents.values() for chunk in chunks}
            self._store.vectors.forget(tenant, {_text_hash(chunk) for chunk in old_chunks} - kept)
            _tell(progress, "index", 1, 1)
        changed = len(set(plan.documents) & set(known))
        return IngestReport(
            added=len(plan.documents) - changed,
            changed=changed,
            deleted=len(plan.removed),
            unchanged=plan.unchanged,
            rights_changed=rights_changed,
            chunks=chunk_count,
            encoded_chunks=encoded,
            skipped=tuple(plan.skipped),
            warnings=tuple(plan.warnings),
            generation=generation,
            seconds=perf_counter() - started,
        )

    def _commit(
        self,
        tenant: TenantId,
        state: CorpusState,
        plan: _Plan,
        generation: int,
        chunk_count: int,
        known: Mapping[DocumentId, str],
    ) -> int:
        """Everything of the plan is visible, in one transaction; returns how many documents already known changed rights."""
        with self._store.begin() as work:
            work.documents.delete(tenant, plan.removed)
            for row, chunks in plan.documents.values():
                work.documents.replace(tenant, row, chunks)
            changed = [identity for identity, principals in plan.rights.items() if work.access.put(tenant, identity, principals)]
            if generation != state.generation:
                documents = len((set(known) | set(plan.documents)) - plan.removed)
                work.corpora.publish(
                    tenant, expected_generation=state.generation, state=self._state(generation, documents, chunk_count)
                )
            work.commit()
        return len(set(changed) & set(known))

    def _state(self, generation: int, documents: int, chunks: int) -> CorpusState:
        return CorpusState(
            generation=generation,
            acl_epoch=0,
            encoder_fingerprint=self._encoder.fingerprint,
            index_fingerprint=self._index.fingerprint,
            documents=documents,
            chunks=chunks,
            published_at=self._clock.now(),
        )

    def _vectors(self, tenant: TenantId, chunks: Sequence[Chunk], progress: Progress | None) -> tuple[Vectors, int]:
        """`(len(chunks), dimensions)` float32 in order, and how many texts had to be encoded; those are cached as they come."""
        hashes = [_text_hash(chunk) for chunk in chunks]
        fingerprint = self._encoder.fingerprint
        found = dict(self._store.vectors.get(tenant, fingerprint, sorted(set(hashes))))
        missing = {text_hash: chunk for text_hash, chunk in zip(hashes, chunks, strict=True) if text_hash not in found}
        # Texts of like length share a batch, so that little is spent on padding.
        queue = sorted(missing, key=lambda text_hash: len(missing[text_hash].text))
        _tell(progress, "encode", 0, len(queue))
        for begin in range(0, len(queue), _ENCODE_BATCH):
            batch = queue[begin : begin + _ENCODE_BATCH]
            rows = self._encoder.encode([missing[text_hash].encoder_text() for text_hash in batch])
            fresh = dict(zip(batch, rows, strict=True))
            self._store.vectors.put(tenant, fingerprint, fresh)
            found |= fresh
            _tell(progress, "encode", begin + len(batch), len(queue))
        if not chunks:
            return np.zeros((0, self._encoder.dimensions), dtype=np.float32), 0
        return np.stack([found[text_hash] for text_hash in hashes]).astype(np.float32, copy=False), len(queue)


def _text_hash(chunk: Chunk) -> str:
    return digest(chunk.encoder_text())


def _superseded(tenant: TenantId, supersessions: Mapping[DocumentId, Sequence[str]]) -> frozenset[DocumentId]:
    """The documents that another one replaces; a document that names itself does not."""
    return frozenset(
        document_id(tenant, uri) for by, uris in supersessions.items() for uri in uris if document_id(tenant, uri) != by
    )


def _tell(progress: Progress | None, stage: str, done: int, total: int) -> None:
    if progress is not None:
        progress(stage, done, total)
