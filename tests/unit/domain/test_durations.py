"""Durations mean one length of time, or are refused."""

from datetime import timedelta

import pytest

from surefoot.core.errors import InvalidInput
from surefoot.domain.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("P7D", timedelta(days=7)),
        ("P2W", timedelta(weeks=2)),
        ("PT15M", timedelta(minutes=15)),
        ("PT24H", timedelta(days=1)),
        ("P1DT12H30M5S", timedelta(days=1, hours=12, minutes=30, seconds=5)),
    ],
)
def test_a_duration_is_read_as_its_length(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1DT", "P1M", "P1Y", "7D", "P-1D", "P0D", "PT0S", "P1.5D", "p7d", "P7D ", "P\u0667D", "P999999D"]
)
def test_what_is_no_length_or_not_always_the_same_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_duration(text)
