"""What goes over the wire to OpenAI and to servers that speak like it."""

import json
from collections.abc import AsyncIterator

import anyio
import httpx
import pytest
import respx

from surefoot.adapters.openai_model import OpenAiModel
from surefoot.core.errors import InvalidSettings, ModelUnavailable, SurefootError
from surefoot.domain.identity import TenantId
from surefoot.domain.models import FinishReason, Message, ModelCard, ModelRequest, Piece, Role, Usage
from surefoot.domain.policies import CatalogEntry, Endpoint

TENANT = TenantId("acme")
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
MESSAGES = (Message(Role.SYSTEM, "Answer from the passages."), Message(Role.USER, "How long do refunds take?"))
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4.1-mini-2025-04-14",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "5 days"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 20, "completion_tokens": 3, "total_tokens": 23, "prompt_tokens_details": {"cached_tokens": 16}},
}


def model(name: str = "openai/gpt-4.1-mini", base_url: str = "", *, key_env: str = "OPENAI_API_KEY") -> OpenAiModel:
    entry = CatalogEntry(ModelCard("small", name, max_output_tokens=400), Endpoint("openai", base_url, key_env))
    return OpenAiModel(entry, offline=False, environ={"OPENAI_API_KEY": "sk-test"})


def reply(asked: OpenAiModel, *, stream: bool = False) -> list[Piece]:
    async def pieces() -> list[Piece]:
        request = ModelRequest(MESSAGES, 5.0, max_output_tokens=500, schema_name="draft", schema=SCHEMA, stream=stream)
        return [piece async for piece in asked.stream(TENANT, request)]

    return anyio.run(pieces)


def sent(route: respx.Route) -> httpx.Request:
    assert route.call_count == 1
    request = route.calls.last.request
    assert isinstance(request, httpx.Request)
    return request


@respx.mock
def test_openai_gets_this_body_and_these_headers() -> None:
    route = respx.post("https://api.openai.com/v1/chat/completions").respond(json=ANSWER)
    pieces = reply(model())
    request = sent(route)
    assert json.loads(request.content) == {
        "model": "gpt-4.1-mini",
        "messages": [
            {"role": "system", "content": "Answer from the passages."},
            {"role": "user", "content": "How long do refunds take?"},
        ],
        "max_completion_tokens": 400,
        "temperature": 0.0,
        "response_format": {"type": "json_schema", "json_schema": {"name": "draft", "schema": SCHEMA, "strict": True}},
    }
    assert dict(request.headers) == {
        "host": "api.openai.com",
        "content-type": "application/json",
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": "surefoot",
        "authorization": "Bearer sk-test",
        "content-length": str(len(request.content)),
    }
    assert pieces == [Piece("5 days", FinishReason.STOP, Usage(20, 3, cached_tokens=16), {"model": "gpt-4.1-mini-2025-04-14"})]


@respx.mock
def test_a_compatible_server_gets_the_older_limit_and_no_key_when_it_asks_for_none() -> None:
    route = respx.post("http://localhost:11434/v1/chat/completions").respond(json=ANSWER)
    reply(model("ollama/llama3.2", "http://localhost:11434/v1/", key_env=""))
    request = sent(route)
    body = json.loads(request.content)
    assert (body["model"], body["max_tokens"], "max_completion_tokens" in body) == ("llama3.2", 400, False)
    assert "authorization" not in request.headers


@respx.mock
def test_a_name_with_slashes_loses_its_first_part_alone() -> None:
    route = respx.post("http://localhost:8000/v1/chat/completions").respond(json=ANSWER)
    reply(model("vllm/Qwen/Qwen3-8B", "http://localhost:8000/v1", key_env=""))
    assert json.loads(sent(route).content)["model"] == "Qwen/Qwen3-8B"


@respx.mock
@pytest.mark.parametrize("name", ["openai/gpt-5-mini", "openai/o4-mini"])
def test_a_reasoning_model_gets_no_temperature(name: str) -> None:
    route = respx.post("https://api.openai.com/v1/chat/completions").respond(json=ANSWER)
    reply(model(name))
    assert "temperature" not in json.loads(sent(route).content)


@respx.mock
def test_a_stream_is_asked_for_with_its_usage() -> None:
    events = [
        {"choices": [{"delta": {"role": "assistant", "content": "5 "}}]},
        {"choices": [{"delta": {"content": "days"}, "finish_reason": "length"}]},
        {"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 3}},
    ]
    text = ": hello\n\n" + "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    route = respx.post("https://api.openai.com/v1/chat/completions").respond(text=text)
    pieces = reply(model(), stream=True)
    body = json.loads(sent(route).content)
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})
    assert sent(route).headers["accept"] == "text/event-stream"
    assert "".join(piece.text for piece in pieces) == "5 days"
    assert (pieces[-1].finish, pieces[-1].usage) == (FinishReason.LENGTH, Usage(20, 3))


@respx.mock
def test_a_refusal_in_its_own_field_counts_as_filtered_and_is_not_shown() -> None:
    refused = {"choices": [{"message": {"content": None, "refusal": "I cannot."}, "finish_reason": "stop"}]}
    respx.post("https://api.openai.com/v1/chat/completions").respond(json=refused)
    assert [(piece.text, piece.finish) for piece in reply(model())] == [("", FinishReason.FILTERED)]


@respx.mock
@pytest.mark.parametrize(
    "answer",
    [{}, {"choices": []}, {"choices": [{}]}, {"choices": [{"message": "text"}]}, {"choices": {"message": {}}}, [], "x", None],
)
def test_json_that_is_no_answer_is_an_outage(answer: object) -> None:
    respx.post("https://api.openai.com/v1/chat/completions").respond(json=answer)
    with pytest.raises(ModelUnavailable):
        reply(model())


@respx.mock
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_inside_an_answer_is_an_outage_told_by_its_code(stream: bool) -> None:
    error = {"error": {"message": "How long do refunds take?", "code": "rate_limit_exceeded"}}
    respx.post("https://api.openai.com/v1/chat/completions").respond(
        text=f"data: {json.dumps(error)}\n\n" if stream else json.dumps(error)
    )
    with pytest.raises(ModelUnavailable, match="rate_limit_exceeded") as caught:
        reply(model(), stream=stream)
    assert "refunds" not in str(caught.value)
    assert caught.value.may_have_charged, "a model that had begun to answer has worked"


@respx.mock
def test_an_answer_that_comes_compressed_is_not_unpacked() -> None:
    respx.post("https://api.openai.com/v1/chat/completions").respond(headers={"content-encoding": "gzip"}, content=b"\x1f\x8b")
    with pytest.raises(ModelUnavailable, match="compressed"):
        reply(model())


@respx.mock
@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError, httpx.LocalProtocolError])
def test_what_the_client_says_about_a_failure_is_not_repeated(error: type[httpx.TransportError]) -> None:
    respx.post("https://api.openai.com/v1/chat/completions").mock(side_effect=error("Bearer sk-test"))
    with pytest.raises(ModelUnavailable) as caught:
        reply(model())
    assert "sk-test" not in str(caught.value)


class _Breaking(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b'data: {"choices": [{"delta": {"content": "5 "}}]}\n\n'
        raise httpx.ReadError("reset")


@respx.mock
def test_what_came_before_a_stream_broke_is_handed_out_and_the_break_told() -> None:
    respx.post("https://api.openai.com/v1/chat/completions").mock(return_value=httpx.Response(200, stream=_Breaking()))
    texts: list[str] = []

    async def take() -> None:
        stream = model().stream(TENANT, ModelRequest(MESSAGES, 5.0, stream=True))
        texts.append((await anext(stream)).text)
        await anext(stream)

    with pytest.raises(SurefootError) as caught:
        anyio.run(take)
    assert (type(caught.value), texts) == (ModelUnavailable, ["5 "])


def test_a_server_that_is_not_openai_needs_an_address() -> None:
    with pytest.raises(InvalidSettings, match="'small' needs a base_url"):
        model("ollama/llama3.2")
