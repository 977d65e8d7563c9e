"""Documents of the caller's tenant: publish, list, read, delete, and who may read them."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from surefoot.api.deps import Face, Id, IngestRoute, NeedsServerKey, TheFace, TheServerKey, json_response
from surefoot.api.schemas.documents import (
    PublishedDocument,
    SentAccess,
    SentBatch,
    SentDocument,
    ShownAccess,
    ShownDocument,
    ShownDocuments,
    ShownDocumentText,
    ShownReport,
)
from surefoot.api.schemas.service import ShownCorpus
from surefoot.core.errors import NotFound, UnreadableDocument
from surefoot.domain.corpora import IngestReport
from surefoot.domain.documents import Document, DocumentId, document_id
from surefoot.domain.identity import Principal, TenantId

SOURCE = "api"

router = APIRouter(prefix="/v1", tags=["documents"], route_class=IngestRoute, dependencies=[NeedsServerKey])

Cursor = Annotated[str | None, Query(pattern=r"^doc_[0-9a-f]{24}$", description="`next_cursor` of the page before.")]
PageSize = Annotated[int, Query(ge=1, le=200)]


@router.put("/documents", response_model=PublishedDocument, summary="Publish a document")
async def put_document(body: SentDocument, caller: TheServerKey, face: TheFace) -> Response:
    """The document is published and answers may cite it. Naturally idempotent: unchanged content is not encoded again."""
    report = await face.administration.run(partial(_publish, face, caller.tenant, [body]))
    if report.skipped:
        raise UnreadableDocument(f"{report.skipped[0].uri!r} was not published: {report.skipped[0].reason}.")
    shown = PublishedDocument(document_id=document_id(caller.tenant, body.uri), report=ShownReport.of(report))
    return json_response(shown.model_dump(mode="json"))


@router.post("/documents:batch", response_model=ShownReport, summary="Publish many documents at once")
async def put_documents(body: SentBatch, caller: TheServerKey, face: TheFace) -> Response:
    """Readers see all of the batch or none of it. A document that cannot be read is listed as skipped; the rest goes on."""
    report = await face.administration.run(partial(_publish, face, caller.tenant, body.documents))
    return json_response(ShownReport.of(report).model_dump(mode="json"))


@router.get("/documents", response_model=ShownDocuments, summary="List documents")
async def list_documents(caller: TheServerKey, face: TheFace, cursor: Cursor = None, limit: PageSize = 50) -> Response:
    """Published documents in a stable order, page by page."""
    page = await face.administration.run(partial(_page, face, caller.tenant, cursor, limit))
    return json_response(page.model_dump(mode="json"))


@router.get("/documents/{document_id}", response_model=ShownDocumentText, summary="Read a document")
async def get_document(document_id: Id, caller: TheServerKey, face: TheFace) -> Response:
    """The document with its exact text, its rights and dates."""
    shown = await face.administration.run(partial(_read, face, caller.tenant, DocumentId(document_id)))
    return json_response(shown.model_dump(mode="json"))


@router.delete("/documents/{document_id}", status_code=204, summary="Delete a document")
async def delete_document(document_id: Id, caller: TheServerKey, face: TheFace) -> Response:
    """The document is gone from answers at once."""
    await face.administration.run(partial(_delete, face, caller.tenant, DocumentId(document_id)))
    return Response(status_code=204)


@router.put("/documents/{document_id}/access", response_model=ShownAccess, summary="Set who may read a document")
async def put_access(document_id: Id, body: SentAccess, caller: TheServerKey, face: TheFace) -> Response:
    """Takes effect on the next question; nothing is indexed again."""
    principals = frozenset(map(Principal, body.principals))
    shown = await face.administration.run(partial(_set_access, face, caller.tenant, DocumentId(document_id), principals))
    return json_response(shown.model_dump(mode="json"))


@router.get("/corpus", response_model=ShownCorpus, summary="What is published now")
async def corpus(caller: TheServerKey, face: TheFace) -> Response:
    """The published state of the tenant's corpus."""
    shown = await face.administration.run(partial(_corpus, face, caller.tenant))
    return json_response(shown.model_dump(mode="json"))


def _publish(face: Face, tenant: TenantId, documents: Sequence[SentDocument]) -> IngestReport:
    return face.surefoot.ingest.put(tenant, [document.raw_file() for document in documents], source=SOURCE)


def _page(face: Face, tenant: TenantId, cursor: str | None, limit: int) -> ShownDocuments:
    after = None if cursor is None else DocumentId(cursor)
    with face.surefoot.store.begin() as work:
        found = work.documents.page(tenant, after=after, limit=limit + 1)
        rights = work.access.of(tenant, [document.document_id for document in found])
    page = found[:limit]
    return ShownDocuments(
        documents=[ShownDocument.of(document, rights.get(document.document_id, ())) for document in page],
        next_cursor=page[-1].document_id if len(found) > limit else None,
    )


def _read(face: Face, tenant: TenantId, identity: DocumentId) -> ShownDocumentText:
    document, principals = _find(face, tenant, identity)
    return ShownDocumentText(document=ShownDocument.of(document, principals), text=document.text)


def _delete(face: Face, tenant: TenantId, identity: DocumentId) -> None:
    document, _ = _find(face, tenant, identity)
    face.surefoot.ingest.delete(tenant, [document.uri])


def _set_access(face: Face, tenant: TenantId, identity: DocumentId, principals: frozenset[Principal]) -> ShownAccess:
    document, _ = _find(face, tenant, identity)
    try:
        changed = face.surefoot.ingest.set_rights(tenant, document.uri, principals)
    except NotFound:
        # Deleted meanwhile: the same answer as for any unknown id, without the uri.
        raise NotFound from None
    return ShownAccess(principals=sorted(principals), changed=changed)


def _corpus(face: Face, tenant: TenantId) -> ShownCorpus:
    with face.surefoot.store.begin() as work:
        return ShownCorpus.of(work.corpora.state(tenant))


def _find(face: Face, tenant: TenantId, identity: DocumentId) -> tuple[Document, frozenset[Principal]]:
    with face.surefoot.store.begin() as work:
        document = work.documents.get(tenant, identity)
        principals = work.access.of(tenant, [identity]).get(identity, frozenset())
    if document is None:
        raise NotFound
    return document, principals
