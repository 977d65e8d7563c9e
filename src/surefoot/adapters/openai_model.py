"""Models behind the OpenAI wire format, asked over HTTP directly: OpenAI itself and every server that speaks like it."""

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import anyio
import httpx
import orjson

from surefoot.adapters.addresses import target_of
from surefoot.adapters.connections import LoopConnections
from surefoot.adapters.model_calls import (
    FAREWELL_SECONDS,
    MAX_RESPONSE_BYTES,
    CallWait,
    api_key,
    broken,
    counted,
    error_codes,
    estimated,
    failure_of_status,
    failure_within,
    finish_of,
    refuse_when_offline,
)
from surefoot.adapters.server_sent_events import EventReader
from surefoot.core.errors import InvalidSettings, ModelUnavailable
from surefoot.domain.identity import TenantId
from surefoot.domain.models import FinishReason, ModelCard, ModelRequest, Piece, Usage
from surefoot.domain.policies import CatalogEntry

_OPENAI_URL = "https://api.openai.com/v1"
_OPENAI_HOST = "api.openai.com"
# OpenAI's reasoning models refuse a temperature and the older name of the output limit.
_REASONING_MODEL = re.compile(r"(o[0-9]|gpt-5)")
_MAX_ERROR_BYTES = 64_000


class OpenAiModel:
    """Asks `{base_url}/chat/completions`; without a base_url, an `openai/` model is asked at OpenAI.

    The model's name is sent without its first part: `ollama/llama3.2` is asked for as `llama3.2`. Redirects are not followed,
    cookies not kept, proxies of the environment not used, compressed answers refused, and nothing is tried twice.
    """

    def __init__(self, entry: CatalogEntry, *, offline: bool, environ: Mapping[str, str]) -> None:
        self._entry = entry
        self._offline = offline
        self._environ = environ
        provider, slash, rest = entry.card.model.partition("/")
        name = rest if slash else provider
        base_url = entry.endpoint.base_url or (_OPENAI_URL if provider == "openai" else "")
        if not base_url:
            raise InvalidSettings(
                f"The model {entry.card.name!r} needs a base_url in models.toml; only OpenAI's own address is known."
            )
        target = target_of(base_url)
        self._base_url = base_url
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._model = name
        self._is_newer_wire = target.host == _OPENAI_HOST or _REASONING_MODEL.match(name) is not None
        self._connections = LoopConnections(tls=target.url.scheme == "https")

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
            refuse_when_offline(name, self._base_url)
        streams = request.stream and self.card.streaming
        message = self._message(request, streams=streams)
        wait = CallWait(name, request.timeout_seconds)
        wait.require_time()
        pool = await self._connections.pool()
        with wait.bounded():
            response = await pool.handle_async_request(message)
        body = _Body(response, wait)
        try:
            if response.status_code != 200:
                codes = error_codes(await body.beginning(_MAX_ERROR_BYTES))
                raise failure_of_status(name, response.status_code, response.headers.get("retry-after"), codes)
            body.refuse_compressed()
            if not streams:
                yield _whole(name, request, await body.all())
                return
            reply = _StreamedReply(name)
            while not reply.is_done and (chunk := await body.next()):
                if text := reply.read(chunk):
                    yield Piece(text)
            last = reply.last_piece(request)
            await body.farewell()
            yield last
        finally:
            await body.aclose()

    def _message(self, request: ModelRequest, *, streams: bool) -> httpx.Request:
        """The HTTP request. Raises ModelRejected when the key is missing."""
        limit = min(request.max_output_tokens, self.card.max_output_tokens)
        fields: dict[str, object] = {
            "model": self._model,
            "messages": [{"role": message.role.value, "content": message.content} for message in request.messages],
            "max_completion_tokens" if self._is_newer_wire else "max_tokens": limit,
        }
        if _REASONING_MODEL.match(self._model) is None:
            fields["temperature"] = request.temperature
        if self.card.json_schema and request.schema is not None:
            schema = {"name": request.schema_name, "schema": request.schema, "strict": True}
            fields["response_format"] = {"type": "json_schema", "json_schema": schema}
        if streams:
            fields["stream"] = True
            fields["stream_options"] = {"include_usage": True}
        headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream" if streams else "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "surefoot",
        }
        if key := api_key(self._entry, self._environ):
            headers["Authorization"] = f"Bearer {key}"
        return httpx.Request("POST", self._url, headers=headers, content=orjson.dumps(fields))


class _Body:
    """The bytes of an answer, read within the deadline and the size limit."""

    def __init__(self, response: httpx.Response, wait: CallWait) -> None:
        self._response = response
        self._wait = wait
        self._chunks = response.aiter_raw()
        self._count = 0

    def refuse_compressed(self) -> None:
        """Raises ModelUnavailable for a body that comes compressed though none was asked for, so no bomb is unpacked."""
        if self._response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise broken(self._wait.name, "the answer was sent compressed although that was not asked for")

    async def next(self) -> bytes:
        """The next bytes; none at the end. Raises ModelUnavailable when there are too many."""
        with self._wait.bounded():
            chunk = await anext(self._chunks, b"")
        self._count += len(chunk)
        if self._count > MAX_RESPONSE_BYTES:
            raise broken(self._wait.name, f"the answer is larger than {MAX_RESPONSE_BYTES} bytes")
        return chunk

    async def all(self) -> bytes:
        """Everything."""
        parts = []
        while chunk := await self.next():
            parts.append(chunk)
        return b"".join(parts)

    async def beginning(self, max_bytes: int) -> bytes:
        """The first bytes of an error's body; fewer when the rest does not come."""
        data = b""
        try:
            while len(data) < max_bytes and (chunk := await self.next()):
                data += chunk
        except ModelUnavailable:
            return b""
        return data

    async def farewell(self) -> None:
        """The end of the body was read when it came at once."""
        with anyio.move_on_after(min(FAREWELL_SECONDS, self._wait.deadline.left_seconds)):
            try:
                while await self.next():
                    pass
            except ModelUnavailable:
                # The reply is complete; only its connection cannot be used again.
                return

    async def aclose(self) -> None:
        """The provider is told to stop, even when the caller is being cancelled."""
        with anyio.CancelScope(shield=True):
            await self._response.aclose()


class _StreamedReply:
    """A reply as its events arrive."""

    def __init__(self, name: str) -> None:
        self.is_done = False
        self._name = name
        self._reader = EventReader()
        self._finish: FinishReason | None = None
        self._usage: Usage | None = None
        self._bytes = 0
        self._model = ""

    def read(self, chunk: bytes) -> str:
        """The text in these bytes. Raises ModelUnavailable for what is not the wire format, and for an error in the stream."""
        try:
            events = self._reader.feed(chunk)
        except UnicodeDecodeError:
            raise broken(self._name, "its stream is not UTF-8") from None
        text = "".join(self._event(data) for data in events)
        self._bytes += len(text.encode())
        return text

    def _event(self, data: str) -> str:
        if self.is_done:
            return ""
        if data == "[DONE]":
            self.is_done = True
            return ""
        event = _parsed(self._name, data.encode())
        if event.get("error"):
            raise failure_within(self._name, event["error"])
        self._model = self._model or _model_of(event)
        self._usage = _usage_of(event) or self._usage
        match event.get("choices"):
            case [{"delta": dict(delta), **choice}, *_]:
                if choice.get("finish_reason"):
                    self._finish = finish_of(choice["finish_reason"])
                if isinstance(delta.get("refusal"), str) and delta["refusal"]:
                    self._finish = FinishReason.FILTERED
                content = delta.get("content")
                return content if isinstance(content, str) else ""
        return ""

    def last_piece(self, request: ModelRequest) -> Piece:
        """What ends the reply. Raises ModelUnavailable when the stream broke off before the model was done."""
        if self._finish is None:
            raise broken(self._name, "its stream broke off")
        return Piece("", self._finish, self._usage or estimated(request, self._bytes), {"model": self._model})


def _whole(name: str, request: ModelRequest, body: bytes) -> Piece:
    answer = _parsed(name, body)
    if answer.get("error"):
        raise failure_within(name, answer["error"])
    match answer.get("choices"):
        case [{"message": dict(message), **choice}, *_]:
            content = message.get("content")
            text = content if isinstance(content, str) else ""
            is_refused = isinstance(message.get("refusal"), str) and message["refusal"] != ""
            finish = FinishReason.FILTERED if is_refused else finish_of(choice.get("finish_reason"))
            usage = _usage_of(answer) or estimated(request, len(text.encode()))
            return Piece(text, finish, usage, {"model": _model_of(answer)})
    raise broken(name, "its answer has no choices")


def _parsed(name: str, data: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise broken(name, "its answer is not JSON") from None
    if not isinstance(value, dict):
        raise broken(name, "its answer is not a JSON object")
    return value


def _usage_of(answer: dict[str, Any]) -> Usage | None:
    match answer.get("usage"):
        case {"prompt_tokens": sent, "completion_tokens": made, **rest}:
            details = rest.get("prompt_tokens_details")
            return counted(sent, made, details.get("cached_tokens") if isinstance(details, dict) else None)
    return None


def _model_of(answer: dict[str, Any]) -> str:
    model = answer.get("model")
    return model[:100] if isinstance(model, str) else ""
