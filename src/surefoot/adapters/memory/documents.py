"""The DocumentRepository port in memory."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from surefoot.adapters.memory.access import MemoryAccess
from surefoot.adapters.memory.tables import Transaction
from surefoot.core.errors import Conflict, InvalidInput
from surefoot.domain.documents import Chunk, ChunkId, Document, DocumentId
from surefoot.domain.identity import TenantId


class MemoryDocuments:
    """Published documents, their chunks and what they replace."""

    def __init__(self, transaction: Transaction, access: MemoryAccess) -> None:
        self._transaction = transaction
        self._access = access

    def get(self, tenant: TenantId, document: DocumentId) -> Document | None:
        return self._transaction.read(tenant).documents.get(document)

    def hashes(self, tenant: TenantId, *, source: str | None = None) -> Mapping[DocumentId, str]:
        found = self._transaction.read(tenant).documents.values()
        return {each.document_id: each.content_hash for each in found if source is None or each.source == source}

    def page(self, tenant: TenantId, *, after: DocumentId | None, limit: int) -> list[Document]:
        found = self._transaction.read(tenant).documents
        return [found[each] for each in sorted(found) if after is None or each > after][: max(limit, 0)]

    def replace(self, tenant: TenantId, document: Document, chunks: Sequence[Chunk]) -> None:
        if any(chunk.document_id != document.document_id for chunk in chunks):
            raise ValueError(f"A chunk belongs to another document than {document.document_id!r}.")
        if "\0" in document.text:
            raise InvalidInput(f"{document.uri!r} holds a NUL character; remove it from the text.")
        with self._transaction.write():
            self._drop(tenant, {document.document_id})
            self._transaction.table(tenant, "documents")[document.document_id] = document
            table = self._transaction.table(tenant, "chunks")
            for chunk in chunks:
                if chunk.chunk_id in table:
                    raise Conflict
                table[chunk.chunk_id] = replace(chunk, superseded=False)

    def delete(self, tenant: TenantId, documents: Iterable[DocumentId]) -> None:
        ids = frozenset(documents)
        with self._transaction.write():
            self._drop(tenant, ids)
        self._access.remove(tenant, ids)

    def supersessions(self, tenant: TenantId) -> Mapping[DocumentId, tuple[str, ...]]:
        found = self._transaction.read(tenant).documents.values()
        return {each.document_id: each.supersedes for each in found if each.supersedes}

    def chunks(self, tenant: TenantId, ids: Sequence[ChunkId]) -> Mapping[ChunkId, Chunk]:
        found = self._transaction.read(tenant).chunks
        return {chunk.chunk_id: chunk for chunk in self._marked(tenant, [found[each] for each in set(ids) if each in found])}

    def chunks_of(self, tenant: TenantId, documents: Sequence[DocumentId]) -> list[Chunk]:
        wanted = frozenset(documents)
        found = [each for each in self._transaction.read(tenant).chunks.values() if each.document_id in wanted]
        return sorted(self._marked(tenant, found), key=lambda each: (each.document_id, each.ordinal, each.chunk_id))

    def _marked(self, tenant: TenantId, chunks: Iterable[Chunk]) -> list[Chunk]:
        """The chunks with `superseded` as it is now."""
        by_uri: dict[str, set[DocumentId]] = {}
        for document, uris in self.supersessions(tenant).items():
            for uri in uris:
                by_uri.setdefault(uri, set()).add(document)
        return [replace(each, superseded=bool(by_uri.get(each.uri, set()) - {each.document_id})) for each in chunks]

    def _drop(self, tenant: TenantId, documents: Iterable[DocumentId]) -> None:
        gone = frozenset(documents) & self._transaction.read(tenant).documents.keys()
        if not gone:
            return
        table = self._transaction.table(tenant, "documents")
        for document in gone:
            del table[document]
        rest = {key: chunk for key, chunk in self._transaction.read(tenant).chunks.items() if chunk.document_id not in gone}
        chunks = self._transaction.table(tenant, "chunks")
        chunks.clear()
        chunks.update(rest)
