"""What every store promises about verdicts: the last one put stands until it is cleared."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from surefoot.core.errors import Conflict
from surefoot.domain.identity import TenantId
from surefoot.domain.verdicts import Verdict
from surefoot.ports import Store
from tests.contracts.store_rows import ACME, GLOBEX, NOW, verdict

THREADS, EACH = 8, 4


def _put(store: Store, tenant: TenantId, each: Verdict) -> Verdict | None:
    with store.begin() as work:
        before = work.verdicts.put(tenant, each, now=NOW)
        work.commit()
    return before


def test_a_verdict_comes_back_as_it_was_put(store: Store) -> None:
    with store.begin() as work:
        assert work.verdicts.current(ACME) is None and work.verdicts.history(ACME, limit=10) == []
    _put(store, ACME, verdict("a"))
    with store.begin() as work:
        found = work.verdicts.current(ACME)
        assert found == verdict("a") and repr(found) == repr(verdict("a"))


def test_a_later_verdict_stands_in_place_of_the_one_before_whatever_their_dates(store: Store) -> None:
    first, second = verdict("a"), verdict("b", decided_at=NOW - timedelta(days=9))
    assert _put(store, ACME, first) is None
    assert _put(store, ACME, second) == first
    with store.begin() as work:
        assert work.verdicts.current(ACME) == second
        assert work.verdicts.history(ACME, limit=10) == [second, first]
        assert work.verdicts.history(ACME, limit=1) == [second] and work.verdicts.history(ACME, limit=0) == []


def test_a_cleared_verdict_stands_no_more_and_stays_in_the_history(store: Store) -> None:
    _put(store, ACME, verdict("a"))
    _put(store, ACME, verdict("b"))
    with store.begin() as work:
        assert work.verdicts.clear(ACME, now=NOW) == verdict("b")
        assert work.verdicts.clear(ACME, now=NOW) is None
        work.commit()
    with store.begin() as work:
        assert work.verdicts.current(ACME) is None and work.verdicts.all() == {}
        assert work.verdicts.history(ACME, limit=10) == [verdict("b"), verdict("a")]
    assert _put(store, ACME, verdict("c")) is None, "what was cleared does not stand again"
    with store.begin() as work:
        assert work.verdicts.current(ACME) == verdict("c")


def test_an_id_is_put_once(store: Store) -> None:
    _put(store, ACME, verdict("a"))
    with store.begin() as work, pytest.raises(Conflict):
        work.verdicts.put(ACME, verdict("a"), now=NOW)
    _put(store, GLOBEX, verdict("a"))


def test_a_verdict_left_without_commit_was_never_put(store: Store) -> None:
    with store.begin() as work:
        work.verdicts.put(ACME, verdict("a"), now=NOW)
    with store.begin() as work:
        assert work.verdicts.current(ACME) is None


def test_all_are_the_standing_verdicts_of_every_tenant(store: Store) -> None:
    _put(store, ACME, verdict("a"))
    _put(store, GLOBEX, verdict("b"))
    _put(store, GLOBEX, verdict("c"))
    with store.begin() as work:
        assert work.verdicts.all() == {ACME: verdict("a"), GLOBEX: verdict("c")}


def test_of_many_who_put_at_once_each_learns_of_exactly_the_one_that_it_replaced(store: Store) -> None:
    def put(number: int) -> list[Verdict | None]:
        return [_put(store, ACME, verdict(f"{number}-{each}")) for each in range(EACH)]

    with ThreadPoolExecutor(THREADS) as threads:
        replaced = [each for found in threads.map(put, range(THREADS)) for each in found]
    with store.begin() as work:
        history = work.verdicts.history(ACME, limit=100)
    assert len(history) == THREADS * EACH
    names = [each.verdict_id for each in replaced if each is not None]
    assert sorted(names) == sorted(each.verdict_id for each in history[1:]) and replaced.count(None) == 1
