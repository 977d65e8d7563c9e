"""What a viewer gets back for one question, with its money and its truth: who wrote it, what it cost, why it may be believed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from surefoot.domain.answers import Answer, Refusal
from surefoot.domain.budgets import NOTHING_SPENT, BudgetLevel, Spend
from surefoot.domain.offers import OfferedAction
from surefoot.domain.routing import Degraded, Step


class CacheUse(StrEnum):
    """Whether the outcome was made for this question (miss), kept from an equal one (hit), or made together with one (shared)."""

    MISS = "miss"
    HIT = "hit"
    SHARED = "shared"


@dataclass(frozen=True, slots=True)
class Reply:
    """One question's whole outcome, as it is shown and as the ledger keeps it. `timings_ms` are milliseconds per stage.

    `steps` are the attempts in order, the extractive one first; the reply's money and tokens are their sum. `searched` is
    the question that was searched for, the stand-alone form of a follow-up. `first_claim_ms` is when the first
    verified claim was streamed. `degraded` says why fewer tiers were asked than the policy allows; `red_gates` are the
    evals' gates that kept models away from this surface, whether or not one was wanted. `actions` are what the
    viewer may have done by pressing a button, beside an answer and beside a refusal.
    """

    reply_id: str
    question: str
    outcome: Answer | Refusal
    corpus_version: str
    asked_at: datetime
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    first_claim_ms: float | None = None
    surface: str = "help"
    searched: str = ""
    conversation_id: str = ""
    steps: tuple[Step, ...] = ()
    cache: CacheUse = CacheUse.MISS
    budget: BudgetLevel = BudgetLevel.NORMAL
    degraded: Degraded | None = None
    red_gates: tuple[str, ...] = ()
    prompt_fingerprint: str = ""
    trace_id: str = ""
    actions: tuple[OfferedAction, ...] = ()

    @property
    def spend(self) -> Spend:
        """What this reply cost; nothing when it came from the cache."""
        total = NOTHING_SPENT
        for step in self.steps:
            total = total + step.spend
        return total

    @property
    def cost_usd(self) -> float:
        """The reply's cost in US dollars."""
        return self.spend.usd

    @property
    def tokens(self) -> int:
        """The reply's tokens, input and output together."""
        return self.spend.tokens

    @property
    def model(self) -> str:
        """The model whose draft is shown; empty when no model wrote it."""
        return self.outcome.model if isinstance(self.outcome, Answer) else ""
