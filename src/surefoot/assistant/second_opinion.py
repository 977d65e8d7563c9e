"""A second opinion on claims that have passed the gate: another model, asked of each claim whether its quotes prove it."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from surefoot.assistant.course import Asking
from surefoot.assistant.prompting import nonce_outside
from surefoot.core.deadline import Deadline
from surefoot.core.errors import InvalidInput
from surefoot.core.strict_json import parse_json
from surefoot.domain.answers import Claim, Tier
from surefoot.domain.models import Message, ModelRequest, Role
from surefoot.domain.routing import Step
from surefoot.llm.prompts import Prompts
from surefoot.llm.router import Router

NOT_HEARD = "The second opinion could not be had, and without it nothing is shown."
OBJECTED = "The second opinion does not find this proved by its quotes."
_MAX_OUTPUT_TOKENS = 400
_MAX_REPLY_BYTES = 20_000

_SCHEMA = {
    "type": "object",
    "properties": {
        "verdicts": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"claim": {"type": "integer"}, "holds": {"type": "boolean"}},
                "required": ["claim", "holds"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["verdicts"],
    "additionalProperties": False,
}


class _Verdict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    claim: int
    holds: bool


class _Reply(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    verdicts: list[_Verdict]


class SecondOpinion:
    """Asks through the router, so it is metered like every other call. It can only take claims away."""

    def __init__(self, router: Router, prompts: Prompts) -> None:
        self._router = router
        self._prompts = prompts

    async def objections(
        self, asking: Asking, lane: Sequence[str], region: str, claims: Sequence[Claim], deadline: Deadline, journal: list[Step]
    ) -> frozenset[int] | None:
        """The places, from 0, of the claims that do not hold in this opinion; one that is not spoken of does not. None when no
        opinion could be had.
        """
        request = ModelRequest(
            messages=self._messages(claims),
            timeout_seconds=deadline.left_seconds,
            max_output_tokens=_MAX_OUTPUT_TOKENS,
            schema_name="second_opinion",
            schema=_SCHEMA,
        )
        attempted = await self._router.run(
            asking.viewer.tenant,
            asking.account,
            Tier.SMALL,
            lane,
            request,
            deadline,
            purpose="second_opinion",
            region=region,
            journal=journal,
        )
        held = _held(attempted.text) if attempted.text is not None else None
        return None if held is None else frozenset(range(len(claims))) - held

    def _messages(self, claims: Sequence[Claim]) -> tuple[Message, ...]:
        nonce = nonce_outside([text for claim in claims for text in (claim.text, *(each.quote for each in claim.citations))])
        told = "\n".join(_told(number, claim, nonce) for number, claim in enumerate(claims, start=1))
        return (Message(Role.SYSTEM, self._prompts.get("second_opinion").render()), Message(Role.USER, told))


def _told(number: int, claim: Claim, nonce: str) -> str:
    quotes = "\n".join(f"<quote-{nonce}>\n{each.quote}\n</quote-{nonce}>" for each in claim.citations)
    return f'<claim-{nonce} number="{number}">\n{claim.text}\n</claim-{nonce}>\n{quotes}'


def _held(text: str) -> frozenset[int] | None:
    """The places of the claims that hold; None for a reply that is not in its form. A claim spoken of twice holds only when
    both say so.
    """
    if len(text.encode()) > _MAX_REPLY_BYTES:
        return None
    try:
        value: Any = parse_json(text.strip().encode())
        verdicts = _Reply.model_validate(value).verdicts
    except (InvalidInput, ValidationError):
        return None
    fallen = {each.claim for each in verdicts if not each.holds}
    return frozenset(each.claim - 1 for each in verdicts if each.claim not in fallen)
