"""What goes over the wire to providers with formats of their own, through LiteLLM."""

import asyncio
import json
import os
import subprocess
import sys
from typing import Any

import anyio
import httpx
import pytest
import respx

from surefoot.adapters.litellm_model import LiteLlmModel
from surefoot.core.errors import ModelRejected, ModelUnavailable, OutboundRefused
from surefoot.domain.identity import TenantId
from surefoot.domain.models import FinishReason, Message, ModelCard, ModelRequest, Piece, Role, Usage
from surefoot.domain.policies import CatalogEntry, Endpoint

# litellm reads a deprecated attribute of its own pydantic models for every event of a stream.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")

TENANT = TenantId("acme")
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
MESSAGES = (Message(Role.SYSTEM, "Answer from the passages."), Message(Role.USER, "How long do refunds take?"))


def model(name: str, base_url: str = "", *, key: str = "sk-test", offline: bool = False, **card: Any) -> LiteLlmModel:
    entry = CatalogEntry(ModelCard("small", name, **card), Endpoint("litellm", base_url, "ACME_KEY" if key else ""))
    return LiteLlmModel(entry, offline=offline, environ={"ACME_KEY": key})


def reply(asked: LiteLlmModel, *, stream: bool = False, schema: dict[str, object] | None = None) -> list[Piece]:
    async def pieces() -> list[Piece]:
        request = ModelRequest(MESSAGES, 20.0, max_output_tokens=400, schema_name="draft", schema=schema, stream=stream)
        return [piece async for piece in asked.stream(TENANT, request)]

    return anyio.run(pieces)


def sent(route: respx.Route) -> httpx.Request:
    assert route.call_count == 1
    request = route.calls.last.request
    assert isinstance(request, httpx.Request)
    return request


ANTHROPIC_ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5",
    "content": [{"type": "text", "text": "5 days"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 20, "output_tokens": 3, "cache_read_input_tokens": 16, "cache_creation_input_tokens": 0},
}
ANTHROPIC_EVENTS = [
    {
        "type": "message_start",
        "message": {**ANTHROPIC_ANSWER, "content": [], "stop_reason": None, "usage": {"input_tokens": 20, "output_tokens": 1}},
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "5 "}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "days"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "max_tokens", "stop_sequence": None}, "usage": {"output_tokens": 3}},
    {"type": "message_stop"},
]
ANTHROPIC_STREAM = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in ANTHROPIC_EVENTS)


@respx.mock
def test_anthropic_gets_this_body_and_these_headers() -> None:
    route = respx.post("https://api.anthropic.com/v1/messages").respond(json=ANTHROPIC_ANSWER)
    pieces = reply(model("anthropic/claude-haiku-4-5"))
    request = sent(route)
    assert json.loads(request.content) == {
        "model": "claude-haiku-4-5",
        "system": [{"type": "text", "text": "Answer from the passages."}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "How long do refunds take?"}]}],
        "max_tokens": 400,
        "temperature": 0.0,
    }
    headers = dict(request.headers)
    assert headers["x-api-key"] == "sk-test"
    assert headers["anthropic-version"] == "2023-06-01"
    assert headers["accept-encoding"] == "identity"
    assert "authorization" not in headers
    [piece] = pieces
    assert (piece.text, piece.finish, piece.usage) == ("5 days", FinishReason.STOP, Usage(36, 3, cached_tokens=16))


@respx.mock
def test_anthropic_is_held_to_the_schema() -> None:
    route = respx.post("https://api.anthropic.com/v1/messages").respond(json=ANTHROPIC_ANSWER)
    reply(model("anthropic/claude-haiku-4-5"), schema=SCHEMA)
    assert json.loads(sent(route).content)["output_format"] == {"type": "json_schema", "schema": SCHEMA}


@respx.mock
def test_anthropic_streams() -> None:
    route = respx.post("https://api.anthropic.com/v1/messages").respond(
        text=ANTHROPIC_STREAM, headers={"content-type": "text/event-stream"}
    )
    pieces = reply(model("anthropic/claude-haiku-4-5"), stream=True)
    assert json.loads(sent(route).content)["stream"] is True
    assert "".join(piece.text for piece in pieces) == "5 days"
    assert (pieces[-1].finish, pieces[-1].usage) == (FinishReason.LENGTH, Usage(20, 3))


@respx.mock
def test_an_anthropic_stream_that_breaks_off_is_an_outage() -> None:
    cut = ANTHROPIC_STREAM.partition("event: message_delta")[0]
    respx.post("https://api.anthropic.com/v1/messages").respond(text=cut, headers={"content-type": "text/event-stream"})
    with pytest.raises(ModelUnavailable):
        reply(model("anthropic/claude-haiku-4-5"), stream=True)


@respx.mock
def test_an_overloaded_anthropic_is_an_outage_told_by_its_code() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "How long do refunds take?"}}
    respx.post("https://api.anthropic.com/v1/messages").respond(529, json=error, headers={"retry-after": "3"})
    with pytest.raises(ModelUnavailable, match="overloaded_error") as caught:
        reply(model("anthropic/claude-haiku-4-5"))
    assert caught.value.retry_after_seconds == 3
    assert "refunds" not in str(caught.value)


OLLAMA_ANSWER = {
    "model": "llama3.2",
    "created_at": "2026-03-01T12:00:00Z",
    "message": {"role": "assistant", "content": "5 days"},
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 20,
    "eval_count": 3,
}


@respx.mock
def test_ollama_gets_this_body_and_no_key() -> None:
    route = respx.post("http://localhost:11434/api/chat").respond(json=OLLAMA_ANSWER)
    pieces = reply(model("ollama_chat/llama3.2", "http://localhost:11434", key="", offline=True), schema=SCHEMA)
    request = sent(route)
    body = json.loads(request.content)
    assert body == {
        "model": "llama3.2",
        "messages": [
            {"role": "system", "content": "Answer from the passages.", "images": []},
            {"role": "user", "content": "How long do refunds take?", "images": []},
        ],
        "options": {"num_predict": 400, "temperature": 0.0},
        "stream": False,
        "format": SCHEMA,
    }
    assert [(piece.text, piece.usage) for piece in pieces] == [("5 days", Usage(20, 3))]


@respx.mock
def test_ollama_streams() -> None:
    lines = [
        {**OLLAMA_ANSWER, "message": {"role": "assistant", "content": "5 "}, "done": False},
        {**OLLAMA_ANSWER, "message": {"role": "assistant", "content": "days"}, "done": False},
        {**OLLAMA_ANSWER, "message": {"role": "assistant", "content": ""}},
    ]
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    respx.post("http://localhost:11434/api/chat").respond(text=text, headers={"content-type": "application/x-ndjson"})
    pieces = reply(model("ollama_chat/llama3.2", "http://localhost:11434", key="", offline=True), stream=True)
    assert "".join(piece.text for piece in pieces) == "5 days"
    assert (pieces[-1].finish, pieces[-1].usage) == (FinishReason.STOP, Usage(20, 3))


PROVIDERS = [
    "openai",
    "mistral",
    "groq",
    "deepseek",
    "xai",
    "together_ai",
    "fireworks_ai",
    "openrouter",
    "cerebras",
    "perplexity",
    "hosted_vllm",
    "lm_studio",
    "deepinfra",
    "gemini",
    "anthropic",
    "ollama_chat",
    "nvidia_nim",
    "sambanova",
    "huggingface",
    "litellm_proxy",
    "llamafile",
]


@respx.mock
@pytest.mark.parametrize("provider", PROVIDERS)
def test_these_providers_are_asked_once_and_through_our_door(provider: str) -> None:
    route = respx.route(host="127.0.0.1").respond(500, json={"error": {"message": "broken"}})
    # Nothing answers at this address: a client of litellm's own would get no answer, and so no status.
    with pytest.raises(ModelUnavailable, match="status 500"):
        reply(model(f"{provider}/some-model", "http://127.0.0.1:9/v1", offline=True))
    assert route.call_count == 1


@respx.mock
@pytest.mark.parametrize("provider", ["openai", "anthropic", "groq"])
def test_a_key_in_the_environment_that_was_not_named_is_not_sent(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{provider.upper()}_API_KEY", "sk-somebody-elses")
    route = respx.route(host="127.0.0.1").respond(500)
    with pytest.raises(ModelUnavailable):
        reply(model(f"{provider}/some-model", "http://127.0.0.1:9/v1", key="", offline=True))
    assert "sk-somebody-elses" not in str(sent(route).headers.raw)


def test_a_provider_that_litellm_does_not_know_is_rejected() -> None:
    with pytest.raises(ModelRejected, match="provider/name"):
        reply(model("no-such-model"))


def test_offline_a_provider_at_its_own_address_is_refused_before_litellm_is_even_imported() -> None:
    code = """
import sys, anyio
from surefoot.core.errors import OutboundRefused
sys.path.insert(0, ".")
from tests.unit.adapters.test_litellm_model import model, reply
try:
    reply(model("anthropic/claude-haiku-4-5", offline=True))
except OutboundRefused:
    print("refused", "litellm" in sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout == "refused False\n", result.stderr


def test_importing_litellm_connects_nowhere_starts_and_prints_nothing_and_keeps_the_environment() -> None:
    code = """
import dotenv, os, socket, sys, threading
def refuse(*_, **__): raise AssertionError("a connection, or an .env file")
socket.socket.connect = socket.getaddrinfo = dotenv.load_dotenv = refuse
before = dict(os.environ)
from surefoot.adapters.litellm_model import load_litellm
assert "litellm" not in sys.modules
load_litellm()
assert "litellm" in sys.modules
assert dict(os.environ) == before, set(os.environ.items()) ^ set(before.items())
assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
"""
    environment = {"PATH": os.environ.get("PATH", "")}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@respx.mock
def test_a_failed_call_prints_nothing_and_starts_no_logging_worker(capfd: pytest.CaptureFixture[str]) -> None:
    respx.route(host="127.0.0.1").respond(401, json={"error": {"message": "no"}})
    with pytest.raises(ModelRejected):
        reply(model("openai/some-model", "http://127.0.0.1:9/v1", offline=True), stream=True)
    assert capfd.readouterr() == ("", "")


@respx.mock
@pytest.mark.parametrize("stream", [False, True])
def test_a_call_leaves_no_task_behind(stream: bool) -> None:
    respx.post("https://api.anthropic.com/v1/messages").respond(
        text=ANTHROPIC_STREAM if stream else json.dumps(ANTHROPIC_ANSWER),
        headers={"content-type": "text/event-stream" if stream else "application/json"},
    )

    async def left() -> list[str]:
        asked = model("anthropic/claude-haiku-4-5")
        async for _ in asked.stream(TENANT, ModelRequest(MESSAGES, 20.0, stream=stream)):
            pass
        # Closing a generator that nobody reads any more takes a few turns of the loop, and waits for nothing.
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        here = asyncio.current_task()
        return [str(task.get_coro()) for task in asyncio.all_tasks() if task is not here]

    assert anyio.run(left) == []


@pytest.mark.parametrize("address", ["http://10.1.2.3:11434", "http://models.example/v1"])
def test_offline_another_machine_is_refused(address: str) -> None:
    with pytest.raises(OutboundRefused):
        reply(model("ollama_chat/llama3.2", address, key="", offline=True))
