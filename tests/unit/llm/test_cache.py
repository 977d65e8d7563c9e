"""What is kept for one asker is given to another only when everything is equal on which it depends."""

import threading
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta

import pytest

from surefoot.assistant.ask import Ask
from surefoot.assistant.climbing import Climber
from surefoot.core.errors import ModelUnavailable
from surefoot.core.ids import digest
from surefoot.domain.answers import Answer, Refusal
from surefoot.domain.budgets import Limit, Period
from surefoot.domain.documents import document_id
from surefoot.domain.filters import InDocuments
from surefoot.domain.identity import EVERYONE, Principal, TenantId, Viewer
from surefoot.domain.policies import BudgetRule
from surefoot.domain.replies import CacheUse, Reply
from surefoot.domain.routing import Degraded
from surefoot.llm.cache import AnswerCache, CacheKey
from surefoot.llm.router import RouterOptions
from tests.asking import asking_in, policy_of
from tests.world import TENANT, World, markdown, memory_world, reader
from tests.writers import Reply as Written
from tests.writers import claims, writer

KEY = CacheKey(TENANT, "rights", "version", "prompts", "policy", "help", "en", "everything", "Why?")
PARTS = [field.name for field in fields(CacheKey)]
SAID = "Refunds arrive within 5 business days."
REFUNDS = markdown("refunds.md", f"# Refunds\n\n{SAID}\n")
EASY, HARD = "When do refunds arrive?", "Do refunds arrive in Bitcoin?"


def outcome(confidence: float) -> Answer:
    return Answer((), confidence)


def others(part: str) -> CacheKey:
    return replace(KEY, **{part: f"another {part}"})


def each_key_has_its_own(*keys: CacheKey) -> None:
    """The rule of a partition: whatever else is kept, a key gives what was put under it, and nothing when nothing was."""
    cache = AnswerCache(len(keys))
    for number, key in enumerate(keys):
        assert cache.get(key) is None, "somebody else's was given out"
        cache.put(key, outcome(number))
    for number, key in enumerate(keys):
        assert cache.get(key) == outcome(number), "somebody else's was given out, or one's own is gone"


@pytest.mark.parametrize("part", PARTS)
def test_keys_that_differ_in_one_part_share_nothing(part: str) -> None:
    each_key_has_its_own(KEY, others(part))


@pytest.mark.parametrize("part", PARTS)
def test_a_key_that_forgot_one_of_its_parts_is_found_out(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CacheKey, "name", lambda key: digest(*(str(getattr(key, name)) for name in PARTS if name != part)))
    with pytest.raises(AssertionError):
        each_key_has_its_own(KEY, others(part))


@pytest.mark.parametrize("part", ["tenant", "rights"])
def test_even_under_one_name_nobody_gets_what_is_anothers(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CacheKey, "name", lambda key: "the same for all")
    cache = AnswerCache(9)
    cache.put(KEY, outcome(1))
    assert cache.get(KEY) == outcome(1)
    assert cache.get(others(part)) is None
    assert cache.get(KEY) is None, "what lies under a wrong name is thrown away"


def test_parts_do_not_run_into_each_other() -> None:
    one = replace(KEY, surface="ab", locale="c")
    other = replace(KEY, surface="a", locale="bc")
    each_key_has_its_own(one, other)
    assert one.name() != other.name()


def test_the_least_recently_used_goes_first() -> None:
    cache = AnswerCache(2)
    first, second, third = (replace(KEY, question=str(number)) for number in range(3))
    cache.put(first, outcome(1))
    cache.put(second, outcome(2))
    assert cache.get(first) == outcome(1)
    cache.put(third, outcome(3))
    assert (cache.get(first), cache.get(second), cache.get(third)) == (outcome(1), None, outcome(3))
    cache.put(first, outcome(4))
    assert len(cache) == 2 and cache.get(first) == outcome(4)


def test_a_cache_without_size_keeps_nothing() -> None:
    cache = AnswerCache(0)
    cache.put(KEY, outcome(1))
    assert len(cache) == 0 and cache.get(KEY) is None


def test_many_threads_never_get_each_others() -> None:
    cache = AnswerCache(20)
    wrong: list[int] = []

    def use(number: int) -> None:
        for turn in range(300):
            key = replace(KEY, rights=str(number), question=str(turn % 10))
            cache.put(key, outcome(number))
            if cache.get(key) not in (None, outcome(number)):
                wrong.append(number)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [] and len(cache) <= 20


# The cache within Ask.


@pytest.fixture
def world() -> World:
    made = memory_world()
    made.put(REFUNDS)
    return made


def hits(ask: Ask, question: str = EASY, viewer: Viewer | None = None) -> Reply:
    """The reply to a question that has been asked, and is kept, when it comes again."""
    asker = viewer or reader()
    ask.ask(asker, question)
    reply = ask.ask(asker, question)
    assert reply.cache is CacheUse.HIT
    return reply


def access(world: World, *principals: str, uri: str = "refunds.md") -> None:
    with world.store.begin() as work:
        work.access.put(TENANT, document_id(TENANT, uri), frozenset(map(Principal, principals)))
        work.commit()


def test_an_equal_question_is_answered_from_the_cache_and_costs_nothing(world: World) -> None:
    small = writer("small", claims(SAID))
    asked = asking_in(world, policy=policy_of({"small": small}), models={"small": small})
    first = asked.ask.ask(reader(), HARD)
    second = asked.ask.ask(reader(), f"  {HARD.replace(' ', '  ')} ")
    assert (first.cache, second.cache) == (CacheUse.MISS, CacheUse.HIT)
    assert second.outcome == first.outcome and second.model == "small" and second.reply_id != first.reply_id
    assert (small.calls, second.steps, second.tokens) == (1, (), 0)
    assert world.store.replies.count(TENANT) == 2


def test_viewers_who_may_read_the_same_share_and_others_do_not(world: World) -> None:
    world.put(markdown("board.md", "# Board\n\nThe board meets on Mondays.\n"), access=(Principal("group:board"),))
    ask = asking_in(world).ask
    hits(ask, viewer=reader("ann", "group:staff"))
    assert ask.ask(reader("bob", "group:guests"), EASY).cache is CacheUse.HIT, "nothing names either group"
    assert ask.ask(reader("cem", "group:board"), EASY).cache is CacheUse.MISS
    assert ask.ask(reader("dan", "group:board", "group:staff"), EASY).cache is CacheUse.HIT


@pytest.mark.parametrize(
    "change",
    [
        lambda world: access(world),
        lambda world: access(world, "group:nobody"),
        lambda world: access(world, EVERYONE, "group:more"),
        lambda world: world.put(markdown("other.md", "# Other\n\nNothing to see.\n")),
        lambda world: world.put(markdown("refunds.md", "# Refunds\n\nRefunds arrive at once.\n")),
        lambda world: world.put(markdown("new.md", "---\nsupersedes: [refunds.md]\n---\n# New\n\nIt is new.\n")),
        lambda world: world.put(prune=True),
    ],
    ids=["revoke", "other rights", "more rights", "put", "change", "supersede", "delete"],
)
@pytest.mark.parametrize("question", [EASY, HARD, "Zyxw qpon?"])
def test_the_call_after_a_change_of_rights_or_documents_is_no_hit(
    world: World, change: Callable[[World], object], question: str
) -> None:
    ask = asking_in(world).ask
    hits(ask, question)
    change(world)
    assert ask.ask(reader(), question).cache is CacheUse.MISS


@pytest.mark.parametrize("question", [EASY, HARD])
def test_the_call_after_a_validity_ended_is_no_hit(question: str) -> None:
    world = memory_world()
    world.put(markdown("refunds.md", f"---\nvalid_until: 2026-07-01\n---\n# Refunds\n\n{SAID}\n"))
    ask = asking_in(world).ask
    kept = hits(ask, question)
    assert isinstance(kept.outcome, Answer) or kept.outcome.closest
    world.clock.advance(timedelta(days=60))
    later = ask.ask(reader(), question)
    assert later.cache is CacheUse.MISS and isinstance(later.outcome, Refusal)


def test_other_prompts_policies_surfaces_locales_filters_and_limits_are_other_keys(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = AnswerCache(100)
    monkeypatch.setattr("tests.asking.AnswerCache", lambda size: cache)
    small = writer("small", claims(SAID))
    policy = policy_of({"small": small})
    plain = asking_in(world, policy=policy, models={"small": small}).ask
    hits(plain)
    again = asking_in(world, policy=policy, models={"small": small}).ask
    assert again.ask(reader(), EASY).cache is CacheUse.HIT, "it is one cache, so the misses below mean something"
    thrifty = policy_of({"small": small}, max_claims=1)
    assert asking_in(world, policy=thrifty, models={"small": small}).ask.ask(reader(), EASY).cache is CacheUse.MISS
    assert asking_in(world).ask.ask(reader(), EASY).cache is CacheUse.MISS, "without models"
    assert plain.ask(replace(reader(), locale="de"), EASY).cache is CacheUse.MISS
    assert plain.ask(reader(), EASY, limit=1).cache is CacheUse.MISS
    narrowed = InDocuments(frozenset({document_id(TENANT, "refunds.md")}))
    assert plain.ask(reader(), EASY, where=narrowed).cache is CacheUse.MISS
    monkeypatch.setattr(Climber, "prompt_fingerprint", property(lambda climber: "other prompts"))
    assert plain.ask(reader(), EASY).cache is CacheUse.MISS


@pytest.mark.parametrize("written", [ModelUnavailable("Down."), "not json"])
def test_an_outcome_is_kept_unless_it_is_degraded(world: World, written: Written) -> None:
    small = writer("small", written)
    options = RouterOptions(max_retries=0)
    ask = asking_in(world, policy=policy_of({"small": small}), models={"small": small}, options=options).ask
    first, second = ask.ask(reader(), HARD), ask.ask(reader(), HARD)
    is_degraded = isinstance(written, ModelUnavailable)
    assert (first.degraded is Degraded.MODELS_UNAVAILABLE) == is_degraded
    assert second.cache is (CacheUse.MISS if is_degraded else CacheUse.HIT)


def test_what_an_empty_budget_left_is_not_kept(world: World) -> None:
    small = writer("small", claims(SAID))
    policy = policy_of({"small": small}, budgets=(BudgetRule(Limit(tokens=0), Period.DAY),))
    ask = asking_in(world, policy=policy, models={"small": small}).ask
    assert ask.ask(reader(), HARD).degraded is Degraded.BUDGET_EXHAUSTED
    assert ask.ask(reader(), HARD).cache is CacheUse.MISS
    assert small.calls == 0


def test_another_tenants_equal_question_is_no_hit(world: World) -> None:
    other = TenantId("globex")
    with world.store.begin() as work:
        work.tenants.create(other, now=world.clock.now())
        work.commit()
    ask = asking_in(world).ask
    hits(ask)
    reply = ask.ask(reader(tenant=other), EASY)
    assert reply.cache is CacheUse.MISS and isinstance(reply.outcome, Refusal)
