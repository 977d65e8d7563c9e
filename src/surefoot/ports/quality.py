"""What is kept to make answers better: viewers' words on them, and samples of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from surefoot.domain.feedback import Feedback, LiveSample
from surefoot.domain.identity import TenantId


class FeedbackRepository(Protocol):
    """Viewers' words, at most one for each reply."""

    def put(self, tenant: TenantId, feedback: Feedback) -> None:
        """This is the word on its reply, in place of an earlier one."""
        ...

    def of(self, tenant: TenantId, replies: Sequence[str]) -> list[Feedback]:
        """The words on these replies, in the order of the reply ids."""
        ...


class SampleRepository(Protocol):
    """Live samples. One whose time is over is never read, whether it was swept yet or not."""

    def add(self, tenant: TenantId, sample: LiveSample) -> None:
        """The sample is kept. Raises Conflict when there is one of this reply."""
        ...

    def page(self, tenant: TenantId, *, since: datetime, now: datetime, after: str, limit: int) -> list[LiveSample]:
        """Up to `limit` samples of questions asked at `since` or later that may still be kept at `now`, in the order of their
        reply ids, those after the id `after` (empty: from the first).
        """
        ...

    def forget(self, tenant: TenantId, viewer_hash: str) -> int:
        """Every sample of this viewer is gone; returns how many went."""
        ...

    def sweep(self, tenant: TenantId, *, now: datetime, limit: int) -> int:
        """Up to `limit` samples whose time is over are gone, those first whose time was over first; returns how many went."""
        ...
