"""Deletes what its time is over for while the service runs: live samples, and what retention forgets."""

import logging

import anyio
import anyio.to_thread

from surefoot.assistant.live_samples import LiveSamples
from surefoot.core.errors import SurefootError
from surefoot.governance.retention import Retention
from surefoot.ports import Store

_log = logging.getLogger("surefoot.sweeping")


async def sweep_while_running(samples: LiveSamples, retention: Retention, store: Store, *, every_seconds: float) -> None:
    """Runs until it is cancelled: each round nothing is left that may not, or need not, be kept any more. A round that fails is
    logged, and the next one is a new try.
    """
    while True:
        try:
            await anyio.to_thread.run_sync(sweep, samples, retention, store, abandon_on_cancel=True)
        except SurefootError as error:
            _log.error("old rows were not swept, the next round tries again: %s", error.code)
        await anyio.sleep(every_seconds)


def sweep(samples: LiveSamples, retention: Retention, store: Store) -> int:
    """No tenant has a row left whose time is over; returns how many went. Samples go first: those must go."""
    with store.begin() as work:
        tenants = work.tenants.all()
    return sum(samples.sweep(tenant) for tenant in tenants) + sum(retention.sweep(tenant) for tenant in tenants)
