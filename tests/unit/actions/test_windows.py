"""Windows of caps, of undos, of changes and of quiet."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from surefoot.actions.windows import Hours, opens_at, quiet_until, undo_until, window_start
from surefoot.core.errors import InvalidInput
from surefoot.domain.actions import UndoMode, UndoRule

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)  # A Friday.
BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = Hours(time(22), time(7))


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def test_a_rolling_window_began_so_long_ago() -> None:
    assert window_start("P7D", NOW) == NOW - timedelta(days=7)


def test_a_calendar_window_began_on_its_first_day_in_the_tenants_zone() -> None:
    assert window_start("calendar:month", NOW) == datetime(2026, 11, 1, tzinfo=UTC)
    assert window_start("calendar:quarter", NOW) == datetime(2026, 10, 1, tzinfo=UTC)
    # In Berlin it is October already, and still summer time.
    assert window_start("calendar:quarter", datetime(2026, 9, 30, 22, 30, tzinfo=UTC), BERLIN) == datetime(
        2026, 9, 30, 22, tzinfo=UTC
    )


def test_a_window_that_is_none_is_refused() -> None:
    for window in ("P1M", "calendar:day", "a week", ""):
        with pytest.raises(InvalidInput):
            window_start(window, NOW)


def test_an_undo_window_is_a_duration_or_a_moment_in_the_arguments() -> None:
    assert undo_until(UndoRule(UndoMode.INVERSE, "PT2H"), {}, NOW) == NOW + timedelta(hours=2)
    until = UndoRule(UndoMode.INVERSE, "until:send_at")
    assert undo_until(until, {"send_at": "2026-11-25T09:00:00Z"}, NOW) == at(25, 9)
    assert undo_until(until, {"send_at": "soon"}, NOW) is None
    assert undo_until(until, {}, NOW) is None
    assert undo_until(UndoRule(UndoMode.NONE), {}, NOW) is None


def test_quiet_hours_may_cross_midnight() -> None:
    assert NIGHT.holds(at(20, 23)) and NIGHT.holds(at(21, 6, 59))
    assert not NIGHT.holds(at(20, 21, 59)) and not NIGHT.holds(at(21, 7))
    assert quiet_until([NIGHT], at(20, 23)) == at(21, 7)
    assert quiet_until([NIGHT], NOW) == NOW


def test_hours_that_follow_each_other_are_one_quiet_time() -> None:
    assert quiet_until([NIGHT, Hours(time(7), time(9))], at(20, 23)) == at(21, 9)


def test_hours_belong_to_the_day_on_which_they_began() -> None:
    friday_night = Hours(time(22), time(7), frozenset({4}))
    assert friday_night.holds(at(21, 3)) and not friday_night.holds(at(20, 3))


def test_a_change_window_opens_on_its_next_day() -> None:
    monday = Hours(time(9), time(17), frozenset({0}))
    assert opens_at([monday], NOW) == at(23, 9)
    assert opens_at([monday], at(23, 10)) == at(23, 10)
    assert opens_at([monday], at(23, 17)) == at(30, 9)
    assert opens_at([monday, Hours(time(13), time(14))], NOW) == at(20, 13)
    assert opens_at([], NOW) is None


def test_hours_are_counted_in_their_zone() -> None:
    office = Hours(time(9), time(17), zone=BERLIN)
    assert office.holds(at(20, 8)) and not office.holds(at(20, 16))
