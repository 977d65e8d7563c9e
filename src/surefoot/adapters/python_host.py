"""The host product in this very process: its handlers are called directly, with the same ledger as over HTTP."""

import logging
from collections.abc import Callable, Mapping
from typing import Generic

from surefoot.core.clock import Clock
from surefoot.core.errors import IdempotencyMismatch, StoreUnavailable
from surefoot.domain.handling import ActionHandler, Answer, DeliveryInProgress, DeliveryLedger, Handling, Transaction
from surefoot.domain.host_wire import PROTOCOL_VERSION, Operation, reply_of
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import HostCall, HostNever, HostRejected, HostReply, HostUnknown

_logger = logging.getLogger(__name__)


class PythonHost(Generic[Transaction]):
    """See ports.HostApp. Handlers by the name of their action; `ledger` holds their effects and replies together.

    Replies are read as those of a host over HTTP are, so a handler that answers with something malformed is found here too.
    A call lasts as long as its handler: nothing in this process can be stopped from outside, so timeouts do not apply.
    """

    def __init__(
        self, handlers: Mapping[str, ActionHandler[Transaction]], ledger: DeliveryLedger[Transaction], clock: Clock
    ) -> None:
        self._handling = Handling(handlers, ledger, clock)

    @property
    def version(self) -> str:
        """See ports.HostApp."""
        return f"python-{PROTOCOL_VERSION}"

    def simulate(self, tenant: TenantId, call: HostCall) -> HostReply:
        """See ports.HostApp."""
        return _reply(lambda: self._handling.simulate(tenant, call), has_effect=False)

    def apply(self, tenant: TenantId, call: HostCall) -> HostReply:
        """See ports.HostApp."""
        return _reply(lambda: self._handling.deliver(tenant, Operation.APPLY, call), has_effect=True)

    def undo(self, tenant: TenantId, call: HostCall) -> HostReply:
        """See ports.HostApp."""
        return _reply(lambda: self._handling.deliver(tenant, Operation.UNDO, call), has_effect=True)

    def status(self, tenant: TenantId, call: HostCall) -> HostReply:
        """See ports.HostApp."""
        try:
            stored = self._handling.answered(call.run_id)
        except (DeliveryInProgress, StoreUnavailable) as error:
            return _undecided(error)
        if stored is None or stored.tenant != tenant:
            return HostNever()
        return reply_of(stored.status, stored.body, has_effect=True)


def _reply(do: Callable[[], Answer], *, has_effect: bool) -> HostReply:
    try:
        answer = do()
    except IdempotencyMismatch as error:
        return HostRejected(str(error), error.status)
    except (DeliveryInProgress, StoreUnavailable) as error:
        return _undecided(error)
    except Exception as error:
        # A handler is the host's code and may raise anything; its transaction was rolled back, what else it did nobody knows.
        _logger.exception("A host's handler raised.")
        return HostUnknown(f"The host's handler raised {type(error).__name__}.", 500)
    return reply_of(answer.status, answer.body, has_effect=has_effect)


def _undecided(error: DeliveryInProgress | StoreUnavailable) -> HostUnknown:
    return HostUnknown(str(error), error.status, float(error.retry_after_seconds or 1))
