"""What the clock and people stop: runs whose time is over, cancelled ones, switched-off actions, closed undo windows."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from surefoot.actions.moves import STOPPABLE, SYSTEM, again, found, moved, told
from surefoot.actions.parts import ActionParts
from surefoot.actions.settling import applied, failed
from surefoot.actions.viewing import is_admin, seen
from surefoot.core.errors import Forbidden, RunNotAllowed
from surefoot.domain.actions import Env
from surefoot.domain.audit import AuditEntry
from surefoot.domain.identity import TenantId, Viewer
from surefoot.domain.runs import Receipt, Run, RunState

_PAGE = 200
_UNDER_WAY = frozenset({RunState.APPLYING, RunState.UNKNOWN, RunState.NEEDS_HUMAN})


class Expiry:
    """Ends what may still be ended. A run that has begun to apply is never stopped from here: the compare-and-swap decides."""

    def __init__(self, parts: ActionParts) -> None:
        self._parts = parts

    def expire_due(self, tenant: TenantId, now: datetime) -> int:
        """Runs whose time is over are expired, and applied ones that cannot be undone any more are final; returns how many."""
        late = [run for run in self._all(tenant, None, STOPPABLE) if run.deadline <= now]
        count = sum(self._moved(tenant, run, RunState.EXPIRED, SYSTEM, "its time is over") for run in late)
        # Read before who is being undone: an undo that begins between the two reads changes its original's row, which is seen.
        done = list(self._all(tenant, None, frozenset({RunState.APPLIED})))
        being_undone = {run.reverses for run in self._all(tenant, None, _UNDER_WAY)}
        for run in done:
            if run.run_id in being_undone:
                continue
            with self._parts.store.begin() as work:
                receipt = work.runs.receipt(tenant, run.run_id)
            if receipt is None or receipt.undo_until is None or receipt.undo_until <= now:
                count += self._moved(tenant, run, RunState.FINAL, SYSTEM, "it cannot be undone any more")
        return count

    def cancel(self, viewer: Viewer, run_id: str, note: str) -> None:
        """The run is cancelled. Raises NotFound; RunNotAllowed for others than maker and administrators, and once it applies."""

        def once() -> None:
            with self._parts.store.begin() as work:
                run = seen(self._parts, work, viewer, run_id)
                if viewer.user != run.maker and not is_admin(viewer):
                    raise RunNotAllowed(f"Only {run.maker!r}, who made run {run_id!r}, or an administrator can cancel it.")
                if run.state is RunState.CANCELLED:
                    return
                if run.state not in STOPPABLE:
                    raise RunNotAllowed(
                        f"The run {run_id!r} is {run.state} and cannot be cancelled any more; undo it when applied."
                    )
                cancelled = replace(run, state=RunState.CANCELLED)
                after = moved(self._parts, work, viewer.tenant, cancelled, viewer.user, details={"note": note})
                work.runs.dequeue(viewer.tenant, run_id)
                work.commit()
            told(self._parts, viewer.tenant, after)

        again(once)

    def settle(self, admin: Viewer, run_id: str, *, happened: bool, note: str) -> None:
        """A run that nobody could tell about is applied or failed on a person's word. Raises RunNotAllowed, Forbidden."""
        self._check_admin(admin)

        def once() -> None:
            now, tenant = self._parts.clock.now(), admin.tenant
            with self._parts.store.begin() as work:
                run = found(work, tenant, run_id)
                if run.state is not RunState.NEEDS_HUMAN:
                    raise RunNotAllowed(f"The run {run_id!r} is {run.state}; only one that needs a human is settled by one.")
                if happened:
                    # Nobody saw the etags that it left, so nothing could tell a later write from ours: no undo.
                    receipt = Receipt(run_id, (), (), "", None, {}, now)
                    after = applied(self._parts, work, tenant, run, receipt, actor=admin.user, details={"note": note})
                else:
                    after = failed(self._parts, work, tenant, run, note, actor=admin.user)
                work.commit()
            told(self._parts, tenant, after)

        again(once)

    def switch(self, admin: Viewer, env: Env, action: str, *, off: bool, reason: str) -> int:
        """The kill switch of the action (`*`: of all) stands so; switched off, what had not begun is cancelled and counted."""
        self._check_admin(admin)
        now, tenant = self._parts.clock.now(), admin.tenant
        with self._parts.store.begin() as work:
            work.runs.set_switch(tenant, env, action, off=off, by=admin.user, reason=reason, now=now)
            what = "action.switched_off" if off else "action.switched_on"
            details = {"env": env.value, "action": action, "reason": reason}
            self._parts.trail.record(work, tenant, AuditEntry(now, admin.user, what, action, details))
            work.commit()
        if not off:
            return 0
        waiting = [run for run in self._all(tenant, env, STOPPABLE) if action in ("*", run.action)]
        return sum(self._moved(tenant, run, RunState.CANCELLED, admin.user, f"switched off: {reason}") for run in waiting)

    def _check_admin(self, viewer: Viewer) -> None:
        if not is_admin(viewer):
            raise Forbidden("This takes the role admin; ask somebody who has it.")

    def _all(self, tenant: TenantId, env: Env | None, states: frozenset[RunState]) -> Iterator[Run]:
        after = ""
        while True:
            with self._parts.store.begin() as work:
                runs = work.runs.page(tenant, env=env, states=states, maker="", after=after, limit=_PAGE)
            yield from runs
            if len(runs) < _PAGE:
                return
            after = runs[-1].run_id

    def _moved(self, tenant: TenantId, run: Run, state: RunState, actor: str, why: str) -> int:
        """1 when the run moved; 0 when it is not as it was read any more, which decides the race with whoever applies it."""
        with self._parts.store.begin() as work:
            if found(work, tenant, run.run_id).version != run.version:
                return 0
            after = moved(self._parts, work, tenant, replace(run, state=state), actor, details={"why": why})
            work.runs.dequeue(tenant, run.run_id)
            work.commit()
        told(self._parts, tenant, after)
        return 1
