"""The signed-in viewer's conversations: only their own exist for them."""

from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from surefoot.api.deps import Face, Id, NeedsViewer, TheFace, TheViewer, ViewerRoute, json_response
from surefoot.api.schemas.conversations import (
    HandoverRequest,
    NewConversation,
    ShownConversation,
    ShownConversations,
    ShownHandover,
    ShownHistory,
    ShownTurn,
)
from surefoot.assistant.conversation import MOST_TURNS_SHOWN
from surefoot.domain.conversations import Conversation
from surefoot.domain.identity import Viewer

router = APIRouter(prefix="/v1/conversations", tags=["conversations"], route_class=ViewerRoute, dependencies=[NeedsViewer])


@router.post("", response_model=ShownConversation, status_code=201, summary="Start a conversation")
async def start(body: NewConversation, viewer: TheViewer, face: TheFace) -> Response:
    """A conversation without turns; give its id with each question."""
    started = await face.questions.run(partial(_start, face, viewer, body.surface))
    return json_response(ShownConversation.of(started).model_dump(mode="json"), 201)


@router.get("", response_model=ShownConversations, summary="List your conversations")
async def list_conversations(viewer: TheViewer, face: TheFace) -> Response:
    """The viewer's conversations, the one last spoken in first; at most 100."""
    own = await face.questions.run(partial(face.surefoot.conversations.of, viewer))
    shown = ShownConversations(conversations=[ShownConversation.of(one) for one in own])
    return json_response(shown.model_dump(mode="json"))


@router.get("/{conversation_id}", response_model=ShownHistory, summary="Read a conversation")
async def read(conversation_id: Id, viewer: TheViewer, face: TheFace) -> Response:
    """Its last 100 turns. What stood on a document that the viewer may not read any more is left out."""
    history = await face.questions.run(partial(_history, face, viewer, conversation_id))
    return json_response(history.model_dump(mode="json"))


@router.delete("/{conversation_id}", status_code=204, summary="Delete a conversation")
async def delete(conversation_id: Id, viewer: TheViewer, face: TheFace) -> Response:
    """The conversation and its turns are gone; the ledger of replies keeps its rows."""
    await face.questions.run(partial(face.surefoot.conversations.delete, viewer, conversation_id))
    return Response(status_code=204)


@router.post("/{conversation_id}/handover", response_model=ShownHandover, summary="Hand a conversation over to a person")
async def hand_over(conversation_id: Id, body: HandoverRequest, viewer: TheViewer, face: TheFace) -> Response:
    """The tenant's receiver of events is sent the conversation. Asked again, the answer is the same and nothing more is sent."""
    done = await face.questions.run(partial(face.surefoot.handovers.hand_over, viewer, conversation_id, body.note))
    return json_response(ShownHandover.of(done).model_dump(mode="json"))


def _start(face: Face, viewer: Viewer, surface: str) -> Conversation:
    face.surefoot.policy.of(viewer.tenant).surface(surface)
    return face.surefoot.conversations.start(viewer, surface)


def _history(face: Face, viewer: Viewer, conversation_id: str) -> ShownHistory:
    conversations = face.surefoot.conversations
    conversation = conversations.get(viewer, conversation_id)
    turns = conversations.history(viewer, conversation_id, last=MOST_TURNS_SHOWN)
    return ShownHistory(conversation=ShownConversation.of(conversation), turns=[ShownTurn.of(turn) for turn in turns])
