"""Deletes live samples whose time is over while the service runs."""

import logging

import anyio
import anyio.to_thread

from surefoot.assistant.live_samples import LiveSamples
from surefoot.core.errors import SurefootError
from surefoot.ports import Store

_log = logging.getLogger("surefoot.samples")


async def sweep_while_running(samples: LiveSamples, store: Store, *, every_seconds: float) -> None:
    """Runs until it is cancelled: each round nothing is left that may not be kept any more. A round that fails is logged, and
    the next one is a new try.
    """
    while True:
        try:
            await anyio.to_thread.run_sync(sweep, samples, store, abandon_on_cancel=True)
        except SurefootError as error:
            _log.error("live samples were not swept, the next round tries again: %s", error.code)
        await anyio.sleep(every_seconds)


def sweep(samples: LiveSamples, store: Store) -> int:
    """No tenant has a sample that may not be kept any more; returns how many went."""
    with store.begin() as work:
        tenants = work.tenants.all()
    return sum(samples.sweep(tenant) for tenant in tenants)
