"""Takes events to their receivers while the service runs."""

import logging

import anyio
import anyio.to_thread

from surefoot.core.errors import StoreUnavailable
from surefoot.governance.courier import Courier

_log = logging.getLogger("surefoot.courier")


async def deliver_while_running(courier: Courier, *, every_seconds: float) -> None:
    """Runs until it is cancelled, which waits for no receiver. A database that does not answer is told once, and again only
    after it answered; any other failure is logged and the next round is a new try.
    """
    store_answers = True
    try:
        while True:
            try:
                # A receiver that hangs must not hold up the end: its event is sent again when its claim is over.
                await anyio.to_thread.run_sync(courier.deliver_due, abandon_on_cancel=True)
                store_answers = True
            except StoreUnavailable as error:
                if store_answers:
                    _log.error("events are not delivered, the next rounds try again: %s", error)
                store_answers = False
            # Nobody is above this task, and a round that met a bug must not end the service.
            except Exception:  # noqa: BLE001
                _log.exception("a round of deliveries failed, the next one tries again")
            await anyio.sleep(every_seconds)
    finally:
        courier.stop()
