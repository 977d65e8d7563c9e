"""What a call to a model costs beside the model: both transports against a bare HTTP POST to one server, in one run.

    python -m benchmarks.model_overhead [--calls 300] [--json]

The server answers at once from a process of its own, so all that is measured is on the caller's side. `bare` is httpx.AsyncClient
posting the same body and reading the answer, streamed ones line by line, without looking into it. CPU is that of the calling
process with all its threads. The transports take turns in blocks, so that a busy moment hits them alike.
"""

import argparse
import asyncio
import gc
import json
import multiprocessing
from collections.abc import Awaitable, Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from time import perf_counter, process_time

import httpx
import numpy as np

from benchmarks.measuring import table
from surefoot.adapters.litellm_model import LiteLlmModel
from surefoot.adapters.openai_model import OpenAiModel
from surefoot.domain.identity import TenantId
from surefoot.domain.models import Message, ModelCard, ModelRequest, Role
from surefoot.domain.policies import CatalogEntry, Endpoint
from surefoot.ports import LanguageModel

TENANT = TenantId("bench")
PROMPT = "Refunds are paid to the card that was charged within five working days of the request being approved. " * 60
EVENTS = 60
BLOCK = 25


class Provider(BaseHTTPRequestHandler):
    """Answers every question with the same 60 words, streamed one by one when asked to."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    whole = json.dumps(
        {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "word " * EVENTS}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 900, "completion_tokens": EVENTS, "total_tokens": 900 + EVENTS},
        }
    ).encode()

    def do_POST(self) -> None:
        """The reply, at once."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body.get("stream"):
            self._answer("text/event-stream", self.streamed())
        else:
            self._answer("application/json", self.whole)

    @staticmethod
    def streamed() -> bytes:
        """All events of a stream."""

        def event(**fields: object) -> str:
            return f"data: {json.dumps({'id': '1', 'object': 'chat.completion.chunk', 'created': 1, 'model': 'm', **fields})}\n\n"

        words = [event(choices=[{"index": 0, "delta": {"content": "word "}, "finish_reason": None}]) for _ in range(EVENTS)]
        end = event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
        usage = event(choices=[], usage={"prompt_tokens": 900, "completion_tokens": EVENTS, "total_tokens": 900 + EVENTS})
        return ("".join(words) + end + usage + "data: [DONE]\n\n").encode()

    def _answer(self, media_type: str, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""


def serve(ready: Connection) -> None:
    """Serves until the process is ended; its port is sent once it listens."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    ready.send(server.server_address[1])
    server.serve_forever()


def request(*, stream: bool) -> ModelRequest:
    """A question with about a thousand tokens of passages."""
    return ModelRequest((Message(Role.SYSTEM, "Answer from the passages."), Message(Role.USER, PROMPT)), 60.0, stream=stream)


def bare(client: httpx.AsyncClient, url: str, *, stream: bool) -> Callable[[], Awaitable[None]]:
    """One POST of the same body."""
    messages = [{"role": message.role.value, "content": message.content} for message in request(stream=stream).messages]
    body = {"model": "m", "messages": messages, "max_tokens": 1_000, "temperature": 0.0}
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}

    async def call() -> None:
        async with client.stream("POST", f"{url}/chat/completions", json=body, headers={"Authorization": "Bearer k"}) as answer:
            if stream:
                async for _ in answer.aiter_lines():
                    pass
            else:
                await answer.aread()

    return call


def through(model: LanguageModel, *, stream: bool) -> Callable[[], Awaitable[None]]:
    """One call of a transport."""
    asked = request(stream=stream)

    async def call() -> None:
        async for _ in model.stream(TENANT, asked):
            pass

    return call


async def measure(url: str, calls: int, *, stream: bool) -> list[dict[str, float | str]]:
    """Milliseconds per call of each way, and the ratios to the bare one."""
    entry = CatalogEntry(ModelCard("m", "openai/m"), Endpoint("any", url, "KEY"))
    models = [made(entry, offline=True, environ={"KEY": "k"}) for made in (OpenAiModel, LiteLlmModel)]
    async with httpx.AsyncClient(trust_env=False) as client:
        ways = {"bare httpx": bare(client, url, stream=stream)}
        ways |= {type(model).__name__: through(model, stream=stream) for model in models}
        cpu: dict[str, list[float]] = {name: [] for name in ways}
        wall: dict[str, list[float]] = {name: [] for name in ways}
        for call in ways.values():
            for _ in range(10):
                await call()
        gc.collect()
        for _ in range(max(1, calls // BLOCK)):
            for name, call in ways.items():
                cpu_begin = process_time()
                for _ in range(BLOCK):
                    begin = perf_counter()
                    await call()
                    wall[name].append((perf_counter() - begin) * 1000)
                cpu[name].append((process_time() - cpu_begin) * 1000 / BLOCK)
    for model in models:
        await model.aclose()
    floor_cpu, floor_wall = (float(np.median(times["bare httpx"])) for times in (cpu, wall))
    return [
        {
            "reply": "streamed" if stream else "whole",
            "way": name,
            "cpu_ms": round(float(np.median(cpu[name])), 3),
            "cpu_ratio": round(float(np.median(cpu[name])) / floor_cpu, 2),
            "wall_ms_p50": round(float(np.median(wall[name])), 3),
            "wall_ms_p95": round(float(np.percentile(wall[name], 95)), 3),
            "wall_ratio": round(float(np.median(wall[name])) / floor_wall, 2),
        }
        for name in ways
    ]


def main() -> None:
    """Prints a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    ready, told = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(told,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ready.recv()}/v1"
    try:
        rows = [row for stream in (False, True) for row in asyncio.run(measure(url, options.calls, stream=stream))]
    finally:
        server.terminate()
        server.join()
    if options.json:
        print(json.dumps(rows))
        return
    print(table(list(rows[0]), [[str(value) for value in row.values()] for row in rows]))


if __name__ == "__main__":
    main()
