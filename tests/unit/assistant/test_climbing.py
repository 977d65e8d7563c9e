"""From tier to tier: models are asked on evidence alone, small ones first, and nothing is shown that did not pass."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from surefoot.assistant.answer import Answerer
from surefoot.assistant.course import Asking
from surefoot.core.deadline import Deadline
from surefoot.core.errors import InvalidInput, ModelUnavailable, NotFound, StoreUnavailable
from surefoot.domain.answers import Answer, Claim, Refusal, RefusalReason, Tier
from surefoot.domain.budgets import NANO_USD, NOTHING_SPENT, BudgetLevel, Limit, MeterKey, Period, Spend
from surefoot.domain.documents import document_id
from surefoot.domain.filters import Everything, Filter
from surefoot.domain.identity import Principal, Viewer, viewer_hash
from surefoot.domain.policies import BudgetRule, ModelPolicy
from surefoot.domain.replies import CacheUse, Reply
from surefoot.domain.routing import Degraded, EscalationReason
from surefoot.llm.router import RouterOptions
from surefoot.retrieval.search import Retrieved
from tests.asking import PRICE, Asked, asking_in, policy_of
from tests.unit.assistant.passages import ENCODER, SIMPLE_MODEL
from tests.world import TENANT, World, markdown, memory_world, reader
from tests.writers import USED, Hangs, Writer, alone, cannot_answer, claims, writer
from tests.writers import Reply as Written

REFUNDS = markdown("refunds.md", "# Refunds\n\nRefunds arrive within 5 business days. Bank transfers take ten days.\n")
SAID, ALSO_SAID = "Refunds arrive within 5 business days.", "Bank transfers take ten days."
QUOTED = f"{SAID} {ALSO_SAID}"
EASY = "When do refunds arrive?"
HARD = "Do refunds arrive in Bitcoin?"
TRUE, FALSE = claims(SAID), claims(("Refunds arrive within 9 business days.", SAID))
ONE_CALL = PRICE.spend(USED)


@pytest.fixture
def world() -> World:
    made = memory_world()
    made.put(REFUNDS)
    return made


class House:
    """Ask over a small and a large writer."""

    def __init__(
        self, world: World, small: tuple[Written, ...] = (TRUE,), large: tuple[Written, ...] | None = None, **more: object
    ) -> None:
        self.world = world
        self.small = writer("small", *small)
        self.large = writer("large", *(large or (TRUE,)))
        models: dict[str, Writer] = {"small": self.small, "large": self.large}
        parts = {name: more.pop(name) for name in ("search", "answers", "cache_size", "options") if name in more}
        lanes = ({"small": self.small}, {"large": self.large} if large is not None else None)
        parts.setdefault("options", RouterOptions(max_retries=0))
        self.policy: ModelPolicy = policy_of(*lanes, **more)  # type: ignore[arg-type]
        self.asked: Asked = asking_in(world, policy=self.policy, models=models, **parts)  # type: ignore[arg-type]

    def ask(self, question: str = HARD, viewer: Viewer | None = None, **more: object) -> Reply:
        return self.asked.ask.answer_here(Asking(viewer or reader(), question, **more))  # type: ignore[arg-type]

    @property
    def calls(self) -> tuple[int, int]:
        return self.small.calls, self.large.calls


def kinds(reply: Reply) -> list[tuple[str, str, str]]:
    return [(step.tier.value, step.purpose, step.outcome.value) for step in reply.steps]


def reasons(reply: Reply) -> list[EscalationReason | None]:
    return [step.escalated_because for step in reply.steps]


def texts(reply: Reply) -> list[str]:
    assert isinstance(reply.outcome, Answer), reply.outcome
    return [claim.text for claim in reply.outcome.claims]


def refused(reply: Reply) -> RefusalReason:
    assert isinstance(reply.outcome, Refusal), reply.outcome
    return reply.outcome.reason


def grant(world: World, *principals: str, uri: str = "refunds.md") -> None:
    with world.store.begin() as work:
        work.access.put(TENANT, document_id(TENANT, uri), frozenset(map(Principal, principals)))
        work.commit()


# Which questions reach which tier.


def test_a_question_that_the_extractive_tier_answers_costs_nothing_and_calls_nobody(world: World) -> None:
    house = House(world, large=(TRUE,))
    reply = house.ask(EASY)
    assert house.calls == (0, 0)
    assert (reply.spend, reply.tokens, reply.cost_usd) == (NOTHING_SPENT, 0, 0.0)
    assert kinds(reply) == [("extractive", "answer", "accepted")]
    assert isinstance(reply.outcome, Answer) and (reply.outcome.tier, reply.model) == (Tier.EXTRACTIVE, "")


def test_an_answer_at_the_very_threshold_costs_nothing_though_its_confidence_is_rounded(world: World) -> None:
    threshold = 0.647201
    house = House(world, answers=Answerer(ENCODER, model=SIMPLE_MODEL, answer_threshold=threshold))
    reply = house.ask("How many business days until refunds arrive on the card?")
    assert reply.outcome.confidence < threshold, "the case that this test is about"
    assert isinstance(reply.outcome, Answer) and house.small.calls == 0


def test_insufficient_evidence_asks_the_small_tier_alone_when_its_draft_passes(world: World) -> None:
    house = House(world, large=(TRUE,))
    reply = house.ask()
    assert house.calls == (1, 0)
    assert kinds(reply) == [("extractive", "answer", "refused"), ("small", "answer", "accepted")]
    assert reasons(reply) == [None, EscalationReason.INSUFFICIENT_EVIDENCE]
    assert texts(reply) == [SAID]
    assert isinstance(reply.outcome, Answer) and (reply.outcome.tier, reply.model) == (Tier.SMALL, "small")


def test_a_thin_margin_asks_a_model_and_a_wide_one_does_not(world: World) -> None:
    thin, wide = House(world, thin_margin=0.9), House(world, thin_margin=0.1)
    assert reasons(thin.ask(EASY)) == [None, EscalationReason.THIN_MARGIN]
    assert reasons(wide.ask(EASY)) == [None]
    assert (thin.small.calls, wide.small.calls) == (1, 0)


@pytest.mark.parametrize("written", [cannot_answer(), "not json", FALSE, ModelUnavailable("It is down.")])
def test_the_extractive_answer_stands_when_a_climb_for_a_thin_margin_fails(world: World, written: Written) -> None:
    house = House(world, (written,), (written,), thin_margin=0.9)
    reply = house.ask(EASY)
    assert house.small.calls >= 1
    assert texts(reply) == [QUOTED]
    assert isinstance(reply.outcome, Answer) and reply.outcome.tier is Tier.EXTRACTIVE and reply.model == ""


NOTHING = "Zyxw qpon?"
ELSEWHERE = "Do refunds reach a Bitcoin wallet?"
SECOND = markdown("second.md", "# Refunds\n\nRefunds arrive within 9 business days. Bank transfers take ten days.\n")
OLD = markdown("refunds.md", "---\nvalid_until: 2020-01-01\n---\n# Refunds\n\nRefunds arrive within 5 business days.\n")


@pytest.mark.parametrize(
    ("files", "question", "reason"),
    [
        ((), NOTHING, RefusalReason.NO_EVIDENCE),
        ((), ELSEWHERE, RefusalReason.OUT_OF_SCOPE),
        ((SECOND,), "Within how many business days do refunds arrive?", RefusalReason.CONFLICTING_EVIDENCE),
        ((OLD,), EASY, RefusalReason.STALE_EVIDENCE),
    ],
)
def test_what_no_model_could_mend_asks_none(world: World, files: tuple, question: str, reason: RefusalReason) -> None:  # type: ignore[type-arg]
    world.put(*files)
    house = House(world, large=(TRUE,), thin_margin=1.0)
    reply = house.ask(question)
    assert refused(reply) is reason
    assert house.calls == (0, 0) and reply.tokens == 0


def test_a_question_that_needs_clarification_asks_no_model() -> None:
    world = memory_world()
    sections = "".join(f"## {name}\n\nThe {name.lower()} limits are set by an admin.\n\n" for name in ("Import", "Export"))
    world.put(markdown("limits.md", f"# Product\n\n{sections}"))
    house = House(world, answers=Answerer(ENCODER, model=SIMPLE_MODEL, answer_threshold=0.999))
    assert refused(house.ask("limits?")) is RefusalReason.NEEDS_CLARIFICATION
    assert house.calls == (0, 0)


def test_below_the_floor_no_model_is_asked(world: World) -> None:
    confidence = House(world, (cannot_answer(),)).ask().outcome.confidence
    above, below = House(world, escalate_floor=confidence), House(world, escalate_floor=confidence + 0.001)
    assert isinstance(above.ask().outcome, Answer)
    assert refused(below.ask()) is RefusalReason.INSUFFICIENT_EVIDENCE
    assert (above.small.calls, below.small.calls) == (1, 0)


def test_cannot_answer_is_believed_and_no_larger_model_is_asked(world: World) -> None:
    house = House(world, (cannot_answer(),), (TRUE,))
    reply = house.ask()
    assert house.calls == (1, 0)
    assert kinds(reply)[-1] == ("small", "answer", "cannot_answer")
    assert refused(reply) is RefusalReason.INSUFFICIENT_EVIDENCE
    assert reply.degraded is None


@pytest.mark.parametrize(
    ("bad", "outcome", "because"),
    [
        ("not json", "invalid", EscalationReason.INVALID_DRAFT),
        (FALSE, "unsupported", EscalationReason.UNSUPPORTED_CLAIM),
    ],
)
def test_the_large_tier_is_asked_after_one_repair_failed_too(
    world: World, bad: Written, outcome: str, because: EscalationReason
) -> None:
    house = House(world, (bad, bad), (TRUE,))
    reply = house.ask()
    assert house.calls == (2, 1)
    assert kinds(reply)[1:] == [("small", "answer", outcome), ("small", "repair", outcome), ("large", "answer", "accepted")]
    assert reasons(reply) == [None, EscalationReason.INSUFFICIENT_EVIDENCE, None, because]
    assert isinstance(reply.outcome, Answer) and (reply.outcome.tier, reply.model) == (Tier.LARGE, "large")


def test_a_repair_is_told_what_was_wrong_and_ends_the_climb_when_it_passes(world: World) -> None:
    house = House(world, (FALSE, TRUE), (TRUE,))
    reply = house.ask()
    assert house.calls == (2, 0)
    assert texts(reply) == [SAID]
    first, repair = (request.messages for request in house.small.requests)
    assert repair[: len(first)] == first
    assert "9" in repair[-1].content and "not in the quotes" in repair[-1].content
    assert repair[-2].content == FALSE(house.small.prompts[0])


def test_a_repair_may_still_say_that_it_cannot_answer(world: World) -> None:
    house = House(world, (FALSE, cannot_answer()), (TRUE,))
    assert refused(house.ask()) is RefusalReason.INSUFFICIENT_EVIDENCE
    assert house.calls == (2, 0)


def test_when_every_draft_falls_nothing_of_any_is_shown(world: World) -> None:
    house = House(world, (FALSE,), (FALSE,))
    reply = house.ask()
    assert house.calls == (2, 2)
    assert refused(reply) is RefusalReason.INSUFFICIENT_EVIDENCE
    assert "9 business days" not in repr(reply.outcome)
    assert reply.degraded is None, "every tier was heard"


def test_a_claim_that_fell_is_left_out_and_the_rest_is_shown(world: World) -> None:
    house = House(world, (claims(SAID, ("Bank transfers take two days.", ALSO_SAID), ALSO_SAID),), (TRUE,))
    reply = house.ask()
    assert texts(reply) == [SAID, ALSO_SAID]
    assert house.calls == (1, 0)
    assert any("two" in reason.lower() for reason in reply.steps[-1].reasons), "the ledger says why"


def test_an_answer_whose_core_claim_fell_is_not_shown_though_others_passed(world: World) -> None:
    house = House(world, (claims(("Refunds arrive within 9 business days.", SAID), ALSO_SAID),))
    reply = house.ask()
    assert refused(reply) is RefusalReason.INSUFFICIENT_EVIDENCE
    assert house.small.calls == 2


def test_a_surface_with_a_large_lane_alone_begins_there(world: World) -> None:
    large = writer("large", TRUE)
    policy = policy_of({}, {"large": large})
    reply = asking_in(world, policy=policy, models={"large": large}).ask.ask(reader(), HARD)
    assert reasons(reply) == [None, EscalationReason.INSUFFICIENT_EVIDENCE]
    assert isinstance(reply.outcome, Answer) and reply.outcome.tier is Tier.LARGE


def test_a_surface_that_is_not_declared_is_refused_and_recorded_nowhere(world: World) -> None:
    house = House(world)
    with pytest.raises(InvalidInput, match="surface"):
        house.ask(surface="elsewhere")
    assert world.store.replies.count(TENANT) == 0 and house.small.calls == 0


# Money.


def month(surface: str = "", viewer: str = "") -> MeterKey:
    return MeterKey(surface, viewer, Period.MONTH, datetime(2026, 6, 1, tzinfo=UTC))


def metered(world: World) -> tuple[Spend, Spend]:
    """What the tenant's meter counts: spent, and reserved."""
    with world.store.begin() as work:
        (state,) = work.meters.states(TENANT, {month(): Limit()})
    return state.spent, state.reserved


def test_a_replys_spend_is_what_the_meters_say_whatever_was_asked(world: World) -> None:
    for small, large in (((TRUE,), None), ((FALSE,), (TRUE,)), (("x", TRUE), None), ((ModelUnavailable("Down."),), (TRUE,))):
        before, _ = metered(world)
        reply = House(world, small, large, cache_size=0).ask()
        after, reserved = metered(world)
        assert before + reply.spend == after
        assert reserved == NOTHING_SPENT
        assert reply.tokens == sum(step.spend.tokens for step in reply.steps)


def test_every_step_has_its_tokens_spend_and_latency(world: World) -> None:
    reply = House(world, (FALSE,), (TRUE,)).ask()
    called = reply.steps[1:]
    assert [(step.input_tokens, step.output_tokens, step.spend) for step in called] == [(100, 20, ONE_CALL)] * 3
    assert all(step.latency_ms > 0 for step in reply.steps)
    assert reply.timings_ms["model"] > 0
    assert reply.spend == Spend(3 * ONE_CALL.nano_usd, 3 * ONE_CALL.tokens)
    assert reply.prompt_fingerprint


def spent_before(world: World, house: House, share: float, limit: int) -> None:
    """So much of the tenant's monthly tokens is spent already."""
    budgets = house.asked.budgets
    account = Asking(reader(), HARD).account
    held = budgets.reserve(TENANT, account, Spend(0, int(limit * share)))
    budgets.settle(TENANT, held, Spend(0, int(limit * share)))  # type: ignore[arg-type]


ROOMY = 1_000_000
RULE = (BudgetRule(Limit(tokens=ROOMY), Period.MONTH),)


def test_at_eighty_percent_the_large_tier_is_not_asked(world: World) -> None:
    house = House(world, (FALSE,), (TRUE,), budgets=RULE)
    spent_before(world, house, 0.85, ROOMY)
    reply = house.ask()
    assert house.calls == (2, 0)
    assert (reply.budget, reply.degraded) == (BudgetLevel.SMALL_ONLY, Degraded.BUDGET_SMALL_ONLY)
    assert refused(reply) is RefusalReason.INSUFFICIENT_EVIDENCE


def test_at_eighty_percent_a_small_answer_is_not_called_degraded(world: World) -> None:
    house = House(world, large=(TRUE,), budgets=RULE)
    spent_before(world, house, 0.85, ROOMY)
    reply = house.ask()
    assert texts(reply) == [SAID] and reply.degraded is None


def test_at_a_hundred_percent_nothing_is_asked_and_the_extractive_tier_still_answers(world: World) -> None:
    house = House(world, large=(TRUE,), budgets=RULE, thin_margin=0.9)
    spent_before(world, house, 1.0, ROOMY)
    reply = house.ask(EASY)
    assert house.calls == (0, 0)
    assert texts(reply) == [QUOTED]
    assert (reply.budget, reply.degraded, reply.spend) == (BudgetLevel.EXHAUSTED, Degraded.BUDGET_EXHAUSTED, NOTHING_SPENT)


def test_every_reply_says_what_the_budget_allowed_whether_or_not_a_model_was_wanted(world: World) -> None:
    house = House(world, budgets=RULE)
    spent_before(world, house, 0.65, ROOMY)
    assert house.ask(EASY).budget is BudgetLevel.WARN
    assert house.ask(EASY).budget is BudgetLevel.WARN, "from the cache too"


def test_a_call_that_does_not_fit_is_not_made_and_the_reply_says_why(world: World) -> None:
    house = House(world, budgets=(BudgetRule(Limit(nano_usd=NANO_USD // 1_000_000), Period.DAY, per_viewer=True),))
    reply = house.ask()
    assert house.calls == (0, 0)
    assert kinds(reply)[-1] == ("small", "answer", "no_budget")
    assert reply.degraded is Degraded.BUDGET_EXHAUSTED and metered(world) == (NOTHING_SPENT, NOTHING_SPENT)


# Outages and time.


def test_with_every_provider_down_the_extractive_outcome_stands_and_says_so(world: World) -> None:
    house = House(world, (ModelUnavailable("Down.", may_have_charged=False),), (TRUE,))
    reply = house.ask()
    assert refused(reply) is RefusalReason.INSUFFICIENT_EVIDENCE
    assert reply.degraded is Degraded.MODELS_UNAVAILABLE
    assert house.large.calls == 0, "an outage is no evidence for asking a dearer tier"
    assert reply.spend == NOTHING_SPENT


def test_a_model_that_hangs_costs_the_deadline_and_no_answer(world: World) -> None:
    house = House(world, (Hangs("{"),), (TRUE,), deadline_seconds=0.2, thin_margin=0.9)
    reply = house.ask(EASY)
    assert texts(reply) == [QUOTED]
    assert reply.degraded is Degraded.DEADLINE
    assert house.small.running == 0 and metered(world) == (reply.spend, NOTHING_SPENT)


@pytest.mark.parametrize("large", [None, (ModelUnavailable("Down."),)])
def test_a_repair_that_could_not_be_heard_makes_the_reply_degraded(world: World, large: tuple[Written, ...] | None) -> None:
    house = House(world, (FALSE, ModelUnavailable("Down.")), large)
    reply = house.ask()
    assert reply.degraded is Degraded.MODELS_UNAVAILABLE
    house.small.replies = (TRUE,)
    assert texts(house.ask()) == [SAID], "an outage is not kept as an answer"


def test_a_deadline_that_is_over_before_the_repair_makes_the_reply_degraded(world: World) -> None:
    moment = [0.0]
    house = House(world, ("not json",))

    def late() -> None:
        moment[0] = 100.0

    house.small.on_call = late
    deadline = Deadline.after(50.0, clock=lambda: moment[0])
    reply = anyio.run(lambda: house.asked.ask.answer(Asking(reader(), HARD), deadline=deadline))
    assert house.small.calls == 1
    assert reply.degraded is Degraded.DEADLINE


def test_models_of_other_regions_are_not_asked_for_a_tenant_that_is_kept_in_one(world: World) -> None:
    house = House(world)
    kept = replace(house.policy, default=replace(house.policy.default, region="eu"))
    reply = asking_in(world, policy=kept, models={"small": house.small}).ask.ask(reader(), HARD)
    assert house.small.calls == 0
    assert reply.degraded is Degraded.MODELS_UNAVAILABLE
    assert "kept in 'eu'" in str(reply.steps[-1].reasons)


# Rights and truth, at every moment at which they can change.


class After:
    """The world's searcher, after whose first search something happens."""

    def __init__(self, world: World, then: Callable[[], None]) -> None:
        self._world = world
        self._then = [then]

    def search(self, viewer: Viewer, question: str, *, where: Filter = Everything(), limit: int | None = None) -> Retrieved:
        found = self._world.searcher.search(viewer, question, where=where, limit=limit)
        if self._then:
            self._then.pop()()
        return found


def revoked(world: World) -> None:
    grant(world, "user:nobody")


def changed(world: World) -> None:
    world.put(markdown("refunds.md", "# Refunds\n\nRefunds arrive when the moon is full.\n"))


def superseded(world: World) -> None:
    world.put(markdown("new.md", "---\nsupersedes: [refunds.md]\n---\n# Payments\n\nPayments are quick.\n"))


def outdated(world: World) -> None:
    world.clock.advance(timedelta(days=400))


def expiring() -> World:
    made = memory_world()
    made.put(markdown("refunds.md", f"---\nvalid_until: 2026-12-31\n---\n# Refunds\n\n{SAID} {ALSO_SAID}\n"))
    return made


CHANGES = pytest.mark.parametrize("change", [revoked, changed, superseded, outdated])


@CHANGES
def test_what_changed_between_search_and_prompt_is_told_to_no_model_and_shown_to_nobody(
    change: Callable[[World], None],
) -> None:
    world = expiring()
    house = House(world, search=After(world, lambda: change(world)), large=(TRUE,))
    reply = house.ask()
    assert house.calls == (0, 0)
    assert isinstance(reply.outcome, Refusal) and SAID not in repr(reply.outcome)


@CHANGES
def test_what_changed_while_the_model_wrote_is_not_shown_and_no_repair_is_paid(change: Callable[[World], None]) -> None:
    world = expiring()
    house = House(world, large=(TRUE,))
    house.small.on_call = lambda: change(world)
    reply = house.ask()
    assert house.calls == (1, 0)
    assert isinstance(reply.outcome, Refusal) and SAID not in repr(reply.outcome)
    assert reply.spend == ONE_CALL


class Seen:
    """A watcher that remembers, and does something at the first claim."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.events: list[str] = []
        self._then = then

    async def claim(self, claim: Claim) -> None:
        self.events.append(claim.text)
        self._then()

    async def restart(self) -> None:
        self.events.append("restart")


@CHANGES
def test_what_changed_between_judging_and_sending_is_not_in_the_reply(change: Callable[[World], None]) -> None:
    world = expiring()
    house = House(world, (claims(SAID, ALSO_SAID),))
    seen = Seen(then=lambda: change(world))
    reply = anyio.run(lambda: house.asked.ask.answer(Asking(reader(), HARD), watcher=seen))
    assert seen.events == [SAID], "nothing more is shown after the change"
    assert isinstance(reply.outcome, Refusal) and SAID not in repr(reply.outcome)


def test_after_a_revocation_the_outcome_without_models_is_not_kept(world: World) -> None:
    world.put(markdown("more.md", f"# Returns\n\nRefunds that customers ask for: {SAID}\n"))
    house = House(world)
    house.small.on_call = lambda: revoked(world)
    house.ask()
    house.small.on_call = lambda: None
    assert house.ask().cache is CacheUse.MISS
    assert house.small.calls == 2, "the next asker gets a model's word again"


def test_a_refusals_closest_places_are_as_the_documents_read_now(world: World) -> None:
    house = House(world, (cannot_answer(),))
    house.small.on_call = lambda: changed(world)
    reply = house.ask()
    assert isinstance(reply.outcome, Refusal)
    assert all(SAID not in place.quote for place in reply.outcome.closest)


# Watching.


def watch(house: House, seen: Seen, question: str = HARD) -> Reply:
    return anyio.run(lambda: house.asked.ask.answer(Asking(reader(), question), watcher=seen))


def test_claims_are_shown_in_order_while_the_model_still_writes(world: World) -> None:
    house = House(world, (claims(SAID, ALSO_SAID),))
    when: list[int] = []
    seen = Seen(then=lambda: when.append(house.small.pieces))
    reply = watch(house, seen)
    assert seen.events == [SAID, ALSO_SAID] == texts(reply)
    assert when[0] < house.small.pieces, "the first was shown before the draft was whole"
    assert reply.first_claim_ms is not None and reply.first_claim_ms > 0


def test_a_claim_behind_a_core_that_fell_is_never_shown(world: World) -> None:
    house = House(world, (claims(("Refunds arrive within 9 business days.", SAID), ALSO_SAID),))
    seen = Seen()
    reply = watch(house, seen)
    assert seen.events == [] and isinstance(reply.outcome, Refusal) and reply.first_claim_ms is None


def test_the_claims_of_the_next_tier_begin_with_a_restart_when_some_were_shown(world: World) -> None:
    good = claims(SAID)

    def broken(prompt):  # type: ignore[no-untyped-def]
        return good(prompt).replace('"cannot_answer": null', '"cannot_answer": 7')

    house = House(world, (broken, "not json"), (claims(ALSO_SAID, SAID),))
    seen = Seen()
    reply = watch(house, seen)
    assert seen.events == [SAID, "restart", ALSO_SAID, SAID]
    assert texts(reply) == [ALSO_SAID, SAID]


def test_the_claims_of_the_next_model_of_a_lane_begin_with_a_restart_when_some_were_shown(world: World) -> None:
    good = claims(SAID, ALSO_SAID)
    first, second = writer("first", Hangs(good)), writer("second", claims(ALSO_SAID))

    def breaks() -> None:
        if first.pieces and seen.events:
            raise ModelUnavailable("It broke off.")

    first.on_piece = breaks
    asked = asking_in(world, policy=policy_of({"first": first, "second": second}), models={"first": first, "second": second})
    seen = Seen()
    anyio.run(lambda: asked.ask.answer(Asking(reader(), HARD), watcher=seen))
    assert seen.events == [SAID, "restart", ALSO_SAID]


def test_an_extractive_answer_that_is_watched_has_the_time_of_its_first_claim_too(world: World) -> None:
    house = House(world)
    seen = Seen()
    assert watch(house, seen, EASY).first_claim_ms is not None
    assert watch(house, seen, EASY).first_claim_ms is not None, "from the cache too"
    assert house.ask(EASY).first_claim_ms is None, "nobody watches"
    assert seen.events == [], "claims that no model wrote are in the reply"


# Equal questions at once, and questions that end before their reply.


def test_equal_questions_at_once_are_asked_once_and_paid_once(world: World) -> None:
    house = House(world, cache_size=0)
    replies: list[Reply] = []

    async def ask(user: str) -> None:
        replies.append(await house.asked.ask.answer(Asking(reader(user), HARD)))

    async def together() -> None:
        async with anyio.create_task_group() as group:
            for user in ("ann", "bob", "cem"):
                group.start_soon(ask, user)

    anyio.run(together)
    assert house.small.calls == 1
    assert [texts(reply) for reply in replies] == [[SAID]] * 3
    assert sorted(reply.cache.value for reply in replies) == ["miss", "shared", "shared"]
    assert sum(reply.spend.tokens for reply in replies) == metered(world)[0].tokens
    assert {reply.model for reply in replies} == {"small"}


def test_one_accounts_empty_budget_is_not_anothers(world: World) -> None:
    rule = BudgetRule(Limit(tokens=ROOMY), Period.MONTH, per_viewer=True)
    house = House(world, budgets=(rule,), cache_size=0)
    spent_before(world, house, 1.0, ROOMY)
    replies: dict[str, Reply] = {}

    async def together() -> None:
        async with anyio.create_task_group() as group:
            for user in ("ann", "bob"):

                async def ask(user: str = user) -> None:
                    replies[user] = await house.asked.ask.answer(Asking(reader(user), HARD))

                group.start_soon(ask)

    anyio.run(together)
    assert texts(replies["bob"]) == [SAID]
    # When bob was first, his answer is shared: it costs ann nothing.
    assert replies["ann"].degraded is Degraded.BUDGET_EXHAUSTED or replies["ann"].cache is CacheUse.SHARED
    assert replies["ann"].tokens == 0


def test_askers_in_many_threads_never_wait_for_each_others_event_loops(world: World) -> None:
    house = House(world, options=RouterOptions(max_concurrent=1, purse_threads=1), cache_size=0, deadline_seconds=30.0)
    replies: list[Reply] = []

    def ask(number: int) -> None:
        replies.extend(house.ask(f"{HARD} {'?' * (8 * number + turn)}") for turn in range(8))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(replies) == 48
    assert {reply.degraded for reply in replies} == {None} and all(isinstance(reply.outcome, Answer) for reply in replies)


def ledger(world: World) -> list[dict[str, object]]:
    records = world.store.replies._records.get(TENANT, {})  # type: ignore[attr-defined]
    return [world.store.replies.get(TENANT, reply_id) for reply_id in records]  # type: ignore[misc]


def test_what_a_cancelled_question_cost_is_in_the_ledger_with_what_was_seen_of_it(world: World) -> None:
    house = House(world, (Hangs(claims(SAID, ALSO_SAID)),))

    async def hang_up() -> None:
        with anyio.CancelScope() as scope:
            await house.asked.ask.answer(Asking(reader(), HARD), watcher=Seen(then=scope.cancel))

    anyio.run(hang_up)
    spent, reserved = metered(world)
    (record,) = ledger(world)
    assert house.small.running == 0 and reserved == NOTHING_SPENT and spent.tokens > 0
    assert (record["degraded"], record["tokens"], record["model"]) == ("cut_short", spent.tokens, "small")
    assert record["steps"][-1]["outcome"] == "cancelled"  # type: ignore[index]
    assert [claim["text"] for claim in record["claims"]] == [SAID]  # type: ignore[attr-defined]


def test_a_question_that_was_cancelled_before_a_model_was_asked_leaves_no_row(world: World) -> None:
    house = House(world)

    async def hang_up() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await house.asked.ask.answer(Asking(reader(), HARD))

    anyio.run(hang_up)
    assert ledger(world) == [] and house.small.calls == 0


def test_what_a_question_cost_that_failed_is_in_the_ledger_and_its_error_is_told(world: World) -> None:
    house = House(world)

    class Failing(Seen):
        async def claim(self, claim: Claim) -> None:
            raise StoreUnavailable("The database went away.")

    with pytest.raises(StoreUnavailable):
        watch(house, Failing())
    spent, reserved = metered(world)
    (record,) = ledger(world)
    assert (record["degraded"], record["tokens"]) == ("cut_short", spent.tokens)
    assert reserved == NOTHING_SPENT


def test_a_question_that_was_cut_short_is_no_turn_and_is_not_kept(world: World) -> None:
    house = House(world, (Hangs(TRUE), TRUE))
    conversation = house.asked.conversations.start(reader()).conversation_id

    async def hang_up() -> None:
        with anyio.CancelScope() as scope:
            asking = Asking(reader(), HARD, conversation_id=conversation)
            await house.asked.ask.answer(asking, watcher=Seen(then=scope.cancel))

    anyio.run(hang_up)
    assert house.asked.conversations.history(reader(), conversation) == []
    assert house.ask().cache is CacheUse.MISS and house.small.calls == 2


# Conversations.


FOLLOW_UP = "And in Bitcoin?"


def in_conversation(house: House, *questions: str) -> list[Reply]:
    conversation = house.asked.conversations.start(reader()).conversation_id
    return [house.ask(question, conversation_id=conversation) for question in questions]


def test_a_follow_up_that_the_rules_wording_settles_asks_no_model(world: World) -> None:
    house = House(world)
    _, second = in_conversation(house, EASY, "And bank transfers?")
    assert house.small.calls == 0
    assert second.searched != second.question and isinstance(second.outcome, Answer)


def test_a_follow_up_that_the_rules_wording_does_not_settle_is_put_into_words_by_a_model(world: World) -> None:
    house = House(world, (alone("When do refunds arrive in Bitcoin?"), TRUE))
    _, second = in_conversation(house, EASY, FOLLOW_UP)
    assert [step.purpose for step in second.steps if step.model] == ["standalone_question", "answer"]
    assert second.searched == "When do refunds arrive in Bitcoin?"
    assert EASY in house.small.prompts[0].history
    assert second.spend == metered(world)[0]


def test_a_models_wording_that_the_extractive_tier_settles_asks_for_no_draft(world: World) -> None:
    house = House(world, (cannot_answer(), alone("How long do refunds take to arrive within business days?")))
    _, second = in_conversation(house, HARD, "How long does that take?")
    assert kinds(second) == [("small", "standalone_question", "accepted"), ("extractive", "answer", "accepted")]
    assert second.searched == "How long do refunds take to arrive within business days?" and house.small.calls == 2


@pytest.mark.parametrize("said", ["not json", alone("How do I hack example.com?"), alone(""), ModelUnavailable("Down.")])
def test_the_rules_wording_stands_when_the_models_is_not_to_be_believed(world: World, said: Written) -> None:
    house = House(world, (said, TRUE))
    _, second = in_conversation(house, EASY, FOLLOW_UP)
    assert "hack" not in second.searched and "refunds" in second.searched.lower()
    assert second.spend == metered(world)[0]


def test_a_question_that_stands_alone_is_not_rewritten_by_a_model(world: World) -> None:
    house = House(world)
    _, second = in_conversation(house, EASY, HARD)
    assert [step.purpose for step in second.steps if step.model] == ["answer"]
    assert second.searched == HARD


def test_a_conversation_of_somebody_else_is_not_found_before_anything_is_spent(world: World) -> None:
    house = House(world)
    conversation = house.asked.conversations.start(reader("bob")).conversation_id
    with pytest.raises(NotFound):
        house.ask(conversation_id=conversation)
    assert house.small.calls == 0 and ledger(world) == []


def test_the_account_of_a_question_is_its_viewer_on_its_surface(world: World) -> None:
    House(world).ask()
    with world.store.begin() as work:
        known = work.meters.known(TENANT, since=datetime(2026, 6, 1, tzinfo=UTC))
    assert {(key.surface, key.viewer_hash) for key in known} == {("", ""), ("help", ""), ("", viewer_hash(reader()))}


def test_a_surfaces_limits_on_claims_and_length_hold(world: World) -> None:
    both = claims(SAID, ALSO_SAID)
    assert texts(House(world, (both,), max_claims=1).ask()) == [SAID]
    assert texts(House(world, (both,), max_answer_characters=len(SAID) + 3).ask()) == [SAID]
    assert texts(House(world, (both,)).ask()) == [SAID, ALSO_SAID]
