"""What every store promises about publication, leases, and units of work."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest

from surefoot.core.errors import Conflict, StoreUnavailable, WriterBusy
from surefoot.domain.corpora import EMPTY_CORPUS
from surefoot.ports import Store
from tests.contracts.store_rows import ACME, ANN, GLOBEX, NOW, chunks, corpus, document


def publish(store: Store, expected: int, generation: int) -> None:
    with store.begin() as work:
        work.corpora.publish(ACME, expected_generation=expected, state=corpus(generation))
        work.commit()


def lease(store: Store, owner: str, *, after_seconds: float = 0, ttl_seconds: int = 60) -> None:
    with store.begin() as work:
        work.corpora.lease(ACME, owner, now=NOW + timedelta(seconds=after_seconds), ttl_seconds=ttl_seconds)
        work.commit()


def test_before_the_first_publication_the_corpus_is_empty(store: Store) -> None:
    with store.begin() as work:
        assert work.corpora.state(ACME) == EMPTY_CORPUS


def test_a_published_state_comes_back_with_the_true_epoch(store: Store) -> None:
    with store.begin() as work:
        work.access.put(ACME, document("a").document_id, frozenset({ANN}))
        work.corpora.publish(ACME, expected_generation=0, state=corpus(1, acl_epoch=99))
        assert work.corpora.state(ACME) == corpus(1, acl_epoch=1)
        work.commit()
    publish(store, 1, 2)
    with store.begin() as work:
        assert work.corpora.state(ACME) == corpus(2, acl_epoch=1)


@pytest.mark.parametrize("expected", [0, 1, 3])
def test_publishing_on_another_generation_is_a_conflict_and_changes_nothing(store: Store, expected: int) -> None:
    publish(store, 0, 2)
    with store.begin() as work:
        with pytest.raises(Conflict):
            work.corpora.publish(ACME, expected_generation=expected, state=corpus(9))
        work.commit()
    with store.begin() as work:
        assert work.corpora.state(ACME).generation == 2


def test_a_first_publication_cannot_expect_a_later_generation(store: Store) -> None:
    with store.begin() as work, pytest.raises(Conflict):
        work.corpora.publish(ACME, expected_generation=1, state=corpus(2))
    with store.begin() as work:
        assert work.corpora.state(ACME) == EMPTY_CORPUS


@pytest.mark.parametrize("first", [0, 5])
def test_of_many_that_publish_on_one_generation_exactly_one_wins(store: Store, first: int) -> None:
    if first:
        publish(store, 0, first)
    start = Barrier(8)

    def attempt(number: int) -> bool:
        start.wait()
        try:
            publish(store, first, 10 + number)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(attempt, range(8)))
    assert won.count(True) == 1
    with store.begin() as work:
        assert work.corpora.state(ACME).generation == 10 + won.index(True)


def test_a_reader_that_looked_before_it_publishes_still_loses_to_who_came_first(store: Store) -> None:
    with store.begin() as late:
        assert late.corpora.state(ACME).generation == 0
        publish(store, 0, 1)
        with pytest.raises(Conflict):
            late.corpora.publish(ACME, expected_generation=0, state=corpus(2))


def test_a_lease_keeps_others_out_until_it_runs_out(store: Store) -> None:
    lease(store, "one")
    with pytest.raises(WriterBusy) as busy:
        lease(store, "two", after_seconds=59)
    assert busy.value.retry_after_seconds == 1
    lease(store, "two", after_seconds=60)
    with pytest.raises(WriterBusy):
        lease(store, "one", after_seconds=61)


def test_an_owner_renews_its_own_lease(store: Store) -> None:
    lease(store, "one")
    lease(store, "one", after_seconds=50)
    with pytest.raises(WriterBusy):
        lease(store, "two", after_seconds=100)


def test_a_released_lease_is_free_and_a_stranger_releases_nothing(store: Store) -> None:
    lease(store, "one")
    for owner in ("two", "one"):
        with store.begin() as work:
            work.corpora.release(ACME, owner)
            work.commit()
        if owner == "two":
            with pytest.raises(WriterBusy):
                lease(store, "two")
    lease(store, "two")


def test_of_many_that_ask_for_a_lease_exactly_one_gets_it(store: Store) -> None:
    start = Barrier(8)

    def attempt(number: int) -> bool:
        start.wait()
        try:
            lease(store, f"owner {number}")
        except WriterBusy:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(attempt, range(8))).count(True) == 1


def _write_everything(store: Store, *, commit: bool, error: Exception | None = None) -> None:
    with store.begin() as work:
        row = document("a")
        work.tenants.create(ACME, now=NOW)
        work.documents.replace(ACME, row, chunks(row))
        work.access.put(ACME, row.document_id, frozenset({ANN}))
        work.corpora.lease(ACME, "one", now=NOW, ttl_seconds=60)
        work.corpora.publish(ACME, expected_generation=0, state=corpus(1))
        if error is not None:
            raise error
        if commit:
            work.commit()


def _seen(store: Store) -> tuple[object, ...]:
    with store.begin() as work:
        return (
            work.tenants.all(),
            list(work.documents.hashes(ACME)),
            work.access.readable(ACME, frozenset({ANN})),
            work.corpora.state(ACME),
        )


def test_leaving_a_unit_of_work_without_commit_rolls_all_of_it_back(store: Store) -> None:
    before = _seen(store)
    _write_everything(store, commit=False)
    assert _seen(store) == before
    lease(store, "two")


def test_an_error_in_a_unit_of_work_rolls_all_of_it_back(store: Store) -> None:
    before = _seen(store)
    with pytest.raises(KeyError):
        _write_everything(store, commit=True, error=KeyError("x"))
    assert _seen(store) == before


def test_what_is_not_committed_is_seen_by_nobody_else_and_what_is_by_all(store: Store) -> None:
    before = _seen(store)
    with store.begin() as work:
        work.tenants.create(ACME, now=NOW)
        work.corpora.publish(ACME, expected_generation=0, state=corpus(1))
        assert work.corpora.state(ACME).generation == 1
        assert _seen(store) == before
        work.commit()
        assert _seen(store) != before


def test_after_a_commit_the_unit_of_work_begins_anew(store: Store) -> None:
    with store.begin() as work:
        work.corpora.publish(ACME, expected_generation=0, state=corpus(1))
        work.commit()
        publish(store, 1, 2)
        assert work.corpora.state(ACME).generation == 2
        work.corpora.publish(ACME, expected_generation=2, state=corpus(3))
    with store.begin() as work:
        assert work.corpora.state(ACME).generation == 2


def test_an_open_writer_does_not_hold_up_readers(store: Store) -> None:
    publish(store, 0, 1)
    with store.begin() as writer:
        writer.corpora.publish(ACME, expected_generation=1, state=corpus(2))
        with ThreadPoolExecutor(1) as threads:
            assert threads.submit(_seen, store).result()[3] == corpus(1)
        writer.commit()


def test_a_reader_that_becomes_a_writer_sees_the_newest_state(store: Store) -> None:
    """Upgrading in place would fail as soon as anybody else had written; a unit of work never does."""
    with store.begin() as work:
        assert work.corpora.state(ACME).generation == 0
        publish(store, 0, 1)
        assert work.corpora.state(ACME).generation == 0
        work.tenants.create(GLOBEX, now=NOW)
        assert work.corpora.state(ACME).generation == 1
        work.commit()
    with store.begin() as work:
        assert work.tenants.all() == [GLOBEX]


def test_many_threads_that_read_and_then_write_all_succeed(store: Store) -> None:
    def increment(number: int) -> None:
        while True:
            with store.begin() as work:
                seen = work.corpora.state(ACME).generation
                try:
                    work.corpora.publish(ACME, expected_generation=seen, state=corpus(seen + 1))
                except Conflict:
                    continue
                work.commit()
                return

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(increment, range(40)))
    with store.begin() as work:
        assert work.corpora.state(ACME).generation == 40


def test_two_stores_on_one_database_see_each_other_at_once(open_database: Callable[[], Store]) -> None:
    one, two = open_database(), open_database()
    publish(one, 0, 1)
    publish(two, 1, 2)
    with pytest.raises(Conflict):
        publish(one, 1, 3)


def test_migrate_and_check_may_be_called_at_any_time(store: Store) -> None:
    publish(store, 0, 1)
    store.migrate()
    store.check()
    with store.begin() as work:
        assert work.corpora.state(ACME).generation == 1


def test_a_unit_of_work_that_is_open_while_the_store_is_closed_ends_in_peace(store: Store) -> None:
    with store.begin() as work:
        work.tenants.create(ACME, now=NOW)
        store.close()
    with pytest.raises(StoreUnavailable):
        store.check()


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    with pytest.raises(StoreUnavailable):
        store.check()
    with pytest.raises(StoreUnavailable), store.begin() as work:
        work.corpora.state(ACME)
    store.close()
