"""From tier to tier: a model's draft, judged claim by claim; one repair; the next tier on evidence only."""

from dataclasses import dataclass, field, replace
from functools import partial

from surefoot.assistant.course import Asking, Course
from surefoot.assistant.draft import DRAFT_SCHEMA, parse_draft
from surefoot.assistant.first_answer import FirstAnswer
from surefoot.assistant.gate import CoreFell, Gate, Ground
from surefoot.assistant.offering import NOTHING_DRAFTED, Drafted, Offering
from surefoot.assistant.premises import false_premise
from surefoot.assistant.prompting import answer_messages, nonce_outside, repair_messages
from surefoot.assistant.rewriting import parse_rewrite, rewrite_messages
from surefoot.assistant.second_opinion import NOT_HEARD, OBJECTED, SecondOpinion
from surefoot.assistant.showing import ClaimListener, Showing
from surefoot.assistant.standing import Standing
from surefoot.assistant.watching import Runner, Watcher
from surefoot.core.deadline import Deadline
from surefoot.domain.actions import Risk
from surefoot.domain.answers import Answer, Claim, Tier
from surefoot.domain.drafts import Draft, DraftClaim, Judged, ProposedAction
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
    """What the models are asked: the question as it was searched for, what was found, and why tiers of the policy are not to be
    asked.

    `journal` is written as it goes on: what a climb has cost that was cut short is known all the same. `offering` are the actions
    that may be proposed; None where there are no actions.
    """

    asking: Asking
    policy: SurfacePolicy
    region: str
    first: FirstAnswer
    because: EscalationReason
    withheld: Degraded | None = None
    journal: list[Step] = field(default_factory=list)
    offering: Offering | None = None


@dataclass(frozen=True, slots=True)
class Climbed:
    """How far it came. `answer` is None when no draft passed; `degraded` says why tiers of the policy were not heard; `drafted`
    is what the last model that was believed proposed.
    """

    answer: Answer | None
    degraded: Degraded | None = None
    drafted: Drafted = NOTHING_DRAFTED


@dataclass(frozen=True, slots=True)
class _Verdict:
    claims: tuple[Claim, ...]
    outcome: StepOutcome
    problems: tuple[str, ...] = ()
    proposed: tuple[ProposedAction, ...] = ()


@dataclass(frozen=True, slots=True)
class _AtTier:
    """What came of one tier: claims; or how the last draft failed; `unheard` is why no model could be heard at the end."""

    claims: tuple[Claim, ...]
    failure: StepOutcome | None = None
    unheard: StepOutcome | None = None
    proposed: tuple[ProposedAction, ...] = ()


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
        if not lane or not _allowed(Tier.SMALL, course.withheld):
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
        showing = Showing(watcher) if watcher else None
        unheard: StepOutcome | None = None
        # What the small tier said without the action for which the large one is asked: it stands when that cannot be heard.
        so_far = Climbed(None)
        for tier in wanted:
            if not _allowed(tier, climb.withheld):
                return Climbed(None, climb.withheld)
            before = len(climb.journal)
            found = await _Attempts(self, climb, tier, deadline, showing, run).made()
            if len(climb.journal) > before:
                climb.journal[before] = replace(climb.journal[before], escalated_because=because)
            if found.claims or found.failure in _SAID:
                so_far = self._said(climb, tier, found)
                if found.failure is not StepOutcome.RISKY_ACTION:
                    return so_far
            unheard = found.unheard
            if found.failure not in _ESCALATES:
                break
            because = _ESCALATES[found.failure]
        return replace(so_far, degraded=_BY_FAILURE.get(unheard) if unheard else None)

    def _said(self, climb: Climb, tier: Tier, found: _AtTier) -> Climbed:
        drafter = next(step.model for step in reversed(climb.journal) if step.purpose in _DRAFTING)
        answer = self._answer(climb, tier, found.claims, drafter) if found.claims else None
        return Climbed(answer, drafted=Drafted(found.proposed, drafter))

    def _answer(self, climb: Climb, tier: Tier, claims: tuple[Claim, ...], drafter: str) -> Answer:
        cited = [citation for claim in claims for citation in claim.citations]
        correction = false_premise(climb.first.question, cited, climb.asking.viewer.locale)
        # How likely the question is answered by what was found does not change with who writes the answer down.
        confidence = climb.first.outcome.confidence
        return Answer(claims, confidence, tier, note=correction.note if correction else "", model=drafter)


class _Attempts:
    """The attempts of one tier at one question: a draft, and one repair."""

    def __init__(
        self, climber: Climber, climb: Climb, tier: Tier, deadline: Deadline, showing: Showing | None, run: Runner
    ) -> None:
        self._climber = climber
        self._climb = climb
        self._tier = tier
        self._deadline = deadline
        self._showing = showing
        self._run = run
        self._gate = climber._gate.of(climb.policy)
        first = climb.first
        passages = first.retrieved.passages
        self._ground = Ground(
            first.question,
            climb.asking.viewer.locale,
            {passage.chunk.chunk_id: passage for passage in passages},
            longest_answer_characters=climb.policy.max_answer_characters,
            most_claims=climb.policy.max_claims,
        )
        offers = climb.offering.told(climber._prompts) if climb.offering else ""
        instructions = climber._prompts.get("answer").render() + offers
        self._messages = answer_messages(instructions, passages, first.question)

    async def made(self) -> _AtTier:
        """The claims that passed, or how the last attempt failed."""
        # What a second opinion may still take away is not shown before it.
        streams = self._showing is not None and not self._climb.policy.second_opinion
        listener = ClaimListener(self._judge, self._ground, self._showing, self._run) if self._showing and streams else None
        attempted = await self._ask(self._messages, "answer", listener)
        if attempted is None:
            return _AtTier(())
        if attempted.text is None:
            return _AtTier((), attempted.failure, attempted.failure)
        verdict = await self._verdict(attempted.text, listener)
        if verdict.outcome not in _ESCALATES or verdict.outcome is StepOutcome.RISKY_ACTION:
            return _AtTier(verdict.claims, verdict.outcome, proposed=verdict.proposed)
        words = self._climber._prompts.get("repair").render(problems="\n".join(f"- {each}" for each in verdict.problems))
        again = await self._ask(repair_messages(self._messages, attempted.text, words), "repair", None)
        if again is None:
            return _AtTier(())
        if again.text is None:
            return _AtTier((), verdict.outcome, again.failure)
        repaired = await self._verdict(again.text, None)
        return _AtTier(repaired.claims, repaired.outcome, proposed=repaired.proposed)

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

    async def _verdict(self, text: str, listener: ClaimListener | None) -> _Verdict:
        """The gate's verdict on the text, with the second opinion's; it becomes that of the step that wrote the text too."""
        place = len(self._climb.journal) - 1
        verdict = await self._proposing(await self._heard_again(await self._weighed(text, listener)), place)
        last = self._climb.journal[place]
        self._climb.journal[place] = replace(last, outcome=verdict.outcome, reasons=(*last.reasons, *verdict.problems))
        return verdict

    async def _weighed(self, text: str, listener: ClaimListener | None) -> _Verdict:
        draft = parse_draft(text)
        if not isinstance(draft, Draft):
            return _Verdict((), StepOutcome.INVALID, draft)
        offering = self._climb.offering
        if draft.cannot_answer is not None or (not draft.claims and offering is not None and offering.specs):
            # A step that was asked for and is offered is a whole reply, though nothing is told beside it.
            return _Verdict((), StepOutcome.CANNOT_ANSWER, proposed=draft.actions)
        judged = list(listener.judged_of(draft.claims)) if listener else []
        for claim in draft.claims[len(judged) :]:
            judged.append(await self._run(partial(self._judge, claim)))
        settled = self._gate.settle(judged, self._ground)
        reasons = tuple(dict.fromkeys(reason for each in judged for reason in each.reasons))
        if isinstance(settled, CoreFell):
            return _Verdict((), StepOutcome.UNSUPPORTED, reasons or settled.reasons)
        return _Verdict(settled, StepOutcome.ACCEPTED, reasons, draft.actions)

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

    async def _proposing(self, verdict: _Verdict, place: int) -> _Verdict:
        """The verdict with why proposals become no buttons. An action of high risk is not the small tier's to propose: the draft
        is not taken when the large tier can be asked, and else goes without that action.
        """
        offering = self._climb.offering
        if offering is None or not verdict.proposed or verdict.outcome not in _SAID:
            return replace(verdict, proposed=())
        drafted = Drafted(verdict.proposed, self._climb.journal[place].model)
        buttons, dropped = await self._run(partial(offering.weighed, drafted, verdict.claims))
        verdict = replace(verdict, problems=(*verdict.problems, *dropped))
        if self._tier is not Tier.SMALL:
            return verdict
        left = tuple(proposed for proposed in verdict.proposed if not offering.is_risky(proposed))
        if not any(button.risk is Risk.HIGH for button in buttons):
            return replace(verdict, proposed=left)
        has_large = bool(self._climb.policy.lanes.get(Tier.LARGE)) and _allowed(Tier.LARGE, self._climb.withheld)
        outcome = StepOutcome.RISKY_ACTION if has_large else verdict.outcome
        return replace(verdict, outcome=outcome, problems=(*verdict.problems, _TOO_RISKY), proposed=left)

    def _judge(self, claim: DraftClaim) -> Judged:
        """The gate's verdict, and the rights and documents as they are at this moment."""
        judged = self._gate.judge(claim, self._ground)
        if judged.claim is None:
            return judged
        against = self._climber._standing.against(self._climb.asking.viewer, (judged.claim,))
        return replace(judged, claim=None, rules=(_STANDING,), reasons=against) if against else judged


_DRAFTING = ("answer", "repair")
_ESCALATES = {
    StepOutcome.INVALID: EscalationReason.INVALID_DRAFT,
    StepOutcome.UNSUPPORTED: EscalationReason.UNSUPPORTED_CLAIM,
    StepOutcome.RISKY_ACTION: EscalationReason.ACTION_RISK,
}
# The model has said its word, whether claims or that it has none.
_SAID = frozenset({StepOutcome.ACCEPTED, StepOutcome.CANNOT_ANSWER, StepOutcome.RISKY_ACTION})
_TOO_RISKY = "It proposes an action of high risk, which only the large tier may."
_BY_FAILURE = {
    StepOutcome.TIMED_OUT: Degraded.DEADLINE,
    StepOutcome.UNAVAILABLE: Degraded.MODELS_UNAVAILABLE,
    StepOutcome.CIRCUIT_OPEN: Degraded.MODELS_UNAVAILABLE,
    StepOutcome.NO_BUDGET: Degraded.BUDGET_EXHAUSTED,
}


def _allowed(tier: Tier, withheld: Degraded | None) -> bool:
    """80 % of a budget leaves the small tier; 100 % leaves none that costs anything, and neither does a red gate."""
    return withheld is None or (withheld is Degraded.BUDGET_SMALL_ONLY and tier is not Tier.LARGE)
