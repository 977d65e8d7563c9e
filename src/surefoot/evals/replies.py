"""A reply and a run as the HTTP API writes them, so that what is told in this process and over a URL is one thing."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter

from surefoot.actions.parts import RunView
from surefoot.core.errors import Conflict
from surefoot.domain.answers import Answer, Refusal
from surefoot.domain.replies import Reply
from surefoot.evals.target import Simulated, ToldReply

_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)
# What the API shows beside the outcome, under the same names.
_OF_REPLY = (
    *("reply_id", "actions", "corpus_version", "asked_at", "timings_ms", "first_claim_ms", "cost_usd", "tokens", "surface"),
    *("conversation_id", "model", "cache", "budget", "degraded", "trace_id", "steps"),
)
_OF_ANSWER = ("claims", "tier", "note")
_OF_REFUSAL = ("reason", "message", "would_help", "closest", "choices")
_OF_RUN = ("run_id", "env", "kind", "action", "action_version", "state", "maker", "agent", "arguments", "reason", "citations")


class _Reason(BaseModel):
    reason: str
    remedy: str


class _Decision(BaseModel):
    effect: str
    reasons: tuple[_Reason, ...]


class _Attempt(BaseModel):
    outcome: str


class _Run(BaseModel):
    run_id: str
    state: str
    reason: str


class _RunView(BaseModel):
    model_config = ConfigDict(extra="ignore")

    run: _Run
    decisions: tuple[_Decision, ...]
    attempts: tuple[_Attempt, ...]


def told(reply: Reply) -> ToldReply:
    """The reply as it is judged."""
    return ToldReply.model_validate(reply_json(reply))


def reply_json(reply: Reply) -> dict[str, JsonValue]:
    """The reply as `POST /v1/ask` answers it, but for its sentences about itself, and with the question and the prompts'
    fingerprint; a step has its tokens and money in full.
    """
    outcome = reply.outcome
    is_answer = isinstance(outcome, Answer)
    own = {name: getattr(reply, name) for name in _OF_REPLY}
    steps = [{**_plain(step), "tokens": step.spend.tokens, "cost_usd": step.spend.usd} for step in reply.steps]
    return _plain(
        own
        | {
            "question": reply.question,
            "kind": "answer" if is_answer else "refusal",
            "answer": _named(outcome, _OF_ANSWER) if is_answer else None,
            "refusal": _named(outcome, _OF_REFUSAL) if isinstance(outcome, Refusal) else None,
            "confidence": outcome.confidence,
            "searched": reply.searched if reply.searched != reply.question else "",
            "prompt_fingerprint": reply.prompt_fingerprint,
            "steps": steps,
        }
    )


def run_json(view: RunView) -> dict[str, JsonValue]:
    """The run with its plan, what the policy said and what the host answered, as `POST /v1/runs` shows them."""
    return _plain(
        {
            "run": _named(view.run, _OF_RUN),
            "plan": view.plan,
            "decisions": [
                {"stage": each.stage, "effect": each.decision.effect, "reasons": each.decision.reasons, "at": each.at}
                for each in view.decisions
            ],
            "attempts": view.attempts,
        }
    )


def simulated_from(run: Mapping[str, JsonValue], latency_ms: float, *, reason: str) -> Simulated:
    """What came of asking for the action with this reason, from the run's JSON. Raises Conflict when it is the run of another,
    which was there already: the same thing is asked for once at a time.
    """
    read = _RunView.model_validate(run)
    if read.run.reason != reason:
        raise Conflict(f"Run {read.run.run_id!r} is live and for the same thing; cancel it and run the case again.")
    reasons = read.decisions[-1].reasons if read.decisions else ()
    said = [f"{each.reason} {each.remedy}".strip() for each in reasons]
    if read.run.state == "denied" and not said:
        said = ["No rule allows it."]
    said += [attempt.outcome for attempt in read.attempts] if read.run.state == "failed" else []
    return Simulated(read.run.state, tuple(said), latency_ms, run)


def _named(value: object, names: tuple[str, ...]) -> dict[str, object]:
    return {name: getattr(value, name) for name in names}


def _plain(value: object) -> dict[str, JsonValue]:
    plain: dict[str, JsonValue] = _ANYTHING.dump_python(value, mode="json")
    return plain
