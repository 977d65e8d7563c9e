from collections.abc import Sequence
from datetime import timedelta

import pytest

from surefoot.assistant.conversation import TURNS_USED, Conversations
from surefoot.core.errors import NotFound
from surefoot.core.ids import new_id
from surefoot.domain.answers import Answer, Claim, Refusal, RefusalReason, cite
from surefoot.domain.conversations import Conversation
from surefoot.domain.documents import document_id
from surefoot.domain.identity import EVERYONE, Principal
from surefoot.domain.replies import Reply
from tests.world import TENANT, World, markdown, memory_world, reader

ANN, BOB = reader("ann"), reader("bob")


@pytest.fixture
def world() -> World:
    world = memory_world()
    world.put(markdown("refunds.md", "# Refunds\n\nRefunds arrive within 5 business days.\n"))
    world.put(markdown("fees.md", "# Fees\n\nThe fee is never returned.\n"), prune=False)
    return world


@pytest.fixture
def conversations(world: World) -> Conversations:
    return Conversations(world.store, world.clock)


def reply(world: World, question: str, uris: Sequence[str] = (), *, searched: str = "", refused: bool = False) -> Reply:
    """A reply that cites these documents, or a refusal that comes close to them."""
    cited = []
    with world.store.begin() as work:
        for uri in uris:
            chunk = work.documents.chunks_of(TENANT, [document_id(TENANT, uri)])[0]
            passage = next(p for p in world.searcher.search(ANN, chunk.text).passages if p.chunk.chunk_id == chunk.chunk_id)
            cited.append(cite(passage, chunk.start, chunk.end))
    outcome = (
        Refusal(RefusalReason.INSUFFICIENT_EVIDENCE, "No.", closest=tuple(cited))
        if refused
        else Answer(tuple(Claim(each.quote, (each,), 1.0) for each in cited), 0.9)
    )
    world.clock.advance(timedelta(seconds=1))
    now = world.clock.now()
    return Reply(new_id("ans", now), question, outcome, "v1", now, searched=searched or question)


def allow(world: World, uri: str, *principals: str) -> None:
    with world.store.begin() as work:
        work.access.put(TENANT, document_id(TENANT, uri), frozenset(map(Principal, principals)))
        work.commit()


def test_turns_come_back_in_order_with_what_was_searched_and_shown(world: World, conversations: Conversations) -> None:
    started = conversations.start(ANN, "billing")
    conversations.remember(ANN, started.conversation_id, reply(world, "When do refunds arrive?", ["refunds.md"]))
    conversations.remember(
        ANN, started.conversation_id, reply(world, "And fees?", ["fees.md"], searched="fees of refunds", refused=True)
    )
    first, second = conversations.history(ANN, started.conversation_id)
    assert (first.position, first.question, first.outcome) == (0, "When do refunds arrive?", "answer")
    assert "5 business days" in first.shown[0] and first.documents == (document_id(TENANT, "refunds.md"),)
    assert (second.position, second.outcome, second.shown) == (1, "insufficient_evidence", ())
    assert second.standalone_question == "fees of refunds"
    assert conversations.get(ANN, started.conversation_id).surface == "billing"


def test_another_viewers_conversation_is_not_found_in_any_way(world: World, conversations: Conversations) -> None:
    own = conversations.start(ANN).conversation_id
    foreign_tenant = reader("ann", tenant=type(TENANT)("globex"))
    for stranger in (BOB, foreign_tenant):
        for call in (
            lambda who: conversations.get(who, own),
            lambda who: conversations.history(who, own),
            lambda who: conversations.remember(who, own, reply(world, "?")),
            lambda who: conversations.delete(who, own),
        ):
            with pytest.raises(NotFound):
                call(stranger)
        assert conversations.of(stranger) == []
    assert conversations.get(ANN, own).conversation_id == own


def test_what_a_viewer_may_not_read_any_more_is_not_shown_again(world: World, conversations: Conversations) -> None:
    started = conversations.start(ANN).conversation_id
    conversations.remember(ANN, started, reply(world, "Refunds and fees?", ["refunds.md", "fees.md"], searched="refunds, fees"))
    allow(world, "fees.md", "group:finance")
    (turn,) = conversations.history(ANN, started)
    assert (turn.shown, turn.standalone_question) == ((), "Refunds and fees?")
    allow(world, "fees.md", EVERYONE)
    (turn,) = conversations.history(ANN, started)
    assert len(turn.shown) == 2 and turn.standalone_question == "refunds, fees"


def test_a_rewritten_question_stands_on_the_documents_of_the_turns_it_leaned_on(
    world: World, conversations: Conversations
) -> None:
    started = conversations.start(ANN).conversation_id
    conversations.remember(ANN, started, reply(world, "Fees?", ["fees.md"]))
    conversations.remember(ANN, started, reply(world, "And refunds?", ["refunds.md"], searched="fees never returned, refunds"))
    conversations.remember(ANN, started, reply(world, "When do refunds arrive?", ["refunds.md"]))
    allow(world, "fees.md", "group:finance")
    _, leaning, alone = conversations.history(ANN, started)
    assert (leaning.shown, leaning.standalone_question) == ((), "And refunds?")
    assert alone.shown


def test_only_the_last_turns_are_used(world: World, conversations: Conversations) -> None:
    started = conversations.start(ANN).conversation_id
    for number in range(TURNS_USED + 2):
        conversations.remember(ANN, started, reply(world, f"Question {number}?"))
    assert [turn.position for turn in conversations.history(ANN, started)] == list(range(2, TURNS_USED + 2))
    assert len(conversations.history(ANN, started, last=100)) == TURNS_USED + 2


def test_the_conversation_last_spoken_in_is_listed_first(world: World, conversations: Conversations) -> None:
    older, newer = conversations.start(ANN), conversations.start(ANN)
    conversations.remember(ANN, older.conversation_id, reply(world, "Still there?"))
    listed: list[Conversation] = conversations.of(ANN)
    assert [each.conversation_id for each in listed] == [older.conversation_id, newer.conversation_id]
    assert len(conversations.of(ANN, limit=1)) == 1


def test_a_deleted_conversation_is_gone_with_its_turns(world: World, conversations: Conversations) -> None:
    started = conversations.start(ANN).conversation_id
    conversations.remember(ANN, started, reply(world, "Gone?"))
    conversations.delete(ANN, started)
    with pytest.raises(NotFound):
        conversations.history(ANN, started)
    with world.store.begin() as work:
        assert work.conversations.turns(TENANT, started, last=10) == []
