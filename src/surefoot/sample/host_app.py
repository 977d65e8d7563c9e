"""The sample product's own backend: real state in a SQLite file, the eight actions, and the receiver kit in front of them."""

import json
import socket
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from anyio.from_thread import start_blocking_portal
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from surefoot.core.clock import Clock, SystemClock
from surefoot.core.errors import InvalidInput
from surefoot.domain.actions import Env
from surefoot.domain.handling import ActionHandler
from surefoot.domain.identity import TenantId
from surefoot.domain.resource_actions import Document, ResourceAction
from surefoot.receiver.app import Receiver
from surefoot.receiver.deliveries import SqliteDeliveries, SqliteDocuments
from surefoot.sample.host_actions import FEATURES, compensations, decisions
from surefoot.sample.tenant import TENANT

_STATE = Path(__file__).parent / "host_state.json"


class SampleHostApp:
    """Pennyfern's backend. The file is filled with its people and accounts, in both environments, when it is new.

    `handlers` and `ledger` serve the Python connector as they serve HTTP.
    """

    def __init__(self, path: Path, clock: Clock | None = None, *, tenant: TenantId = TENANT) -> None:
        self._clock = clock or SystemClock()
        self._tenant = tenant
        self._documents = SqliteDocuments()
        self.ledger = SqliteDeliveries(path, self._clock)
        compensating = compensations()
        self.handlers: Mapping[str, ActionHandler[sqlite3.Connection]] = {
            name: ResourceAction(self._documents, decide, compensating.get(name))
            for name, decide in decisions(self._clock).items()
        }
        self._fill()

    def app(self, secrets: str | Callable[[], str]) -> Starlette:
        """The backend as an ASGI app: the assistant's paths under /assistant, and its state at `GET /state`."""
        receiver = Receiver(secrets, self.handlers, self.ledger, self._clock)
        return Starlette(routes=[Route("/state", self._state, methods=["GET"]), Mount("/", app=receiver)])

    def state(self, env: Env = Env.PRODUCTION) -> dict[str, Document]:
        """Every document by its resource."""
        with self.ledger.preview() as connection:
            return self._documents.all(connection, self._tenant, env)

    def state_hash(self, env: Env = Env.PRODUCTION) -> str:
        """A fingerprint of the whole state; equal states have equal ones."""
        with self.ledger.preview() as connection:
            return self._documents.state_hash(connection, self._tenant, env)

    def write_outside(self, resource: str, document: Document | None, env: Env = Env.PRODUCTION) -> None:
        """Somebody changes a document in the product itself, past every action."""
        with self.ledger.change() as connection:
            self._documents.write(connection, self._tenant, env, resource, document)

    def close(self) -> None:
        """The file is closed."""
        self.ledger.close()

    def _fill(self) -> None:
        documents: dict[str, Any] = json.loads(_STATE.read_text(encoding="utf-8"))
        accounts = [resource.partition("/")[2] for resource in documents if resource.startswith("account/")]
        features = {f"feature/{account}:{feature}": {"enabled": False} for account in accounts for feature in FEATURES}
        for env in Env:
            if not self.state(env):
                with self.ledger.change() as connection:
                    for resource, document in {**documents, **features}.items():
                        self._documents.write(connection, self._tenant, env, resource, document)

    def _state(self, request: Request) -> Response:
        text = request.query_params.get("env", Env.PRODUCTION.value)
        try:
            env = Env(text)
        except ValueError:
            return JSONResponse({"detail": f"{text[:40]!r} is no environment; take sandbox or production."}, 422)
        return JSONResponse({"env": env.value, "hash": self.state_hash(env), "documents": self.state(env)})


@contextmanager
def serve_host_app(host: SampleHostApp, secrets: str | Callable[[], str]) -> Iterator[str]:
    """The backend's base URL, such as http://127.0.0.1:43121, while it serves there in a thread of its own.

    After the block the port is closed and the thread is gone; the file stays open. Raises InvalidInput for secrets that could
    verify nothing.
    """
    if not (secrets if isinstance(secrets, str) else secrets()):
        raise InvalidInput("There is no signing secret for the sample's backend.")
    listener = socket.create_server(("127.0.0.1", 0))
    # Configured without logging: this server stands beside others whose log settings it must not touch.
    config = uvicorn.Config(host.app(secrets), log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    with start_blocking_portal() as portal:
        serving = portal.start_task_soon(server.serve, [listener])
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            serving.result()
