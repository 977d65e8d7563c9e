"""What MCP clients are shown: typed blocks, in whose text form nothing from a document can act."""

import json
import re
from collections.abc import Mapping
from typing import Any

from mcp_types import CallToolResult, TextContent

from surefoot.actions.parts import RunView
from surefoot.core.errors import SurefootError
from surefoot.domain.actions import ActionSpec, Json
from surefoot.domain.answers import Answer, Citation, Passage
from surefoot.domain.replies import Reply
from surefoot.domain.runs import Plan, RunState

Block = dict[str, Any]

# A plan whose diff is longer than this is not something that a dialogue can show; it is looked at in the product.
MOST_SHOWN_CHARACTERS = 6_000
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
# What begins a link, an image, a tag or a code fence in Markdown or HTML; inside JSON texts each can be written as an escape.
_ACTIVE = {ord(character): f"\\u{ord(character):04x}" for character in "[]<>`"} | {ord("|"): "\\u007c"}
_WAITING = frozenset({RunState.PROPOSED, RunState.APPLYING, RunState.UNKNOWN})
_READY = frozenset({RunState.PLANNED, RunState.APPROVED})


def result_of(block: Block, *, is_error: bool = False) -> CallToolResult:
    """The block, as structured content and as the same JSON in text for clients that read no structured content."""
    return CallToolResult(
        content=[TextContent(type="text", text=inert(block))], structured_content=json.loads(_json(block)), is_error=is_error
    )


def inert(value: Json) -> str:
    """The value as JSON in which no text is a link, an image or a tag, whatever it is shown as; it reads back as it was."""
    text = _STRING.sub(lambda found: found.group().translate(_ACTIVE).replace("://", "\\u003a//"), _json(value))
    return "".join(each if each.isprintable() or each == "\n" else _escaped(each) for each in text)


def passages_block(query: str, passages: tuple[Passage, ...]) -> Block:
    """Passages, best first, each with where it stands."""
    return {"kind": "passages", "query": query, "passages": [_passage(each) for each in passages]}


def reply_block(reply: Reply) -> Block:
    """The answer, every claim with its citations, or the refusal with its reason."""
    outcome = reply.outcome
    shared: Block = {"reply_id": reply.reply_id, "confidence": round(outcome.confidence, 4)}
    if isinstance(outcome, Answer):
        claims = [
            {"text": claim.text, "support": round(claim.support, 4), "citations": [_citation(each) for each in claim.citations]}
            for claim in outcome.claims
        ]
        return {
            "kind": "answer",
            **shared,
            "note": outcome.note,
            "claims": claims,
            "tier": outcome.tier.value,
            "ai_generated": bool(outcome.model),
        }
    return {
        "kind": "refusal",
        **shared,
        "reason": outcome.reason.value,
        "message": outcome.message,
        "would_help": list(outcome.would_help),
        "closest": [_citation(each) for each in outcome.closest],
        "choices": list(outcome.choices),
    }


def run_block(view: RunView, spec: ActionSpec, *, note: str = "", is_replayed: bool = False) -> Block:
    """The run, its plan as whoever agrees to it sees it, and what is needed next."""
    run, receipt = view.run, view.receipt
    return {
        "kind": "run",
        "run_id": run.run_id,
        "action": run.action,
        "title": spec.title,
        "env": run.env.value,
        "state": run.state.value,
        "maker": run.maker,
        "proposed_by": run.agent,
        "arguments": dict(run.arguments),
        "plan": None if view.plan is None else _plan(view.plan),
        "caps": [{"cap": cap.cap_id, "left": cap.left, "most": cap.most} for cap in view.caps],
        "policy": [
            {"rule": reason.rule, "reason": reason.reason, "remedy": reason.remedy}
            for reason in (view.decisions[-1].decision.reasons if view.decisions else ())
            if reason.reason
        ],
        "approvals": [{"approver": each.approver, "verdict": each.verdict.value} for each in view.approvals],
        "outcome": view.attempts[-1].outcome if view.attempts else "",
        "next": _next(view, spec),
        "note": note,
        "already_known": is_replayed,
        "result": None if receipt is None else dict(receipt.result),
        "undo_until": None if receipt is None or receipt.undo_until is None else receipt.undo_until.isoformat(),
    }


def error_block(error: SurefootError) -> Block:
    """The error as a program and a person can act on it."""
    return {"kind": "error", "code": error.code, "message": str(error), "retryable": error.retryable}


def plan_in_words(view: RunView, spec: ActionSpec) -> str | None:
    """What exactly would be done, for a person to agree to; None when it is too long to be shown whole.

    Made of the normalised arguments and the host's diff alone: nothing that a model wrote about them is repeated, and every
    value stands in quotes in which it cannot end the line it is on.
    """
    run, plan = view.run, view.plan
    if plan is None:
        return None
    lines = [
        f"{spec.title} ({run.action} {run.action_version}, {run.env}) for {inert(run.maker)}, proposed by {inert(run.agent)}.",
        f"Arguments: {inert(dict(run.arguments))}",
        f"In the host's words: {inert(plan.summary)}",
        "Changes:",
    ]
    for change in plan.changes:
        for step in change.forward:
            value = f" = {inert(step['value'])}" if "value" in step else ""
            lines.append(f"- {inert(change.resource)}: {inert(step['op'])} {inert(step['path'])}{value}")
    if not plan.changes:
        lines.append("- none")
    lines += [f"{cap.cap_id}: {cap.left} of {cap.most} left." for cap in view.caps]
    lines.append(f"Plan {plan.digest}, until {plan.expires_at:%Y-%m-%d %H:%M} UTC.")
    text = "\n".join(lines)
    return text if len(text) <= MOST_SHOWN_CHARACTERS else None


def _next(view: RunView, spec: ActionSpec) -> Block:
    """What the run waits for: confirmation, approval, time, person, outcome or nothing."""
    run = view.run
    if run.state in _READY:
        sentence = "Nothing has changed yet. Its person has to agree to exactly this plan: call apply_run, or use the product."
        return {"needs": "confirmation", "sentence": sentence}
    if run.state is RunState.AWAITING_APPROVAL:
        who = f"with one of the roles {', '.join(spec.approval.roles)}" if spec.approval.roles else "who may approve"
        sentence = f"Nothing has changed yet. Another person {who} has to approve exactly this plan in the product first."
        return {"needs": "approval", "quorum": spec.approval.quorum, "roles": list(spec.approval.roles), "sentence": sentence}
    if run.state is RunState.SCHEDULED:
        return {"needs": "time", "sentence": "Nothing has changed yet. The run goes on by itself when it may."}
    if run.state is RunState.SUGGESTED:
        return {"needs": "person", "sentence": "This is only a suggestion; the person it is for can take it up in the product."}
    if run.state in _WAITING:
        return {"needs": "outcome", "sentence": "The run is under way; show_run says what became of it."}
    if run.state is RunState.NEEDS_HUMAN:
        return {"needs": "person", "sentence": "Nobody can say whether it happened; an administrator has to find out."}
    return {"needs": "nothing", "sentence": f"The run is {run.state}."}


def _plan(plan: Plan) -> Block:
    return {
        "digest": plan.digest,
        "summary": plan.summary,
        "changes": [{"resource": each.resource, "forward": [dict(step) for step in each.forward]} for each in plan.changes],
        "cost_usd": plan.cost_usd,
        "minutes_saved": plan.minutes_saved,
        "expires_at": plan.expires_at.isoformat(),
    }


def _passage(passage: Passage) -> Block:
    chunk = passage.chunk
    return {
        "text": chunk.text,
        "score": round(passage.score, 4),
        "citation": {
            "chunk_id": chunk.chunk_id,
            "document_id": chunk.document_id,
            "uri": chunk.uri,
            "title": chunk.title,
            "heading": chunk.heading,
            "page_number": chunk.page_number,
            "start": chunk.start,
            "end": chunk.end,
            "locale": chunk.locale,
            "trust": chunk.trust.value,
            "updated_at": None if chunk.updated_at is None else chunk.updated_at.isoformat(),
        },
    }


def _citation(citation: Citation) -> Block:
    return {
        "chunk_id": citation.chunk_id,
        "document_id": citation.document_id,
        "uri": citation.uri,
        "title": citation.title,
        "heading": citation.heading,
        "page_number": citation.page_number,
        "quote": citation.quote,
        "start": citation.start,
        "end": citation.end,
        "locale": citation.locale,
        "trust": citation.trust.value,
        "updated_at": None if citation.updated_at is None else citation.updated_at.isoformat(),
        "stale": citation.stale,
    }


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
    """Read-only mappings and tuples of the domain as JSON has them."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"A {type(value).__name__} is no JSON.")


def _escaped(character: str) -> str:
    """What cannot be seen, such as a mark that turns the direction of writing, as a JSON escape."""
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
