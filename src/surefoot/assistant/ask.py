"""One question of one viewer, end to end: the cache, the extractive tier, models where evidence asks for them, the rights
checked once more, and the reply written down.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter

import anyio

from surefoot.actions.proposals import Proposals
from surefoot.assistant.climbing import Climb, Climbed, Climber
from surefoot.assistant.conversation import Conversations
from surefoot.assistant.course import Asking, Course, TimedWatcher, valid_question
from surefoot.assistant.first_answer import Extractive, Search
from surefoot.assistant.follow_ups import standalone
from surefoot.assistant.live_samples import LiveSamples
from surefoot.assistant.offering import NOTHING_DRAFTED, Offering, Settled, evidence_of, weighed
from surefoot.assistant.refusals import no_evidence
from surefoot.assistant.standing import Standing
from surefoot.assistant.watching import Runner, Watcher, in_thread
from surefoot.core.clock import Clock
from surefoot.core.deadline import Deadline
from surefoot.core.errors import SurefootError
from surefoot.core.ids import digest, new_id, uuid7
from surefoot.domain.answers import Answer
from surefoot.domain.budgets import Account, BudgetLevel
from surefoot.domain.filters import Everything, Filter
from surefoot.domain.identity import TenantId, Viewer, viewer_hash
from surefoot.domain.offers import OfferedAction
from surefoot.domain.policies import NO_MODELS, ModelPolicy, SurfacePolicy
from surefoot.domain.replies import CacheUse, Reply
from surefoot.domain.routing import Degraded, Step
from surefoot.llm.cache import AnswerCache, CacheKey
from surefoot.llm.single_flight import SingleFlight
from surefoot.ports import ReplyObserver, Store
from surefoot.retrieval.access import RightsFingerprints
from surefoot.retrieval.freshness import FreshnessRule

# Models are left this much before the question's deadline: rights are checked and the reply is written down after them.
_SHARE_AFTER_MODELS, _MOST_SECONDS_AFTER_MODELS = 0.1, 0.25
# Rights may change while a question is answered: it is then asked once more, and after that nothing is shown.
_SEARCHES = 2
# While a gate is red, what models wrote before is as suspect as what they would write now: it is kept apart, and found again
# when the gate is green.
_NO_MODEL = "/no model"
# What one account's budget took away is still there for another's.
_OF_ONE_ACCOUNT = frozenset({Degraded.BUDGET_SMALL_ONLY, Degraded.BUDGET_EXHAUSTED})


@dataclass(frozen=True, slots=True)
class AskParts:
    """What Ask is made of; everything but the first four has a form that does nothing."""

    extractive: Extractive
    store: Store
    clock: Clock
    conversations: Conversations
    cache: AnswerCache[Settled]
    climber: Climber | None = None
    proposals: Proposals | None = None
    policy: ModelPolicy = NO_MODELS
    policy_fingerprint: str = ""
    # Asked for with a question and not before: a model may have to be opened for it.
    evidence_fingerprint: Callable[[], str] = lambda: ""
    level: Callable[[TenantId, Account], BudgetLevel] = lambda tenant, account: BudgetLevel.NORMAL
    red_gates: Callable[[TenantId, str], tuple[str, ...]] = lambda tenant, surface: ()
    freshness: FreshnessRule = FreshnessRule()
    observer: ReplyObserver | None = None
    samples: LiveSamples | None = None


class Ask:
    """Answers questions of viewers, from what they may read at the moment the reply leaves. Safe from many threads."""

    def __init__(self, parts: AskParts) -> None:
        self._parts = parts
        self._rights = RightsFingerprints(parts.store)
        self._standing = Standing(parts.store, parts.clock, parts.freshness)
        self._flights: SingleFlight[Climbed] = SingleFlight()

    def over(self, search: Search) -> "Ask":
        """The same use case over another search. It keeps no outcome: what was found one way is none of the other's."""
        return Ask(replace(self._parts, extractive=self._parts.extractive.over(search), cache=AnswerCache(0)))

    def deadline_of(self, asking: Asking) -> Deadline:
        """The moment by which a question that comes now is answered. Raises InvalidInput for a surface that is not declared."""
        return Deadline.after(self._parts.policy.of(asking.viewer.tenant).surface(asking.surface).deadline_seconds)

    def ask(self, viewer: Viewer, question: str, *, where: Filter = Everything(), limit: int | None = None) -> Reply:
        """The reply to a question outside of any conversation; for threads without an event loop."""
        return self.answer_here(Asking(viewer, question, where, limit))

    def answer_here(self, asking: Asking) -> Reply:
        """The reply, made in this thread; an event loop is only begun when a model is asked."""
        course, reply = self._opened(asking, self.deadline_of(asking), is_watched=False)
        return reply or anyio.run(self._with_models, course, None, in_thread)

    async def answer(
        self, asking: Asking, *, watcher: Watcher | None = None, run: Runner = in_thread, deadline: Deadline | None = None
    ) -> Reply:
        """The reply, after it is durable in the ledger; `watcher` sees each claim before it. The `deadline` is that of the
        surface from now on, unless the caller has waited already and brings one.

        Raises InvalidInput for a question that is none or a surface that is not declared, NotFound for a conversation that
        is not this viewer's. Cancelled, it spends nothing more.
        """
        opened = partial(self._opened, asking, deadline or self.deadline_of(asking), is_watched=watcher is not None)
        course, reply = await run(opened)
        return reply or await self._with_models(course, watcher, run)

    def _opened(self, asking: Asking, deadline: Deadline, *, is_watched: bool) -> tuple[Course, Reply | None]:
        """The course of the question, and its reply when no model needs to be asked; one piece of work for one thread."""
        course = self._begin(asking, deadline, is_watched=is_watched)
        return course, self._without_models(course)

    def _begin(self, asking: Asking, deadline: Deadline, *, is_watched: bool) -> Course:
        question = valid_question(asking.question)
        tenant_policy = self._parts.policy.of(asking.viewer.tenant)
        policy = tenant_policy.surface(asking.surface)
        turns = self._parts.conversations.history(asking.viewer, asking.conversation_id) if asking.conversation_id else []
        alone = standalone(question, turns, asking.viewer.locale)
        return Course(
            asking=replace(asking, question=question),
            asked_at=self._parts.clock.now(),
            policy=policy,
            region=tenant_policy.region,
            deadline=deadline.sooner(min(_MOST_SECONDS_AFTER_MODELS, policy.deadline_seconds * _SHARE_AFTER_MODELS)),
            turns=turns,
            searched=alone.question,
            is_follow_up=alone.is_rewritten,
            level=self._parts.level(asking.viewer.tenant, asking.account) if self._may_climb(policy) else BudgetLevel.NORMAL,
            red_gates=self._parts.red_gates(asking.viewer.tenant, asking.surface),
            is_watched=is_watched,
        )

    def _without_models(self, course: Course) -> Reply | None:
        """The reply, when the cache or the extractive tier settles it; None when the evidence asks for a model."""
        kept = self._kept(course)
        if kept is not None:
            course.cache = CacheUse.HIT
            course.outcome, course.drafted = kept.outcome, kept.drafted
            reply = self._finished(course)
            if reply is not None:
                return reply
            course.cache = CacheUse.MISS
        for _ in range(_SEARCHES):
            self._first(course)
            if self._wants_model(course):
                return None
            reply = self._finished(course)
            if reply is not None:
                return reply
        return self._nothing(course)

    async def _with_models(self, course: Course, watcher: Watcher | None, run: Runner) -> Reply:
        """The reply after the ladder of tiers was climbed as far as evidence, budget and deadline allow."""
        try:
            if course.is_follow_up:
                await self._rewritten(course, run)
            if self._wants_model(course):
                await self._climb(course, watcher, run)
            reply = await run(partial(self._finished, course))
            if reply is None:
                # The rights changed meanwhile: what may be read now is quoted, and no model is asked a second time.
                course.outcome, course.drafted = no_evidence(), NOTHING_DRAFTED
                course.key, course.may_be_kept = None, False
                await run(partial(self._first, course))
                reply = await run(partial(self._finished, course))
            return await run(partial(self._nothing, course)) if reply is None else reply
        finally:
            if not course.is_recorded and course.has_asked_models:
                # Shielded: whoever stops waiting has stopped the spending, not the book-keeping.
                with anyio.CancelScope(shield=True):
                    await in_thread(partial(self._cut_short, course))

    def _first(self, course: Course) -> None:
        asking = course.asking
        course.took(
            self._parts.extractive.answer(asking.viewer, course.searched, course.policy, where=asking.where, limit=asking.limit)
        )

    def _may_climb(self, policy: SurfacePolicy) -> bool:
        return self._parts.climber is not None and bool(policy.lanes)

    def _wants_model(self, course: Course) -> bool:
        return self._parts.climber is not None and course.first is not None and course.first.escalate is not None

    async def _rewritten(self, course: Course, run: Runner) -> None:
        """A follow-up that the rules' wording did not settle is put into words by a model, and asked again if they differ."""
        climber = self._parts.climber
        assert climber is not None, "Only a course with models comes here."
        started = perf_counter()
        journal: list[Step] = []
        try:
            said = await climber.rewrite(course, journal)
        finally:
            course.steps = (*course.steps, *journal)
        course.spent({"rewrite": (perf_counter() - started) * 1000})
        if said is not None and said != course.searched:
            course.searched, course.key = said, None
            await run(partial(self._first, course))

    async def _climb(self, course: Course, watcher: Watcher | None, run: Runner) -> None:
        climber, first = self._parts.climber, course.first
        assert climber is not None and first is not None and first.escalate is not None, "Only evidence leads here."
        started = perf_counter()
        offering = await run(partial(self._offering, course)) if self._parts.proposals else None
        task = Climb(course.asking, course.policy, course.region, first, first.escalate, course.withheld, offering=offering)
        seen = TimedWatcher(watcher, course) if watcher else None

        async def work() -> Climbed:
            return await climber.climb(task, course.deadline, seen, run)

        try:
            climbed, is_shared = await self._together(course, work, offering.names if offering else "")
        except TimeoutError:
            climbed, is_shared = Climbed(None, Degraded.DEADLINE), False
        finally:
            # Here and not from the outcome: a climb that is cut short has cost what it has cost.
            course.steps = (*course.steps, *task.journal)
        course.spent({"model": (perf_counter() - started) * 1000})
        course.degraded, course.drafted = climbed.degraded, climbed.drafted
        if is_shared:
            course.cache = CacheUse.SHARED
        if climbed.answer is not None:
            course.outcome = climbed.answer

    def _offering(self, course: Course) -> Offering | None:
        """The actions that a model may propose beside what it writes from the passages that were found."""
        proposals, viewer = self._parts.proposals, course.asking.viewer
        if proposals is None or course.first is None:
            return None
        passages = [passage.chunk.chunk_id for passage in course.first.retrieved.passages]
        return Offering(proposals, viewer, proposals.offerable(viewer, passages))

    async def _together(self, course: Course, work: Callable[[], Awaitable[Climbed]], offered: str) -> tuple[Climbed, bool]:
        """What `work` or an equal question's run of it gives, and whether it was the other's."""
        key = self._key(course)
        if key.corpus_version != course.version:
            # Rights or documents moved since the look-up: what was found does not belong under this key.
            return await work(), False
        climbed, is_shared = await self._flights.run(digest(key.name(), offered), work, course.deadline)
        if is_shared and climbed.degraded in _OF_ONE_ACCOUNT:
            return await work(), False
        return climbed, is_shared

    def _finished(self, course: Course) -> Reply | None:
        """The reply, durable; None when the viewer may not see the outcome any more, or it is not true any more."""
        started = perf_counter()
        if not self._standing.holds(course.asking.viewer, course.outcome):
            return None
        course.spent({"gate": (perf_counter() - started) * 1000})
        self._keep(course)
        return self._recorded(course)

    def _keep(self, course: Course) -> None:
        """An outcome that was made for this question, with every tier heard that the policy allows, is kept."""
        key = self._key(course)
        is_whole = course.may_be_kept and course.degraded is None and key.corpus_version == course.version
        if is_whole and course.cache is CacheUse.MISS:
            self._parts.cache.put(key, Settled(course.outcome, course.drafted))

    def _nothing(self, course: Course) -> Reply:
        course.outcome, course.drafted = no_evidence(), NOTHING_DRAFTED
        return self._recorded(course)

    def _cut_short(self, course: Course) -> None:
        """What a question cost that ended before its reply is in the ledger, with the claims that were seen of it."""
        course.degraded = Degraded.CUT_SHORT
        if course.shown:
            last = course.steps[-1]
            course.outcome = Answer(tuple(course.shown), course.outcome.confidence, last.tier, model=last.model)
        try:
            self._written(course)
        except SurefootError:
            # What ended the question is what its caller has to hear of; the meters have the money all the same.
            return

    def _recorded(self, course: Course) -> Reply:
        """The reply, after ledger, observer and conversation have it."""
        if course.is_watched and course.first_claim_ms is None and isinstance(course.outcome, Answer):
            # No model wrote while somebody watched: all claims leave together, as soon as this is written down.
            course.first_claim_ms = course.elapsed_ms()
        course.actions = self._offered(course)
        reply = self._written(course)
        asking = course.asking
        if asking.conversation_id:
            self._parts.conversations.remember(asking.viewer, asking.conversation_id, reply)
        if self._parts.samples is not None:
            self._parts.samples.saw(asking.viewer, reply)
        return reply

    def _offered(self, course: Course) -> tuple[OfferedAction, ...]:
        """The buttons beside the outcome: those that the model's draft proposes, else the one that the question asks for."""
        proposals, asking = self._parts.proposals, course.asking
        if proposals is None:
            return ()
        started = perf_counter()
        citations = evidence_of(course.outcome, asking.question, asking.viewer.locale)
        offered, _ = weighed(proposals, asking.viewer, course.drafted, citations)
        if not offered:
            asked = proposals.asked_for(asking.viewer, asking.question, citations)
            offered = (asked,) if asked else ()
        course.spent({"offer": (perf_counter() - started) * 1000})
        return offered

    def _written(self, course: Course) -> Reply:
        """The course as it is now, after ledger and observer have it."""
        parts, asking = self._parts, course.asking
        reply = Reply(
            reply_id=new_id("ans", course.asked_at),
            question=asking.question,
            outcome=course.outcome,
            corpus_version=course.version,
            asked_at=course.asked_at,
            timings_ms=dict(course.timings_ms),
            first_claim_ms=course.first_claim_ms,
            surface=asking.surface,
            searched=course.searched,
            conversation_id=asking.conversation_id or "",
            steps=course.steps,
            cache=course.cache,
            budget=course.level,
            degraded=course.degraded,
            red_gates=course.red_gates,
            prompt_fingerprint=parts.climber.prompt_fingerprint if parts.climber and course.policy.lanes else "",
            trace_id=asking.trace_id or uuid7(course.asked_at).hex,
            actions=course.actions,
        )
        parts.store.replies.append(asking.viewer.tenant, viewer_hash(asking.viewer), reply)
        course.is_recorded = True
        if parts.observer is not None:
            parts.observer.replied(asking.viewer.tenant, reply)
        return reply

    def _kept(self, course: Course) -> Settled | None:
        started = perf_counter()
        kept = self._parts.cache.get(self._key(course))
        course.spent({"cache": (perf_counter() - started) * 1000})
        return kept

    def _key(self, course: Course) -> CacheKey:
        """Everything the outcome depends on, as it was when the question was first looked up."""
        if course.key is None:
            asking, parts = course.asking, self._parts
            with parts.store.begin() as work:
                state = work.corpora.state(asking.viewer.tenant)
            course.version = course.version or state.version
            course.key = CacheKey(
                tenant=asking.viewer.tenant,
                rights=self._rights.of(asking.viewer, epoch=state.acl_epoch),
                corpus_version=state.version,
                prompt_fingerprint=parts.climber.prompt_fingerprint if parts.climber else "",
                policy_fingerprint=parts.policy_fingerprint + (_NO_MODEL if course.red_gates else ""),
                surface=asking.surface,
                locale=asking.viewer.locale,
                narrowing=repr((asking.where, asking.limit)),
                question=" ".join(course.searched.split()),
                actions=self._bindable(asking.viewer),
                evidence_fingerprint=parts.evidence_fingerprint() if course.policy.evidence else "",
            )
        return course.key

    def _bindable(self, viewer: Viewer) -> str:
        """The actions that could be offered to the viewer, where a model may write the outcome."""
        proposals, climber = self._parts.proposals, self._parts.climber
        return " ".join(spec.schema_hash for spec in proposals.bindable(viewer)) if proposals and climber else ""
