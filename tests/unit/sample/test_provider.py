"""The loopback provider, as its clients see it: by httpx for the letters of the wire, by OpenAI's own client for the whole."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from surefoot.assistant.draft import DRAFT_SCHEMA
from surefoot.core.errors import InvalidInput
from surefoot.sample.provider import Provider, create_provider, serve_provider
from surefoot.sample.provider_faults import NO_FAULTS, Faults, named_faults

SYSTEM = "You answer from passages. " * 80
PASSAGE = '<passage-0a1b2c3d4e5f id="chk_1" title="Refunds" heading="" dated="">\nRefunds take 5 days.\n</passage-0a1b2c3d4e5f>'
QUESTION = "<question-0a1b2c3d4e5f>\nHow many days do refunds take?\n</question-0a1b2c3d4e5f>"
MESSAGES: list[Any] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": f"{PASSAGE}\n\n{QUESTION}"}]
FORMAT: Any = {"type": "json_schema", "json_schema": {"name": "draft", "schema": DRAFT_SCHEMA, "strict": True}}
PATIENCE_SECONDS = 20.0


@pytest.fixture(scope="module")
def shared() -> Iterator[str]:
    """The base URL of a provider for tests that count nothing."""
    with serve_provider(create_provider()) as base_url:
        yield base_url


@pytest.fixture
def provider() -> Provider:
    return create_provider()


@pytest.fixture
def url(provider: Provider) -> Iterator[str]:
    """The base URL of the test's own provider."""
    with serve_provider(provider) as base_url:
        yield base_url


def body(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": MESSAGES, "response_format": FORMAT} | more


def post(url: str, model: str, **more: Any) -> httpx.Response:
    return httpx.post(f"{url}/chat/completions", json=body(model, **more), timeout=PATIENCE_SECONDS)


def events(response: httpx.Response) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_a_completion_is_one_object_with_choice_finish_and_usage(shared: str) -> None:
    whole = post(shared, "honest").json()
    choice = whole["choices"][0]
    assert (whole["object"], whole["model"]) == ("chat.completion", "honest")
    assert (choice["index"], choice["finish_reason"], choice["message"]["role"]) == (0, "stop", "assistant")
    assert json.loads(choice["message"]["content"])["claims"][0]["text"] == "Refunds take 5 days."
    assert whole["usage"]["total_tokens"] == whole["usage"]["prompt_tokens"] + whole["usage"]["completion_tokens"]
    assert whole["usage"]["prompt_tokens"] == -(-sum(len(message["content"]) for message in MESSAGES) // 4)


def test_a_stream_is_the_same_text_in_chunks_its_finish_its_usage_and_done(shared: str) -> None:
    streamed = post(shared, "honest", stream=True, stream_options={"include_usage": True})
    assert streamed.headers["content-type"] == "text/event-stream"
    first, *middle, finish, usage = events(streamed)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert len(middle) > 3
    assert (finish["choices"][0]["delta"], finish["choices"][0]["finish_reason"]) == ({}, "stop")
    assert (usage["choices"], first["usage"]) == ([], None)
    whole = post(shared, "honest").json()
    assert "".join(chunk["choices"][0]["delta"]["content"] for chunk in middle) == whole["choices"][0]["message"]["content"]
    assert usage["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]


def test_usage_comes_only_to_those_who_ask_for_it(shared: str) -> None:
    assert all("usage" not in chunk for chunk in events(post(shared, "honest", stream=True)))
    asked = {"include_usage": True}
    assert all("usage" not in chunk for chunk in events(post(shared, "honest+nousage", stream=True, stream_options=asked)))
    assert "usage" not in post(shared, "honest+nousage").json()


def test_openai_s_own_client_understands_both_forms(shared: str) -> None:
    with openai.OpenAI(base_url=shared, api_key="any", max_retries=0, timeout=PATIENCE_SECONDS) as client:
        whole = client.chat.completions.create(model="honest", messages=MESSAGES, response_format=FORMAT)
        text = ""
        usage = None
        with client.chat.completions.create(
            model="honest", messages=MESSAGES, response_format=FORMAT, stream=True, stream_options={"include_usage": True}
        ) as stream:
            for chunk in stream:
                text += "".join(choice.delta.content or "" for choice in chunk.choices)
                usage = chunk.usage or usage
        assert text == whole.choices[0].message.content
        assert usage is not None and whole.usage is not None
        assert usage.completion_tokens == whole.usage.completion_tokens
        assert "honest" in [model.id for model in client.models.list().data]
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="hones", messages=MESSAGES)
        with pytest.raises(openai.RateLimitError) as limited:
            client.chat.completions.create(model="honest+429=2", messages=MESSAGES)
        assert limited.value.response.headers["retry-after"] == "2"


def test_the_prefix_of_a_prompt_seen_before_is_cached(url: str) -> None:
    first = post(url, "honest").json()["usage"]["prompt_tokens_details"]["cached_tokens"]
    other = [MESSAGES[0], {"role": "user", "content": "Another question?"}]
    again = post(url, "honest", messages=other).json()["usage"]["prompt_tokens_details"]["cached_tokens"]
    assert first == 0
    assert again == len(SYSTEM) // 4 // 128 * 128 > 0


@pytest.mark.parametrize(("status", "header"), [(429, "2"), (503, "7"), (500, None), (401, None), (400, None)])
@pytest.mark.parametrize("stream", [True, False])
def test_a_status_is_answered_as_the_wire_format_has_errors(shared: str, status: int, header: str | None, stream: bool) -> None:
    refused = post(shared, f"honest+{status}" + (f"={header}" if header else ""), stream=stream)
    assert refused.status_code == status
    assert refused.headers.get("retry-after") == header
    assert set(refused.json()["error"]) == {"message", "type", "param", "code"}


def test_calls_are_counted_by_what_became_of_them(url: str, provider: Provider) -> None:
    for model in ("honest", "honest+503", "honest+garbage", "hones"):
        post(url, model)
    counts = provider.counts
    assert (counts.requests, counts.completed, counts.failed, counts.disconnected) == (4, 1, 3, 0)


def test_a_flaky_model_fails_its_first_calls_and_then_answers(shared: str) -> None:
    assert [post(shared, "honest+flaky=2").status_code for _ in range(4)] == [503, 503, 200, 200]
    limited = [post(shared, "honest+429=1+flaky=1") for _ in range(2)]
    assert [(one.status_code, one.headers.get("retry-after")) for one in limited] == [(429, "1"), (200, None)]


def test_a_truncated_stream_ends_without_finish_and_done(shared: str) -> None:
    text = post(shared, "honest+truncated", stream=True).text
    assert '"delta": {"content"' in text
    assert "[DONE]" not in text
    assert '"finish_reason": "stop"' not in text
    with pytest.raises(json.JSONDecodeError):
        post(shared, "honest+truncated").json()


@pytest.mark.parametrize("stream", [True, False])
def test_a_cut_connection_is_an_error_of_the_transport(shared: str, stream: bool) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        post(shared, "honest+cut", stream=stream)


@pytest.mark.parametrize("stream", [True, False])
def test_garbage_is_a_success_that_nobody_can_read(shared: str, stream: bool) -> None:
    garbage = post(shared, "honest+garbage", stream=stream)
    assert garbage.status_code == 200
    with pytest.raises(ValueError):
        json.loads(garbage.text.split("data: ")[1]) if stream else garbage.json()


def test_a_filtered_reply_says_so(shared: str) -> None:
    assert post(shared, "honest+filtered").json()["choices"][0]["finish_reason"] == "content_filter"


def test_a_reply_longer_than_its_limit_ends_with_length(shared: str) -> None:
    whole = post(shared, "chaos:endless", max_tokens=30).json()
    assert whole["choices"][0]["finish_reason"] == "length"
    assert whole["usage"]["completion_tokens"] == 30


@pytest.mark.parametrize("model", ["honest+hung", "honest+slow=3600", "chaos:hung"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_caller_who_gives_up_is_seen_to_leave(url: str, provider: Provider, model: str, stream: bool) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{url}/chat/completions", json=body(model, stream=stream), timeout=httpx.Timeout(PATIENCE_SECONDS, read=0.05)
        ).read()
    assert provider.wait_for(timeout_seconds=PATIENCE_SECONDS, disconnected=1)
    assert provider.counts.completed == 0


def test_a_stream_that_is_left_is_not_written_on(url: str, provider: Provider) -> None:
    with httpx.stream(
        "POST", f"{url}/chat/completions", json=body("honest+stall=2", stream=True), timeout=PATIENCE_SECONDS
    ) as response:
        text = response.iter_text()
        assert '"role"' in next(text)
        assert provider.wait_for(timeout_seconds=PATIENCE_SECONDS, pieces=2)
    assert provider.wait_for(timeout_seconds=PATIENCE_SECONDS, disconnected=1)
    assert (provider.counts.pieces, provider.counts.completed) == (2, 0)


def test_an_endless_stream_stops_when_it_is_left(url: str, provider: Provider) -> None:
    asked = body("chaos:endless+drip=0.001", stream=True, max_tokens=1_000_000)
    with httpx.stream("POST", f"{url}/chat/completions", json=asked, timeout=PATIENCE_SECONDS):
        assert provider.wait_for(timeout_seconds=PATIENCE_SECONDS, pieces=5)
    assert provider.wait_for(timeout_seconds=PATIENCE_SECONDS, disconnected=1)
    assert provider.counts.completed == 0


def test_the_server_stops_while_calls_hang(provider: Provider) -> None:
    with serve_provider(provider) as url, httpx.Client(timeout=PATIENCE_SECONDS) as client:
        request = client.build_request("POST", f"{url}/chat/completions", json=body("honest+stall=1", stream=True))
        response = client.send(request, stream=True)
        assert response.status_code == 200
    with pytest.raises(httpx.ConnectError):
        post(url, "honest")
    assert provider.counts.completed == 0


def test_with_a_key_only_its_bearer_is_answered() -> None:
    with serve_provider(create_provider(api_key="sesame")) as url:
        assert post(url, "honest").status_code == 401
        allowed = httpx.post(f"{url}/chat/completions", json=body("honest"), headers={"Authorization": "Bearer sesame"})
        assert allowed.status_code == 200


def test_faults_may_hold_for_every_call() -> None:
    with serve_provider(create_provider(faults=Faults(status=503))) as url:
        assert post(url, "honest").status_code == 503


@pytest.mark.parametrize(
    "change",
    [
        {"messages": []},
        {"messages": [{"role": "wizard", "content": "x"}]},
        {"messages": [{"role": "user", "content": 7}]},
        {"model": 3},
        {"max_tokens": -1},
        {"max_tokens": "many"},
        {"response_format": {"type": "yaml"}},
        {"response_format": {"type": "json_schema"}},
    ],
)
def test_a_body_that_is_no_request_is_a_client_error(shared: str, change: dict[str, Any]) -> None:
    refused = httpx.post(f"{shared}/chat/completions", json=body("honest") | change)
    assert refused.status_code == 400
    assert refused.json()["error"]["type"] == "invalid_request_error"


def test_content_may_come_in_parts_and_bodies_are_kept_for_a_look(url: str, provider: Provider) -> None:
    parts = [{"role": "user", "content": [{"type": "text", "text": PASSAGE}, {"type": "text", "text": QUESTION}]}]
    assert "Refunds take 5 days." in post(url, "scripted/honest", messages=parts).text
    assert provider.bodies[-1]["messages"] == parts


@pytest.mark.parametrize("suffix", ["fast", "slow=soon", "slow=-1", "slow=inf", "hung=3", "200", "600", "flaky=x", ""])
def test_a_fault_that_there_is_not_is_refused(suffix: str) -> None:
    with pytest.raises(InvalidInput, match="knows no fault"):
        named_faults(f"honest+{suffix}")


def test_a_model_without_suffixes_has_no_faults() -> None:
    assert named_faults("chaos:nan") == ("chaos:nan", NO_FAULTS)
