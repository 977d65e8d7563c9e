"""Spending is reserved before it happens and settled after, on every meter that counts it."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from threading import Lock

from surefoot.core.clock import Clock
from surefoot.core.errors import InvalidInput
from surefoot.core.ids import new_id
from surefoot.domain.budget_report import BudgetReport, MeterReport
from surefoot.domain.budgets import (
    NANO_USD,
    Account,
    BudgetLevel,
    BudgetState,
    Limit,
    Limits,
    MeterKey,
    MeterState,
    NoRoom,
    Period,
    Reservation,
    Spend,
    forecast,
)
from surefoot.domain.events import OutgoingEvent
from surefoot.domain.identity import TenantId
from surefoot.domain.policies import BudgetRule, ModelPolicy
from surefoot.ports import Store, UnitOfWork

EVENT_PREFIX = "surefoot.budget."
CROSSED, WRITTEN_OFF = f"{EVENT_PREFIX}crossed", f"{EVENT_PREFIX}written_off"
_DESCENDING = (BudgetLevel.EXHAUSTED, BudgetLevel.SMALL_ONLY, BudgetLevel.WARN)


class Budgets:
    """Reserves, settles and tells what is left. Plain functions over the store's transactions; safe from many threads and
    processes, because every decision is made by the database.

    Whatever is spent counts on the tenant's, the surface's and the viewer's meter of the month, and on every meter that a
    rule of the tenant limits. Where several rules limit one meter, the lowest limit of each unit holds.

    A meter that reaches 60, 80 or 100 % of its limit, spent and reserved together, says so by one event for each level and
    period, in the transaction in which it happens, and says it only once even if the level is left again.

    100 % is reached in two ways. Either spent and reserved are the limit; or a reservation is refused on a meter that is
    past 80 %, where only small models are asked, although it would not fit even if every open reservation were given back
    in full: then what is left pays nothing that may still be asked for. Both are the event `exhausted`. `state` knows only
    the first, so that a cheaper call may still use what is left. A caller who gets NoRoom treats the budget as exhausted for
    that attempt: it asks a cheaper model, or answers without one.
    """

    def __init__(self, store: Store, clock: Clock, policy: ModelPolicy, *, ttl_seconds: int = 120) -> None:
        """A reservation that is not settled within `ttl_seconds` is written off."""
        self._store = store
        self._clock = clock
        self._policy = policy
        self._ttl = timedelta(seconds=ttl_seconds)
        self._lock = Lock()
        self._written_off_at: dict[TenantId, datetime] = {}

    def state(self, tenant: TenantId, account: Account) -> BudgetState:
        """The meters with a limit that count this account, and the worst of their levels; NORMAL without rules."""
        limits = {key: limit for key, limit in self._limits(tenant, account, self._clock.now()).items() if limit != Limit()}
        if not limits:
            return BudgetState()
        with self._store.begin() as work:
            return BudgetState.of(work.meters.states(tenant, limits))

    def reserve(self, tenant: TenantId, account: Account, amount: Spend) -> Reservation | NoRoom:
        """The amount is held on every meter of the account until it is settled; on NoRoom nothing is held anywhere.

        NoRoom means that what is left cannot pay this call; see the class. Raises InvalidInput for a surface that the
        tenant's policy does not declare, for a nameless viewer and for an amount below 0.
        """
        _check(amount)
        self._policy.of(tenant).surface(account.surface)
        now = self._clock.now()
        self._write_off_now_and_then(tenant, now)
        limits = self._limits(tenant, account, now)
        reservation = Reservation(new_id("rsv", now), account, amount, tuple(limits), now + self._ttl)
        with self._store.begin() as work:
            full = work.meters.reserve(tenant, reservation, limits)
            if full is None:
                self._announce(work, tenant, limits, now)
                work.commit()
                return reservation
        return self._no_room(tenant, full, limits[full], amount, now)

    def settle(self, tenant: TenantId, reservation: Reservation, actual: Spend) -> None:
        """The reservation is gone and `actual` counts as spent. Nothing changes when it was settled before, or written off,
        which counted all of it. `actual` may be more than was reserved: what was spent is never denied.
        """
        _check(actual)
        now = self._clock.now()
        with self._store.begin() as work:
            if work.meters.settle(tenant, reservation.reservation_id, actual) is not None:
                self._announce(work, tenant, self._limits_of(tenant, reservation.meters), now)
                work.commit()

    def write_off(self, tenant: TenantId) -> list[Reservation]:
        """Every reservation that expired counts as spent in full, because nobody can know that it was not; an event
        `surefoot.budget.written_off` says how much. Returns them.
        """
        now = self._clock.now()
        with self._store.begin() as work:
            lost = work.meters.write_off(tenant, now=now)
            if lost:
                work.events.add(tenant, _written_off(tenant, lost, now))
                work.commit()
        return lost

    def report(self, tenant: TenantId, *, viewers: int = 20, events: int = 10) -> BudgetReport:
        """Every meter of the current periods, with at most so many viewers' and so many recent events. What expired is
        written off first, so that what is shown as open is.
        """
        self.write_off(tenant)
        now = self._clock.now()
        declared = [
            MeterKey(rule.surface, "", rule.period, rule.period.start(now))
            for rule in self._policy.of(tenant).budgets
            if not rule.per_viewer
        ]
        with self._store.begin() as work:
            known = work.meters.known(tenant, since=Period.MONTH.start(now))
            current = [key for key in known if key.period_start == key.period.start(now)]
            limits = self._limits_of(tenant, dict.fromkeys([*declared, *current]))
            states = work.meters.states(tenant, limits)
            reservations = work.meters.open_reservations(tenant)
            recent = work.events.recent(tenant, limit=events, type_prefix=EVENT_PREFIX)
        shared = sorted((state for state in states if not state.key.viewer_hash), key=_place)
        personal = sorted((state for state in states if state.key.viewer_hash), key=_urgency)
        shown = [*shared, *personal[:viewers]]
        return BudgetReport(
            tenant=tenant,
            now=now,
            meters=tuple(MeterReport(state, forecast(state, now)) for state in shown),
            viewers_left_out=len({state.key.viewer_hash for state in personal} - {state.key.viewer_hash for state in shown}),
            open_reservations=tuple(reservations),
            events=tuple(recent),
        )

    def _limits(self, tenant: TenantId, account: Account, now: datetime) -> dict[MeterKey, Limit]:
        """Every meter that counts the account, with its limit. Always in the same order, widest first, so that two
        transactions never wait for each other's rows in a circle.
        """
        if not account.viewer_hash:
            raise InvalidInput(f"The account {account!r} names no viewer; whoever spends must be known.")
        surface, viewer = account.surface, account.viewer_hash
        places = {("", "", Period.MONTH), (surface, "", Period.MONTH), ("", viewer, Period.MONTH)}
        for rule in self._policy.of(tenant).budgets:
            if rule.surface in ("", surface):
                places.add((rule.surface, viewer if rule.per_viewer else "", rule.period))
        ordered = sorted(places, key=lambda place: (place[1], place[0], place[2]))
        return self._limits_of(tenant, [MeterKey(s, v, period, period.start(now)) for s, v, period in ordered])

    def _limits_of(self, tenant: TenantId, keys: Iterable[MeterKey]) -> dict[MeterKey, Limit]:
        rules = self._policy.of(tenant).budgets
        return {key: _limit(rules, key) for key in keys}

    def _no_room(self, tenant: TenantId, key: MeterKey, limit: Limit, amount: Spend, now: datetime) -> NoRoom:
        with self._store.begin() as work:
            (meter,) = work.meters.states(tenant, {key: limit})
            is_past_small_only = meter.level.rank >= BudgetLevel.SMALL_ONLY.rank
            if is_past_small_only and not _fits(meter.spent + amount, limit):
                self._announce_meter(work, tenant, meter, BudgetLevel.EXHAUSTED, now)
                work.commit()
        return NoRoom(meter)

    def _announce(self, work: UnitOfWork, tenant: TenantId, limits: Limits, now: datetime) -> None:
        """Every level that these meters are past has its event, written once per period."""
        limited = {key: limit for key, limit in limits.items() if limit != Limit()}
        if limited:
            for meter in work.meters.states(tenant, limited):
                self._announce_meter(work, tenant, meter, meter.level, now)

    @staticmethod
    def _announce_meter(work: UnitOfWork, tenant: TenantId, meter: MeterState, level: BudgetLevel, now: datetime) -> None:
        crossed: list[BudgetLevel] = []
        for each in _DESCENDING:
            if each.rank > level.rank:
                continue
            # Levels are marked together with those below, so the first one that is known ends the search.
            if not work.meters.mark_crossed(tenant, meter.key, each):
                break
            crossed.append(each)
        # Sorted ids, because both events are of one moment and are to be delivered in this order.
        ids = sorted(new_id("evt", now) for _ in crossed)
        for event_id, each in zip(ids, reversed(crossed), strict=True):
            work.events.add(tenant, _crossed(event_id, tenant, meter, each, now))

    def _write_off_now_and_then(self, tenant: TenantId, now: datetime) -> None:
        """What expired is written off when this was last done a ttl ago; one thread does it."""
        with self._lock:
            last = self._written_off_at.get(tenant)
            if last is not None and timedelta() <= now - last < self._ttl:
                return
            self._written_off_at[tenant] = now
        self.write_off(tenant)


def _check(amount: Spend) -> None:
    if amount.nano_usd < 0 or amount.tokens < 0:
        raise InvalidInput(f"{amount!r} is below 0; nothing is ever given back by spending.")


def _limit(rules: Iterable[BudgetRule], key: MeterKey) -> Limit:
    """The lowest limit of each unit among the rules for this meter."""
    limits = [
        rule.limit
        for rule in rules
        if (rule.surface, rule.period, rule.per_viewer) == (key.surface, key.period, bool(key.viewer_hash))
    ]
    money = [limit.nano_usd for limit in limits if limit.nano_usd is not None]
    tokens = [limit.tokens for limit in limits if limit.tokens is not None]
    return Limit(min(money, default=None), min(tokens, default=None))


def _fits(spend: Spend, limit: Limit) -> bool:
    pairs = ((spend.nano_usd, limit.nano_usd), (spend.tokens, limit.tokens))
    return all(most is None or amount <= most for amount, most in pairs)


def _place(state: MeterState) -> tuple[str, Period]:
    return state.key.surface, state.key.period


def _urgency(state: MeterState) -> tuple[float, int, str, str, Period]:
    return -state.share, -state.spent.nano_usd, state.key.viewer_hash, state.key.surface, state.key.period


def _crossed(event_id: str, tenant: TenantId, meter: MeterState, level: BudgetLevel, now: datetime) -> OutgoingEvent:
    key, limit, reached = meter.key, meter.limit, forecast(meter, now)
    data = {
        "tenant": tenant,
        "surface": key.surface,
        "viewer_hash": key.viewer_hash,
        "period": key.period.value,
        "period_start": key.period_start.isoformat(),
        "level": level.value,
        "share": round(meter.share, 6),
        "spent_usd": meter.spent.usd,
        "reserved_usd": meter.reserved.usd,
        "limit_usd": None if limit.nano_usd is None else limit.nano_usd / NANO_USD,
        "tokens": (meter.spent + meter.reserved).tokens,
        "limit_tokens": limit.tokens,
        "forecast": None if reached is None else reached.isoformat(),
    }
    parts = (key.period.value, key.surface and f"surface:{key.surface}", key.viewer_hash and f"viewer:{key.viewer_hash}")
    return OutgoingEvent(event_id, CROSSED, "/".join(part for part in parts if part), now, data)


def _written_off(tenant: TenantId, lost: list[Reservation], now: datetime) -> OutgoingEvent:
    total = sum((reservation.amount for reservation in lost), Spend())
    data = {
        "tenant": tenant,
        "surfaces": sorted({reservation.account.surface for reservation in lost}),
        "reservations": len(lost),
        "spent_usd": total.usd,
        "tokens": total.tokens,
    }
    return OutgoingEvent(new_id("evt", now), WRITTEN_OFF, "reservations", now, data)
