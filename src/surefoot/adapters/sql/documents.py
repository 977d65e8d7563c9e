"""The DocumentRepository port."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Delete, Select, bindparam, delete, exists, insert, select

from surefoot.adapters.sql.access import SqlAccess
from surefoot.adapters.sql.schema.columns import TENANT, one_of
from surefoot.adapters.sql.schema.documents import chunks, documents, supersessions
from surefoot.adapters.sql.transaction import Transaction
from surefoot.core.errors import InvalidInput
from surefoot.domain.documents import Chunk, ChunkId, Document, DocumentId, TrustTier
from surefoot.domain.identity import TenantId

_DOCUMENT = (
    documents.c.document_id, documents.c.uri, documents.c.source, documents.c.title, documents.c.text, documents.c.content_hash,
    documents.c.locale, documents.c.trust, documents.c.updated_at, documents.c.valid_until, documents.c.supersedes,
    documents.c.meta, documents.c.ingested_at,
)  # fmt: skip
_SUPERSEDED = exists().where(
    supersessions.c.tenant_id == chunks.c.tenant_id,
    supersessions.c.superseded_uri == chunks.c.uri,
    supersessions.c.document_id != chunks.c.document_id,
)
_CHUNK = (
    chunks.c.chunk_id, chunks.c.document_id, chunks.c.uri, chunks.c.ordinal, chunks.c.start_char, chunks.c.end_char,
    chunks.c.text, chunks.c.title, chunks.c.heading, chunks.c.path, chunks.c.anchor, chunks.c.page_number,
    chunks.c.token_count, chunks.c.locale, chunks.c.trust, chunks.c.updated_at, chunks.c.valid_until,
    _SUPERSEDED.label("superseded"), chunks.c.heading_indexed,
)  # fmt: skip

_GET = select(*_DOCUMENT).where(documents.c.tenant_id == TENANT, documents.c.document_id == bindparam("document"))
_HASHES = select(documents.c.document_id, documents.c.content_hash).where(documents.c.tenant_id == TENANT)
_HASHES_OF_SOURCE = _HASHES.where(documents.c.source == bindparam("source"))
_FIRST_PAGE = select(*_DOCUMENT).where(documents.c.tenant_id == TENANT).order_by(documents.c.document_id).limit(bindparam("most"))
_NEXT_PAGE = _FIRST_PAGE.where(documents.c.document_id > bindparam("after"))
_SUPERSESSIONS = (
    select(supersessions.c.document_id, supersessions.c.superseded_uri)
    .where(supersessions.c.tenant_id == TENANT)
    .order_by(supersessions.c.document_id, supersessions.c.position)
)


@cache
def _chunks_by_id(dialect: str) -> Select[Any]:
    return select(*_CHUNK).where(chunks.c.tenant_id == TENANT, one_of(chunks.c.chunk_id, "ids", dialect))


@cache
def _chunks_by_document(dialect: str) -> Select[Any]:
    return (
        select(*_CHUNK)
        .where(chunks.c.tenant_id == TENANT, one_of(chunks.c.document_id, "ids", dialect))
        .order_by(chunks.c.document_id, chunks.c.ordinal, chunks.c.chunk_id)
    )


@cache
def _delete(dialect: str) -> Delete:
    """Chunks and supersessions go with their document by their foreign keys."""
    return delete(documents).where(documents.c.tenant_id == TENANT, one_of(documents.c.document_id, "ids", dialect))


class SqlDocuments:
    """Published documents, their chunks and what they replace."""

    def __init__(self, transaction: Transaction, access: SqlAccess) -> None:
        self._transaction = transaction
        self._access = access

    def get(self, tenant: TenantId, document: DocumentId) -> Document | None:
        row = self._transaction.read().execute(_GET, {"tenant": tenant, "document": document}).one_or_none()
        return None if row is None else _document(row)

    def hashes(self, tenant: TenantId, *, source: str | None = None) -> Mapping[DocumentId, str]:
        statement = _HASHES if source is None else _HASHES_OF_SOURCE
        values = {"tenant": tenant} | ({} if source is None else {"source": source})
        rows = self._transaction.read().execute(statement, values)
        return {DocumentId(document): content_hash for document, content_hash in rows}

    def page(self, tenant: TenantId, *, after: DocumentId | None, limit: int) -> list[Document]:
        statement = _FIRST_PAGE if after is None else _NEXT_PAGE
        values = {"tenant": tenant, "most": max(limit, 0)} | ({} if after is None else {"after": after})
        return [_document(row) for row in self._transaction.read().execute(statement, values)]

    def replace(self, tenant: TenantId, document: Document, chunks: Sequence[Chunk]) -> None:
        if any(chunk.document_id != document.document_id for chunk in chunks):
            raise ValueError(f"A chunk belongs to another document than {document.document_id!r}.")
        if "\0" in document.text:
            # PostgreSQL cannot hold it; all stores refuse it alike, so that a move from one to the other cannot fail.
            raise InvalidInput(f"{document.uri!r} holds a NUL character; remove it from the text.")
        with self._transaction.write() as connection:
            connection.execute(_delete(self._transaction.dialect), {"tenant": tenant, "ids": [document.document_id]})
            connection.execute(insert(documents), _document_values(tenant, document))
            if chunks:
                connection.execute(_INSERT_CHUNKS, [_chunk_values(tenant, chunk) for chunk in chunks])
            if document.supersedes:
                connection.execute(insert(supersessions), _supersession_values(tenant, document))

    def delete(self, tenant: TenantId, documents: Iterable[DocumentId]) -> None:
        ids = list(documents)
        with self._transaction.write() as connection:
            connection.execute(_delete(self._transaction.dialect), {"tenant": tenant, "ids": ids})
        self._access.remove(tenant, ids)

    def supersessions(self, tenant: TenantId) -> Mapping[DocumentId, tuple[str, ...]]:
        found: dict[DocumentId, tuple[str, ...]] = {}
        for document, uri in self._transaction.read().execute(_SUPERSESSIONS, {"tenant": tenant}):
            found[document] = (*found.get(document, ()), uri)
        return found

    def chunks(self, tenant: TenantId, ids: Sequence[ChunkId]) -> Mapping[ChunkId, Chunk]:
        statement = _chunks_by_id(self._transaction.dialect)
        rows = self._transaction.read().execute(statement, {"tenant": tenant, "ids": ids})
        return {row[0]: _chunk(row) for row in rows}

    def chunks_of(self, tenant: TenantId, documents: Sequence[DocumentId]) -> list[Chunk]:
        statement = _chunks_by_document(self._transaction.dialect)
        return [_chunk(row) for row in self._transaction.read().execute(statement, {"tenant": tenant, "ids": documents})]


_INSERT_CHUNKS = insert(chunks)


def _document(row: Sequence[Any]) -> Document:
    identity, uri, source, title, text, content_hash, locale, trust, updated_at, valid_until, supersedes, meta, ingested_at = row
    return Document(
        DocumentId(identity), uri, source, title, text, content_hash, locale, TrustTier(trust), updated_at, valid_until,
        tuple(supersedes), meta, ingested_at,
    )  # fmt: skip


def _chunk(row: Sequence[Any]) -> Chunk:
    (
        identity, document, uri, ordinal, start, end, text, title, heading, path, anchor, page_number, token_count, locale,
        trust, updated_at, valid_until, superseded, heading_indexed,
    ) = row  # fmt: skip
    return Chunk(
        ChunkId(identity), DocumentId(document), uri, ordinal, start, end, text, title, heading, tuple(path), anchor,
        page_number, token_count, locale, TrustTier(trust), updated_at, valid_until, bool(superseded), heading_indexed,
    )  # fmt: skip


def _document_values(tenant: TenantId, document: Document) -> dict[str, object]:
    return {
        "tenant_id": tenant,
        "document_id": document.document_id,
        "uri": document.uri,
        "source": document.source,
        "title": document.title,
        "content_hash": document.content_hash,
        "locale": document.locale,
        "trust": document.trust.value,
        "updated_at": document.updated_at,
        "valid_until": document.valid_until,
        "supersedes": list(document.supersedes),
        "meta": dict(document.meta),
        "ingested_at": document.ingested_at,
        "text": document.text,
    }


def _chunk_values(tenant: TenantId, chunk: Chunk) -> dict[str, object]:
    return {
        "tenant_id": tenant,
        "chunk_id": chunk.chunk_id,
        "document_id": chunk.document_id,
        "uri": chunk.uri,
        "ordinal": chunk.ordinal,
        "start_char": chunk.start,
        "end_char": chunk.end,
        "text": chunk.text,
        "title": chunk.title,
        "heading": chunk.heading,
        "path": list(chunk.path),
        "anchor": chunk.anchor,
        "page_number": chunk.page_number,
        "token_count": chunk.token_count,
        "locale": chunk.locale,
        "trust": chunk.trust.value,
        "updated_at": chunk.updated_at,
        "valid_until": chunk.valid_until,
        "heading_indexed": chunk.heading_indexed,
    }


def _supersession_values(tenant: TenantId, document: Document) -> list[dict[str, object]]:
    return [
        {"tenant_id": tenant, "document_id": document.document_id, "position": position, "superseded_uri": uri}
        for position, uri in enumerate(document.supersedes)
    ]
