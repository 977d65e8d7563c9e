import json
from collections.abc import Mapping
from typing import Any

import pytest

from surefoot.assistant.conversation import Conversations
from surefoot.assistant.handover import EVENT_TYPE, Handovers
from surefoot.core.errors import NotFound, StoreUnavailable
from surefoot.domain.conversations import ConversationId
from surefoot.domain.events import OutgoingEvent
from surefoot.domain.identity import TenantId, Viewer, viewer_hash
from tests.unit.assistant.test_conversation import ANN, BOB, allow, conversations, reply, world
from tests.world import TENANT, World

__all__ = ["conversations", "world"]


@pytest.fixture
def handovers(world: World, conversations: Conversations) -> Handovers:
    return Handovers(world.store, world.clock, conversations)


def spoken(world: World, conversations: Conversations, viewer: Viewer = ANN) -> ConversationId:
    """A conversation of one answer and one refusal, each in the ledger."""
    started = conversations.start(viewer).conversation_id
    for made in (
        reply(world, "When do refunds arrive?", ["refunds.md"]),
        reply(world, "And fees?", ["fees.md"], searched="fees of refunds", refused=True),
    ):
        world.store.replies.append(TENANT, viewer_hash(viewer), made)
        conversations.remember(viewer, started, made)
    return started


def packets(world: World) -> list[Mapping[str, Any]]:
    with world.store.begin() as work:
        return [event.data for event in work.events.recent(TENANT, limit=10, type_prefix=EVENT_TYPE)]


def test_the_packet_has_the_turns_the_sources_tried_and_the_reason(
    world: World, conversations: Conversations, handovers: Handovers
) -> None:
    started = spoken(world, conversations)
    done = handovers.hand_over(ANN, started, "Please hurry.")
    assert (done.conversation_id, done.handed_over_at, done.is_first) == (started, world.clock.now(), True)
    (packet,) = packets(world)
    assert (packet["note"], packet["reason"], packet["surface"]) == ("Please hurry.", "insufficient_evidence", "help")
    assert packet["viewer"] == {"user": "ann", "plan": None, "region": None, "locale": "en"}
    first, second = packet["turns"]
    assert [(place["part"], place["uri"]) for place in first["sources"]] == [("cited", "refunds.md")]
    assert [(place["part"], place["uri"]) for place in second["sources"]] == [("closest", "fees.md")]
    assert second["searched"] == "fees of refunds" and "5 business days" in first["shown"][0]
    assert json.loads(json.dumps(packet)) == packet


def test_the_packet_names_no_place_that_the_viewer_may_not_read_any_more(
    world: World, conversations: Conversations, handovers: Handovers
) -> None:
    started = spoken(world, conversations)
    allow(world, "refunds.md", "group:finance")
    handovers.hand_over(ANN, started)
    assert "refunds.md" not in str(packets(world)) and "5 business days" not in str(packets(world))


def test_handing_over_again_says_when_it_was_and_sends_nothing_more(
    world: World, conversations: Conversations, handovers: Handovers
) -> None:
    started = spoken(world, conversations)
    first = handovers.hand_over(ANN, started)
    conversations.remember(ANN, started, reply(world, "Hello?"))
    again = handovers.hand_over(ANN, started, "Again")
    assert (again.event_id, again.handed_over_at, again.is_first) == (first.event_id, first.handed_over_at, False)
    assert len(packets(world)) == 1
    assert conversations.get(ANN, started).handed_over_at == first.handed_over_at


class NoRoomForEvents:
    """The world's store, whose events table takes nothing."""

    def __init__(self, world: World) -> None:
        self._store = world.store
        self.replies = world.store.replies

    def begin(self) -> Any:
        work = self._store.begin()
        work.events = self  # type: ignore[attr-defined]
        return work

    def add(self, tenant: TenantId, event: OutgoingEvent) -> None:
        raise StoreUnavailable


def test_nothing_is_marked_handed_over_when_the_packet_cannot_be_written(world: World, conversations: Conversations) -> None:
    started = spoken(world, conversations)
    with pytest.raises(StoreUnavailable):
        Handovers(NoRoomForEvents(world), world.clock, conversations).hand_over(ANN, started)  # type: ignore[arg-type]
    assert conversations.get(ANN, started).handed_over_at is None and packets(world) == []


def test_a_conversation_without_refusal_has_no_reason(world: World, conversations: Conversations, handovers: Handovers) -> None:
    handovers.hand_over(ANN, conversations.start(ANN).conversation_id)
    (packet,) = packets(world)
    assert (packet["reason"], packet["turns"]) == (None, [])


def test_only_the_viewer_themself_can_hand_over(world: World, conversations: Conversations, handovers: Handovers) -> None:
    started = spoken(world, conversations)
    with pytest.raises(NotFound):
        handovers.hand_over(BOB, started)
    assert packets(world) == []
