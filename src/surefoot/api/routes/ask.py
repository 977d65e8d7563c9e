"""Questions, and the passages that answers cite."""

from functools import partial

from fastapi import APIRouter, Request
from starlette.responses import Response

from surefoot.api.deps import Face, Id, NeedsViewer, TheFace, TheViewer, ViewerRoute, json_response
from surefoot.api.errors import problem_body, trace_id_of
from surefoot.api.schemas.asking import Question, ShownPassage, ShownReply
from surefoot.api.streaming import AnswerStream, wants_stream, while_connected
from surefoot.assistant.course import Asking
from surefoot.assistant.watching import Watcher
from surefoot.core.errors import NotFound
from surefoot.core.tracing import note_trace
from surefoot.domain.conversations import ConversationId
from surefoot.domain.documents import ChunkId
from surefoot.domain.filters import Everything
from surefoot.domain.identity import Viewer
from surefoot.domain.replies import Reply
from surefoot.retrieval.access import still_readable

# Nobody reads it: the status that servers log for a caller who has hung up.
_HUNG_UP = 499

router = APIRouter(prefix="/v1", tags=["ask"], route_class=ViewerRoute, dependencies=[NeedsViewer])


@router.post("/ask", response_model=ShownReply, summary="Ask a question as the signed-in viewer")
async def ask(question: Question, viewer: TheViewer, face: TheFace, request: Request) -> Response:
    """An answer whose every sentence is cited, or a refusal with its reason. A refusal is a result: its status is 200.

    With `Accept: text/event-stream` the claims come as events, each once it is verified: `claim`, now and then `restart`
    (forget the claims so far), last `reply` with the whole outcome. Hanging up ends the question and its spending.
    """
    note_trace(surface=question.surface)
    asking = Asking(
        viewer,
        question.question,
        question.where.filter() if question.where else Everything(),
        question.limit,
        question.surface,
        ConversationId(question.conversation_id) if question.conversation_id else None,
        trace_id_of(request),
    )

    deadline = face.surefoot.ask.deadline_of(asking)
    turn = face.questions.turn(deadline)

    async def work(watcher: Watcher | None = None) -> Reply:
        return await face.surefoot.ask.answer(asking, watcher=watcher, run=turn.run, deadline=deadline)

    if wants_stream(request):
        return AnswerStream(work, face.questions, partial(problem_body, request))
    reply = await while_connected(request, work)
    return Response(status_code=_HUNG_UP) if reply is None else json_response(ShownReply.of(reply).model_dump(mode="json"))


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
