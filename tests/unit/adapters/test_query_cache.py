from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from surefoot.adapters.query_cache import LONGEST_KEY_CHARACTERS, QueryCache
from surefoot.ports import Vectors


class Counting:
    """Encodes a text as its length, and counts how often it was asked to."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, text: str) -> Vectors:
        self.calls += 1
        return np.full(4, len(text), dtype=np.float32)


def test_a_kept_text_is_not_encoded_again() -> None:
    cache, encode = QueryCache(2), Counting()
    assert cache.get("a", encode) is cache.get("a", encode)
    assert encode.calls == 1


def test_the_least_recently_used_text_goes_first() -> None:
    cache, encode = QueryCache(2), Counting()
    for text in ("a", "b", "a", "c"):
        cache.get(text, encode)
    assert (len(cache), encode.calls) == (2, 3)
    cache.get("a", encode)
    assert encode.calls == 3
    cache.get("b", encode)
    assert encode.calls == 4


@pytest.mark.parametrize("size", [0, 1, 7])
def test_it_never_holds_more_than_its_size(size: int) -> None:
    cache, encode = QueryCache(size), Counting()
    for number in range(20):
        cache.get(str(number), encode)
        assert len(cache) <= size


def test_a_very_long_text_is_encoded_but_not_kept() -> None:
    cache, encode = QueryCache(8), Counting()
    cache.get("x" * LONGEST_KEY_CHARACTERS, encode)
    assert len(cache) == 1
    assert cache.get("x" * (LONGEST_KEY_CHARACTERS + 1), encode)[0] == LONGEST_KEY_CHARACTERS + 1
    assert len(cache) == 1


def test_many_threads_share_it_within_its_bound() -> None:
    cache, encode = QueryCache(5), Counting()
    with ThreadPoolExecutor(max_workers=32) as pool:
        vectors = list(pool.map(lambda number: cache.get("x" * (number % 9), encode), range(2_000)))
    assert [int(vector[0]) for vector in vectors] == [number % 9 for number in range(2_000)]
    assert len(cache) <= 5
