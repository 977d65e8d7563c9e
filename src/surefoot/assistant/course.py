"""What is known of one question while it is answered."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter

from surefoot.assistant.first_answer import FirstAnswer
from surefoot.assistant.offering import NOTHING_DRAFTED, Drafted
from surefoot.assistant.refusals import no_evidence
from surefoot.assistant.watching import Watcher
from surefoot.core.deadline import Deadline
from surefoot.core.errors import InvalidInput
from surefoot.domain.answers import Answer, Claim, Refusal
from surefoot.domain.budgets import Account, BudgetLevel
from surefoot.domain.conversations import ConversationId, Turn
from surefoot.domain.filters import Everything, Filter
from surefoot.domain.identity import Viewer, viewer_hash
from surefoot.domain.offers import OfferedAction
from surefoot.domain.policies import DEFAULT_SURFACE, SurfacePolicy
from surefoot.domain.replies import CacheUse
from surefoot.domain.routing import Degraded, Step
from surefoot.llm.cache import CacheKey

# What each level of a budget takes away; the others take nothing.
OF_LEVEL = {
    BudgetLevel.SMALL_ONLY: Degraded.BUDGET_SMALL_ONLY,
    BudgetLevel.EXHAUSTED: Degraded.BUDGET_EXHAUSTED,
}
LONGEST_QUESTION_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Asking:
    """A question as it was asked. `where` narrows the documents that are asked, never the rights; `limit` is how many
    passages to answer from; `trace_id` joins what other systems know of the same request (empty: a fresh one).
    """

    viewer: Viewer
    question: str
    where: Filter = Everything()
    limit: int | None = None
    surface: str = DEFAULT_SURFACE
    conversation_id: ConversationId | None = None
    trace_id: str = ""

    @property
    def account(self) -> Account:
        """On whose account models are asked."""
        return Account(self.surface, viewer_hash(self.viewer))


@dataclass(slots=True)
class Course:
    """One question on its way. `searched` is its stand-alone form; `key` is where its outcome may be kept, None once it is
    not known under which key it belongs; `red_gates` are those of the evals that keep models away from its surface; `shown` are
    the claims that a watcher has seen.
    """

    asking: Asking
    asked_at: datetime
    policy: SurfacePolicy
    region: str
    deadline: Deadline
    turns: list[Turn]
    searched: str
    is_follow_up: bool
    started: float = field(default_factory=perf_counter)
    first: FirstAnswer | None = None
    outcome: Answer | Refusal = field(default_factory=no_evidence)
    version: str = ""
    key: CacheKey | None = None
    steps: tuple[Step, ...] = ()
    cache: CacheUse = CacheUse.MISS
    level: BudgetLevel = BudgetLevel.NORMAL
    red_gates: tuple[str, ...] = ()
    degraded: Degraded | None = None
    timings_ms: dict[str, float] = field(default_factory=dict)
    first_claim_ms: float | None = None
    shown: list[Claim] = field(default_factory=list)
    is_watched: bool = False
    may_be_kept: bool = True
    drafted: Drafted = NOTHING_DRAFTED
    actions: tuple[OfferedAction, ...] = ()
    is_recorded: bool = False

    @property
    def withheld(self) -> Degraded | None:
        """What keeps tiers of the policy from being asked: a red gate keeps away all that cost anything, as does a budget that
        is gone.
        """
        return Degraded.GATE_RED if self.red_gates else OF_LEVEL.get(self.level)

    @property
    def has_asked_models(self) -> bool:
        """Whether a model was asked for it, in vain or not."""
        return any(step.model for step in self.steps)

    def elapsed_ms(self) -> float:
        """How long it has been on its way."""
        return round((perf_counter() - self.started) * 1000, 3)

    def spent(self, timings: Mapping[str, float]) -> None:
        """Each stage's milliseconds are the sum over all its runs."""
        for stage, milliseconds in timings.items():
            self.timings_ms[stage] = round(self.timings_ms.get(stage, 0.0) + milliseconds, 3)

    def took(self, first: FirstAnswer) -> None:
        """The extractive tier's word stands until a model's does; of several, the last one counts."""
        self.spent({**first.retrieved.timings_ms, "extract": first.step.latency_ms})
        self.first, self.outcome, self.version = first, first.outcome, first.retrieved.state.version
        self.drafted = NOTHING_DRAFTED
        self.steps = (*(step for step in self.steps if step.model), first.step)


class TimedWatcher:
    """A watcher that notes what was shown, and when the first verified claim came."""

    def __init__(self, watcher: Watcher, course: Course) -> None:
        self._watcher = watcher
        self._course = course

    async def claim(self, claim: Claim) -> None:
        """The claim is passed on."""
        if self._course.first_claim_ms is None:
            self._course.first_claim_ms = self._course.elapsed_ms()
        self._course.shown.append(claim)
        await self._watcher.claim(claim)

    async def restart(self) -> None:
        """The restart is passed on."""
        self._course.shown.clear()
        await self._watcher.restart()


def valid_question(question: str) -> str:
    """The question without white space around it. Raises InvalidInput when it is empty, too long or has control characters."""
    stripped = question.strip()
    if not stripped:
        raise InvalidInput("The question is empty; ask something.")
    if len(stripped) > LONGEST_QUESTION_CHARACTERS:
        raise InvalidInput(f"The question has {len(stripped)} characters; at most {LONGEST_QUESTION_CHARACTERS} are taken.")
    for place, character in enumerate(stripped):
        if unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\r\t":
            raise InvalidInput(f"The question has the control character {character!r} at position {place}; remove it.")
    return stripped
