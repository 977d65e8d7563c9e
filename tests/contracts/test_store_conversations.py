"""What every store promises about conversations and their turns."""

from dataclasses import replace
from datetime import timedelta

import pytest

from surefoot.core.errors import Conflict
from surefoot.domain.conversations import ConversationId
from surefoot.ports import Store
from tests.contracts.store_rows import ACME, ELSEWHERE, NOW, conversation, turn

A, B = ConversationId("cnv_a"), ConversationId("cnv_b")
LATER = NOW + timedelta(microseconds=1)


def test_a_conversation_is_found_by_its_own_viewer_only(store: Store) -> None:
    row = replace(conversation("a"), started_at=ELSEWHERE, handed_over_at=NOW)
    with store.begin() as work:
        work.conversations.create(ACME, row)
        work.commit()
    with store.begin() as work:
        assert work.conversations.get(ACME, A, "viewer-1") == row
        assert work.conversations.get(ACME, A, "viewer-2") is None
        assert work.conversations.get(ACME, A, "") is None
        assert work.conversations.get(ACME, B, "viewer-1") is None


def test_a_conversation_id_is_given_once(store: Store) -> None:
    with store.begin() as work:
        work.conversations.create(ACME, conversation("a"))
        with pytest.raises(Conflict):
            work.conversations.create(ACME, conversation("a", "viewer-2"))


def test_a_viewers_conversations_come_with_the_one_last_spoken_in_first(store: Store) -> None:
    rows = [conversation(name) for name in "abc"]
    with store.begin() as work:
        for row in (*rows, conversation("other", "viewer-2")):
            work.conversations.create(ACME, row)
        assert work.conversations.of(ACME, "viewer-1", limit=10) == rows[::-1]
        work.conversations.add_turn(ACME, A, turn(0, asked_at=LATER))
        first, *rest = work.conversations.of(ACME, "viewer-1", limit=2)
        assert (first, rest) == (replace(rows[0], updated_at=LATER), [rows[2]])
        assert work.conversations.of(ACME, "viewer-1", limit=0) == [] == work.conversations.of(ACME, "viewer-3", limit=9)


def test_a_turn_with_an_earlier_clock_does_not_turn_its_conversation_back(store: Store) -> None:
    with store.begin() as work:
        work.conversations.create(ACME, conversation("a"))
        work.conversations.add_turn(ACME, A, turn(0, asked_at=NOW - timedelta(hours=2)))
        assert work.conversations.get(ACME, A, "viewer-1") == conversation("a")


def test_the_last_turns_come_back_in_order_with_all_their_fields(store: Store) -> None:
    plain = replace(turn(2, asked_at=ELSEWHERE), shown=(), documents=(), outcome="not_found")
    rows = [turn(0), turn(1, question="Quote ' and \\ and \n?"), plain, *(turn(number) for number in range(3, 12))]
    with store.begin() as work:
        for name in "ab":
            work.conversations.create(ACME, conversation(name))
        for row in rows:
            work.conversations.add_turn(ACME, A, row)
        work.commit()
    with store.begin() as work:
        assert work.conversations.turns(ACME, A, last=100) == rows
        assert work.conversations.turns(ACME, A, last=3) == rows[-3:]
        assert work.conversations.turns(ACME, A, last=0) == [] == work.conversations.turns(ACME, B, last=9)


def test_a_turns_position_is_taken_once(store: Store) -> None:
    with store.begin() as work:
        work.conversations.create(ACME, conversation("a"))
        work.conversations.add_turn(ACME, A, turn(0))
        work.commit()
    with store.begin() as work, pytest.raises(Conflict):
        work.conversations.add_turn(ACME, A, turn(0, question="Another?", asked_at=LATER))
    with store.begin() as work:
        assert work.conversations.turns(ACME, A, last=9) == [turn(0)]
        assert work.conversations.get(ACME, A, "viewer-1") == conversation("a")


def test_a_turn_needs_its_conversation(store: Store) -> None:
    with store.begin() as work, pytest.raises(Conflict):
        work.conversations.add_turn(ACME, A, turn(0))


def test_a_person_is_asked_to_take_over_once(store: Store) -> None:
    with store.begin() as work:
        work.conversations.create(ACME, conversation("a"))
        assert work.conversations.hand_over(ACME, B, now=NOW) is False
        assert work.conversations.hand_over(ACME, A, now=NOW) is True
        assert work.conversations.hand_over(ACME, A, now=LATER) is False
        assert work.conversations.get(ACME, A, "viewer-1") == replace(conversation("a"), handed_over_at=NOW)


def test_a_deleted_conversation_takes_its_turns_with_it_and_no_others(store: Store) -> None:
    with store.begin() as work:
        for name in "ab":
            work.conversations.create(ACME, conversation(name))
            work.conversations.add_turn(ACME, ConversationId(f"cnv_{name}"), turn(0))
        work.conversations.delete(ACME, A)
        work.conversations.delete(ACME, ConversationId("cnv_unknown"))
        work.commit()
    with store.begin() as work:
        assert work.conversations.get(ACME, A, "viewer-1") is None
        assert work.conversations.turns(ACME, A, last=9) == []
        assert work.conversations.turns(ACME, B, last=9) == [turn(0)]
        work.conversations.create(ACME, conversation("a"))
        assert work.conversations.turns(ACME, A, last=9) == []
