"""A repeated eval encodes nothing, and never gets another text's or another model's vector."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from surefoot.core.ids import digest
from surefoot.evals.remembered_encoder import RememberedEncoder
from surefoot.ports import Vectors


class CountingEncoder:
    """Unit vectors drawn from a hash of the text; counts what it encodes, and can break down after so many texts."""

    def __init__(self, fingerprint: str = "model-1", breaks_after: int = 10**9) -> None:
        self.fingerprint = fingerprint
        self.dimensions = 8
        self.texts: list[str] = []
        self._breaks_after = breaks_after

    def encode(self, texts: Sequence[str]) -> Vectors:
        if len(self.texts) >= self._breaks_after:
            raise KeyboardInterrupt
        self.texts += texts
        return np.stack([self.encode_query(text) for text in texts])

    def encode_query(self, text: str) -> Vectors:
        drawn = np.random.default_rng(int(digest(self.fingerprint, text)[:8], 16)).normal(size=self.dimensions)
        return (drawn / np.linalg.norm(drawn)).astype(np.float32)


def test_a_second_run_encodes_nothing_and_gives_the_same_vectors(tmp_path: Path) -> None:
    first, second = CountingEncoder(), CountingEncoder()
    texts = ["b" * 30, "a", "b" * 30, "cc"]
    made = RememberedEncoder(first, tmp_path).encode(texts)
    again = RememberedEncoder(second, tmp_path).encode(list(reversed(texts)))
    assert sorted(first.texts) == sorted(set(texts))
    assert second.texts == []
    assert np.array_equal(made, again[::-1])
    assert np.array_equal(made, np.stack([first.encode_query(text) for text in texts]))


def test_another_model_does_not_get_these_vectors(tmp_path: Path) -> None:
    RememberedEncoder(CountingEncoder("model-1"), tmp_path).encode(["a"])
    other = CountingEncoder("model-2")
    assert np.array_equal(RememberedEncoder(other, tmp_path).encode(["a"])[0], other.encode_query("a"))
    assert other.texts == ["a"]


def test_what_an_interrupted_run_made_is_kept(tmp_path: Path) -> None:
    texts = [f"text {number:03}" for number in range(200)]
    with pytest.raises(KeyboardInterrupt):
        RememberedEncoder(CountingEncoder(breaks_after=64), tmp_path).encode(texts)
    (path,) = tmp_path.glob("*.vectors")
    with path.open("ab") as stream:
        stream.write(b"half a record")
    resumed = RememberedEncoder(CountingEncoder(), tmp_path)
    assert np.array_equal(resumed.encode(texts)[199], CountingEncoder().encode_query("text 199"))
    assert resumed.encoded == 200 - 64
    assert RememberedEncoder(CountingEncoder(), tmp_path).encode(texts).shape == (200, 8)
    assert path.stat().st_size == 200 * (32 + 8 * 4)


def test_questions_are_always_encoded(tmp_path: Path) -> None:
    inner = CountingEncoder()
    remembered = RememberedEncoder(inner, tmp_path)
    remembered.encode(["q"])
    assert np.array_equal(remembered.encode_query("q"), inner.encode_query("q"))
    assert (remembered.fingerprint, remembered.dimensions) == ("model-1", 8)
    assert remembered.encode([]).shape == (0, 8)


def test_a_resting_one_gives_texts_to_the_model_as_they_come_and_remembers_nothing(tmp_path: Path) -> None:
    model = CountingEncoder()
    encoder = RememberedEncoder(model, tmp_path)
    encoder.encode(["a", "b"])
    encoder.rest()
    for _ in range(2):
        encoder.encode(["b", "longer than b", "a"])
    assert model.texts == ["a", "b", *["b", "longer than b", "a"] * 2]
    again = CountingEncoder()
    RememberedEncoder(again, tmp_path).encode(["longer than b"])
    assert again.texts == ["longer than b"]
