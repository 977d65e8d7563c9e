"""The MeterRepository port in memory."""

from datetime import datetime

from surefoot.adapters.memory.tables import UNUSED, Counts, Transaction
from surefoot.core.errors import Conflict
from surefoot.domain.budgets import NOTHING_SPENT, Limit, Limits, MeterKey, MeterState, Reservation, Spend, is_of_earlier_month
from surefoot.domain.identity import TenantId

_UNLIMITED = Limit()


class MemoryMeters:
    """What is spent and reserved, and the reservations that are open."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def reserve(self, tenant: TenantId, reservation: Reservation, limits: Limits) -> MeterKey | None:
        with self._transaction.write():
            for meter in reservation.meters:
                counts = self._transaction.read(tenant).meters.get(meter, UNUSED)
                if not _fits(counts.spent + counts.reserved + reservation.amount, limits.get(meter, _UNLIMITED)):
                    return meter
            if reservation.reservation_id in self._transaction.read(tenant).reservations:
                raise Conflict
            self._count(tenant, reservation, reserved=reservation.amount)
            self._transaction.table(tenant, "reservations")[reservation.reservation_id] = reservation
            return None

    def settle(self, tenant: TenantId, reservation_id: str, actual: Spend) -> Reservation | None:
        with self._transaction.write():
            if reservation_id not in self._transaction.read(tenant).reservations:
                return None
            reservation: Reservation = self._transaction.table(tenant, "reservations").pop(reservation_id)
            self._count(tenant, reservation, reserved=_negative(reservation.amount), spent=actual)
            return reservation

    def write_off(self, tenant: TenantId, *, now: datetime) -> list[Reservation]:
        with self._transaction.write():
            expired = [each for each in self.open_reservations(tenant) if each.expires_at <= now]
            for reservation in expired:
                self.settle(tenant, reservation.reservation_id, reservation.amount)
            return expired

    def states(self, tenant: TenantId, limits: Limits) -> list[MeterState]:
        meters = self._transaction.read(tenant).meters
        found = ((meter, limit, meters.get(meter, UNUSED)) for meter, limit in limits.items())
        return [MeterState(meter, limit, counts.spent, counts.reserved) for meter, limit, counts in found]

    def known(self, tenant: TenantId, *, since: datetime) -> list[MeterKey]:
        found = (meter for meter in self._transaction.read(tenant).meters if meter.period_start >= since)
        return sorted(found, key=lambda meter: (meter.surface, meter.viewer_hash, meter.period.value, meter.period_start))

    def open_reservations(self, tenant: TenantId) -> list[Reservation]:
        reservations = self._transaction.read(tenant).reservations.values()
        return sorted(reservations, key=lambda each: (each.expires_at, each.reservation_id))

    def mark_crossed(self, tenant: TenantId, meter: MeterKey, level: str) -> bool:
        with self._transaction.write():
            if (meter, level) in self._transaction.read(tenant).crossings:
                return False
            self._transaction.table(tenant, "crossings")[meter, level] = True
            return True

    def prune(self, tenant: TenantId, *, before: datetime, limit: int) -> int:
        with self._transaction.write():
            held = {meter for each in self.open_reservations(tenant) for meter in each.meters}
            meters = self._transaction.table(tenant, "meters")
            over = sorted((meter for meter in meters.keys() - held if is_of_earlier_month(meter, before)), key=_age)[
                : max(0, limit)
            ]
            for meter in over:
                del meters[meter]
            crossings = self._transaction.table(tenant, "crossings")
            told = [key for key in crossings if key[0] not in meters and is_of_earlier_month(key[0], before)][: max(0, limit)]
            for key in told:
                del crossings[key]
            return len(over) + len(told)

    def _count(
        self, tenant: TenantId, reservation: Reservation, *, reserved: Spend = NOTHING_SPENT, spent: Spend = NOTHING_SPENT
    ) -> None:
        meters = self._transaction.table(tenant, "meters")
        for meter in frozenset(reservation.meters):
            counts = meters.get(meter, UNUSED)
            meters[meter] = Counts(counts.spent + spent, counts.reserved + reserved)


def _age(meter: MeterKey) -> datetime:
    return meter.period_start


def _negative(amount: Spend) -> Spend:
    return Spend(-amount.nano_usd, -amount.tokens)


def _fits(amount: Spend, limit: Limit) -> bool:
    return (limit.nano_usd is None or amount.nano_usd <= limit.nano_usd) and (
        limit.tokens is None or amount.tokens <= limit.tokens
    )
