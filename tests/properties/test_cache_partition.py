"""Whatever was asked, granted, taken away or changed before: a reply from the cache is the reply that is right now."""

import itertools
import random
from collections.abc import Callable
from dataclasses import fields

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.assistant.answer import cited_documents
from surefoot.assistant.course import Asking
from surefoot.core.ids import digest
from surefoot.domain.answers import Answer
from surefoot.domain.budgets import NOTHING_SPENT, Limit, MeterKey, Period
from surefoot.domain.documents import document_id
from surefoot.domain.identity import EVERYONE, Principal, TenantId, Viewer
from surefoot.domain.replies import CacheUse
from surefoot.llm.cache import CacheKey
from tests.asking import Asked, asking_in, policy_of
from tests.world import NOW, TENANT, World, markdown, memory_world
from tests.writers import claims, writer

PRINCIPALS = (EVERYONE, *(Principal(name) for name in ("group:a", "group:b", "user:u0")))
QUESTIONS = ("When do refunds arrive?", "When do invoices leave?", "Do refunds arrive in Bitcoin?")
TEXTS = ("Refunds arrive within {} business days.", "Invoices leave on day {} of the month.")
# What a principal must be, to be everybody's, to nobody's: rights of a document.
ACLS = st.frozensets(st.sampled_from(PRINCIPALS), max_size=2)
VIEWERS = st.builds(
    lambda user, groups: Viewer(TENANT, user, frozenset(groups)),
    st.sampled_from(("u0", "u1")),
    st.frozensets(st.sampled_from(PRINCIPALS[1:3]), max_size=2),
)
GRANT = st.tuples(st.just("grant"), st.integers(0, 2), ACLS)
PUT = st.tuples(st.just("put"), st.integers(0, 2), st.integers(1, 9))
ASK = st.tuples(st.just("ask"), VIEWERS, st.sampled_from(QUESTIONS))
HISTORIES = st.lists(st.one_of(ASK, ASK, ASK, GRANT, PUT), min_size=2, max_size=14)


class Truth:
    """The rights as plain sets, and a world in which nothing is kept."""

    def __init__(self) -> None:
        self.world: World = memory_world()
        self.rights: dict[str, frozenset[Principal]] = {}
        self.numbers: dict[int, int] = {}
        for place in range(3):
            self.put(place, place + 1)
        self.kept: Asked = asking_in(self.world)
        self.fresh: Asked = asking_in(self.world, cache_size=0)

    def put(self, place: int, number: int) -> None:
        uri = f"{place}.md"
        text = TEXTS[place % 2].format(number)
        rights = self.rights.get(uri, frozenset({EVERYONE}))
        self.world.put(markdown(uri, f"# Page {place}\n\n{text}\n"), access=tuple(rights))
        self.rights[uri] = rights
        self.numbers[place] = number

    def grant(self, place: int, principals: frozenset[Principal]) -> None:
        uri = f"{place}.md"
        with self.world.store.begin() as work:
            work.access.put(TENANT, document_id(TENANT, uri), principals)
            work.commit()
        self.rights[uri] = principals

    def effective(self, viewer: Viewer) -> frozenset[Principal]:
        """The viewer's principals, as far as any document names them."""
        own = viewer.principals | {EVERYONE, Principal(f"user:{viewer.user}")}
        return own & frozenset[Principal]().union(*self.rights.values())

    def readable(self, viewer: Viewer) -> frozenset[str]:
        own = self.effective(viewer)
        return frozenset(document_id(TENANT, uri) for uri, theirs in self.rights.items() if theirs & own)


def holds(history: list[tuple]) -> int:  # type: ignore[type-arg]
    """How often the cache was hit; AssertionError when one reply is not the one that is right."""
    truth = Truth()
    hits = 0
    # When somebody with these rights asked this last, counted in changes.
    asked: dict[tuple[frozenset[Principal], str], int] = {}
    changes = 0
    for action, *what in history:
        if action == "ask":
            viewer, question = what
            reply = truth.kept.ask.ask(viewer, question)
            assert reply.outcome == truth.fresh.ask.ask(viewer, question).outcome
            assert cited_documents(reply.outcome) <= truth.readable(viewer)
            is_known = asked.get((truth.effective(viewer), question)) == changes
            assert (reply.cache is CacheUse.HIT) == is_known, "who has equal rights shares, while nothing moved; nobody else"
            hits += is_known
            asked[truth.effective(viewer), question] = changes
        else:
            before = dict(truth.rights), dict(truth.numbers)
            getattr(truth, action)(*what)
            changes += before != (truth.rights, truth.numbers)
    return hits


@settings(max_examples=200, deadline=None)
@given(HISTORIES)
def test_a_cached_reply_is_the_one_that_is_right_now(history: list[tuple]) -> None:  # type: ignore[type-arg]
    holds(history)


def histories(seed: int) -> list[tuple]:  # type: ignore[type-arg]
    """A history at random, dense in questions of viewers whose rights differ."""
    chance = random.Random(seed)
    made: list[tuple] = []  # type: ignore[type-arg]
    for _ in range(14):
        kind = chance.random()
        acl = frozenset(chance.sample(PRINCIPALS, chance.randint(0, 2)))
        if kind < 0.7:
            viewer = Viewer(TENANT, chance.choice(("u0", "u1")), acl & frozenset(PRINCIPALS[1:3]))
            made.append(("ask", viewer, chance.choice(QUESTIONS)))
        else:
            made.append(
                ("grant", chance.randint(0, 2), acl) if kind < 0.85 else ("put", chance.randint(0, 2), chance.randint(1, 9))
            )
    return made


def test_the_histories_hit_the_cache_often_enough_to_mean_something() -> None:
    assert sum(holds(histories(seed)) for seed in range(30)) > 30


@pytest.mark.parametrize("part", ["rights", "corpus_version", "question"])
def test_a_cache_whose_key_forgot_a_part_is_found_out_by_the_histories(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [field.name for field in fields(CacheKey) if field.name != part]
    monkeypatch.setattr(CacheKey, "name", lambda key: digest(*(str(getattr(key, name)) for name in parts)))
    monkeypatch.setattr(CacheKey, "owner", lambda key: "anybody")
    with pytest.raises(AssertionError):
        for seed in range(200):
            holds(histories(seed))


KEYS = st.builds(CacheKey, st.just(TenantId("acme")) | st.just(TenantId("ac")), *(st.sampled_from(("", "a", "b", "ab")),) * 8)


@settings(max_examples=500)
@given(KEYS, KEYS)
def test_two_keys_have_one_name_only_when_they_are_one_key(one: CacheKey, other: CacheKey) -> None:
    assert (one.name() == other.name()) == (one == other)
    assert (one.owner() == other.owner()) == ((one.tenant, one.rights) == (other.tenant, other.rights))


class Cancelling:
    """Cancels a scope at the n-th checkpoint of the model, or at the n-th piece of work in a thread."""

    def __init__(self, after: int) -> None:
        self.left = after
        self.scope: anyio.CancelScope | None = None

    def tick(self) -> None:
        self.left -= 1
        if self.left == 0 and self.scope is not None:
            self.scope.cancel()

    async def run(self, work: Callable[[], object]) -> object:
        self.tick()
        result = await anyio.to_thread.run_sync(work)
        self.tick()
        return result


@pytest.mark.parametrize(("cancelled", "moment"), [*itertools.product((0, 1), range(1, 26))])
def test_a_question_cancelled_at_any_moment_keeps_nothing_wrong_and_leaves_nobody_waiting(cancelled: int, moment: int) -> None:
    world = memory_world()
    world.put(markdown("refunds.md", "# Refunds\n\nRefunds arrive within 5 business days. Bank transfers take ten days.\n"))
    said = "Refunds arrive within 5 business days."
    cancelling = Cancelling(moment)
    small = writer("small", claims(said, "Bank transfers take ten days."), on_piece=cancelling.tick)
    asked = asking_in(world, policy=policy_of({"small": small}), models={"small": small})
    right: list[str] = []

    async def ask(number: int) -> None:
        with anyio.CancelScope() as scope:
            if number == cancelled:
                cancelling.scope = scope
            run = cancelling.run if number == cancelled else anyio.to_thread.run_sync
            asking = Asking(Viewer(TENANT, f"user{number}"), "Do refunds arrive in Bitcoin?")
            reply = await asked.ask.answer(asking, run=run, watcher=Silent())  # type: ignore[arg-type]
            assert isinstance(reply.outcome, Answer)
            right.append(reply.outcome.claims[0].text)

    async def scenario() -> None:
        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                group.start_soon(ask, 0)
                group.start_soon(ask, 1)
            cancelling.scope = None
            await ask(2)

    anyio.run(scenario)
    assert right[-1] == said and set(right) == {said} and len(right) >= 2
    assert asked.ask._flights._flying == {}
    with world.store.begin() as work:
        month = MeterKey("", "", Period.MONTH, NOW.replace(day=1, hour=0))
        (state,) = work.meters.states(TENANT, {month: Limit()})
    assert state.reserved == NOTHING_SPENT and small.running == 0


class Silent:
    """A watcher that only watches, so that the model streams."""

    async def claim(self, claim: object) -> None: ...

    async def restart(self) -> None: ...
