"""A real server, a real connection: claims arrive while the model writes, and who hangs up is not written for any more."""

import http.client
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from fastapi import FastAPI

from surefoot.domain.budgets import NOTHING_SPENT
from tests.api.test_streaming import ALSO_SAID, BOTH, HARD, SAID, SSE, House, house, parsed
from tests.writers import Hangs

PATIENCE_SECONDS = 30


@contextmanager
def served(app: FastAPI) -> Iterator[int]:
    """The app on a free port of the loopback; its lifespan is its world's."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="critical", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(PATIENCE_SECONDS)
        listening.close()


def asked(port: int, made: House, *, streams: bool) -> http.client.HTTPConnection:
    """A connection on which the question has been sent."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    headers = made.world.viewer() | {"Content-Type": "application/json"} | (SSE if streams else {})
    connection.request("POST", "/v1/ask", json.dumps({"question": HARD}), headers)
    return connection


def test_claims_arrive_one_by_one_over_a_socket() -> None:
    with house(BOTH) as made, served(made.world.client.app) as port:
        connection = asked(port, made, streams=True)
        answered = connection.getresponse()
        events = parsed(answered.read())
        connection.close()
    assert answered.status == 200 and answered.getheader("Content-Type") == "text/event-stream; charset=utf-8"
    assert [name for name, _ in events] == ["claim", "claim", "reply"]
    assert [claim["text"] for claim in events[-1][1]["answer"]["claims"]] == [SAID, ALSO_SAID]


@pytest.mark.parametrize("is_reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("streams", [True, False], ids=["events", "json"])
def test_a_caller_whose_connection_ends_is_written_for_no_longer(streams: bool, is_reset: bool) -> None:
    with house(Hangs(BOTH), deadline_seconds=3600.0) as made:
        began, ended = threading.Event(), threading.Event()
        made.small.on_piece, made.small.on_close = began.set, ended.set
        with served(made.world.client.app) as port:
            connection = asked(port, made, streams=streams)
            if streams:
                first = connection.getresponse().readline()
                assert first == b"event: claim\n", "it is here while the model hangs"
            assert began.wait(PATIENCE_SECONDS)
            _end(connection, is_reset=is_reset)
            assert ended.wait(PATIENCE_SECONDS), "the provider's stream is closed long before the deadline"
        # The server has stopped, so the call is over: its bill is settled and its room is free.
        spent, reserved = made.metered()
        assert (made.small.calls, made.small.running, made.rooms_taken) == (1, 0, 0)
        assert spent.tokens > 0 and reserved == NOTHING_SPENT


def _end(connection: http.client.HTTPConnection, *, is_reset: bool) -> None:
    """The connection is closed, politely or not."""
    if is_reset:
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    else:
        connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()
