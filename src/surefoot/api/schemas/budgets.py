"""What was spent, of how much."""

from datetime import datetime

from pydantic import ConfigDict, Field, JsonValue

from surefoot.api.schemas.texts import Shown
from surefoot.domain.budgets import BudgetLevel, Period

_METER: dict[str, JsonValue] = {
    "surface": "help",
    "viewer_hash": "",
    "period": "month",
    "period_start": "2026-03-01T00:00:00Z",
    "period_end": "2026-04-01T00:00:00Z",
    "spent_usd": 32.5,
    "spent_tokens": 5_210_000,
    "reserved_usd": 0.004,
    "reserved_tokens": 3_100,
    "limit_usd": 50.0,
    "limit_tokens": None,
    "share": 0.65008,
    "level": "warn",
    "forecast": "2026-03-24T04:20:00Z",
}
_RESERVATION: dict[str, JsonValue] = {
    "reservation_id": "rsv_0195a0c2f3a47d0e8f5b6c7d8e9f0a1b",
    "surface": "help",
    "viewer_hash": "5f2c6e0d9b8a7f61",
    "usd": 0.004,
    "tokens": 3_100,
    "expires_at": "2026-03-16T02:42:00Z",
}
_EVENT: dict[str, JsonValue] = {
    "event_id": "evt_0195a0c2f3a47d0e8f5b6c7d8e9f0a1b",
    "type": "surefoot.budget.crossed",
    "time": "2026-03-14T17:05:00Z",
    "data": {"tenant": "acme", "surface": "help", "period": "month", "level": "warn", "share": 0.6001},
}


class ShownMeter(Shown):
    """What one meter counted in its current period. Without a limit it only counts, and `share` is null."""

    surface: str = Field(description="The surface it counts; empty: all of them.")
    viewer_hash: str = Field(description="The viewer it counts, by hash; empty: everybody.")
    period: Period
    period_start: datetime
    period_end: datetime
    spent_usd: float
    spent_tokens: int
    reserved_usd: float = Field(description="Held for calls under way; what they do not use is given back.")
    reserved_tokens: int
    limit_usd: float | None
    limit_tokens: int | None
    share: float | None = Field(description="Spent and reserved of the limit, the larger of money and tokens.")
    level: BudgetLevel = Field(description="warn from 60 %, small_only from 80 %, exhausted at 100 %.")
    forecast: datetime | None = Field(description="When the limit is reached at this pace; null: not within the period.")

    model_config = ConfigDict(json_schema_extra={"examples": [_METER]})


class ShownReservation(Shown):
    """An amount that is held for a call under way. Not settled by `expires_at`, it counts as spent."""

    reservation_id: str
    surface: str
    viewer_hash: str
    usd: float
    tokens: int
    expires_at: datetime

    model_config = ConfigDict(json_schema_extra={"examples": [_RESERVATION]})


class ShownBudgetEvent(Shown):
    """A level that was crossed (`surefoot.budget.crossed`) or reservations that expired (`surefoot.budget.written_off`)."""

    event_id: str
    type: str
    time: datetime
    data: dict[str, JsonValue]

    model_config = ConfigDict(json_schema_extra={"examples": [_EVENT]})


class ShownBudgets(Shown):
    """The tenant's meters of the current periods: of everything and of surfaces, then of viewers, the nearest to a limit and
    the dearest first.
    """

    tenant: str
    as_of: datetime
    level: BudgetLevel = Field(description="The worst level of a meter that counts more than one viewer.")
    meters: list[ShownMeter]
    viewers_left_out: int = Field(description="How many more viewers have meters.")
    open_reservations: list[ShownReservation]
    events: list[ShownBudgetEvent] = Field(description="The newest first.")

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "tenant": "acme",
                    "as_of": "2026-03-16T02:40:00Z",
                    "level": "warn",
                    "meters": [_METER],
                    "viewers_left_out": 0,
                    "open_reservations": [_RESERVATION],
                    "events": [_EVENT],
                }
            ]
        }
    )
