"""The ledger row of a reply: what is kept of every question, as plain JSON values."""

from collections.abc import Iterable

from surefoot.domain.answers import Answer, Citation, Refusal
from surefoot.domain.offers import OfferedAction
from surefoot.domain.replies import Reply
from surefoot.domain.routing import Step


def reply_record(reply: Reply, viewer_hash: str) -> dict[str, object]:
    """The reply as it is recorded. `citations` name by `claim` the place of their claim in `claims`; a refusal has none,
    its `closest` places are not citations.
    """
    record: dict[str, object] = {
        "reply_id": reply.reply_id,
        "viewer_hash": viewer_hash,
        "asked_at": reply.asked_at.isoformat(),
        "corpus_version": reply.corpus_version,
        "question": reply.question,
        "confidence": reply.outcome.confidence,
        "timings_ms": dict(reply.timings_ms),
        "first_claim_ms": reply.first_claim_ms,
        "cost_usd": reply.cost_usd,
        "tokens": reply.tokens,
        "surface": reply.surface,
        "searched": reply.searched or reply.question,
        "conversation_id": reply.conversation_id,
        "model": reply.model,
        "cache": reply.cache.value,
        "budget": reply.budget.value,
        "degraded": reply.degraded.value if reply.degraded else None,
        "red_gates": list(reply.red_gates),
        "prompt_fingerprint": reply.prompt_fingerprint,
        "trace_id": reply.trace_id,
        "steps": [_step(step) for step in reply.steps],
        "actions": [_action(offered) for offered in reply.actions],
    }
    match reply.outcome:
        case Answer(claims=claims, tier=tier):
            record["outcome"], record["reason"], record["tier"] = "answer", None, tier.value
            record["note"], record["choices"] = reply.outcome.note, []
            record["claims"] = [{"text": claim.text, "support": claim.support} for claim in claims]
            record["citations"] = [
                {"claim": place, **span} for place, claim in enumerate(claims) for span in _spans(claim.citations)
            ]
            record["closest"] = []
        case Refusal(reason=reason, closest=closest):
            record["outcome"], record["reason"], record["tier"] = "refusal", reason.value, None
            record["note"], record["choices"] = "", list(reply.outcome.choices)
            record["claims"], record["citations"], record["closest"] = [], [], _spans(closest)
    return record


def _step(step: Step) -> dict[str, object]:
    return {
        "tier": step.tier.value,
        "model": step.model,
        "purpose": step.purpose,
        "outcome": step.outcome.value,
        "escalated_because": step.escalated_because.value if step.escalated_because else None,
        "reasons": list(step.reasons),
        "cost_usd": step.spend.usd,
        "input_tokens": step.input_tokens,
        "output_tokens": step.output_tokens,
        "cached_tokens": step.cached_tokens,
        "latency_ms": step.latency_ms,
    }


def _action(offered: OfferedAction) -> dict[str, object]:
    return {
        "action": offered.action,
        "version": offered.version,
        "title": offered.title,
        "arguments": dict(offered.arguments),
        "missing": list(offered.missing),
        "reason": offered.reason,
        "citations": list(offered.citations),
        "risk": offered.risk.value,
        "needs_approval": offered.needs_approval,
        "model": offered.model,
    }


def _spans(citations: Iterable[Citation]) -> list[dict[str, object]]:
    return [
        {
            "chunk_id": each.chunk_id,
            "document_id": each.document_id,
            "start": each.start,
            "end": each.end,
            "quote": each.quote,
        }
        for each in citations
    ]
