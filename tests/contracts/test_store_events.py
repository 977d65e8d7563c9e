"""What every store promises about events that wait to be delivered."""

from datetime import timedelta

import pytest

from surefoot.core.errors import Conflict
from surefoot.domain.events import DueEvent
from surefoot.ports import Store
from tests.contracts.store_rows import ACME, ELSEWHERE, NOW, event

LATER = NOW + timedelta(minutes=1)
SOONER = NOW - timedelta(microseconds=1)


def test_an_event_comes_back_as_it_was_written(store: Store) -> None:
    data = {"level": "warn", "share": 0.6, "none": None, "list": [1, "ü🦶"], "deep": {"a": {"b": True}}, "big": 2**53}
    row = event("a", time=ELSEWHERE, data=data)
    with store.begin() as work:
        work.events.add(ACME, row)
        data["level"] = "changed by the caller afterwards"
        work.commit()
    with store.begin() as work:
        (due,) = work.events.due(ACME, now=NOW, limit=10)
        assert (due.event.event_id, due.event.time, due.attempts) == ("evt_a", ELSEWHERE, 0)
        assert due.event.data == {**data, "level": "warn"}
        assert work.events.recent(ACME, limit=10) == [due.event]


def test_an_event_left_without_commit_was_never_written(store: Store) -> None:
    with store.begin() as work:
        work.events.add(ACME, event("a"))
    with store.begin() as work:
        assert work.events.due(ACME, now=LATER, limit=10) == [] == work.events.recent(ACME, limit=10)


def test_an_event_id_is_given_once(store: Store) -> None:
    with store.begin() as work:
        work.events.add(ACME, event("a"))
        with pytest.raises(Conflict):
            work.events.add(ACME, event("a"))


def test_due_events_come_oldest_first_and_no_more_than_asked(store: Store) -> None:
    with store.begin() as work:
        for row in (event("b"), event("d", time=LATER), event("c", time=SOONER), event("a")):
            work.events.add(ACME, row)
        due = [each.event.event_id for each in work.events.due(ACME, now=NOW, limit=10)]
        assert due == ["evt_c", "evt_a", "evt_b"]
        assert [each.event.event_id for each in work.events.due(ACME, now=NOW, limit=2)] == due[:2]
        assert work.events.due(ACME, now=NOW, limit=0) == []


def test_a_postponed_event_is_due_again_at_its_moment_with_its_attempts_counted(store: Store) -> None:
    row = event("a")
    with store.begin() as work:
        work.events.add(ACME, row)
        for number in (1, 2):
            work.events.postpone(ACME, "evt_a", until=LATER, reason="The webhook answered 503.")
            assert work.events.due(ACME, now=LATER - timedelta(microseconds=1), limit=10) == []
            assert work.events.due(ACME, now=LATER, limit=10) == [DueEvent(row, number)]


def test_a_delivered_event_is_never_due_again_whatever_comes_after(store: Store) -> None:
    with store.begin() as work:
        for name in "ab":
            work.events.add(ACME, event(name))
        work.events.delivered(ACME, "evt_a", now=NOW)
        work.events.postpone(ACME, "evt_a", until=NOW, reason="A second courier failed.")
        work.events.delivered(ACME, "evt_a", now=LATER)
        assert work.events.due(ACME, now=LATER, limit=10) == [DueEvent(event("b"), 0)]


def test_a_due_event_is_claimed_by_one_courier_alone_until_the_claim_ends(store: Store) -> None:
    with store.begin() as work:
        work.events.add(ACME, event("a"))
        assert work.events.claim(ACME, "evt_a", now=SOONER, until=LATER) is False
        assert work.events.claim(ACME, "evt_a", now=NOW, until=LATER) is True
        assert work.events.claim(ACME, "evt_a", now=NOW, until=LATER) is False
        assert work.events.due(ACME, now=NOW, limit=10) == []
        assert work.events.due(ACME, now=LATER, limit=10) == [DueEvent(event("a"), 0)]
        assert work.events.claim(ACME, "evt_a", now=LATER, until=LATER + timedelta(1)) is True


def test_what_is_delivered_or_unknown_cannot_be_claimed(store: Store) -> None:
    with store.begin() as work:
        work.events.add(ACME, event("a"))
        work.events.delivered(ACME, "evt_a", now=NOW)
        for name in ("evt_a", "evt_x"):
            assert work.events.claim(ACME, name, now=LATER, until=LATER) is False


def test_an_unknown_event_is_neither_delivered_nor_postponed(store: Store) -> None:
    with store.begin() as work:
        work.events.delivered(ACME, "evt_x", now=NOW)
        work.events.postpone(ACME, "evt_x", until=NOW, reason="No such event.")
        assert work.events.due(ACME, now=LATER, limit=10) == [] == work.events.recent(ACME, limit=10)


def test_recent_events_come_newest_first_delivered_or_not(store: Store) -> None:
    rows = [event("b"), event("c", time=LATER), event("a", time=SOONER), event("d")]
    with store.begin() as work:
        for row in rows:
            work.events.add(ACME, row)
        work.events.delivered(ACME, "evt_c", now=LATER)
        assert [each.event_id for each in work.events.recent(ACME, limit=10)] == ["evt_c", "evt_d", "evt_b", "evt_a"]
        assert [each.event_id for each in work.events.recent(ACME, limit=1)] == ["evt_c"]
        assert work.events.recent(ACME, limit=0) == []


def test_a_type_prefix_is_taken_to_the_letter(store: Store) -> None:
    kinds = ("surefoot.budget.crossed", "Surefoot.budget.crossed", "surefoot_budget", "surefoot.handover", "%", "s")
    with store.begin() as work:
        for number, kind in enumerate(kinds):
            work.events.add(ACME, event(str(number), kind=kind))

        def found(prefix: str) -> set[str]:
            return {each.type for each in work.events.recent(ACME, limit=10, type_prefix=prefix)}

        assert found("surefoot.") == {"surefoot.budget.crossed", "surefoot.handover"}
        assert found("surefoot_") == {"surefoot_budget"}
        assert found("%") == {"%"}
        assert found("") == set(kinds)
