"""Budgets: what may be spent, what has been, and what is left to do when it is gone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

NANO_USD = 1_000_000_000
WARN_SHARE, SMALL_ONLY_SHARE, EXHAUSTED_SHARE = 0.6, 0.8, 1.0


@dataclass(frozen=True, slots=True)
class Spend:
    """Money in billionths of a US dollar, and tokens; both >= 0."""

    nano_usd: int = 0
    tokens: int = 0

    def __add__(self, other: "Spend") -> "Spend":
        return Spend(self.nano_usd + other.nano_usd, self.tokens + other.tokens)

    @property
    def usd(self) -> float:
        """The money in dollars."""
        return self.nano_usd / NANO_USD


NOTHING_SPENT = Spend()


class Period(StrEnum):
    """How often a meter begins again, at midnight UTC."""

    DAY = "day"
    MONTH = "month"

    def start(self, now: datetime) -> datetime:
        """The beginning of the period that `now` is in."""
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight if self is Period.DAY else midnight.replace(day=1)

    def end(self, now: datetime) -> datetime:
        """The beginning of the next period."""
        start = self.start(now)
        if self is Period.DAY:
            return start + timedelta(days=1)
        return (start + timedelta(days=32)).replace(day=1)


class BudgetLevel(StrEnum):
    """What a budget still allows."""

    NORMAL = "normal"
    WARN = "warn"
    SMALL_ONLY = "small_only"
    EXHAUSTED = "exhausted"

    @property
    def rank(self) -> int:
        """Higher allows less; exhausted is 3."""
        return list(BudgetLevel).index(self)


@dataclass(frozen=True, slots=True)
class MeterKey:
    """What one meter counts: everything of the tenant (both empty), of one surface, of one viewer (by hash), or of one
    viewer on one surface; in one period, which began at `period_start`.
    """

    surface: str
    viewer_hash: str
    period: Period
    period_start: datetime


def is_of_earlier_month(meter: MeterKey, moment: datetime) -> bool:
    """Whether the meter's period began in a month that was over by then; so was the period."""
    return meter.period_start < Period.MONTH.start(moment)


@dataclass(frozen=True, slots=True)
class Limit:
    """The most a meter may count in its period; None means no limit in that unit."""

    nano_usd: int | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class MeterState:
    """One meter as it stands. `limit` is the limit asked with, not stored."""

    key: MeterKey
    limit: Limit
    spent: Spend
    reserved: Spend

    @property
    def share(self) -> float:
        """The larger of the shares of money and tokens that are spent or reserved; 0 without a limit."""
        used = self.spent + self.reserved
        shares = [0.0]
        for amount, limit in ((used.nano_usd, self.limit.nano_usd), (used.tokens, self.limit.tokens)):
            if limit is not None:
                shares.append(amount / limit if limit else 1.0)
        return max(shares)

    @property
    def level(self) -> BudgetLevel:
        """What this meter still allows."""
        return level_of(self.share)


def level_of(share: float) -> BudgetLevel:
    """60 % warns, 80 % leaves the small tier, 100 % leaves what costs nothing."""
    if share >= EXHAUSTED_SHARE:
        return BudgetLevel.EXHAUSTED
    if share >= SMALL_ONLY_SHARE:
        return BudgetLevel.SMALL_ONLY
    return BudgetLevel.WARN if share >= WARN_SHARE else BudgetLevel.NORMAL


@dataclass(frozen=True, slots=True)
class Account:
    """On whose account something is spent: a viewer (by hash) on a surface."""

    surface: str
    viewer_hash: str


@dataclass(frozen=True, slots=True)
class Reservation:
    """An amount held on every meter of an account until it is settled. One that is not settled by `expires_at` is written
    off: it counts as spent, because nobody can know that it was not.
    """

    reservation_id: str
    account: Account
    amount: Spend
    meters: tuple[MeterKey, ...]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NoRoom:
    """A reservation that was not made, and the meter that had no room for it."""

    meter: MeterState


Limits = Mapping[MeterKey, Limit]


@dataclass(frozen=True, slots=True)
class BudgetState:
    """What an account may still do: the meters with a limit that count it, and the worst of their levels."""

    level: BudgetLevel = BudgetLevel.NORMAL
    meters: tuple[MeterState, ...] = ()

    @classmethod
    def of(cls, meters: Iterable[MeterState]) -> "BudgetState":
        """The state that these meters make together; NORMAL without any."""
        found = tuple(meters)
        return cls(max((meter.level for meter in found), key=lambda level: level.rank, default=BudgetLevel.NORMAL), found)


# Until a 24th of the period has passed (an hour of a day), what was spent counts as spent over that long.
_LEAST_SHARE_OF_PERIOD = 24


def forecast(state: MeterState, now: datetime) -> datetime | None:
    """When the meter reaches its limit if spending goes on as it did on average since its period began.

    now + (limit - spent) * window / spent, where window = max(now - period start, period / 24), so that the first call of a
    period does not pass for its usual pace. The earlier of money and tokens; `now` when the limit is reached already. Open
    reservations do not count: most of what they hold is given back. None when the limit is not reached within the period,
    when nothing was spent, and without a limit.
    """
    start = state.key.period_start
    end = state.key.period.end(start)
    window = max(now - start, (end - start) / _LEAST_SHARE_OF_PERIOD).total_seconds()
    waits = []
    for spent, limit in ((state.spent.nano_usd, state.limit.nano_usd), (state.spent.tokens, state.limit.tokens)):
        if limit is not None and spent >= limit:
            waits.append(0.0)
        elif limit is not None and spent:
            waits.append((limit - spent) * window / spent)
    # Compared as seconds, because a wait of ages is no timedelta.
    if not waits or min(waits) >= (end - now).total_seconds():
        return None
    return now + timedelta(seconds=min(waits))
