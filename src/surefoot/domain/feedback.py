"""What viewers think of the replies they got, and the live samples that answers are scored by afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Opinion(StrEnum):
    """What a viewer says about a reply."""

    HELPFUL = "helpful"
    WRONG = "wrong"
    NOT_RELEVANT = "not_relevant"


@dataclass(frozen=True, slots=True)
class Feedback:
    """One viewer's word on the reply they got; a later word takes its place. `comment` has no secrets and no addresses left."""

    reply_id: str
    viewer_hash: str
    opinion: Opinion
    at: datetime
    comment: str = ""


@dataclass(frozen=True, slots=True)
class LiveSample:
    """A reply that is kept for scoring, by consent and until `keep_until`. `record` is plain JSON: the redacted question, what
    was shown, and the passages it was shown with; nothing in it names the viewer.
    """

    reply_id: str
    viewer_hash: str
    asked_at: datetime
    keep_until: datetime
    record: Mapping[str, object]
