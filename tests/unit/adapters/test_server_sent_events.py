"""Events are read alike however their bytes are cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.adapters.server_sent_events import EventReader

STREAM = (
    b"\xef\xbb\xbf: a comment\r\n"
    b"data: first\r\ndata:second\r\n\r\n"
    b"event: ping\nid: 7\nretry: 10\n\n"
    b"data: gr\xc3\xb6\xc3\x9fer\n\n"
    b"data:  two spaces\r\r"
    b"data\n\n"
    b"data: [DONE]\n\n"
    b"data: never ended\n"
)
EVENTS = ["first\nsecond", "größer", " two spaces", "", "[DONE]"]


def test_lines_comments_other_fields_and_an_unfinished_event_are_told_apart() -> None:
    assert EventReader().feed(STREAM) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=40))
def test_where_the_bytes_are_cut_makes_no_difference(cuts: list[int]) -> None:
    reader = EventReader()
    places = [0, *sorted(cuts), len(STREAM)]
    events = [event for begin, end in pairwise(places) for event in reader.feed(STREAM[begin:end])]
    assert events == EVENTS


def test_one_byte_at_a_time_is_read_too() -> None:
    reader = EventReader()
    assert [event for byte in STREAM for event in reader.feed(bytes([byte]))] == EVENTS


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    with pytest.raises(UnicodeDecodeError):
        EventReader().feed(b"data: \xff\n\n")
