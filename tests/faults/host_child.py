"""Run as a process of its own by the host's fault tests: does deliveries, says where it is, and is killed there."""

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from surefoot.adapters.python_host import PythonHost
from surefoot.core.clock import FixedClock
from surefoot.domain.actions import Arguments, Env
from surefoot.domain.handling import HandlerContext, HandlerReply
from surefoot.domain.identity import TenantId
from surefoot.domain.resource_actions import Document, Outcome, ResourceAction, Workspace
from surefoot.domain.runs import HostCall
from surefoot.receiver.deliveries import SqliteDeliveries, SqliteDocuments

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ACME = TenantId("acme")
POINTS = ("asked", "written", "kept", "answered")


def counted(arguments: Arguments, workspace: Workspace, call: HostCall) -> Outcome:
    """One more effect, with the run that had it."""
    document = workspace.read("counter/1") or {"runs": []}
    runs = document["runs"]
    assert isinstance(runs, list)
    workspace.write("counter/1", {"runs": [*runs, call.run_id]})
    return Outcome("Counts.")


def delivery(number: int) -> HostCall:
    """The one delivery of a run."""
    path = "/assistant/actions/count"
    return HostCall(
        f"dlv_{number}", f"run_{number}", Env.PRODUCTION, "count", "1.0.0", path, {}, (), timeout_seconds=5.0, maker="nora"
    )


def say(line: str) -> None:
    """The line is with the parent, whatever happens to this process next."""
    os.write(1, f"{line}\n".encode())


def wait_at(point: str, stop_at: str) -> None:
    """This process stops here for ever when it is the point named."""
    if point == stop_at:
        say(point)
        sys.stdin.read()


@dataclass(frozen=True)
class StoppingAction(ResourceAction[sqlite3.Connection]):
    """Stops before its effect or between effect and reply."""

    stop_at: str = ""

    def apply(self, arguments: Arguments, context: HandlerContext[sqlite3.Connection]) -> HandlerReply:
        wait_at("asked", self.stop_at)
        reply = super().apply(arguments, context)
        wait_at("written", self.stop_at)
        return reply


class StoppingDeliveries(SqliteDeliveries):
    """Stops between the stored reply and the commit."""

    stop_at = ""

    @contextmanager
    def open(self, delivery_id: str, run_id: str) -> Iterator[object]:  # type: ignore[override]
        with super().open(delivery_id, run_id) as opening:
            yield opening
            wait_at("kept", self.stop_at)


def host_on(path: Path, stop_at: str = "") -> PythonHost[sqlite3.Connection]:
    """A host whose state and ledger are in the file."""
    ledger = StoppingDeliveries(path)
    ledger.stop_at = stop_at
    return PythonHost({"count": StoppingAction(SqliteDocuments(), counted, stop_at=stop_at)}, ledger, FixedClock(NOW))


def effects(path: Path) -> list[str]:
    """The runs that had their effect, once for each time."""
    ledger = SqliteDeliveries(path)
    with ledger.preview() as connection:
        document: Document = SqliteDocuments().read(connection, ACME, Env.PRODUCTION, "counter/1") or {"runs": []}
    ledger.close()
    runs = document["runs"]
    assert isinstance(runs, list)
    return runs


def main(path: Path, stop_at: str) -> None:
    """Without a point deliveries are done for ever, each said once it was answered."""
    if stop_at:
        host_on(path, stop_at).apply(ACME, delivery(1))
        wait_at("answered", stop_at)
    host = host_on(path)
    for number in count(1):
        host.apply(ACME, delivery(number))
        say(str(number))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
