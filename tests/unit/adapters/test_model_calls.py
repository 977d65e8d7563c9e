"""How failures of models are told, and what counts as this machine."""

from datetime import UTC, datetime

import anyio
import httpx
import pytest

from surefoot.adapters.model_calls import (
    CallWait,
    codes_in,
    counted,
    error_codes,
    failure_of_status,
    refuse_when_offline,
    retry_after_seconds,
)
from surefoot.core.errors import ModelRejected, ModelTimedOut, ModelUnavailable, OutboundRefused
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


@pytest.mark.parametrize("status", [409, 425, 429, 501, 503, 505, 529])
def test_a_status_that_turns_a_call_away_cannot_have_been_charged(status: int) -> None:
    error = failure_of_status("small", status)
    assert isinstance(error, ModelUnavailable) and not error.may_have_charged


@pytest.mark.parametrize("status", [202, 408, 500, 502, 504, 520, 524])
def test_a_status_behind_which_a_model_may_have_worked_may_have_been_charged(status: int) -> None:
    error = failure_of_status("small", status)
    assert isinstance(error, ModelUnavailable) and error.may_have_charged


async def _raised_within(wait: CallWait, error: Exception, is_sent: bool) -> None:
    with wait.bounded(is_sent=is_sent):
        raise error


@pytest.mark.parametrize(
    ("error", "may_have_charged"),
    [
        (httpx.ConnectError("x"), False),
        (httpx.ConnectTimeout("x"), False),
        (httpx.PoolTimeout("x"), False),
        (httpx.ReadError("x"), True),
        (httpx.ReadTimeout("x"), True),
        (httpx.WriteError("x"), True),
        (httpx.RemoteProtocolError("x"), True),
        (ConnectionResetError("x"), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_call_that_never_reached_the_provider_cannot_have_been_charged(error: Exception, may_have_charged: bool) -> None:
    with pytest.raises(ModelUnavailable) as caught:
        anyio.run(_raised_within, CallWait("small", 5.0), error, True)
    assert caught.value.may_have_charged is may_have_charged


@pytest.mark.parametrize("is_sent", [True, False])
def test_time_that_runs_out_before_the_call_is_sent_costs_nothing(is_sent: bool) -> None:
    with pytest.raises(ModelTimedOut) as caught:
        anyio.run(_raised_within, CallWait("small", 5.0), TimeoutError(), is_sent)
    assert caught.value.may_have_charged is is_sent
    with pytest.raises(ModelTimedOut) as caught:
        CallWait("small", 0.0).require_time()
    assert not caught.value.may_have_charged


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
