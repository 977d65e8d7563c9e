"""Models of any provider that LiteLLM speaks to, asked through its SDK with everything given per call.

Importing litellm takes seconds, so it happens at the first call, in a worker thread. Left alone the import would fetch a price
list and read `.env` files into the environment; both are switched off around it. It opens no connection and starts no thread.
Left alone a call would then start a background worker that queues prompts for logging, count tokens again in a thread at the
end of a stream, retry a broken connection by itself and print advice; here calls are marked internal, a stream is left once
its last event is read, each call gets a door to the network that opens once, and printing and logging are off. The two settings
for the last are the only state of litellm's modules that is written.
"""

import importlib
import logging
import os
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from threading import Lock
from typing import Any

import anyio
import anyio.to_thread
import httpx

from surefoot.adapters.connections import LoopConnections
from surefoot.adapters.model_calls import (
    FAREWELL_SECONDS,
    MAX_RESPONSE_BYTES,
    NEVER_REACHED,
    CallWait,
    api_key,
    broken,
    counted,
    error_codes,
    estimated,
    failure_of_status,
    finish_of,
    lost,
    refuse_when_offline,
    timed_out,
)
from surefoot.core.errors import MissingDependency, ModelRejected, SurefootError
from surefoot.domain.identity import TenantId
from surefoot.domain.models import FinishReason, ModelCard, ModelRequest, Piece, Usage
from surefoot.domain.policies import CatalogEntry

_MAX_ERROR_BYTES = 64_000
_IMPORT_ENVIRONMENT = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION"}
# OpenAI-compatible providers that litellm asks through its own HTTP client and not through OpenAI's SDK.
_OWN_CLIENT = frozenset(
    (
        *("aiohttp_openai", "azure_ai", "bedrock_mantle", "cometapi", "databricks", "deepseek", "edenai", "fal_ai"),
        *("fireworks_ai", "gigachat", "groq", "heroku", "hosted_vllm", "lemonade", "minimax", "mistral", "openrouter"),
        *("ovhcloud", "together_ai", "vercel_ai_gateway", "watsonx", "xai"),
    )
)


class LiteLlmModel:
    """Asks `provider/name` as LiteLLM knows it, at `base_url` when there is one.

    Without `api_key_env` an endpoint with a base_url is asked without a real key; one without either finds the credentials of
    its cloud by itself (Bedrock, Vertex). Prices come from our card alone. litellm takes no client of ours for Azure, Bedrock,
    Vertex, SageMaker, Cohere and the older `ollama/` (`ollama_chat/` is the one to use): there it keeps connections of its own
    and may send a request again when a connection breaks.
    """

    def __init__(self, entry: CatalogEntry, *, offline: bool, environ: Mapping[str, str]) -> None:
        self._entry = entry
        self._offline = offline
        self._environ = environ
        self._connections = LoopConnections(tls=not entry.endpoint.base_url.startswith("http://"))

    @property
    def card(self) -> ModelCard:
        """See ports.LanguageModel."""
        return self._entry.card

    async def aclose(self) -> None:
        """See ports.LanguageModel."""
        await self._connections.aclose()

    async def stream(self, tenant: TenantId, request: ModelRequest) -> AsyncIterator[Piece]:
        """See ports.LanguageModel."""
        name = self.card.name
        if self._offline:
            refuse_when_offline(name, self._entry.endpoint.base_url)
        key = api_key(self._entry, self._environ)
        wait = CallWait(name, request.timeout_seconds)
        wait.require_time()
        with wait.bounded(is_sent=False):
            # An import that outlives the deadline goes on, so that the next call finds it done.
            library = await anyio.to_thread.run_sync(load_litellm, abandon_on_cancel=True)
        door = _Door(name, await self._connections.pool(), is_offline=self._offline)
        streams = request.stream and self.card.streaming
        arguments = self._arguments(library, request, key, door, wait, streams=streams)
        answer: Any = None
        try:
            with _own_words(library, door, wait), wait.bounded(), _internal(library):
                answer = await library.litellm.acompletion(**arguments)
            if not streams:
                yield _whole(name, request, answer)
                return
            output_bytes = 0
            while True:
                with _own_words(library, door, wait), wait.bounded():
                    chunk = await anext(answer, None)
                if chunk is None:
                    break
                choices = chunk.choices
                if choices and choices[0].delta.content:
                    output_bytes += len(choices[0].delta.content.encode())
                    yield Piece(choices[0].delta.content)
                if choices and choices[0].finish_reason is not None and _streamed_usage(answer) is not None:
                    break
            if answer.received_finish_reason is None:
                raise broken(name, "its stream broke off")
            usage = _streamed_usage(answer) or estimated(request, output_bytes)
            await door.farewell()
            yield Piece("", finish_of(answer.received_finish_reason), usage, {"model": str(answer.model or "")[:100]})
        finally:
            with anyio.CancelScope(shield=True):
                if streams and answer is not None:
                    await answer.aclose()
                await door.close()

    def _arguments(
        self, library: "_Library", request: ModelRequest, key: str, door: "_Door", wait: CallWait, *, streams: bool
    ) -> dict[str, Any]:
        base_url = self._entry.endpoint.base_url
        arguments: dict[str, Any] = {
            "model": self.card.model,
            "messages": [{"role": message.role.value, "content": message.content} for message in request.messages],
            "max_tokens": min(request.max_output_tokens, self.card.max_output_tokens),
            "temperature": request.temperature,
            "timeout": wait.deadline.left_seconds,
            # With a base_url but no key of its own, litellm would send whatever key the environment has for the provider.
            "api_key": key or ("none" if base_url else None),
            "api_base": base_url or None,
            "client": library.client(self.card.model, base_url, key, door),
            "stream": streams,
            "num_retries": 0,
            "max_retries": 0,
            "drop_params": True,
            "caching": False,
            "no-log": True,
        }
        if streams:
            arguments["stream_options"] = {"include_usage": True}
        if self.card.json_schema and request.schema is not None:
            schema = {"name": request.schema_name, "schema": dict(request.schema), "strict": True}
            arguments["response_format"] = {"type": "json_schema", "json_schema": schema}
        return arguments


def _module(name: str) -> Any:
    return importlib.import_module(name)


class _Library:
    """litellm and the parts of it and of OpenAI's SDK that are named here."""

    def __init__(self) -> None:
        self.litellm = _module("litellm")
        self.openai = _module("openai")
        self.internal = _module("litellm._internal_context").is_internal_call
        self._handler = _module("litellm.llms.custom_httpx.http_handler").AsyncHTTPHandler
        self.litellm.suppress_debug_info = True
        for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        with warnings.catch_warnings():
            # pydantic builds these types when they are first used, and warns about one of their fields.
            warnings.filterwarnings("ignore", message=".*`ReadOnly` qualifier")
            for reply in ("ModelResponse", "ModelResponseStream", "Delta", "Message", "StreamingChoices", "Choices"):
                getattr(_module("litellm.types.utils"), reply)()

    def client(self, model: str, base_url: str, key: str, door: "_Door") -> object | None:
        """The kind of HTTP client that litellm takes for this model, going through the door; None when it takes none of ours.

        Raises ModelRejected when litellm knows no such provider.
        """
        try:
            _, provider, _, address = self.litellm.get_llm_provider(model=model, api_base=base_url or None)
        except self.litellm.exceptions.BadRequestError:
            raise ModelRejected(f"LiteLLM knows no provider for {model!r}; write it as provider/name in models.toml.") from None
        if provider.startswith(("azure", "bedrock", "vertex", "sagemaker")):
            return None
        is_sdk = provider in ("openai", "custom_openai", *self.litellm.openai_compatible_providers)
        if not is_sdk or provider in _OWN_CLIENT:
            return self._handler(transport=door, follow_redirects=False)  # type: ignore[no-any-return]
        return self.openai.AsyncOpenAI(  # type: ignore[no-any-return]
            api_key=key or "none",
            base_url=base_url or address or "https://api.openai.com/v1",
            max_retries=0,
            http_client=httpx.AsyncClient(transport=door, trust_env=False),
        )


_LOADING = Lock()


def load_litellm() -> _Library:
    """litellm is imported; a process that asks at its start spares its first question the wait. Raises MissingDependency."""
    with _LOADING:
        return _loaded()


@cache
def _loaded() -> _Library:
    before = {name: os.environ.get(name) for name in _IMPORT_ENVIRONMENT}
    os.environ.update(_IMPORT_ENVIRONMENT)
    try:
        return _Library()
    except ImportError as error:
        raise MissingDependency("The package litellm cannot be imported; run `pip install litellm`.") from error
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class _Door(httpx.AsyncBaseTransport):
    """Lets one request out and its answer in, within the size limit, and remembers how it went.

    litellm sends a request again by itself when a connection breaks, which would be a call that nobody reserved money for.
    """

    def __init__(self, name: str, pool: httpx.AsyncHTTPTransport, *, is_offline: bool) -> None:
        self.failure: SurefootError | None = None
        self._name = name
        self._pool = pool
        self._is_offline = is_offline
        self._is_used = False
        self._response: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes] | None = None
        self._error_body = b""
        self._count = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._is_used:
            raise httpx.ConnectError("One call is one request.")
        self._is_used = True
        if self._is_offline:
            try:
                refuse_when_offline(self._name, str(request.url))
            except SurefootError as refusal:
                self.failure = refusal
                raise httpx.ConnectError("The product is offline.") from None
        request.headers["accept-encoding"] = "identity"
        try:
            response = await self._pool.handle_async_request(request)
        except NEVER_REACHED as error:
            self.failure = lost(self._name, error)
            raise
        self._response, self._chunks = response, response.aiter_raw()
        if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            self.failure = broken(self._name, "the answer was sent compressed although that was not asked for")
            raise httpx.DecodingError("The answer is compressed.")
        return httpx.Response(
            response.status_code, headers=response.headers, stream=_Answer(self), extensions=response.extensions
        )

    async def next(self) -> bytes:
        """The answer's next bytes; none at its end. Raises ReadError when there are too many."""
        chunk = b"" if self._chunks is None else await anext(self._chunks, b"")
        self._count += len(chunk)
        if self._response is not None and self._response.status_code != 200 and len(self._error_body) < _MAX_ERROR_BYTES:
            self._error_body += chunk
        if self._count > MAX_RESPONSE_BYTES:
            self.failure = broken(self._name, f"the answer is larger than {MAX_RESPONSE_BYTES} bytes")
            raise httpx.ReadError("The answer is too large.")
        return chunk

    async def farewell(self) -> None:
        """The end of the answer was read when it came at once, so that the connection can be used again."""
        with anyio.move_on_after(FAREWELL_SECONDS), suppress(httpx.HTTPError, httpx.StreamError):
            while await self.next():
                pass

    def verdict(self) -> SurefootError | None:
        """What the door or the provider's status says went wrong."""
        if self.failure is not None or self._response is None or self._response.status_code == 200:
            return self.failure
        retry_after = self._response.headers.get("retry-after")
        return failure_of_status(self._name, self._response.status_code, retry_after, error_codes(self._error_body))

    async def close(self) -> None:
        """The provider is told to stop."""
        if self._response is not None:
            await self._response.aclose()

    async def aclose(self) -> None:
        """Nothing: whoever is given the door may close it, the connections behind it are ours."""


class _Answer(httpx.AsyncByteStream):
    """The answer as litellm gets it. What reads it may close it before its end; the connection is then still ours."""

    def __init__(self, door: _Door) -> None:
        self._door = door

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while chunk := await self._door.next():
            yield chunk


@contextmanager
def _internal(library: _Library) -> Iterator[None]:
    """Inside, litellm neither logs nor counts the call."""
    token = library.internal.set(True)
    try:
        yield
    finally:
        library.internal.reset(token)


@contextmanager
def _own_words(library: _Library, door: _Door, wait: CallWait) -> Iterator[None]:
    """Raises our error for litellm's: by the door and the status when there was one, else by its class."""
    known = library.litellm.exceptions
    try:
        yield
    except (library.openai.OpenAIError, httpx.HTTPError, ValueError) as error:
        # litellm's error may quote key and prompt, so it is not shown as the cause of ours.
        raise door.verdict() or _by_class(known, error, wait) from None


def _by_class(known: Any, error: Exception, wait: CallWait) -> SurefootError:
    if isinstance(error, known.Timeout):
        return timed_out(wait.name, wait.seconds)
    rejections = (known.BadRequestError, known.AuthenticationError, known.PermissionDeniedError, known.NotFoundError)
    if isinstance(error, (*rejections, known.UnprocessableEntityError)):
        return ModelRejected(f"LiteLLM refused to ask the model {wait.name!r}; check its name and key in models.toml.")
    return broken(wait.name, f"the call failed ({type(error).__name__})")


def _whole(name: str, request: ModelRequest, answer: Any) -> Piece:
    if not answer.choices:
        raise broken(name, "its answer has no choices")
    choice = answer.choices[0]
    text = choice.message.content or ""
    usage = _usage(getattr(answer, "usage", None)) or estimated(request, len(text.encode()))
    is_refused = bool(getattr(choice.message, "refusal", None))
    finish = FinishReason.FILTERED if is_refused else finish_of(choice.finish_reason)
    return Piece(text, finish, usage, {"model": str(answer.model or "")[:100]})


def _streamed_usage(answer: Any) -> Usage | None:
    """The usage that the provider stated in the stream. Only litellm's own copies of the events have it: the usage it hands
    out may be its own guess.
    """
    stated = [usage for chunk in answer.chunks if (usage := _usage(getattr(chunk, "usage", None))) is not None]
    return stated[-1] if stated else None


def _usage(stated: Any) -> Usage | None:
    if stated is None:
        return None
    details = getattr(stated, "prompt_tokens_details", None)
    return counted(stated.prompt_tokens, stated.completion_tokens, getattr(details, "cached_tokens", None))
