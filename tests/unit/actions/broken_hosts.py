"""Hosts that do one thing wrong each, made from the receiver kit and what stands before it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from surefoot.core.clock import Clock
from surefoot.core.errors import Unauthenticated
from surefoot.core.ids import new_id
from surefoot.domain.actions import Env
from surefoot.domain.host_wire import problem_body
from surefoot.domain.signatures import ID_HEADER, signature_headers, verify
from surefoot.receiver.app import Receiver, Response
from surefoot.sample.host_app import SampleHostApp

Headers = Mapping[str, str]
Serve = Callable[[str, str, Headers, bytes], Response]


@dataclass
class Client:
    """Calls a host in this process, as the probes call one over HTTP."""

    serve: Serve

    def send(self, method: str, path: str, headers: Headers, body: bytes) -> Response:
        return self.serve(method, path, headers, body)


@dataclass
class Wrong:
    """The kit behind a front that signs anew whatever it changed, so that only the fault itself shows."""

    sample: SampleHostApp
    secret: str
    clock: Clock

    def __post_init__(self) -> None:
        self.receiver = Receiver(self.secret, self.sample.handlers, self.sample.ledger, self.clock)
        self.seen: dict[str, Response] = {}

    def right(self, method: str, path: str, headers: Headers, body: bytes) -> Response:
        """The kit as it is."""
        return self.receiver.answer(method, path, headers.items(), body)

    def resigned(self, path: str, message_id: str, body: bytes) -> Response:
        signed = signature_headers(self.secret, message_id, self.clock.now(), body)
        return self.right("POST", path, signed, body)

    def forgets_deliveries(self, method: str, path: str, headers: Headers, body: bytes) -> Response:
        if not path.endswith(":apply") or not self._is_signed(headers, body):
            return self.right(method, path, headers, body)
        asked = json.loads(body)
        answer = self.resigned(path, headers[ID_HEADER], body)
        if headers[ID_HEADER] not in self.seen or answer.status != 200:
            self.seen[headers[ID_HEADER]] = answer
            return answer
        # It does not know the delivery, so it tries again, and finds the state that it made itself.
        asked["run_id"] = new_id("run", self.clock.now())
        return self.resigned(path, f"again-{asked['run_id']}", json.dumps(asked).encode())

    def hides_replays(self, method: str, path: str, headers: Headers, body: bytes) -> Response:
        answer = self.right(method, path, headers, body)
        return Response(answer.status, answer.body)

    def ignores_the_body(self, method: str, path: str, headers: Headers, body: bytes) -> Response:
        known = self.seen.get(headers[ID_HEADER]) if path.endswith(":apply") else None
        answer = known or self.right(method, path, headers, body)
        if known is not None:
            return Response(answer.status, answer.body, {"idempotent-replayed": "true"})
        if path.endswith(":apply") and answer.status == 200:
            self.seen[headers[ID_HEADER]] = answer
        return answer

    def takes_any_signature(self, method: str, path: str, headers: Headers, body: bytes) -> Response:
        # Its clock check works: only what was signed just now is taken.
        age = abs(self.clock.now().timestamp() - int(headers["webhook-timestamp"]))
        if method == "GET" or age > 300:
            return self.right(method, path, headers, body)
        return self.resigned(path, headers[ID_HEADER], body)

    def takes_any_age(self, method: str, path: str, headers: Headers, body: bytes) -> Response:
        if method == "GET" or not self._is_signed(headers, body, within_seconds=10**9):
            return self.right(method, path, headers, body)
        return self.resigned(path, headers[ID_HEADER], body)

    def ignores_etags(self, method: str, path: str, headers: Headers, body: bytes) -> Response:
        if not path.endswith(":apply") or not self._is_signed(headers, body):
            return self.right(method, path, headers, body)
        return self.resigned(path, headers[ID_HEADER], json.dumps({**json.loads(body), "preconditions": []}).encode())

    def stores_simulations(self, method: str, path: str, headers: Headers, body: bytes) -> Response:
        answer = self.right(method, path, headers, body)
        if path.endswith(":simulate") and answer.status == 200:
            told = json.loads(answer.body)
            for change in told["changes"]:
                self.sample.write_outside(change["resource"], change["forward"][0].get("value"), Env(json.loads(body)["env"]))
        return answer

    def forgets_to_undo(self, method: str, path: str, headers: Headers, body: bytes) -> Response:
        if not path.endswith(":undo"):
            return self.right(method, path, headers, body)
        preview = {**json.loads(body), "operation": "simulate"}
        return self.resigned(path.replace(":undo", ":simulate"), headers[ID_HEADER], json.dumps(preview).encode())

    def knows_no_runs(self, method: str, path: str, headers: Headers, body: bytes) -> Response:
        if method == "GET":
            return Response(404, b"<html>Not Found</html>")
        return self.right(method, path, headers, body)

    def calls_every_run_unknown(self, method: str, path: str, headers: Headers, body: bytes) -> Response:
        if method == "GET":
            return Response(404, problem_body(404, "unknown_run", "Never seen.", {"run_id": path.rpartition("/")[2]}))
        return self.right(method, path, headers, body)

    def is_down(self, method: str, path: str, headers: Headers, body: bytes) -> Response:
        return Response(0, b"connection refused")

    def _is_signed(self, headers: Headers, body: bytes, within_seconds: int = 300) -> bool:
        try:
            verify(self.secret, headers, body, self.clock.now(), tolerance_seconds=within_seconds)
        except Unauthenticated:
            return False
        return True
