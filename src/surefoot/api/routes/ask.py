"""Questions, and the passages that answers cite."""

from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from surefoot.api.deps import Face, Id, NeedsViewer, TheFace, TheViewer, ViewerRoute, json_response
from surefoot.api.schemas.asking import Question, ShownPassage, ShownReply
from surefoot.core.errors import NotFound
from surefoot.domain.documents import ChunkId
from surefoot.domain.filters import Everything
from surefoot.domain.identity import Viewer
from surefoot.retrieval.access import still_readable

router = APIRouter(prefix="/v1", tags=["ask"], route_class=ViewerRoute, dependencies=[NeedsViewer])


@router.post("/ask", response_model=ShownReply, summary="Ask a question as the signed-in viewer")
async def ask(question: Question, viewer: TheViewer, face: TheFace) -> Response:
    """An answer whose every sentence is cited, or a refusal with its reason. A refusal is a result: its status is 200."""
    where = question.where.filter() if question.where else Everything()
    reply = await face.questions.run(partial(face.surefoot.ask.ask, viewer, question.question, where=where, limit=question.limit))
    return json_response(ShownReply.of(reply).model_dump(mode="json"))


@router.get("/citations/{chunk_id}", response_model=ShownPassage, summary="Open a citation")
async def citation(chunk_id: Id, viewer: TheViewer, face: TheFace) -> Response:
    """The cited passage with the text around it, if the viewer may read it at this moment; else it does not exist."""
    passage = await face.questions.run(partial(_passage, face, viewer, ChunkId(chunk_id)))
    return json_response(passage.model_dump(mode="json"))


def _passage(face: Face, viewer: Viewer, chunk_id: ChunkId) -> ShownPassage:
    store = face.surefoot.store
    with store.begin() as work:
        chunk = work.documents.chunks(viewer.tenant, [chunk_id]).get(chunk_id)
        document = work.documents.get(viewer.tenant, chunk.document_id) if chunk is not None else None
    if chunk is None or document is None or not still_readable(store, viewer, [chunk.document_id]):
        raise NotFound
    return ShownPassage.of(chunk, document)
