"""Retries: a tenth of the requests and a few more, and only where the pause fits in the deadline."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.llm.retries import Pause, RetryBudget


def test_the_reserve_is_there_from_the_beginning_and_is_not_renewed_by_itself() -> None:
    budget = RetryBudget(percent=10, reserve=3)
    assert [budget.take() for _ in range(5)] == [True, True, True, False, False]


def test_ten_requests_pay_for_exactly_one_retry() -> None:
    budget = RetryBudget(percent=10, reserve=0)
    for _ in range(9):
        budget.paid_in()
    assert not budget.take()
    budget.paid_in()
    assert budget.take()
    assert not budget.take()


@given(st.lists(st.booleans(), max_size=300))
def test_retries_never_pass_a_tenth_of_the_requests_and_the_reserve(asks: list[bool]) -> None:
    budget, requests, retries = RetryBudget(percent=10, reserve=3), 0, 0
    for is_retry in asks:
        if is_retry:
            retries += budget.take()
        else:
            budget.paid_in()
            requests += 1
        assert retries <= 0.1 * requests + 3


def test_quiet_hours_do_not_save_up_a_storm() -> None:
    budget = RetryBudget(percent=10, reserve=3)
    for _ in range(100_000):
        budget.paid_in()
    assert sum(budget.take() for _ in range(1_000)) == 10


def test_threads_together_take_no_more_than_there_is() -> None:
    budget = RetryBudget(percent=10, reserve=7)
    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(lambda _: budget.take(), range(400))) == 7


@pytest.mark.parametrize(("retry", "seconds"), [(1, 0.2), (2, 0.4), (3, 0.8), (9, 2.0)])
def test_the_pause_doubles_up_to_its_longest(retry: int, seconds: float) -> None:
    pause = Pause(first_seconds=0.2, longest_seconds=2.0)
    assert pause.seconds(retry, retry_after_seconds=None, left_seconds=60, chance=lambda: 1.0) == seconds
    assert pause.seconds(retry, retry_after_seconds=None, left_seconds=60, chance=lambda: 0.0) == 0.0


def test_a_providers_retry_after_is_kept_when_it_fits_in_the_deadline() -> None:
    assert Pause().seconds(1, retry_after_seconds=3, left_seconds=5.0, chance=lambda: 0.5) == 3


def test_a_pause_that_does_not_fit_in_the_deadline_is_no_pause_but_the_end() -> None:
    assert Pause().seconds(1, retry_after_seconds=5, left_seconds=5.0, chance=lambda: 0.5) is None
    assert Pause().seconds(1, retry_after_seconds=None, left_seconds=0.05, chance=lambda: 0.5) is None
