"""Windows: since when a cap counts, until when a run can be undone, when a change window opens and quiet hours end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

from surefoot.core.clock import parse_moment
from surefoot.core.errors import InvalidAction
from surefoot.domain.actions import Arguments, UndoMode, UndoRule
from surefoot.domain.durations import parse_duration

_CALENDAR, _UNTIL = "calendar:", "until:"
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
# A week holds every weekday; one day more makes room for a window that began on the last of them.
_DAYS_AHEAD = 8


def window_start(window: str, now: datetime, zone: tzinfo = UTC) -> datetime:
    """When the window that counts `now` began: so long ago for `P7D`, the first day of the month, quarter or year in the
    tenant's zone for `calendar:quarter`. Raises InvalidAction for any other text.
    """
    if not window.startswith(_CALENDAR):
        return now - parse_duration(window)
    months = _MONTHS.get(window.removeprefix(_CALENDAR))
    if months is None:
        raise InvalidAction(f"{window!r} is no window; write a duration such as P7D, or calendar:month, :quarter or :year.")
    local = now.astimezone(zone)
    first = local.month - (local.month - 1) % months
    return local.replace(month=first, day=1, hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)


def undo_until(rule: UndoRule, arguments: Arguments, applied_at: datetime) -> datetime | None:
    """Until when what was applied then can be undone; None when it cannot be, or the moment that ends the window is no moment."""
    if rule.mode is UndoMode.NONE:
        return None
    if not rule.window.startswith(_UNTIL):
        return applied_at + parse_duration(rule.window)
    value: object = arguments
    for part in rule.window.removeprefix(_UNTIL).removeprefix("args.").split("."):
        value = value.get(part) if isinstance(value, dict) else None
    try:
        return parse_moment(value) if isinstance(value, str) else None
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours of certain weekdays (0 is Monday) in a zone. `end` before or at `begin` means the next day: quiet hours may cross
    midnight, and belong to the day on which they began.
    """

    begin: time
    end: time
    days: frozenset[int] = frozenset(range(7))
    zone: tzinfo = UTC

    def span(self, now: datetime) -> tuple[datetime, datetime] | None:
        """The hours that hold `now`, or else the next ones; None when there are no days."""
        today = now.astimezone(self.zone).date()
        for ahead in range(-1, _DAYS_AHEAD):
            day = today + timedelta(days=ahead)
            last = day + timedelta(days=int(self.end <= self.begin))
            begin = datetime.combine(day, self.begin, self.zone).astimezone(UTC)
            end = datetime.combine(last, self.end, self.zone).astimezone(UTC)
            if day.weekday() in self.days and now < end:
                return begin, end
        return None

    def holds(self, now: datetime) -> bool:
        """Whether it is these hours now; their end is not."""
        span = self.span(now)
        return span is not None and span[0] <= now


def opens_at(windows: Sequence[Hours], now: datetime) -> datetime | None:
    """`now` within one of the windows, else when the next one opens; None when there are none."""
    spans = [span for each in windows if (span := each.span(now)) is not None]
    return max(now, min(begin for begin, _ in spans)) if spans else None


def quiet_until(quiet: Sequence[Hours], now: datetime) -> datetime:
    """`now` outside of quiet hours, else when they are over; hours that follow each other count as one quiet time."""
    moment = now
    for _ in range(2 * _DAYS_AHEAD):
        ends = [span[1] for each in quiet if (span := each.span(moment)) is not None and span[0] <= moment]
        if not ends:
            return moment
        moment = max(ends)
    return moment
