"""One question of one viewer, end to end: the cache, the extractive tier, models where evidence asks for them, the rights
checked once more, and the reply written down.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter

import anyio

from surefoot.assistant.answer import cited_documents
from surefoot.assistant.climbing import Climb, Climbed, Climber
from surefoot.assistant.conversation import Conversations
from surefoot.assistant.course import Asking, Course, TimedWatcher, valid_question
from surefoot.assistant.first_answer import Extractive
from surefoot.assistant.follow_ups import standalone
from surefoot.assistant.gate import no_longer_true
from surefoot.assistant.refusals import no_evidence
from surefoot.assistant.watching import Runner, Watcher, in_thread
from surefoot.core.clock import Clock
from surefoot.core.deadline import Deadline
from surefoot.core.ids import new_id, uuid7
from surefoot.domain.answers import Answer, Refusal
from surefoot.domain.budgets import Account, BudgetLevel
from surefoot.domain.filters import Everything, Filter
from surefoot.domain.identity import TenantId, Viewer, viewer_hash
from surefoot.domain.policies import NO_MODELS, ModelPolicy
from surefoot.domain.replies import CacheUse, Reply
from surefoot.domain.routing import Degraded
from surefoot.llm.cache import AnswerCache, CacheKey
from surefoot.llm.single_flight import SingleFlight
from surefoot.ports import ReplyObserver, Store
from surefoot.retrieval.access import RightsFingerprints, still_readable
from surefoot.retrieval.freshness import FreshnessRule

# Rights may change while a question is answered: it is then asked once more, and after that nothing is shown.
_SEARCHES = 2
# What one account's budget took away is still there for another's.
_OF_ONE_ACCOUNT = frozenset({Degraded.BUDGET_SMALL_ONLY, Degraded.BUDGET_EXHAUSTED})


@dataclass(frozen=True, slots=True)
class AskParts:
    """What Ask is made of; everything but the first four has a form that does nothing."""

    extractive: Extractive
    store: Store
    clock: Clock
    conversations: Conversations
    cache: AnswerCache
    climber: Climber | None = None
    policy: ModelPolicy = NO_MODELS
    policy_fingerprint: str = ""
    level: Callable[[TenantId, Account], BudgetLevel] = lambda tenant, account: BudgetLevel.NORMAL
    freshness: FreshnessRule = FreshnessRule()
    observer: ReplyObserver | None = None


class Ask:
    """Answers questions of viewers, from what they may read at the moment the reply leaves. Safe from many threads."""

    def __init__(self, parts: AskParts) -> None:
        self._parts = parts
        self._rights = RightsFingerprints(parts.store)
        self._flights: SingleFlight[Climbed] = SingleFlight()

    def deadline_of(self, asking: Asking) -> Deadline:
        """The moment by which a question that comes now is answered. Raises InvalidInput for a surface that is not declared."""
        return Deadline.after(self._parts.policy.of(asking.viewer.tenant).surface(asking.surface).deadline_seconds)

    def ask(self, viewer: Viewer, question: str, *, where: Filter = Everything(), limit: int | None = None) -> Reply:
        """The reply to a question outside of any conversation; for threads without an event loop."""
        return self.answer_here(Asking(viewer, question, where, limit))

    def answer_here(self, asking: Asking) -> Reply:
        """The reply, made in this thread; an event loop is only begun when a model is asked."""
        course, reply = self._opened(asking, self.deadline_of(asking))
        return reply or anyio.run(self._with_models, course, None, in_thread)

    async def answer(
        self, asking: Asking, *, watcher: Watcher | None = None, run: Runner = in_thread, deadline: Deadline | None = None
    ) -> Reply:
        """The reply, after it is durable in the ledger; `watcher` sees each claim before it. The `deadline` is that of the
        surface from now on, unless the caller has waited already and brings one.

        Raises InvalidInput for a question that is none or a surface that is not declared, NotFound for a conversation that
        is not this viewer's. Cancelled, it spends nothing more.
        """
        course, reply = await run(partial(self._opened, asking, deadline or self.deadline_of(asking)))
        return reply or await self._with_models(course, watcher, run)

    def _opened(self, asking: Asking, deadline: Deadline) -> tuple[Course, Reply | None]:
        """The course of the question, and its reply when no model needs to be asked; one piece of work for one thread."""
        course = self._begin(asking, deadline)
        return course, self._without_models(course)

    def _begin(self, asking: Asking, deadline: Deadline) -> Course:
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
            deadline=deadline,
            turns=turns,
            searched=alone.question,
            is_follow_up=alone.is_rewritten,
        )

    def _without_models(self, course: Course) -> Reply | None:
        """The reply, when the cache or the extractive tier settles it; None when the evidence asks for a model."""
        kept = self._kept(course)
        if kept is not None:
            course.cache = CacheUse.HIT
            course.outcome = kept
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
        course.level = await run(partial(self._level, course))
        if course.is_follow_up:
            await self._rewritten(course, run)
        if self._wants_model(course):
            await self._climb(course, watcher, run)
        reply = await run(partial(self._finished, course))
        if reply is None:
            # The rights changed meanwhile: what may be read now is quoted, and no model is asked a second time.
            course.outcome, course.key = no_evidence(), None
            await run(partial(self._first, course))
            reply = await run(partial(self._finished, course))
        return await run(partial(self._nothing, course)) if reply is None else reply

    def _first(self, course: Course) -> None:
        asking = course.asking
        course.took(
            self._parts.extractive.answer(asking.viewer, course.searched, course.policy, where=asking.where, limit=asking.limit)
        )

    def _wants_model(self, course: Course) -> bool:
        return self._parts.climber is not None and course.first is not None and course.first.escalate is not None

    async def _rewritten(self, course: Course, run: Runner) -> None:
        """A follow-up that the rules' wording did not settle is put into words by a model, and asked again if they differ."""
        climber = self._parts.climber
        assert climber is not None, "Only a course with models comes here."
        started = perf_counter()
        said, steps = await climber.rewrite(course)
        course.spent({"rewrite": (perf_counter() - started) * 1000})
        course.steps = (*course.steps, *steps)
        if said is not None and said != course.searched:
            course.searched, course.key = said, None
            await run(partial(self._first, course))

    async def _climb(self, course: Course, watcher: Watcher | None, run: Runner) -> None:
        climber, first = self._parts.climber, course.first
        assert climber is not None and first is not None and first.escalate is not None, "Only evidence leads here."
        task = Climb(course.asking, course.policy, course.region, first, first.escalate, course.level)
        started = perf_counter()
        seen = TimedWatcher(watcher, course) if watcher else None

        async def work() -> Climbed:
            return await climber.climb(task, course.deadline, seen, run)

        try:
            climbed, is_shared = await self._flights.run(self._key(course).name(), work, course.deadline)
            if is_shared and climbed.degraded in _OF_ONE_ACCOUNT:
                climbed, is_shared = await work(), False
        except TimeoutError:
            climbed, is_shared = Climbed(None, (), Degraded.DEADLINE), False
        course.spent({"model": (perf_counter() - started) * 1000})
        course.degraded = climbed.degraded
        if is_shared:
            course.cache = CacheUse.SHARED
        else:
            course.steps = (*course.steps, *climbed.steps)
        if climbed.answer is not None:
            course.outcome = climbed.answer

    def _finished(self, course: Course) -> Reply | None:
        """The reply, durable; None when the viewer may not see the outcome any more, or it is not true any more."""
        started = perf_counter()
        if not self._still_holds(course.asking.viewer, course.outcome):
            return None
        course.spent({"gate": (perf_counter() - started) * 1000})
        key = self._key(course)
        if course.cache is CacheUse.MISS and course.degraded is None and key.corpus_version == course.version:
            self._parts.cache.put(key, course.outcome)
        return self._recorded(course)

    def _still_holds(self, viewer: Viewer, outcome: Answer | Refusal) -> bool:
        """Whether the viewer may read, at this moment, every document that is shown, and it says what is quoted of it."""
        shown = cited_documents(outcome)
        if shown and still_readable(self._parts.store, viewer, shown) != shown:
            return False
        if not isinstance(outcome, Answer):
            return True
        cited = sorted({citation.chunk_id for claim in outcome.claims for citation in claim.citations})
        with self._parts.store.begin() as work:
            chunks = work.documents.chunks(viewer.tenant, cited)
        return not no_longer_true(outcome.claims, chunks, self._parts.freshness, now=self._parts.clock.now())

    def _nothing(self, course: Course) -> Reply:
        course.outcome = no_evidence()
        return self._recorded(course)

    def _recorded(self, course: Course) -> Reply:
        """The reply, after ledger, conversation and observer have it."""
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
            prompt_fingerprint=parts.climber.prompt_fingerprint if parts.climber and course.policy.lanes else "",
            trace_id=asking.trace_id or uuid7(course.asked_at).hex,
        )
        parts.store.replies.append(asking.viewer.tenant, viewer_hash(asking.viewer), reply)
        if asking.conversation_id:
            parts.conversations.remember(asking.viewer, asking.conversation_id, reply)
        if parts.observer is not None:
            parts.observer.replied(asking.viewer.tenant, reply)
        return reply

    def _kept(self, course: Course) -> Answer | Refusal | None:
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
                policy_fingerprint=parts.policy_fingerprint,
                surface=asking.surface,
                locale=asking.viewer.locale,
                narrowing=repr((asking.where, asking.limit)),
                question=" ".join(course.searched.split()),
            )
        return course.key

    def _level(self, course: Course) -> BudgetLevel:
        return self._parts.level(course.asking.viewer.tenant, course.asking.account)
