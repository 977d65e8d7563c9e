"""What every transport to language models does, asked of a provider on loopback."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import cast

import anyio
import pytest

from surefoot.adapters.litellm_model import LiteLlmModel
from surefoot.adapters.openai_model import OpenAiModel
from surefoot.core.errors import ModelRejected, ModelTimedOut, ModelUnavailable, OutboundRefused, SurefootError
from surefoot.domain.identity import TenantId
from surefoot.domain.models import FinishReason, Message, ModelCard, ModelRequest, Piece, Role, Usage
from surefoot.domain.policies import CatalogEntry, Endpoint
from surefoot.ports import LanguageModel
from tests.contracts.model_server import TEXT, ModelServer, model_server

# litellm reads a deprecated attribute of its own pydantic models for every event of a stream.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")

TENANT = TenantId("acme")
KEY = "sk-very-secret-0123456789"
PROMPT = "secret-prompt-word"
Make = Callable[..., LanguageModel]


@pytest.fixture(scope="module")
def site() -> Iterator[ModelServer]:
    with model_server() as server:
        yield server


@pytest.fixture
def server(site: ModelServer) -> ModelServer:
    site.requests.clear()
    site.connections.clear()
    site.caller_left.clear()
    return site


@pytest.fixture(params=[OpenAiModel, LiteLlmModel], ids=["openai", "litellm"])
def make(request: pytest.FixtureRequest, server: ModelServer) -> Make:
    """Makes a model of each transport that reaches the provider; the name is the provider's behaviour."""

    def made(
        name: str = "good", *, base_url: str = server.base_url, offline: bool = True, key: str | None = KEY, **card: object
    ) -> LanguageModel:
        entry = CatalogEntry(
            ModelCard("small", f"openai/{name}", **card),  # type: ignore[arg-type]
            Endpoint("any", base_url, "ACME_KEY"),
        )
        environ = {} if key is None else {"ACME_KEY": key}
        return cast(LanguageModel, request.param(entry, offline=offline, environ=environ))

    return made


def ask(*, stream: bool = False, timeout_seconds: float = 20.0) -> ModelRequest:
    messages = (Message(Role.SYSTEM, "Answer from the passages."), Message(Role.USER, PROMPT))
    return ModelRequest(messages, timeout_seconds, max_output_tokens=50, stream=stream)


async def pieces_of(model: LanguageModel, request: ModelRequest) -> list[Piece]:
    try:
        async with aclosing(cast("AsyncIterator[Piece]", model.stream(TENANT, request))) as stream:  # type: ignore[type-var]
            return [piece async for piece in stream]
    finally:
        await model.aclose()


def reply(model: LanguageModel, request: ModelRequest) -> list[Piece]:
    return anyio.run(pieces_of, model, request)


def failure(model: LanguageModel, request: ModelRequest) -> SurefootError:
    """The error of a call, which quotes neither key nor prompt, and hangs on no exception that might."""
    with pytest.raises(SurefootError) as caught:
        reply(model, request)
    error = caught.value
    assert KEY not in str(error)
    assert PROMPT not in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    return error


def test_a_reply_comes_in_one_piece_when_no_stream_is_asked_for(make: Make) -> None:
    pieces = reply(make(), ask())
    assert [(piece.text, piece.finish, piece.usage) for piece in pieces] == [
        (TEXT, FinishReason.STOP, Usage(120, 9, cached_tokens=64))
    ]


def test_a_streamed_reply_comes_in_pieces_and_the_last_has_finish_and_usage(make: Make) -> None:
    pieces = reply(make(), ask(stream=True))
    assert "".join(piece.text for piece in pieces) == TEXT
    assert len(pieces) > 2
    assert (pieces[-1].finish, pieces[-1].usage) == (FinishReason.STOP, Usage(120, 9, cached_tokens=64))
    assert all(piece.finish is None and piece.usage is None for piece in pieces[:-1])


def test_a_model_that_cannot_stream_answers_in_one_piece_all_the_same(make: Make, server: ModelServer) -> None:
    pieces = reply(make(streaming=False), ask(stream=True))
    assert [piece.text for piece in pieces] == [TEXT]
    assert not server.requests[0][2].get("stream")


@pytest.mark.parametrize("stream", [False, True])
def test_uncounted_tokens_are_bounded_by_bytes_and_marked_as_an_estimate(make: Make, stream: bool) -> None:
    request = ask(stream=stream)
    assert reply(make("uncounted"), request)[-1].usage == Usage(request.input_bytes(), len(TEXT.encode()), is_estimate=True)


def test_a_reply_cut_at_its_limit_or_by_a_filter_says_so(make: Make) -> None:
    assert reply(make("long"), ask())[-1].finish is FinishReason.LENGTH
    assert reply(make("filtered"), ask())[-1].finish is FinishReason.FILTERED


def test_too_many_requests_is_an_outage_with_the_pause_the_provider_asks_for(make: Make) -> None:
    error = failure(make("busy-seconds"), ask())
    assert (type(error), error.retry_after_seconds) == (ModelUnavailable, 7)
    error = failure(make("busy-date"), ask(stream=True))
    assert (type(error), error.retry_after_seconds) == (ModelUnavailable, 3_600)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [500, 503])
def test_a_failing_provider_is_an_outage(make: Make, status: int, stream: bool) -> None:
    error = failure(make(f"status-{status}"), ask(stream=stream))
    assert type(error) is ModelUnavailable
    assert str(status) in str(error)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_call_that_will_never_be_accepted_is_rejected(make: Make, status: int, stream: bool) -> None:
    error = failure(make(f"status-{status}"), ask(stream=stream))
    assert type(error) is ModelRejected
    assert str(status) in str(error)


def test_a_redirect_is_not_followed(make: Make, server: ModelServer) -> None:
    assert type(failure(make("moved"), ask())) is ModelRejected
    assert len(server.requests) == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("behaviour", ["garbage", "cut", "unfinished"])
def test_an_answer_that_cannot_be_read_to_its_end_is_an_outage(make: Make, behaviour: str, stream: bool) -> None:
    assert type(failure(make(behaviour), ask(stream=stream))) is ModelUnavailable


def test_an_answer_without_end_is_an_outage_and_the_call_is_ended(make: Make, server: ModelServer) -> None:
    assert type(failure(make("flood"), ask(stream=True))) is ModelUnavailable
    assert server.caller_left.wait(10)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("behaviour", ["hung", "trickle"])
def test_the_timeout_is_for_the_whole_call_however_the_provider_drips(make: Make, behaviour: str, stream: bool) -> None:
    assert type(failure(make(behaviour), ask(stream=stream, timeout_seconds=0.3))) is ModelTimedOut


def test_nobody_is_asked_when_no_time_is_left(make: Make, server: ModelServer) -> None:
    assert type(failure(make(), ask(timeout_seconds=0.0))) is ModelTimedOut
    assert server.requests == []


def test_nobody_listening_is_an_outage(make: Make) -> None:
    with model_server() as gone:
        address = gone.base_url
    error = failure(make(base_url=address), ask())
    assert type(error) is ModelUnavailable
    assert not error.may_have_charged, "what never arrived is not paid for"


@pytest.mark.parametrize(("behaviour", "may_have_charged"), [("busy-seconds", False), ("status-503", False), ("cut", True)])
def test_only_a_provider_that_may_have_worked_may_have_charged(make: Make, behaviour: str, may_have_charged: bool) -> None:
    error = failure(make(behaviour), ask(stream=True))
    assert isinstance(error, ModelUnavailable) and error.may_have_charged is may_have_charged


@pytest.mark.parametrize("behaviour", ["good", "status-500", "cut", "busy-seconds"])
def test_nothing_is_tried_twice(make: Make, server: ModelServer, behaviour: str) -> None:
    model = make(behaviour)
    if behaviour == "good":
        reply(model, ask())
    else:
        failure(model, ask())
    assert len(server.requests) == 1


def test_closing_the_iterator_early_ends_the_call_at_the_provider(make: Make, server: ModelServer) -> None:
    async def leave(model: LanguageModel) -> None:
        async with aclosing(cast("AsyncIterator[Piece]", model.stream(TENANT, ask(stream=True)))) as stream:  # type: ignore[type-var]
            assert (await anext(stream)).text == "x"
        assert await asyncio.to_thread(server.caller_left.wait, 10)
        await model.aclose()

    anyio.run(leave, make("trickle"))


def test_cancelling_the_caller_ends_the_call_at_the_provider(make: Make, server: ModelServer) -> None:
    async def leave(model: LanguageModel) -> None:
        with anyio.CancelScope() as scope:
            async for _ in model.stream(TENANT, ask(stream=True)):
                scope.cancel()
        assert scope.cancelled_caught
        assert await asyncio.to_thread(server.caller_left.wait, 10)
        await model.aclose()

    anyio.run(leave, make("trickle"))


@pytest.mark.parametrize("address", ["https://models.example/v1", "http://10.0.0.1/v1", "http://localhost.example/v1"])
def test_offline_no_host_but_this_machine_is_asked(make: Make, address: str) -> None:
    assert type(failure(make(base_url=address), ask())) is OutboundRefused


def test_offline_a_model_without_an_address_is_refused(make: Make) -> None:
    assert type(failure(make(base_url=""), ask())) is OutboundRefused


def test_a_missing_key_is_named_by_its_variable(make: Make, server: ModelServer) -> None:
    error = failure(make(key=None), ask())
    assert type(error) is ModelRejected
    assert "'ACME_KEY'" in str(error)
    assert server.requests == []


def test_a_key_that_cannot_be_sent_is_not_quoted(make: Make, server: ModelServer) -> None:
    error = failure(make(key=f"{KEY}\r\nX-Evil: 1"), ask())
    assert type(error) is ModelRejected
    assert server.requests == []


def test_the_key_is_sent_as_a_bearer(make: Make, server: ModelServer) -> None:
    reply(make(), ask())
    assert server.requests[0][1]["authorization"] == f"Bearer {KEY}"


def test_a_schema_is_sent_strictly_to_a_model_that_can_be_held_to_one(make: Make, server: ModelServer) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
    request = ModelRequest((Message(Role.USER, "Hi"),), 20.0, schema=schema, schema_name="draft")
    reply(make(), request)
    reply(make(json_schema=False), request)
    held, free = (body for _, _, body in server.requests)
    assert held["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "draft", "schema": schema, "strict": True},
    }
    assert "response_format" not in free


@pytest.mark.parametrize("stream", [False, True])
def test_calls_in_a_row_share_a_connection(make: Make, server: ModelServer, stream: bool) -> None:
    async def twice(model: LanguageModel) -> None:
        for _ in range(3):
            async for _piece in model.stream(TENANT, ask(stream=stream)):
                pass
        await model.aclose()

    anyio.run(twice, make())
    assert len(server.requests) == 3
    assert len(server.connections) == 1


def test_one_model_serves_several_event_loops_in_turn_and_leaves_nothing_open(make: Make, server: ModelServer) -> None:
    async def once(model: LanguageModel) -> str:
        return "".join([piece.text async for piece in model.stream(TENANT, ask(stream=True))])

    model = make()
    for _ in range(3):
        # Nobody closes the model: the end of the loop does. An unclosed socket is a warning, and so an error here.
        assert anyio.run(once, model) == TEXT
        gc.collect()
    assert len(server.connections) == 3


def test_many_calls_at_once_are_answered_each_by_itself(make: Make) -> None:
    async def many(model: LanguageModel) -> list[str]:
        texts: list[str] = []

        async def once(stream: bool) -> None:
            texts.append("".join([piece.text async for piece in model.stream(TENANT, ask(stream=stream))]))

        async with anyio.create_task_group() as group:
            for number in range(16):
                group.start_soon(once, number % 2 == 0)
        await model.aclose()
        return texts

    assert anyio.run(many, make()) == [TEXT] * 16
