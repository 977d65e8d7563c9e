"""Several observers as one."""

from collections.abc import Callable, Sequence

from surefoot.domain.feedback import Feedback
from surefoot.domain.identity import TenantId
from surefoot.domain.replies import Reply
from surefoot.domain.runs import Run
from surefoot.ports import Observer


class Observers:
    """Passes everything on to each of them, in their order. See ports.Observer."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def replied(self, tenant: TenantId, reply: Reply) -> None:
        """Each has seen the reply."""
        self._each(lambda observer: observer.replied(tenant, reply))

    def metered(self, tenant: TenantId, surface: str, share: float) -> None:
        """Each has seen the share."""
        self._each(lambda observer: observer.metered(tenant, surface, share))

    def requested(self, tenant: TenantId, action: str, *, is_valid: bool) -> None:
        """Each has seen the request."""
        self._each(lambda observer: observer.requested(tenant, action, is_valid=is_valid))

    def ran(self, tenant: TenantId, run: Run) -> None:
        """Each has seen the run."""
        self._each(lambda observer: observer.ran(tenant, run))

    def called(self, tenant: TenantId, run: Run, operation: str, outcome: str, seconds: float) -> None:
        """Each has seen the call."""
        self._each(lambda observer: observer.called(tenant, run, operation, outcome, seconds))

    def heard(self, tenant: TenantId, surface: str, feedback: Feedback) -> None:
        """Each has heard the word."""
        self._each(lambda observer: observer.heard(tenant, surface, feedback))

    def _each(self, tell: Callable[[Observer], None]) -> None:
        for observer in self._observers:
            tell(observer)
