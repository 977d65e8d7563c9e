"""A person's word on a plan, asked for by their own client: by an input_required result, or by a question while it waits."""

import json
from dataclasses import dataclass
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp_types import (
    CallToolRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from surefoot.actions.parts import RunView
from surefoot.cli.mcp_blocks import plan_in_words
from surefoot.core.errors import InvalidInput
from surefoot.domain.actions import ActionSpec
from surefoot.domain.runs import RunState

Context = ServerRequestContext[Any, Any]

_KEY = "confirmation"
_CONFIRM = "confirm"
# The box is not ticked to begin with, so that a client which accepts every form unread has agreed to nothing.
_FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        _CONFIRM: {"type": "boolean", "title": "Apply exactly this plan", "description": "Tick to apply it.", "default": False}
    },
    "required": [_CONFIRM],
}


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a person said to one plan. Agreed means that they sent the form with its box ticked."""

    run_id: str
    digest: str
    has_agreed: bool
    has_declined: bool

    @classmethod
    def of(cls, params: CallToolRequestParams) -> "Confirmation | None":
        """The confirmation that this repeated call brings; None when the call is a first one.

        The state was sealed when it left and is opened by the server's middleware, so it holds what we put into it.
        """
        if params.request_state is None:
            if params.input_responses:
                raise InvalidInput("There is an answer without the state that it belongs to; begin the call anew.")
            return None
        state = json.loads(params.request_state)
        answer = (params.input_responses or {}).get(_KEY)
        return _understood(state["run_id"], state["digest"], answer if isinstance(answer, ElicitResult) else None)


def may_be_confirmed(view: RunView) -> bool:
    """Whether the one thing that the run waits for is its own person's word."""
    return view.run.state in (RunState.PLANNED, RunState.APPROVED) and "apply" in view.steps and view.plan is not None


def can_be_asked(context: Context) -> bool:
    """Whether the client has said that it can put a form before its person, and a question can reach it."""
    capabilities = context.session.client_capabilities
    elicitation = None if capabilities is None else capabilities.elicitation
    # A client that names no mode takes forms; one that names only URLs does not.
    if elicitation is None or (elicitation.form is None and elicitation.url is not None):
        return False
    return context.protocol_version in MODERN_PROTOCOL_VERSIONS or context.session.can_send_request


async def asked_for(context: Context, view: RunView, spec: ActionSpec) -> Confirmation | InputRequiredResult | None:
    """The person's word on the view's plan; or the result that makes a client ask and call again; None when the plan is too
    long to be shown whole, so that nobody could agree to it here.
    """
    words, plan = plan_in_words(view, spec), view.plan
    if words is None or plan is None:
        return None
    if context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        answer = await context.session.elicit_form(words, _FORM, related_request_id=context.request_id)
        return _understood(view.run.run_id, plan.digest, answer)
    return InputRequiredResult(
        input_requests={_KEY: ElicitRequest(params=ElicitRequestFormParams(message=words, requested_schema=_FORM))},
        request_state=json.dumps({"run_id": view.run.run_id, "digest": plan.digest}),
    )


def _understood(run_id: str, digest: str, answer: ElicitResult | None) -> Confirmation:
    agreed = answer is not None and answer.action == "accept" and (answer.content or {}).get(_CONFIRM) is True
    declined = answer is not None and answer.action == "decline"
    return Confirmation(run_id, digest, has_agreed=agreed, has_declined=declined)
