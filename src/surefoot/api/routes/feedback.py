"""What viewers say about the replies they got."""

from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from surefoot.api.deps import Id, NeedsViewer, TheFace, TheViewer, ViewerRoute, json_response
from surefoot.api.schemas.quality import SentFeedback, ShownFeedback

router = APIRouter(prefix="/v1/replies", tags=["replies"], route_class=ViewerRoute, dependencies=[NeedsViewer])


@router.post("/{reply_id}/feedback", response_model=ShownFeedback, summary="Say what you think of a reply")
async def feedback(reply_id: Id, body: SentFeedback, viewer: TheViewer, face: TheFace) -> Response:
    """The viewer's word on their own reply, in place of an earlier one. Sent again it changes nothing; a reply that was given
    to somebody else does not exist.
    """
    give = partial(face.surefoot.feedback.give, viewer, reply_id, body.opinion, body.comment)
    word = await face.questions.run(give)
    return json_response(ShownFeedback.of(word).model_dump(mode="json"))
