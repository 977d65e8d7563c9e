"""How failures of models are told, and what counts as this machine."""

from datetime import UTC, datetime

import pytest

from surefoot.adapters.model_calls import (
    codes_in,
    counted,
    error_codes,
    failure_of_status,
    refuse_when_offline,
    retry_after_seconds,
)
from surefoot.core.errors import ModelRejected, ModelUnavailable, OutboundRefused
from surefoot.domain.models import Usage

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        (" 0.2 ", 1),
        ("0", 0),
        ("999999999", 3_600),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("Mon, 02 Mar 2026 12:00:00 GMT", 3_600),
        ("soon", None),
        ("-5", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(text: str | None, seconds: int | None) -> None:
    assert retry_after_seconds(text, NOW) == seconds


def test_a_known_code_is_repeated_and_nothing_else_a_provider_says() -> None:
    known = failure_of_status("small", 400, codes=error_codes(b'{"error": {"code": null, "type": "context_length_exceeded"}}'))
    assert "context_length_exceeded" in str(known)
    for body in (b'{"error": {"code": "sk-secret"}}', b'{"error": "sk-secret"}', b'["sk-secret"]', b"sk-secret", b"\xff", b""):
        assert "secret" not in str(failure_of_status("small", 400, codes=error_codes(body)))
    assert codes_in(["sk-secret"]) == []


@pytest.mark.parametrize(("status", "kind"), [(408, ModelUnavailable), (409, ModelUnavailable), (429, ModelUnavailable)])
def test_a_status_that_may_pass_is_an_outage(status: int, kind: type[Exception]) -> None:
    assert type(failure_of_status("small", status)) is kind


@pytest.mark.parametrize("status", [301, 307, 402, 405, 413, 422])
def test_a_status_that_will_not_pass_is_a_rejection(status: int) -> None:
    assert type(failure_of_status("small", status)) is ModelRejected


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1", "http://[::1]/v1", "http://LOCALHOST:11434", "http://127.8.8.8/"])
def test_loopback_in_every_plain_spelling_is_this_machine(url: str) -> None:
    refuse_when_offline("small", url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://0.0.0.0/v1",
        "http://10.0.0.5/v1",
        "http://localhost.evil.example/",
        "http://2130706433/",
        "http://[::ffff:8.8.8.8]/",
    ],
)
def test_whatever_is_not_plainly_this_machine_is_refused_offline(url: str) -> None:
    with pytest.raises(OutboundRefused):
        refuse_when_offline("small", url)


@pytest.mark.parametrize(
    "stated", [("9", 1, 0), (True, 1, 0), (-1, 1, 0), (1.5, 1, 0), (10**12, 1, 0), (None, None, None), (0, 0, 0)]
)
def test_numbers_that_are_no_tokens_are_not_believed(stated: tuple[object, object, object]) -> None:
    assert counted(*stated) is None


def test_cached_tokens_are_never_more_than_those_sent() -> None:
    assert counted(10, 2, 50) == Usage(10, 2, cached_tokens=10)
    assert counted(10, 2, None) == Usage(10, 2)
