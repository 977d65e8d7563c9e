"""Everything that one trace id finds, from the question to what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from surefoot.core.tracing import TRACE_ID
from surefoot.domain.audit import AuditRow
from surefoot.domain.events import OutgoingEvent
from surefoot.domain.feedback import Feedback
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import Attempt, DecisionRecord, Plan, Receipt, Run
from surefoot.ports import Store

# Callers choose their trace ids, so that one may have any number of these; the oldest are shown.
MOST_REPLIES = 100
MOST_RUNS = 100


@dataclass(frozen=True, slots=True)
class TracedRun:
    """A run of the trace with what was decided, done and answered."""

    run: Run
    plan: Plan | None
    decisions: tuple[DecisionRecord, ...]
    attempts: tuple[Attempt, ...]
    receipt: Receipt | None


@dataclass(frozen=True, slots=True)
class Trace:
    """One id, and all that carries it. `replies` are ledger rows; audit rows, events and feedback are about them or the runs."""

    trace_id: str
    replies: tuple[Mapping[str, object], ...]
    runs: tuple[TracedRun, ...]
    audit: tuple[AuditRow, ...]
    events: tuple[OutgoingEvent, ...]
    feedback: tuple[Feedback, ...]


class Traces:
    """Finds what one request led to. Safe from many threads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, tenant: TenantId, trace_id: str) -> Trace | None:
        """What carries the id; None when nothing of this tenant does."""
        if TRACE_ID.match(trace_id) is None:
            return None
        replies = self._store.replies.by_trace(tenant, trace_id, limit=MOST_REPLIES)
        with self._store.begin() as work:
            runs = [
                TracedRun(
                    run,
                    work.runs.plan(tenant, run.run_id),
                    tuple(work.runs.decisions(tenant, run.run_id)),
                    tuple(work.runs.attempts(tenant, run.run_id)),
                    work.runs.receipt(tenant, run.run_id),
                )
                for run in work.runs.by_trace(tenant, trace_id)[:MOST_RUNS]
            ]
            subjects = [str(reply["reply_id"]) for reply in replies] + [each.run.run_id for each in runs]
            audit, events = work.audit.about(tenant, subjects), work.events.about(tenant, subjects)
            feedback = work.feedback.of(tenant, [str(reply["reply_id"]) for reply in replies])
        if not replies and not runs:
            return None
        return Trace(trace_id, tuple(replies), tuple(runs), tuple(audit), tuple(events), tuple(feedback))


def trace_record(trace: Trace) -> dict[str, object]:
    """The trace as plain JSON values in its five parts: `input`, `features`, `model`, `action` and `outcome`."""
    return {
        "trace_id": trace.trace_id,
        "input": [_picked(reply, _INPUT) for reply in trace.replies],
        "features": [_picked(reply, _FEATURES) for reply in trace.replies],
        "model": [_picked(reply, _MODEL) for reply in trace.replies],
        "action": [_action(each) for each in trace.runs],
        "outcome": {
            "replies": [_picked(reply, _OUTCOME) for reply in trace.replies],
            "runs": [_outcome(each) for each in trace.runs],
            "feedback": [
                {"reply_id": f.reply_id, "opinion": f.opinion.value, "comment": f.comment, "at": f.at.isoformat()}
                for f in trace.feedback
            ],
            "audit": [
                {"seq": row.seq, "at": row.at.isoformat(), "actor": row.actor, "what": row.what, "subject": row.subject}
                for row in trace.audit
            ],
            "events": [
                {"event_id": e.event_id, "type": e.type, "subject": e.subject, "time": e.time.isoformat()} for e in trace.events
            ],
        },
    }


_INPUT = ("reply_id", "asked_at", "viewer_hash", "surface", "conversation_id", "question", "searched")
_FEATURES = (
    *("reply_id", "corpus_version", "prompt_fingerprint", "budget", "cache", "confidence"),
    *("citations", "closest", "timings_ms", "first_claim_ms"),
)
# The gate's word on each draft is the outcome of its step, with the gate's reasons.
_MODEL = ("reply_id", "model", "tier", "degraded", "cost_usd", "tokens", "steps")
_OUTCOME = ("reply_id", "outcome", "reason", "claims", "note", "choices", "actions")


def _picked(reply: Mapping[str, object], names: tuple[str, ...]) -> dict[str, object]:
    return {name: reply.get(name) for name in names}


def _action(traced: TracedRun) -> dict[str, object]:
    run, plan = traced.run, traced.plan
    return {
        "run_id": run.run_id,
        "kind": run.kind.value,
        "action": run.action,
        "action_version": run.action_version,
        "env": run.env.value,
        "surface": run.surface,
        "maker": run.maker,
        "agent": run.agent,
        "created_at": run.created_at.isoformat(),
        "plan_digest": plan.digest if plan else "",
        "decisions": [
            {
                "stage": record.stage.value,
                "effect": record.decision.effect.value,
                "policy": record.decision.policy_hash,
                "rules": [reason.rule for reason in record.decision.reasons],
                "at": record.at.isoformat(),
            }
            for record in traced.decisions
        ],
    }


def _outcome(traced: TracedRun) -> dict[str, object]:
    run, receipt = traced.run, traced.receipt
    return {
        "run_id": run.run_id,
        "state": run.state.value,
        "reverses": run.reverses,
        "undone_by": run.undone_by,
        "attempts": [
            {"operation": each.operation, "outcome": each.outcome, "status": each.status, "at": each.at.isoformat()}
            for each in traced.attempts
        ],
        "done_at": receipt.at.isoformat() if receipt else None,
    }
