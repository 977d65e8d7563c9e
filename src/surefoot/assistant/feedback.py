"""What viewers say about the replies they got."""

from collections.abc import Mapping

from surefoot.core.clock import Clock
from surefoot.core.errors import NotFound
from surefoot.core.redaction import redact_personal
from surefoot.domain.feedback import Feedback, Opinion
from surefoot.domain.identity import Viewer, viewer_hash
from surefoot.ports import Observer, Store


def own_reply(store: Store, viewer: Viewer, reply_id: str) -> Mapping[str, object]:
    """The reply as recorded, if it was given to this viewer; else NotFound, whoever else has it."""
    record = store.replies.get(viewer.tenant, reply_id)
    if record is None or record["viewer_hash"] != viewer_hash(viewer):
        raise NotFound
    return record


class FeedbackDesk:
    """Takes viewers' words on their own replies. Safe from many threads."""

    def __init__(self, store: Store, clock: Clock, observer: Observer | None = None) -> None:
        self._store = store
        self._clock = clock
        self._observer = observer

    def give(self, viewer: Viewer, reply_id: str, opinion: Opinion, comment: str = "") -> Feedback:
        """The viewer's word, in place of an earlier one; the same word again changes nothing. What looks like a secret, an
        address or a number of somebody's is taken out of the comment. Raises NotFound for a reply that is not theirs.
        """
        record = own_reply(self._store, viewer, reply_id)
        said = redact_personal(comment.strip())
        with self._store.begin() as work:
            before = next(iter(work.feedback.of(viewer.tenant, [reply_id])), None)
            if before is not None and (before.opinion, before.comment) == (opinion, said):
                return before
            word = Feedback(reply_id, viewer_hash(viewer), opinion, self._clock.now(), said)
            work.feedback.put(viewer.tenant, word)
            work.commit()
        if self._observer is not None:
            self._observer.heard(viewer.tenant, str(record["surface"]), word)
        return word
