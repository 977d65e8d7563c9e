"""What runs take of caps, in memory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal

from surefoot.adapters.memory.tables import CapRow, Transaction
from surefoot.core.errors import Conflict
from surefoot.domain.actions import Env
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import CapHold


class MemoryCaps:
    """Holds by run, cap and key."""

    _transaction: Transaction

    def hold_caps(self, tenant: TenantId, env: Env, run_id: str, holds: Sequence[CapHold], *, now: datetime) -> CapHold | None:
        with self._transaction.write():
            for hold in holds:
                if self.cap_used(tenant, env, hold.cap_id, hold.key, since=hold.since) >= hold.most:
                    return hold
            if holds and run_id not in self._transaction.read(tenant).runs:
                raise Conflict
            rows = self._transaction.table(tenant, "cap_holds")
            for hold in holds:
                place = (run_id, hold.cap_id, hold.key)
                if place in rows:
                    raise Conflict
                rows[place] = CapRow(env, held_at=now)
            return None

    def settle_caps(self, tenant: TenantId, run_id: str, *, committed: bool) -> None:
        self._move(tenant, run_id, "reserved", "committed" if committed else "released")

    def refund_caps(self, tenant: TenantId, run_id: str) -> None:
        self._move(tenant, run_id, "committed", "released")

    def cap_used(self, tenant: TenantId, env: Env, cap_id: str, key: str, *, since: datetime) -> int:
        return sum(
            place[1:] == (cap_id, key) and row.env == env and row.state != "released" and row.held_at >= since
            for place, row in self._transaction.read(tenant).cap_holds.items()
        )

    def _move(
        self,
        tenant: TenantId,
        run_id: str,
        before: Literal["reserved", "committed"],
        after: Literal["committed", "released"],
    ) -> None:
        with self._transaction.write():
            rows = self._transaction.table(tenant, "cap_holds")
            for place, row in list(rows.items()):
                if place[0] == run_id and row.state == before:
                    rows[place] = replace(row, state=after)
