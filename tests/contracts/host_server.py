"""Any ASGI app on a port of loopback."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from anyio.from_thread import start_blocking_portal


@contextmanager
def serve(app: Any) -> Iterator[str]:
    """The app's base URL while it serves; after the block the port is closed and the thread gone."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    with start_blocking_portal() as portal:
        serving = portal.start_task_soon(server.serve, [listener])
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            serving.result()
