"""What every store promises about the audit chain's rows."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from surefoot.core.errors import Conflict
from surefoot.domain.audit import AuditRow
from surefoot.ports import Store
from tests.contracts.store_rows import ACME, ELSEWHERE, GLOBEX, TRICKY, audit_row

THREADS, EACH = 8, 5


def _appended(store: Store, *rows: AuditRow) -> None:
    with store.begin() as work:
        for row in rows:
            work.audit.append(ACME, row)
        work.commit()


def test_rows_come_back_by_place_as_they_were_written(store: Store) -> None:
    rows = [audit_row(1), replace(audit_row(2), details=None, at=ELSEWHERE), audit_row(2**40, details={})]
    _appended(store, *rows[::-1])
    with store.begin() as work:
        found = work.audit.page(ACME, after=0, limit=10)
        assert found == rows and repr(found[0].details) == repr(TRICKY)
        assert work.audit.page(ACME, after=0, limit=2) == rows[:2]
        assert work.audit.page(ACME, after=1, limit=10) == rows[1:]
        assert work.audit.page(ACME, after=2**40, limit=10) == [] == work.audit.page(ACME, after=0, limit=0)


def test_what_the_caller_does_to_the_details_later_does_not_reach_the_row(store: Store) -> None:
    details: dict[str, object] = {"to": "ann"}
    _appended(store, audit_row(1, details=details))
    details["to"] = "everyone"
    with store.begin() as work:
        assert work.audit.head(ACME) == audit_row(1, details={"to": "ann"})


def test_the_head_is_the_last_row_by_place(store: Store) -> None:
    with store.begin() as work:
        assert work.audit.head(ACME) is None
        for place in (1, 10, 9):
            work.audit.append(ACME, audit_row(place))
        assert work.audit.head(ACME) == audit_row(10)


def test_a_row_left_without_commit_was_never_written(store: Store) -> None:
    with store.begin() as work:
        work.audit.append(ACME, audit_row(1))
    with store.begin() as work:
        assert work.audit.head(ACME) is None


def test_a_place_is_taken_once(store: Store) -> None:
    _appended(store, audit_row(1))
    with store.begin() as work, pytest.raises(Conflict):
        work.audit.append(ACME, audit_row(1, prev_hash="another"))
    with store.begin() as work:
        assert work.audit.page(ACME, after=0, limit=10) == [audit_row(1)]


def test_a_predecessor_is_taken_once(store: Store) -> None:
    _appended(store, audit_row(1), audit_row(2))
    with store.begin() as work, pytest.raises(Conflict):
        work.audit.append(ACME, audit_row(3, prev_hash="hash 1"))
    with store.begin() as work:
        assert work.audit.head(ACME) == audit_row(2)


def test_many_who_append_to_the_head_at_once_make_one_chain_and_lose_nothing(store: Store) -> None:
    def append(_: int) -> None:
        for _ in range(EACH):
            with store.begin() as work:
                head = work.audit.head(ACME)
                work.audit.append(ACME, audit_row(1 if head is None else head.seq + 1))
                work.commit()

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(append, range(THREADS)))
    with store.begin() as work:
        rows = work.audit.page(ACME, after=0, limit=1000)
    assert [row.seq for row in rows] == list(range(1, THREADS * EACH + 1))
    assert [row.prev_hash for row in rows[1:]] == [row.hash for row in rows[:-1]]


def test_a_head_that_was_read_after_other_reads_is_the_newest(store: Store) -> None:
    with store.begin() as early:
        assert early.audit.page(ACME, after=0, limit=10) == []
        _appended(store, audit_row(1))
        assert early.audit.head(ACME) == audit_row(1)


def test_erased_details_are_gone_and_everything_else_of_the_row_stays(store: Store) -> None:
    _appended(store, audit_row(1), audit_row(2, details={}))
    with store.begin() as work:
        assert [work.audit.erase_details(ACME, place) for place in (1, 1, 2, 3)] == [True, False, True, False]
        assert work.audit.erase_details(GLOBEX, 2) is False
        work.commit()
    with store.begin() as work:
        erased = [replace(audit_row(1), details=None), replace(audit_row(2), details=None)]
        assert work.audit.page(ACME, after=0, limit=10) == erased
