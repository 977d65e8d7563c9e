"""Messages are signed as Standard Webhooks says, and nothing else verifies."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.core.errors import InvalidInput, Unauthenticated
from surefoot.domain.signatures import signature_headers, verify

# The published test vector of the standard's reference libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
SENT_AT = datetime.fromtimestamp(1614265330, UTC)
BODY = b'{"test": 2432232314}'
HEADERS = {
    "webhook-id": MESSAGE_ID,
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
OTHER_SECRET = "whsec_" + base64.b64encode(b"another secret of 32 bytes here!").decode()


def test_the_published_vector_is_what_we_send_and_what_we_accept() -> None:
    assert signature_headers(SECRET, MESSAGE_ID, SENT_AT, BODY) == HEADERS
    assert verify(SECRET, HEADERS, BODY, SENT_AT) == MESSAGE_ID


def test_header_names_are_the_same_in_any_case() -> None:
    assert verify(SECRET, {name.title(): value for name, value in HEADERS.items()}, BODY, SENT_AT) == MESSAGE_ID


def test_while_a_key_is_changed_each_secret_signs_and_either_receiver_accepts() -> None:
    headers = signature_headers(f"{OTHER_SECRET} {SECRET}", MESSAGE_ID, SENT_AT, BODY)
    assert len(headers["webhook-signature"].split(" ")) == 2
    assert verify(SECRET, headers, BODY, SENT_AT) == verify(OTHER_SECRET, headers, BODY, SENT_AT) == MESSAGE_ID
    assert verify(f"{OTHER_SECRET} {SECRET}", HEADERS, BODY, SENT_AT) == MESSAGE_ID


def test_a_signature_of_another_secret_is_refused() -> None:
    with pytest.raises(Unauthenticated, match="No signature"):
        verify(OTHER_SECRET, HEADERS, BODY, SENT_AT)


@pytest.mark.parametrize("seconds", [-300, 300])
def test_a_message_of_five_minutes_ago_or_ahead_is_accepted_and_a_second_more_is_not(seconds: int) -> None:
    now = SENT_AT + timedelta(seconds=seconds)
    assert verify(SECRET, HEADERS, BODY, now) == MESSAGE_ID
    with pytest.raises(Unauthenticated, match="clocks"):
        verify(SECRET, HEADERS, BODY, now + timedelta(seconds=seconds / 300))


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "msg_other"},
        {"webhook-id": ""},
        {"webhook-id": "a.1614265330"},
        {"webhook-timestamp": "1614265331"},
        {"webhook-timestamp": "١٦١٤٢٦٥٣٣٠"},
        {"webhook-timestamp": "1614265330.0"},
        {"webhook-timestamp": "-1614265330"},
        {"webhook-timestamp": ""},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        {"webhook-signature": "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        {"webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE"},
        {"webhook-signature": "v1,ünsigned"},
    ],
)
def test_a_message_with_any_header_changed_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(Unauthenticated):
        verify(SECRET, HEADERS | changed, BODY, SENT_AT)


@pytest.mark.parametrize("missing", sorted(HEADERS))
def test_a_message_without_one_of_the_headers_is_refused(missing: str) -> None:
    with pytest.raises(Unauthenticated):
        verify(SECRET, {name: value for name, value in HEADERS.items() if name != missing}, BODY, SENT_AT)


@given(st.binary(max_size=40).filter(lambda body: body != BODY))
def test_no_other_body_goes_with_the_signature(body: bytes) -> None:
    with pytest.raises(Unauthenticated):
        verify(SECRET, HEADERS, body, SENT_AT)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "  ",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_",
        "whsec_c2hvcnQ=",
        "whsec_not base64",
        "whsec_" + "A" * 96,
        "whsec_é",
    ],
)
def test_a_secret_that_is_weak_or_malformed_signs_nothing_and_is_not_repeated(secret: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        signature_headers(secret, MESSAGE_ID, SENT_AT, BODY)
    with pytest.raises(InvalidInput):
        verify(secret, HEADERS, BODY, SENT_AT)
    assert not any(len(word) > 6 and word in str(refused.value) for word in secret.split())


def test_an_id_that_would_blur_where_the_body_begins_is_not_signed() -> None:
    with pytest.raises(InvalidInput, match="full stop"):
        signature_headers(SECRET, "evt_1.2", SENT_AT, BODY)
