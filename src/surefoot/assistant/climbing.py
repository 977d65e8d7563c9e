"""From tier to tier: a model's draft, judged claim by claim; one repair; the next tier on evidence only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from surefoot.assistant.course import Asking, Course
from surefoot.assistant.draft import DRAFT_SCHEMA, ClaimStream, parse_draft
from surefoot.assistant.first_answer import FirstAnswer
from surefoot.assistant.gate import CoreFell, Gate, Ground, Selection
from surefoot.assistant.premises import false_premise
from surefoot.assistant.prompting import answer_messages, nonce_outside, repair_messages
from surefoot.assistant.rewriting import parse_rewrite, rewrite_messages
from surefoot.assistant.second_opinion import NOT_HEARD, OBJECTED, SecondOpinion
from surefoot.assistant.standing import Standing
from surefoot.assistant.watching import Runner, Watcher
from surefoot.core.deadline import Deadline
from surefoot.domain.answers import Answer, Claim, Tier
from surefoot.domain.budgets import BudgetLevel
from surefoot.domain.drafts import Draft, DraftClaim, Judged
from surefoot.domain.models import Message, ModelRequest, Role
from surefoot.domain.policies import SurfacePolicy
from surefoot.domain.routing import Degraded, EscalationReason, Step, StepOutcome
from surefoot.llm.prompts import Prompts
from surefoot.llm.router import Attempted, Listener, Router

SCHEMA_NAME = "cited_draft"
# The rule that a claim breaks whose document was taken away or changed meanwhile.
_STANDING = "standing"
_REWRITTEN_TOKENS = 200
_REWRITE_SCHEMA = {
    "type": "object",
    "properties": {"question": {"type": "string"}},
    "required": ["question"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Climb:
    """What the models are asked: the question as it was searched for, what was found, and how far the ladder may be gone.

    `journal` is written as it goes on: what a climb has cost that was cut short is known all the same.
    """

    asking: Asking
    policy: SurfacePolicy
    region: str
    first: FirstAnswer
    because: EscalationReason
    level: BudgetLevel
    journal: list[Step] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Climbed:
    """How far it came. `answer` is None when no draft passed; `degraded` says why tiers of the policy were not heard."""

    answer: Answer | None
    degraded: Degraded | None = None


@dataclass(frozen=True, slots=True)
class _Verdict:
    claims: tuple[Claim, ...]
    outcome: StepOutcome
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _AtTier:
    """What came of one tier: claims; or how the last draft failed; `unheard` is why no model could be heard at the end."""

    claims: tuple[Claim, ...]
    failure: StepOutcome | None = None
    unheard: StepOutcome | None = None


class Climber:
    """Asks the models of a surface's lanes, the small ones first. Safe from many tasks."""

    def __init__(self, router: Router, prompts: Prompts, gate: Gate, standing: Standing) -> None:
        self._router = router
        self._prompts = prompts
        self._gate = gate
        self._standing = standing
        self._second_opinion = SecondOpinion(router, prompts)

    @property
    def prompt_fingerprint(self) -> str:
        """Changes whenever a prompt does."""
        return self._prompts.fingerprint

    async def rewrite(self, course: Course, journal: list[Step]) -> str | None:
        """The follow-up in words that stand alone, by the surface's small models; None when they have none to offer. The
        attempts are in the journal.
        """
        lane = course.policy.lanes.get(Tier.SMALL, ())
        if not lane or course.level is BudgetLevel.EXHAUSTED:
            return None
        asking = course.asking
        said = [asking.question, *(text for turn in course.turns for text in (turn.standalone_question, *turn.shown))]
        told = (
            Message(Role.SYSTEM, self._prompts.get("standalone_question").render()),
            Message(Role.USER, rewrite_messages(course.turns, asking.question, nonce=nonce_outside(said))),
        )
        request = ModelRequest(
            messages=told,
            timeout_seconds=course.deadline.left_seconds,
            max_output_tokens=_REWRITTEN_TOKENS,
            schema_name="standalone_question",
            schema=_REWRITE_SCHEMA,
        )
        attempted = await self._router.run(
            asking.viewer.tenant,
            asking.account,
            Tier.SMALL,
            lane,
            request,
            course.deadline,
            purpose="standalone_question",
            region=course.region,
            journal=journal,
        )
        if attempted.text is None:
            return None
        alone = parse_rewrite(attempted.text, asking.question, course.turns, asking.viewer.locale)
        if alone is None:
            journal[-1] = replace(journal[-1], outcome=StepOutcome.INVALID)
        return alone

    async def climb(self, climb: Climb, deadline: Deadline, watcher: Watcher | None, run: Runner) -> Climbed:
        """The first answer whose core claim passes the gate. A tier is only asked because the one before it gave evidence."""
        because = climb.because
        wanted = [tier for tier in (Tier.SMALL, Tier.LARGE) if climb.policy.lanes.get(tier)]
        showing = _Showing(watcher) if watcher else None
        unheard: StepOutcome | None = None
        for tier in wanted:
            if not _allowed(tier, climb.level):
                return Climbed(None, _BY_LEVEL[climb.level])
            before = len(climb.journal)
            found = await _Attempts(self, climb, tier, deadline, showing, run).made()
            if len(climb.journal) > before:
                climb.journal[before] = replace(climb.journal[before], escalated_because=because)
            if found.claims:
                return Climbed(self._answer(climb, tier, found.claims))
            unheard = found.unheard
            if found.failure not in _ESCALATES:
                break
            because = _ESCALATES[found.failure]
        return Climbed(None, _BY_FAILURE.get(unheard) if unheard else None)

    def _answer(self, climb: Climb, tier: Tier, claims: tuple[Claim, ...]) -> Answer:
        cited = [citation for claim in claims for citation in claim.citations]
        correction = false_premise(climb.first.question, cited, climb.asking.viewer.locale)
        # How likely the question is answered by what was found does not change with who writes the answer down.
        confidence = climb.first.outcome.confidence
        drafter = next(step.model for step in reversed(climb.journal) if step.purpose in _DRAFTING)
        return Answer(claims, confidence, tier, note=correction.note if correction else "", model=drafter)


class _Attempts:
    """The attempts of one tier at one question: a draft, and one repair."""

    def __init__(
        self, climber: Climber, climb: Climb, tier: Tier, deadline: Deadline, showing: "_Showing | None", run: Runner
    ) -> None:
        self._climber = climber
        self._climb = climb
        self._tier = tier
        self._deadline = deadline
        self._showing = showing
        self._run = run
        first = climb.first
        passages = first.retrieved.passages
        self._ground = Ground(
            first.question,
            climb.asking.viewer.locale,
            {passage.chunk.chunk_id: passage for passage in passages},
            longest_answer_characters=climb.policy.max_answer_characters,
            most_claims=climb.policy.max_claims,
        )
        instructions = climber._prompts.get("answer").render()
        self._messages = answer_messages(instructions, passages, first.question)

    async def made(self) -> _AtTier:
        """The claims that passed, or how the last attempt failed."""
        # What a second opinion may still take away is not shown before it.
        streams = self._showing is not None and not self._climb.policy.second_opinion
        listener = _ClaimListener(self._judge, self._ground, self._showing, self._run) if self._showing and streams else None
        attempted = await self._ask(self._messages, "answer", listener)
        if attempted is None:
            return _AtTier(())
        if attempted.text is None:
            return _AtTier((), attempted.failure, attempted.failure)
        verdict = await self._verdict(attempted.text, listener)
        if verdict.outcome not in _ESCALATES:
            return _AtTier(verdict.claims, verdict.outcome)
        words = self._climber._prompts.get("repair").render(problems="\n".join(f"- {each}" for each in verdict.problems))
        again = await self._ask(repair_messages(self._messages, attempted.text, words), "repair", None)
        if again is None:
            return _AtTier(())
        if again.text is None:
            return _AtTier((), verdict.outcome, again.failure)
        repaired = await self._verdict(again.text, None)
        return _AtTier(repaired.claims, repaired.outcome)

    async def _ask(self, messages: tuple[Message, ...], purpose: str, listener: Listener | None) -> Attempted | None:
        """What came of asking the tier; None when the prompt would hold what the viewer may not read any more."""
        policy, asking = self._climb.policy, self._climb.asking
        told = self._climb.first.retrieved.passages
        if not await self._run(partial(self._climber._standing.may_be_told, asking.viewer, told)):
            return None
        request = ModelRequest(
            messages=messages,
            timeout_seconds=self._deadline.left_seconds,
            max_output_tokens=policy.max_output_tokens,
            schema_name=SCHEMA_NAME,
            schema=DRAFT_SCHEMA,
            stream=listener is not None,
        )
        return await self._climber._router.run(
            asking.viewer.tenant,
            asking.account,
            self._tier,
            policy.lanes[self._tier],
            request,
            self._deadline,
            purpose=purpose,
            region=self._climb.region,
            listener=listener,
            journal=self._climb.journal,
        )

    async def _verdict(self, text: str, listener: "_ClaimListener | None") -> _Verdict:
        """The gate's verdict on the text, with the second opinion's; it becomes that of the step that wrote the text too."""
        place = len(self._climb.journal) - 1
        verdict = await self._heard_again(await self._weighed(text, listener))
        last = self._climb.journal[place]
        self._climb.journal[place] = replace(last, outcome=verdict.outcome, reasons=(*last.reasons, *verdict.problems))
        return verdict

    async def _weighed(self, text: str, listener: "_ClaimListener | None") -> _Verdict:
        draft = parse_draft(text)
        if not isinstance(draft, Draft):
            return _Verdict((), StepOutcome.INVALID, draft)
        if draft.cannot_answer is not None:
            return _Verdict((), StepOutcome.CANNOT_ANSWER)
        judged = list(listener.judged_of(draft.claims)) if listener else []
        for claim in draft.claims[len(judged) :]:
            judged.append(await self._run(partial(self._judge, claim)))
        settled = self._climber._gate.settle(judged, self._ground)
        reasons = tuple(dict.fromkeys(reason for each in judged for reason in each.reasons))
        if isinstance(settled, CoreFell):
            return _Verdict((), StepOutcome.UNSUPPORTED, reasons or settled.reasons)
        return _Verdict(settled, StepOutcome.ACCEPTED, reasons)

    async def _heard_again(self, verdict: _Verdict) -> _Verdict:
        """The verdict after the second opinion, where the surface wants one; it can only take claims away."""
        lane = self._climb.policy.second_opinion
        if not lane or not verdict.claims:
            return verdict
        against = await self._climber._second_opinion.objections(
            self._climb.asking, lane, self._climb.region, verdict.claims, self._deadline, self._climb.journal
        )
        if against is None:
            return _Verdict((), StepOutcome.UNSUPPORTED, (*verdict.problems, NOT_HEARD))
        left = tuple(claim for place, claim in enumerate(verdict.claims) if place not in against)
        if 0 in against:
            return _Verdict((), StepOutcome.UNSUPPORTED, (*verdict.problems, OBJECTED))
        return replace(verdict, claims=left, problems=(*verdict.problems, OBJECTED) if against else verdict.problems)

    def _judge(self, claim: DraftClaim) -> Judged:
        """The gate's verdict, and the rights and documents as they are at this moment."""
        judged = self._climber._gate.judge(claim, self._ground)
        if judged.claim is None:
            return judged
        against = self._climber._standing.against(self._climb.asking.viewer, (judged.claim,))
        return replace(judged, claim=None, rules=(_STANDING,), reasons=against) if against else judged


class _Showing:
    """What a watcher has seen of one climb: the claims of a later attempt begin with a restart when any were shown."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._has_shown = False
        self._must_restart = False

    def begin(self) -> None:
        """What came of an attempt before is not part of the answer."""
        self._must_restart = self._has_shown

    async def show(self, claim: Claim) -> None:
        """The watcher has the claim, and knows of a restart before it."""
        if self._must_restart:
            self._has_shown = self._must_restart = False
            await self._watcher.restart()
        self._has_shown = True
        await self._watcher.claim(claim)


class _ClaimListener:
    """Judges claims while the draft is still being written, and shows those that can no longer fall."""

    def __init__(self, judge: Callable[[DraftClaim], Judged], ground: Ground, showing: _Showing, run: Runner) -> None:
        self._judge = judge
        self._ground = ground
        self._showing = showing
        self._run = run
        self.begin()

    def begin(self) -> None:
        """A reply begins; what came of an attempt before it is not part of the answer."""
        self._showing.begin()
        self._stream = ClaimStream()
        self._selection = Selection(self._ground.most_claims, self._ground.longest_answer_characters)
        self._drafted: list[DraftClaim] = []
        self._judged: list[Judged] = []

    async def text(self, text: str) -> None:
        """The claims that this text completes are judged, and shown when the answer stands on its core claim."""
        for drafted in self._stream.feed(text):
            judged = await self._run(partial(self._judge, drafted))
            self._drafted.append(drafted)
            self._judged.append(judged)
            claim = self._selection.admit(judged)
            if claim is not None:
                await self._showing.show(claim)

    def judged_of(self, claims: Sequence[DraftClaim]) -> Sequence[Judged]:
        """The verdicts on the claims that the whole draft begins with too."""
        same = 0
        while same < min(len(claims), len(self._drafted)) and claims[same] == self._drafted[same]:
            same += 1
        return self._judged[:same]


_DRAFTING = ("answer", "repair")
_ESCALATES = {
    StepOutcome.INVALID: EscalationReason.INVALID_DRAFT,
    StepOutcome.UNSUPPORTED: EscalationReason.UNSUPPORTED_CLAIM,
}
_BY_LEVEL = {
    BudgetLevel.SMALL_ONLY: Degraded.BUDGET_SMALL_ONLY,
    BudgetLevel.EXHAUSTED: Degraded.BUDGET_EXHAUSTED,
}
_BY_FAILURE = {
    StepOutcome.TIMED_OUT: Degraded.DEADLINE,
    StepOutcome.UNAVAILABLE: Degraded.MODELS_UNAVAILABLE,
    StepOutcome.CIRCUIT_OPEN: Degraded.MODELS_UNAVAILABLE,
    StepOutcome.NO_BUDGET: Degraded.BUDGET_EXHAUSTED,
}


def _allowed(tier: Tier, level: BudgetLevel) -> bool:
    """80 % leaves the small tier, 100 % none that costs anything."""
    return level is not BudgetLevel.EXHAUSTED and (tier is not Tier.LARGE or level is not BudgetLevel.SMALL_ONLY)
