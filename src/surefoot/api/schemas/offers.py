"""What a reply offers to do: buttons, none of them pressed."""

from typing import Any

from pydantic import Field, JsonValue

from surefoot.api.schemas.texts import Shown
from surefoot.domain.actions import Risk
from surefoot.domain.offers import OfferedAction

OFFERED: dict[str, JsonValue] = {
    "action": "pin_shortcut",
    "version": "1.0.0",
    "title": "Pin a shortcut",
    "arguments": {"user_id": "usr_nora01"},
    "missing": ["page"],
    "reason": "You asked to: pin the payouts page to my sidebar",
    "citations": [],
    "risk": "low",
    "needs_approval": False,
    "model": "",
}


class ShownOffer(Shown):
    """A step that the viewer may have taken by pressing a button. Nothing is stored or done before they press; pressing is
    `POST /v1/runs` with these `arguments`, `reason` and `citations`, and what comes first is a preview.
    """

    action: str
    version: str
    title: str = Field(description="What the button says.")
    arguments: dict[str, Any] = Field(
        description="Filled in from what the viewer's token states, and from a model's valid draft."
    )
    missing: list[str] = Field(description="Required arguments that only the person can give; GET /v1/actions has their schema.")
    reason: str = Field(description="Why it is offered, in our words.")
    citations: list[str] = Field(description="Chunk ids of the passages that the answer beside it stands on.")
    risk: Risk
    needs_approval: bool = Field(description="Whether somebody else has to approve it after the preview, as far as is known now.")
    model: str = Field(description="The model that proposed it, as models.toml names it; empty when none did.")

    @classmethod
    def of(cls, offered: OfferedAction) -> "ShownOffer":
        own = set(cls.model_fields) - {"arguments", "missing", "citations"}
        return cls(
            **{name: getattr(offered, name) for name in own},
            arguments=dict(offered.arguments),
            missing=list(offered.missing),
            citations=list(offered.citations),
        )
