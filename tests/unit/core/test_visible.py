"""Text of others never acts on a terminal, and a JSON document of it says the same as before."""

import json

import pytest
import typer

from surefoot.cli.context import plain_errors, print_json, print_line
from surefoot.core.errors import InvalidInput
from surefoot.core.visible import one_line, visible

HOSTILE = "a\x1b[2J\x1b]0;owned\x07\r\x9b31m\x85\u2028\u202e\u2066\x7f\x00b"


def test_what_acts_on_a_terminal_is_shown_instead(capsys: pytest.CaptureFixture[str]) -> None:
    print_line(HOSTILE)
    shown = capsys.readouterr().out
    assert shown.removesuffix("\n").isprintable() and "\\u001b[2J" in shown and shown.count("\n") == 1


def test_json_says_the_same_without_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"text": HOSTILE})
    shown = capsys.readouterr().out
    assert json.loads(shown) == {"text": HOSTILE}
    assert shown.replace("\n", "").isprintable()


def test_other_text_stays_as_it_is() -> None:
    text = "Zoë pays 5 €\t\u200fعشرة\u200e\nnext"
    assert visible(text) == text and one_line("a\n  b") == "a b"


def test_what_a_server_or_a_file_says_in_an_error_is_shown_alike(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), plain_errors():
        raise InvalidInput(f"http://server.example answered 422: {HOSTILE}")
    assert "\x1b" not in capsys.readouterr().err
