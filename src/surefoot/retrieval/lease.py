"""One writer a tenant: a lease in the store, renewed while the work goes on, free again soon after a crash."""

import os
import socket
import threading
from types import TracebackType
from uuid import uuid4

from surefoot.core.clock import Clock
from surefoot.core.errors import SurefootError
from surefoot.domain.identity import TenantId
from surefoot.ports import Store

LEASE_SECONDS = 30


class WriterLease:
    """Within the block this process alone writes the tenant's corpus. Raises WriterBusy on entry while another does."""

    def __init__(self, store: Store, tenant: TenantId, clock: Clock) -> None:
        self._store = store
        self._tenant = tenant
        self._clock = clock
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._done = threading.Event()
        self._renewer = threading.Thread(target=self._renew_until_done, name="writer-lease", daemon=True)

    def __enter__(self) -> "WriterLease":
        self._claim()
        self._renewer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._done.set()
        self._renewer.join()
        with self._store.begin() as work:
            work.corpora.release(self._tenant, self._owner)
            work.commit()

    def _claim(self) -> None:
        with self._store.begin() as work:
            work.corpora.lease(self._tenant, self._owner, now=self._clock.now(), ttl_seconds=LEASE_SECONDS)
            work.commit()

    def _renew_until_done(self) -> None:
        while not self._done.wait(LEASE_SECONDS / 3):
            try:
                self._claim()
            except SurefootError:
                # The lease was lost; the compare-and-swap at publication refuses what this writer still tries to publish.
                return
