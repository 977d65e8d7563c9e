"""Actions as their callers see them: one method for each button."""

from datetime import datetime

from surefoot.actions.parts import ActionParts, Request, RunPage, RunView
from surefoot.domain.actions import Env
from surefoot.domain.identity import TenantId, Viewer
from surefoot.domain.runs import RunState


class Actions:
    """Simulate, approve, apply, undo. Every method answers with the run as it then stands; safe from many threads."""

    def __init__(self, parts: ActionParts) -> None:
        self._parts = parts

    def propose(self, maker: Viewer, request: Request) -> RunView:
        """The run, simulated: planned or awaiting approval; denied or suggested when the policy says so; failed when the host
        refused to simulate it. A known key with the same payload answers with the stored run, `replayed`.

        Raises InvalidAction and NotFound (nothing is stored), IdempotencyMismatch, RunInProgress.
        """
        raise NotImplementedError

    def take_up(self, viewer: Viewer, run_id: str) -> RunView:
        """A suggested run is the viewer's own wish now, and simulated."""
        raise NotImplementedError

    def approve(self, approver: Viewer, run_id: str, plan_digest: str, note: str = "") -> RunView:
        """The approver's word counts; approved once the quorum is there. Raises RunNotAllowed, PlanStale, NotFound."""
        raise NotImplementedError

    def reject(self, approver: Viewer, run_id: str, plan_digest: str, note: str = "") -> RunView:
        """The run is rejected. Raises as approve does."""
        raise NotImplementedError

    def apply(self, viewer: Viewer, run_id: str, *, plan_digest: str = "", by_agent: bool = False, wait: bool = False) -> RunView:
        """The run is applying (or scheduled, denied, suggested, as the policy says on fresh facts); with `wait` the host is
        called here and the answer is its outcome. A second press does nothing new.

        Raises RunNotAllowed, PlanStale (simulate again), NotFound.
        """
        raise NotImplementedError

    def preview_undo(self, viewer: Viewer, run_id: str, *, key: str = "") -> RunView:
        """A run of kind undo, planned: its plan shows what is put back.

        Raises UndoConflict with the differences, RunNotAllowed, NotFound.
        """
        raise NotImplementedError

    def undo(self, viewer: Viewer, run_id: str, *, key: str = "", wait: bool = False) -> RunView:
        """The undo run, applying; with `wait` its outcome. What somebody else wrote since is never overwritten: UndoConflict."""
        raise NotImplementedError

    def redo(self, viewer: Viewer, run_id: str, *, key: str = "") -> RunView:
        """A new run with the arguments of an undone one, simulated afresh."""
        raise NotImplementedError

    def cancel(self, viewer: Viewer, run_id: str, note: str = "") -> RunView:
        """The run is cancelled; impossible once applying has begun (RunNotAllowed)."""
        raise NotImplementedError

    def settle(self, admin: Viewer, run_id: str, *, happened: bool, note: str) -> RunView:
        """A run that needs a human is applied, or failed, on a person's word."""
        raise NotImplementedError

    def show(self, viewer: Viewer, run_id: str) -> RunView:
        """The run with its whole history. Raises NotFound also for what is not the viewer's to see."""
        raise NotImplementedError

    def page(
        self,
        viewer: Viewer,
        *,
        env: Env | None = None,
        states: frozenset[RunState] = frozenset(),
        mine: bool = False,
        after: str = "",
        limit: int = 50,
    ) -> RunPage:
        """Runs that the viewer may see, newest first."""
        raise NotImplementedError

    def switch(self, admin: Viewer, env: Env, action: str, *, off: bool, reason: str) -> int:
        """The action (`*`: all) is switched off or on again; returns how many waiting runs were cancelled by it."""
        raise NotImplementedError

    def expire_due(self, tenant: TenantId, now: datetime | None = None) -> int:
        """Every run whose time has run out is expired, and every applied one whose undo window is over is final; returns
        how many changed.
        """
        raise NotImplementedError
