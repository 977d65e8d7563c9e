"""Moves waiting runs on while the service runs."""

import logging

import anyio
import anyio.to_thread

from surefoot.actions.service import Actions
from surefoot.core.errors import StoreUnavailable
from surefoot.ports import Store

_log = logging.getLogger("surefoot.actions")


async def work_while_running(actions: Actions, store: Store, *, every_seconds: float) -> None:
    """Runs until it is cancelled: what waits is called, what is scheduled goes on, what has expired ends, what
    the agent may do by itself is reviewed. A database that does
    not answer is told once; any other failure is logged and the next round is a new try.
    """
    store_answers = True
    while True:
        try:
            # A host that hangs must not hold up the end: the lease runs out and another worker goes on.
            await anyio.to_thread.run_sync(_round, actions, store, abandon_on_cancel=True)
            store_answers = True
        except StoreUnavailable as error:
            if store_answers:
                _log.error("runs are not worked on, the next rounds try again: %s", error)
            store_answers = False
        # Nobody is above this task, and a round that met a bug must not end the service.
        except Exception:  # noqa: BLE001
            _log.exception("a round of runs failed, the next one tries again")
        await anyio.sleep(every_seconds)


def _round(actions: Actions, store: Store) -> None:
    while actions.worker.run_once():
        pass
    with store.begin() as work:
        tenants = work.tenants.all()
    for tenant in tenants:
        actions.expire_due(tenant)
        actions.review_due(tenant)
