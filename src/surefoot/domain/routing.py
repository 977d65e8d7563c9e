"""How an answer was come by: each step of the ladder from the cheapest tier up, with its reason, tokens, money and time."""

from dataclasses import dataclass
from enum import StrEnum

from surefoot.domain.answers import Tier
from surefoot.domain.budgets import NOTHING_SPENT, Spend


class EscalationReason(StrEnum):
    """The evidence on which the next tier is asked; how difficult a question looks is not among it."""

    INSUFFICIENT_EVIDENCE = "insufficient_evidence"
    THIN_MARGIN = "thin_margin"
    INVALID_DRAFT = "invalid_draft"
    UNSUPPORTED_CLAIM = "unsupported_claim"
    ACTION_RISK = "action_risk"


class StepOutcome(StrEnum):
    """How one attempt ended."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    INVALID = "invalid"
    UNSUPPORTED = "unsupported"
    RISKY_ACTION = "risky_action"
    CANNOT_ANSWER = "cannot_answer"
    TIMED_OUT = "timed_out"
    UNAVAILABLE = "unavailable"
    CIRCUIT_OPEN = "circuit_open"
    NO_BUDGET = "no_budget"
    CANCELLED = "cancelled"


class Degraded(StrEnum):
    """Why fewer tiers were asked than the policy allows. `gate_red`: a gate of the evals keeps models away from this surface.
    `cut_short` is only in the ledger: the question ended before its reply, because its caller hung up or something failed.
    """

    BUDGET_SMALL_ONLY = "budget_small_only"
    BUDGET_EXHAUSTED = "budget_exhausted"
    GATE_RED = "gate_red"
    MODELS_UNAVAILABLE = "models_unavailable"
    DEADLINE = "deadline"
    CUT_SHORT = "cut_short"


@dataclass(frozen=True, slots=True)
class Step:
    """One attempt at an answer: the tier, the model (empty for the extractive tier), what became of it and what it cost.
    `purpose` is `answer`, `repair` or `standalone_question`. `reasons` are sentences: the gate's or the transport's.
    """

    tier: Tier
    model: str
    purpose: str
    outcome: StepOutcome
    spend: Spend = NOTHING_SPENT
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    latency_ms: float = 0.0
    reasons: tuple[str, ...] = ()
    escalated_because: EscalationReason | None = None
