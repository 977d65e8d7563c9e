"""Rules of token counting: offline, exact on ordinary text, bounded on any text."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.errors import MissingDependency, MissingModel
from surefoot.retrieval import tokens
from surefoot.retrieval.tokens import count_tokens, token_starts


def test_known_texts_have_their_known_counts() -> None:
    assert [count_tokens(text) for text in ("", "hello world", "tiktoken is great!", "お誕生日おめでとう")] == [0, 2, 6, 9]


def test_the_words_of_special_tokens_count_as_ordinary_text() -> None:
    assert count_tokens("<|endoftext|>") > 1


def test_a_long_text_of_words_counts_as_its_parts_do() -> None:
    assert count_tokens("word " * 10_000) == pytest.approx(10_001, abs=5)


@given(st.text(max_size=60))
def test_tokens_begin_in_order_within_the_text_and_there_are_as_many_as_counted(text: str) -> None:
    starts = token_starts(text)
    assert len(starts) == count_tokens(text)
    assert starts == sorted(starts)
    assert all(0 <= start < len(text) for start in starts)


@pytest.mark.parametrize("piece", ["\t ", "x", " ", "\n \t", "ab ", "漢"])
def test_a_megabyte_of_anything_is_counted(piece: str) -> None:
    text = piece * (1_000_000 // len(piece)) + "x"
    assert 0 < count_tokens(text) <= 3 * len(text)


def test_counting_needs_no_network_and_does_not_import_litellm() -> None:
    program = (
        "import socket, sys\n"
        "def refuse(*_): raise SystemExit('a socket was asked for')\n"
        "socket.socket = socket.create_connection = socket.getaddrinfo = refuse\n"
        "sys.addaudithook(lambda event, _: refuse() if event.startswith('socket.') else None)\n"
        "from surefoot.retrieval.tokens import count_tokens\n"
        "print(count_tokens('hello world'), 'litellm' in sys.modules, 'TIKTOKEN_CACHE_DIR' in __import__('os').environ)\n"
    )
    env = {key: value for key, value in os.environ.items() if key not in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=env, check=False)
    assert done.stdout.split() == ["2", "False", "False"], done.stderr


def test_the_cache_folder_of_the_environment_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "/nowhere")
    tokens._load(tokens.vocabulary_path())
    assert os.environ["TIKTOKEN_CACHE_DIR"] == "/nowhere"


def test_without_the_shipping_package_the_message_names_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingDependency, match="pip install litellm"):
        tokens.vocabulary_path()


def test_a_shipping_package_without_the_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "litellm").mkdir()
    (tmp_path / "litellm" / "__init__.py").write_text("raise SystemExit('this must never be imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    # A package that something else has imported is found where it was.
    monkeypatch.delitem(sys.modules, "litellm", raising=False)
    with pytest.raises(MissingModel, match="9b5ad71b"):
        tokens.vocabulary_path()


def test_a_damaged_vocabulary_is_refused_and_left_alone(tmp_path: Path) -> None:
    damaged = tmp_path / "9b5ad71b"
    damaged.write_bytes(tokens.vocabulary_path().read_bytes()[:-10])
    with pytest.raises(MissingModel, match="damaged"):
        tokens._load(damaged)
    assert damaged.exists()
