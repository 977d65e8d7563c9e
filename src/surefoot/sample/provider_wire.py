"""The OpenAI chat-completions wire format: a request read, a completion written whole or in chunks, an error."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse

from surefoot.core.errors import InvalidInput
from surefoot.domain.models import FinishReason, Message, ModelRequest, Role, Usage

FINISH_WORDS = {FinishReason.STOP: "stop", FinishReason.LENGTH: "length", FinishReason.FILTERED: "content_filter"}
_PATIENCE_SECONDS = 3_600.0
_DEFAULT_OUTPUT_TOKENS = 1_000
_ROLES = {"system": Role.SYSTEM, "developer": Role.SYSTEM, "user": Role.USER, "assistant": Role.ASSISTANT, "tool": Role.USER}


def error_response(status: int, message: str, code: str | None, retry_after_seconds: float | None = None) -> JSONResponse:
    """An error as the wire format has it."""
    kind = "server_error" if status >= 500 else "rate_limit_error" if status == 429 else "invalid_request_error"
    headers = {} if retry_after_seconds is None else {"Retry-After": f"{retry_after_seconds:g}"}
    return JSONResponse({"error": {"message": message, "type": kind, "param": None, "code": code}}, status, headers)


@dataclass(frozen=True, slots=True)
class Wire:
    """One completion in the wire format, whole or in chunks."""

    completion_id: str
    created: int
    model: str
    with_usage: bool
    cached_tokens: int

    def whole(self, text: str, finish: str, usage: Usage | None) -> dict[str, Any]:
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        return self._about("chat.completion") | {"choices": [choice]} | ({} if usage is None else {"usage": self.usage(usage)})

    def chunk(self, delta: Mapping[str, str], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": dict(delta), "logprobs": None, "finish_reason": finish}
        return self._event({"choices": [choice]} | ({"usage": None} if self.with_usage else {}))

    def last(self, usage: Usage) -> bytes:
        return self._event({"choices": [], "usage": self.usage(usage)})

    def usage(self, usage: Usage) -> dict[str, Any]:
        return {
            "prompt_tokens": usage.input_tokens,
            "completion_tokens": usage.output_tokens,
            "total_tokens": usage.input_tokens + usage.output_tokens,
            "prompt_tokens_details": {"cached_tokens": min(self.cached_tokens, usage.input_tokens)},
        }

    def _about(self, kind: str) -> dict[str, Any]:
        return {"id": self.completion_id, "object": kind, "created": self.created, "model": self.model}

    def _event(self, more: Mapping[str, Any]) -> bytes:
        return b"data: " + json.dumps(self._about("chat.completion.chunk") | dict(more)).encode() + b"\n\n"


def model_request(body: object) -> ModelRequest:
    """The call that a body asks for. Raises InvalidInput, with words for its sender, when it is none."""
    if not isinstance(body, dict) or not isinstance(body.get("model"), str):
        raise InvalidInput("The body must be an object that names a model.")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise InvalidInput("'messages' must be a list that is not empty.")
    limit = body.get("max_completion_tokens", body.get("max_tokens")) or _DEFAULT_OUTPUT_TOKENS
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise InvalidInput("'max_tokens' must be a number of at least 1.")
    name, schema = _schema(body.get("response_format"))
    return ModelRequest(
        messages=tuple(map(_message, messages)),
        timeout_seconds=_PATIENCE_SECONDS,
        max_output_tokens=limit,
        schema_name=name,
        schema=schema,
        stream=body.get("stream") is True,
    )


def _message(value: object) -> Message:
    if not isinstance(value, dict) or value.get("role") not in _ROLES:
        raise InvalidInput(f"A message needs a role, one of {', '.join(_ROLES)}.")
    content = value.get("content")
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    if not isinstance(content, str):
        raise InvalidInput("A message's content must be a text or a list of parts.")
    return Message(_ROLES[value["role"]], content)


def _schema(value: object) -> tuple[str, Mapping[str, object] | None]:
    if value is None:
        return "reply", None
    kind = value.get("type") if isinstance(value, dict) else None
    if kind not in ("text", "json_object", "json_schema"):
        raise InvalidInput("'response_format' must be of type text, json_object or json_schema.")
    stated = value.get("json_schema") if isinstance(value, dict) else None
    if kind != "json_schema":
        return "reply", None
    if not isinstance(stated, dict) or not isinstance(stated.get("schema"), dict) or not isinstance(stated.get("name"), str):
        raise InvalidInput("'json_schema' needs a name and a schema.")
    return stated["name"], stated["schema"]
