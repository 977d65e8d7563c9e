"""A handler in this process may raise or answer anything; the caller is told no more than what is certain."""

import logging
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from surefoot.adapters.python_host import PythonHost
from surefoot.core.clock import FixedClock
from surefoot.domain.actions import Arguments, Env
from surefoot.domain.handling import HandlerContext, HandlerReply
from surefoot.domain.identity import TenantId
from surefoot.domain.runs import Change, HostCall, HostDone, HostNever, HostRejected, HostStale, HostUnknown, Precondition
from surefoot.receiver.deliveries import SqliteDeliveries

ACME = TenantId("acme")
CALL = HostCall(
    "dlv_1", "run_1", Env.PRODUCTION, "act", "1.0.0", "/assistant/actions/act", {}, (Precondition("note/1", "a"),), 5.0, "nora"
)


class Handler:
    """Writes a row, then answers or raises as it was told."""

    def __init__(self, end: HandlerReply | Exception) -> None:
        self.end = end

    def simulate(self, arguments: Arguments, context: HandlerContext[sqlite3.Connection]) -> HandlerReply:
        return self.apply(arguments, context)

    def apply(self, arguments: Arguments, context: HandlerContext[sqlite3.Connection]) -> HandlerReply:
        context.transaction.execute("CREATE TABLE IF NOT EXISTS written (n INTEGER)")
        context.transaction.execute("INSERT INTO written VALUES (1)")
        if isinstance(self.end, Exception):
            raise self.end
        return self.end

    def undo(self, changes: Sequence[Change], handle: str, context: HandlerContext[sqlite3.Connection]) -> HandlerReply:
        return self.apply({}, context)


def asked(folder: Path, end: HandlerReply | Exception) -> tuple[PythonHost[sqlite3.Connection], SqliteDeliveries]:
    ledger = SqliteDeliveries(folder / "host.db")
    return PythonHost({"act": Handler(end)}, ledger, FixedClock(datetime(2026, 6, 1, tzinfo=UTC))), ledger


def written(ledger: SqliteDeliveries) -> int:
    with ledger.preview() as connection:
        tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'written'").fetchone()[0]
        found = connection.execute("SELECT count(*) FROM written").fetchone()[0] if tables else 0
    ledger.close()
    return int(found)


def change(forward: tuple[dict[str, object], ...]) -> Change:
    return Change("note/1", forward, ({"op": "remove", "path": ""},))


ADDED = change(({"op": "add", "path": "", "value": {"n": 1}},))
BEFORE, AFTER = (Precondition("note/1", "a"),), (Precondition("note/1", "b"),)


def test_what_a_handler_did_and_answered_well_is_done(tmp_path: Path) -> None:
    host, ledger = asked(tmp_path, HostDone({}, (ADDED,), BEFORE, AFTER))
    assert isinstance(host.apply(ACME, CALL), HostDone)
    assert written(ledger) == 1


@pytest.mark.parametrize("end", [RuntimeError("whsec_secret"), KeyError("x"), sqlite3.OperationalError("disk full")])
def test_a_handler_that_raises_is_unknown_and_rolled_back(
    tmp_path: Path, end: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    host, ledger = asked(tmp_path, end)
    for reply in (host.simulate(ACME, CALL), host.apply(ACME, CALL), host.undo(ACME, CALL)):
        assert isinstance(reply, HostUnknown) and "whsec_secret" not in reply.reason
    assert host.status(ACME, CALL) == HostNever()
    assert written(ledger) == 0


@pytest.mark.parametrize("reply", [HostStale(), HostRejected("No.", 422)])
def test_a_handler_that_wrote_before_it_refused_has_written_nothing(tmp_path: Path, reply: HandlerReply) -> None:
    host, ledger = asked(tmp_path, reply)
    assert host.apply(ACME, CALL) == reply
    assert written(ledger) == 0


def test_a_simulation_of_a_handler_that_writes_leaves_nothing(tmp_path: Path) -> None:
    host, ledger = asked(tmp_path, HostDone({}, (ADDED,), BEFORE, AFTER))
    assert isinstance(host.simulate(ACME, CALL), HostDone)
    assert written(ledger) == 0


def test_a_handler_that_acted_on_another_version_than_the_plans_is_stale_and_rolled_back(tmp_path: Path) -> None:
    host, ledger = asked(tmp_path, HostDone({}, (ADDED,), (Precondition("note/1", "other"),), AFTER))
    assert host.apply(ACME, CALL) == HostStale((Precondition("note/1", "other"),))
    assert written(ledger) == 0


@pytest.mark.parametrize(
    "end",
    [
        HostDone({}, (ADDED,), BEFORE, ()),
        HostDone({}, (ADDED,), (), AFTER),
        HostDone({}, (change(({"op": "jump", "path": ""},)),), BEFORE, AFTER),
        HostDone({"n": float("nan")}, (ADDED,), BEFORE, AFTER),
    ],
    ids=["no etags after", "no etags before", "no such operation", "not a number"],
)
def test_a_handler_that_answers_with_something_malformed_has_no_effect(
    tmp_path: Path, end: HostDone, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    host, ledger = asked(tmp_path, end)
    assert isinstance(host.apply(ACME, CALL), HostUnknown)
    assert host.status(ACME, CALL) == HostNever()
    assert written(ledger) == 0


def test_an_action_without_a_handler_is_rejected(tmp_path: Path) -> None:
    ledger = SqliteDeliveries(tmp_path / "host.db")
    host = PythonHost({}, ledger, FixedClock(datetime(2026, 6, 1, tzinfo=UTC)))
    reply = host.simulate(ACME, CALL)
    assert isinstance(reply, HostRejected) and reply.status == 404
    ledger.close()
