"""What every store promises about viewers' words, live samples, and finding things by their trace."""

import json
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import bindparam, create_engine, text

from surefoot.adapters.sql.engine import parse_url
from surefoot.adapters.sql.schema.columns import UtcDateTime
from surefoot.adapters.sql.store import SqlStore
from surefoot.core.errors import Conflict
from surefoot.domain.feedback import LiveSample, Opinion
from surefoot.ports import Store
from tests.contracts.store_rows import ACME, ELSEWHERE, NOW, answer, audit_row, event, refusal, run, sample, word

LATER = NOW + timedelta(days=1)


def test_a_later_word_takes_the_place_of_the_earlier_one(store: Store) -> None:
    with store.begin() as work:
        for each in (word(2), word(1, Opinion.HELPFUL), word(2, Opinion.NOT_RELEVANT, at=ELSEWHERE, comment="")):
            work.feedback.put(ACME, each)
        work.commit()
    with store.begin() as work:
        assert work.feedback.of(ACME, ["ans_2", "ans_1", "ans_2", "ans_3"]) == [
            word(1, Opinion.HELPFUL),
            word(2, Opinion.NOT_RELEVANT, at=ELSEWHERE, comment=""),
        ]
        assert work.feedback.of(ACME, []) == []


def _page(store: Store, after: str = "", limit: int = 10, **window: object) -> list[LiveSample]:
    with store.begin() as work:
        return work.samples.page(ACME, **{"since": NOW, "now": NOW, "after": after, "limit": limit, **window})  # type: ignore[arg-type]


def test_samples_come_in_pages_with_all_they_hold_and_each_reply_once(store: Store) -> None:
    rows = [sample(number) for number in range(1, 4)]
    with store.begin() as work:
        for row in (*reversed(rows), sample(4, asked_at=NOW - timedelta(microseconds=1))):
            work.samples.add(ACME, row)
        work.commit()
    assert _page(store) == rows
    assert _page(store, limit=2) == rows[:2]
    assert _page(store, after="ans_2", limit=2) == rows[2:]
    with store.begin() as work, pytest.raises(Conflict):
        work.samples.add(ACME, replace(rows[0], viewer_hash="viewer-2"))


def test_a_sample_whose_time_is_over_is_not_read_and_a_sweep_deletes_it(store: Store) -> None:
    with store.begin() as work:
        work.samples.add(ACME, sample(1, keep_until=LATER))
        work.samples.add(ACME, sample(2, keep_until=LATER + timedelta(microseconds=1)))
        work.commit()
    assert [each.reply_id for each in _page(store, now=LATER)] == ["ans_2"]
    assert len(_page(store)) == 2
    with store.begin() as work:
        assert [work.samples.sweep(ACME, now=now, limit=9) for now in (NOW, LATER, LATER)] == [0, 1, 0]
        work.commit()
    assert [each.reply_id for each in _page(store)] == ["ans_2"]


def test_a_sweep_takes_no_more_than_asked_those_first_whose_time_was_over_first(store: Store) -> None:
    with store.begin() as work:
        for number, seconds in ((1, 3), (2, 1), (3, 2)):
            work.samples.add(ACME, sample(number, keep_until=NOW + timedelta(seconds=seconds)))
        assert [work.samples.sweep(ACME, now=LATER, limit=limit) for limit in (0, 2)] == [0, 2]
        work.commit()
    assert [each.reply_id for each in _page(store)] == ["ans_1"]


def test_the_samples_of_one_viewer_go_together_and_nobody_elses(store: Store) -> None:
    with store.begin() as work:
        for row in (sample(1), sample(2, viewer_hash="viewer-2"), sample(3)):
            work.samples.add(ACME, row)
        assert work.samples.forget(ACME, "viewer-1") == 2
        assert work.samples.forget(ACME, "viewer-1") == 0
        work.commit()
    assert [each.reply_id for each in _page(store)] == ["ans_2"]


def test_one_trace_id_finds_replies_and_runs_oldest_first_and_the_empty_one_nothing(store: Store) -> None:
    for reply in (answer("ans_2"), replace(answer("ans_1"), question="Earlier?"), refusal("ans_3")):
        store.replies.append(ACME, "viewer-1", reply)
    with store.begin() as work:
        for name in "cab":
            work.runs.create(ACME, run(name, trace_id="" if name == "b" else "trace", surface="help"))
        work.commit()
    assert [row["reply_id"] for row in store.replies.by_trace(ACME, "trace", limit=9)] == ["ans_1", "ans_2"]
    assert [row["reply_id"] for row in store.replies.by_trace(ACME, "trace", limit=1)] == ["ans_1"]
    assert store.replies.by_trace(ACME, "", limit=9) == []
    with store.begin() as work:
        assert work.runs.by_trace(ACME, "trace") == [run(name, trace_id="trace", surface="help") for name in "ac"]
        assert work.runs.by_trace(ACME, "") == []


def test_audit_rows_and_events_are_found_by_what_they_are_about(store: Store) -> None:
    with store.begin() as work:
        for place in (1, 2, 3):
            work.audit.append(ACME, replace(audit_row(place), subject=f"run_{place % 2}"))
        for name, subject in (("b", "run_1"), ("a", "run_1"), ("c", "run_2")):
            work.events.add(ACME, replace(event(name), subject=subject))
        work.commit()
    with store.begin() as work:
        assert [row.seq for row in work.audit.about(ACME, ["run_1", "run_9"])] == [1, 3]
        assert [row.event_id for row in work.events.about(ACME, ["run_1", "run_2"])] == ["evt_a", "evt_b", "evt_c"]
        assert work.audit.about(ACME, []) == [] == work.events.about(ACME, [])


def test_replies_recorded_before_there_was_a_column_for_it_are_found_by_their_trace(empty_database_url: str) -> None:
    config = Config()
    config.set_main_option("script_location", "surefoot.adapters.sql:migrations")
    config.set_main_option("path_separator", "os")
    engine = create_engine(parse_url(empty_database_url))
    # A record may hold what a database's own JSON functions refuse.
    odd = json.dumps({"question": "\ud83d \u0000", "trace_id": "trace-1"})
    rows = [{"r": "ans_1", "record": odd}, {"r": "ans_2", "record": json.dumps({"question": "?"})}]
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        into = "INSERT INTO replies (tenant_id, reply_id, asked_at, viewer_hash, record) VALUES ('acme', :r, :at, 'v', :record)"
        connection.execute(text(into).bindparams(bindparam("at", NOW, UtcDateTime())), rows)
    engine.dispose()
    with closing(SqlStore(empty_database_url)) as store:
        store.migrate()
        assert [row["trace_id"] for row in store.replies.by_trace(ACME, "trace-1", limit=9)] == ["trace-1"]
        assert store.replies.get(ACME, "ans_2") == {"question": "?"}
