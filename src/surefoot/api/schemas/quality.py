"""Viewers' words on replies, and traces."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, JsonValue, StringConstraints

from surefoot.api.schemas.texts import Sent, Shown, without_nul
from surefoot.domain.feedback import Feedback, Opinion

LONGEST_COMMENT_CHARACTERS = 1_000
_REPLY = "ans_0195a0c2f3a47d0e8f5b6c7d8e9f0a1b"
_RUN = "run_0195a0c2f3a47d0e8f5b6c7d8e9f0a1b"
_WORD: dict[str, JsonValue] = {"opinion": "wrong", "comment": "It is ten days for bank transfers."}
_TRACE: dict[str, JsonValue] = {
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "input": [{"reply_id": _REPLY, "surface": "help", "question": "Please pin payouts for me."}],
    "features": [{"reply_id": _REPLY, "corpus_version": "9c1f0a2b3d4e5f60", "timings_ms": {"encode": 2.4}}],
    "model": [{"reply_id": _REPLY, "tier": None, "steps": []}],
    "action": [{"run_id": _RUN, "action": "pin_shortcut", "decisions": []}],
    "outcome": {
        "replies": [{"reply_id": _REPLY, "outcome": "refusal", "reason": "insufficient_evidence"}],
        "runs": [{"run_id": _RUN, "state": "applied"}],
        "feedback": [],
        "audit": [],
        "events": [],
    },
}

Comment = Annotated[str, StringConstraints(max_length=LONGEST_COMMENT_CHARACTERS), AfterValidator(without_nul)]


class SentFeedback(Sent):
    """What the viewer says about the reply. A later word takes the place of an earlier one."""

    opinion: Opinion
    comment: Comment = Field("", description="In their own words; what looks personal or secret is taken out of it.")

    model_config = ConfigDict(json_schema_extra={"examples": [_WORD]})


class ShownFeedback(Shown):
    """The word as it is kept."""

    reply_id: str
    opinion: Opinion
    comment: str
    at: datetime

    model_config = ConfigDict(json_schema_extra={"examples": [{"reply_id": _REPLY, **_WORD, "at": "2026-03-01T12:00:00Z"}]})

    @classmethod
    def of(cls, word: Feedback) -> "ShownFeedback":
        return cls(reply_id=word.reply_id, opinion=word.opinion, comment=word.comment, at=word.at)


class ShownTrace(Shown):
    """What one request led to, in five parts; who asked is kept as a hash alone."""

    trace_id: str
    input: list[dict[str, Any]] = Field(description="The questions, by reply.")
    features: list[dict[str, Any]] = Field(description="What each was answered from: corpus, passages, budget, times.")
    model: list[dict[str, Any]] = Field(description="Every attempt, with the gate's word on it.")
    action: list[dict[str, Any]] = Field(description="The runs, with what the policy decided.")
    outcome: dict[str, list[dict[str, Any]]] = Field(
        description="What was shown and done, what viewers said, and the audit rows and events about it."
    )

    model_config = ConfigDict(json_schema_extra={"examples": [_TRACE]})
