"""Durations as the files of people write them: ISO 8601, in units whose length never varies."""

import re
from datetime import timedelta

from surefoot.core.errors import InvalidInput

_DURATION = re.compile(
    r"P(?:(?P<weeks>\d{1,4})W)?(?:(?P<days>\d{1,5})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,5})H)?(?:(?P<minutes>\d{1,6})M)?(?:(?P<seconds>\d{1,7})S)?)?",
    re.ASCII,
)


def parse_duration(text: str) -> timedelta:
    """The duration that `P7D`, `P2W`, `PT15M` or `P1DT12H` stands for; longer than nothing.

    Raises InvalidInput for anything else. Months and years are refused: how long they are depends on when they begin.
    """
    match = _DURATION.fullmatch(text)
    parts = {unit: int(digits) for unit, digits in match.groupdict().items() if digits} if match else {}
    if not any(parts.values()):
        raise InvalidInput(f"{text[:40]!r} is not a duration; write weeks, days, hours, minutes or seconds as in P7D or PT15M.")
    return timedelta(**parts)
