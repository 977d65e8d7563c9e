"""A tenant's budgets at one moment, and their plain JSON form, which the terminal and the API both show."""

from dataclasses import dataclass
from datetime import datetime

from surefoot.domain.budgets import NANO_USD, NOTHING_SPENT, BudgetLevel, BudgetState, Limit, MeterState, Reservation
from surefoot.domain.events import OutgoingEvent
from surefoot.domain.identity import TenantId


@dataclass(frozen=True, slots=True)
class MeterReport:
    """One meter as it stands, and when it reaches its limit at this pace (None: not within its period)."""

    state: MeterState
    forecast: datetime | None

    @property
    def has_limit(self) -> bool:
        """Whether anything limits this meter; else it only counts."""
        return self.state.limit != Limit()


@dataclass(frozen=True, slots=True)
class BudgetReport:
    """A tenant's budgets. `meters` are of the current periods: those of everything and of surfaces, limits on which nothing
    was spent yet included, then of viewers, the nearest to a limit and the dearest first; of `viewers_left_out` none is
    shown. `events` are crossings and write-offs, newest first.
    """

    tenant: TenantId
    now: datetime
    meters: tuple[MeterReport, ...]
    viewers_left_out: int
    open_reservations: tuple[Reservation, ...]
    events: tuple[OutgoingEvent, ...]

    @property
    def level(self) -> BudgetLevel:
        """The worst level of a meter that counts more than one viewer."""
        return BudgetState.of(meter.state for meter in self.meters if not meter.state.key.viewer_hash).level

    @property
    def is_empty(self) -> bool:
        """Whether nothing was spent or reserved in the current periods."""
        return not self.open_reservations and all(m.state.spent + m.state.reserved == NOTHING_SPENT for m in self.meters)


def budget_record(report: BudgetReport) -> dict[str, object]:
    """The report as plain JSON: money in dollars, moments in ISO 8601, null where there is no limit or no forecast."""
    return {
        "tenant": report.tenant,
        "as_of": report.now.isoformat(),
        "level": report.level.value,
        "meters": [_meter(meter) for meter in report.meters],
        "viewers_left_out": report.viewers_left_out,
        "open_reservations": [
            {
                "reservation_id": each.reservation_id,
                "surface": each.account.surface,
                "viewer_hash": each.account.viewer_hash,
                "usd": each.amount.usd,
                "tokens": each.amount.tokens,
                "expires_at": each.expires_at.isoformat(),
            }
            for each in report.open_reservations
        ],
        "events": [
            {"event_id": each.event_id, "type": each.type, "time": each.time.isoformat(), "data": dict(each.data)}
            for each in report.events
        ],
    }


def _meter(meter: MeterReport) -> dict[str, object]:
    state, key, limit = meter.state, meter.state.key, meter.state.limit
    return {
        "surface": key.surface,
        "viewer_hash": key.viewer_hash,
        "period": key.period.value,
        "period_start": key.period_start.isoformat(),
        "period_end": key.period.end(key.period_start).isoformat(),
        "spent_usd": state.spent.usd,
        "spent_tokens": state.spent.tokens,
        "reserved_usd": state.reserved.usd,
        "reserved_tokens": state.reserved.tokens,
        "limit_usd": None if limit.nano_usd is None else limit.nano_usd / NANO_USD,
        "limit_tokens": limit.tokens,
        "share": round(state.share, 6) if meter.has_limit else None,
        "level": state.level.value,
        "forecast": None if meter.forecast is None else meter.forecast.isoformat(),
    }
