"""A provider on loopback that speaks the OpenAI wire format; the model's name says how it behaves."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TEXT = "Refunds take 5 days. Größe: ∞."
USAGE = {"prompt_tokens": 120, "completion_tokens": 9, "total_tokens": 129, "prompt_tokens_details": {"cached_tokens": 64}}


class ModelServer(ThreadingHTTPServer):
    """Remembers what it was asked, and whether a caller went away."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Provider)
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.connections: set[tuple[str, int]] = set()
        self.caller_left = threading.Event()
        self.is_over = threading.Event()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that went away is no error."""


@contextmanager
def model_server() -> Iterator[ModelServer]:
    server = ModelServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.is_over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def chunk(delta: dict[str, object], finish: str | None = None) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "served-1", "choices": [choice]}


def answer(text: str | None, finish: str = "stop", usage: dict[str, Any] | None = USAGE) -> dict[str, object]:
    message = {"role": "assistant", "content": text}
    whole: dict[str, object] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "served-1",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
    }
    return {**whole, "usage": usage} if usage is not None else whole


class _Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ModelServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        self.server.connections.add(self.client_address)
        behaviour: Callable[[dict[str, Any]], None] = getattr(self, f"_do_{body['model'].replace('-', '_')}")
        behaviour(body)

    def _json(self, status: int, value: object, **headers: str) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"content-type": "application/json", "content-length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(data)

    def _begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _send(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _event(self, value: object) -> None:
        self._send(f"data: {json.dumps(value)}\n\n".encode())

    def _end_stream(self) -> None:
        self._send(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _text_events(self) -> None:
        self._event(chunk({"role": "assistant", "content": ""}))
        for word in TEXT.split(" "):
            self._event(chunk({"content": word if word == "Refunds" else f" {word}"}))

    def _do_good(self, body: dict[str, Any]) -> None:
        if not body.get("stream"):
            return self._json(200, answer(TEXT))
        self._begin_stream()
        self._text_events()
        self._event(chunk({}, "stop"))
        self._event({**chunk({}), "choices": [], "usage": USAGE})
        return self._end_stream()

    def _do_uncounted(self, body: dict[str, Any]) -> None:
        if not body.get("stream"):
            return self._json(200, answer(TEXT, usage=None))
        self._begin_stream()
        self._text_events()
        self._event(chunk({}, "stop"))
        return self._end_stream()

    def _do_long(self, body: dict[str, Any]) -> None:
        self._json(200, answer(TEXT, "length"))

    def _do_filtered(self, body: dict[str, Any]) -> None:
        self._json(200, answer("", "content_filter"))

    def _do_busy_seconds(self, body: dict[str, Any]) -> None:
        self._json(429, {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, retry_after="7")

    def _do_busy_date(self, body: dict[str, Any]) -> None:
        self._json(429, {"error": {"message": "slow down"}}, retry_after="Fri, 31 Dec 2999 23:59:59 GMT")

    def _status(self, status: int, body: dict[str, Any]) -> None:
        # A rude provider: it quotes key and prompt, also where a code belongs.
        quoted = f"{self.headers.get('authorization', '')} {body['messages']}"
        self._json(status, {"error": {"message": quoted, "type": quoted, "code": quoted}})

    def _do_status_400(self, body: dict[str, Any]) -> None:
        self._status(400, body)

    def _do_status_401(self, body: dict[str, Any]) -> None:
        self._status(401, body)

    def _do_status_403(self, body: dict[str, Any]) -> None:
        self._status(403, body)

    def _do_status_404(self, body: dict[str, Any]) -> None:
        self._status(404, body)

    def _do_status_500(self, body: dict[str, Any]) -> None:
        self._status(500, body)

    def _do_status_503(self, body: dict[str, Any]) -> None:
        self._status(503, body)

    def _do_moved(self, body: dict[str, Any]) -> None:
        self._json(307, {}, location=f"{self.server.base_url}/elsewhere")

    def _do_garbage(self, body: dict[str, Any]) -> None:
        if not body.get("stream"):
            return self._json(200, b"<html>secret-prompt-word</html>")
        self._begin_stream()
        self._send(b'data: {"choices": [oops secret-prompt-word\n\n')
        return self._end_stream()

    def _do_cut(self, body: dict[str, Any]) -> None:
        """The connection breaks in the middle."""
        self.close_connection = True
        if not body.get("stream"):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b'{"choices": [')
            return
        self._begin_stream()
        self._text_events()

    def _do_unfinished(self, body: dict[str, Any]) -> None:
        """The body ends as it should, the reply does not."""
        if not body.get("stream"):
            return self._json(200, b"")
        self._begin_stream()
        self._text_events()
        self.wfile.write(b"0\r\n\r\n")
        return None

    def _do_hung(self, body: dict[str, Any]) -> None:
        self.close_connection = True
        self.server.is_over.wait()

    def _do_trickle(self, body: dict[str, Any]) -> None:
        """Never silent for long, and never done."""
        self.close_connection = True
        if body.get("stream"):
            self._begin_stream()
            self._drip(lambda: self._event(chunk({"content": "x"})))
        else:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self._drip(lambda: self._send(b" "))

    def _drip(self, write: Callable[[], None]) -> None:
        while not self.server.is_over.wait(0.01):
            try:
                write()
            except OSError:
                self.server.caller_left.set()
                return

    def _do_flood(self, body: dict[str, Any]) -> None:
        self.close_connection = True
        self._begin_stream()
        try:
            while not self.server.is_over.is_set():
                self._event(chunk({"content": "x" * 100_000}))
        except OSError:
            self.server.caller_left.set()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""
