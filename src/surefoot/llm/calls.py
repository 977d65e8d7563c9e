"""One call of one model: what was heard, how it ended, and what that says about money and about the model."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import anyio
import anyio.lowlevel

from surefoot.core.errors import ModelRejected, ModelTimedOut, ModelUnavailable, OutboundRefused
from surefoot.domain.identity import TenantId
from surefoot.domain.models import FinishReason, Message, ModelCard, ModelRequest, Piece, Role, Usage
from surefoot.domain.routing import StepOutcome
from surefoot.ports import LanguageModel

# Tokens of natural text are 3 to 5 bytes long in most languages; 3 errs towards counting too many.
_BYTES_PER_TOKEN = 3
# The longest tokens of today's vocabularies are runs of 128 spaces; words are far shorter. Beyond this no output limit holds.
_MAX_CHARACTERS_PER_TOKEN = 128
_MOST_BELIEVED_TIMES = 10
_SCHEMA_HEADING = "\n\nThe JSON object follows this JSON Schema:\n"
# Closing a connection is local work; a provider that makes it wait may not hold up the answer.
_CLOSE_SECONDS = 0.05


class Listener(Protocol):
    """Reads a model's text as it arrives."""

    def begin(self) -> None:
        """A reply begins; all text before it belongs to an attempt that failed."""
        ...

    async def text(self, text: str) -> None:
        """The reply goes on with this text."""
        ...


@dataclass(slots=True)
class Heard:
    """What has arrived of one reply so far. `is_asked` once the call may have left the house."""

    is_asked: bool = False
    parts: list[str] = field(default_factory=list)
    characters: int = 0
    finish: FinishReason | None = None
    usage: Usage | None = None

    def add(self, piece: Piece) -> None:
        """The piece is part of it."""
        if piece.text:
            self.parts.append(piece.text)
            self.characters += len(piece.text)
        self.finish = piece.finish or self.finish
        self.usage = piece.usage or self.usage

    @property
    def text(self) -> str:
        """The whole text so far."""
        return "".join(self.parts)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call ended. `may_have_charged` when the provider may have done work for it. `is_outage`: None when the end says
    nothing about the model's health.
    """

    outcome: StepOutcome
    reason: str = ""
    may_have_charged: bool = True
    is_outage: bool | None = True
    is_retryable: bool = False
    retry_after_seconds: float | None = None


def fitted(card: ModelCard, request: ModelRequest, *, timeout_seconds: float) -> ModelRequest:
    """The request as this model can take it: within its output limit, streamed only if it can, and with the schema at the end
    of the system message when it cannot be held to one.
    """
    messages, schema = request.messages, request.schema
    if schema is not None and not card.json_schema:
        first = next((place for place, message in enumerate(messages) if message.role is Role.SYSTEM), None)
        if first is None:
            messages, first = (Message(Role.SYSTEM, ""), *messages), 0
        told = Message(Role.SYSTEM, messages[first].content + _SCHEMA_HEADING + _written(schema))
        messages, schema = (*messages[:first], told, *messages[first + 1 :]), None
    return replace(
        request,
        messages=messages,
        timeout_seconds=timeout_seconds,
        max_output_tokens=min(request.max_output_tokens, card.max_output_tokens),
        schema=schema,
        stream=request.stream and card.streaming,
    )


def upper_bound(card: ModelCard, request: ModelRequest) -> Usage:
    """The most tokens that the call can use: never more in than bytes are sent, the schema with them, and the output limit."""
    sent = fitted(card, request, timeout_seconds=request.timeout_seconds)
    schema = 0 if sent.schema is None else len((_written(sent.schema) + sent.schema_name).encode())
    return Usage(sent.input_bytes() + schema, sent.max_output_tokens, is_estimate=True)


def estimate(card: ModelCard, request: ModelRequest, text: str) -> Usage:
    """The tokens that the call and this much of its reply have probably used, when nobody says; within the upper bound."""
    most = upper_bound(card, request)
    written = -(-len(text.encode()) // _BYTES_PER_TOKEN)
    return Usage(-(-most.input_tokens // _BYTES_PER_TOKEN), min(written, most.output_tokens), is_estimate=True)


async def hear(
    model: LanguageModel,
    tenant: TenantId,
    request: ModelRequest,
    heard: Heard,
    listener: Listener | None,
    *,
    fair_chance_seconds: float,
) -> Ended:
    """The reply is in `heard`, or the end says why not. The provider's stream is closed, however this is left.

    A model that outstays `request.timeout_seconds` is cut off here even if its transport is not able to. Cancellation and
    the listener's own errors pass through.
    """
    has_fair_chance = request.timeout_seconds >= fair_chance_seconds
    most_characters = request.max_output_tokens * _MAX_CHARACTERS_PER_TOKEN
    await anyio.lowlevel.checkpoint_if_cancelled()
    heard.is_asked = True
    stream = model.stream(tenant, request)
    try:
        with anyio.move_on_after(request.timeout_seconds) as patience:
            if listener is not None:
                listener.begin()
            async for piece in stream:
                heard.add(piece)
                if heard.characters > most_characters:
                    return Ended(StepOutcome.UNAVAILABLE, f"It wrote on beyond its limit of {request.max_output_tokens} tokens.")
                if listener is not None and piece.text:
                    await listener.text(piece.text)
        if patience.cancelled_caught:
            return _timed_out(request, has_fair_chance)
    except ModelTimedOut as error:
        return _timed_out(request, has_fair_chance, may_have_charged=error.may_have_charged)
    except ModelUnavailable as error:
        # A provider that says when to come back has turned the call away, unless it had begun to reply.
        is_turned_away = not error.may_have_charged or error.retry_after_seconds is not None
        return Ended(
            StepOutcome.UNAVAILABLE,
            str(error),
            may_have_charged=bool(heard.parts) or not is_turned_away,
            is_retryable=True,
            retry_after_seconds=error.retry_after_seconds,
        )
    except (ModelRejected, OutboundRefused) as error:
        # The provider is well, or was never asked: one tenant's bad call must not close the circuit for all others.
        return Ended(StepOutcome.UNAVAILABLE, str(error), may_have_charged=bool(heard.parts), is_outage=None)
    finally:
        await _close(stream)
    if heard.finish is None:
        return Ended(StepOutcome.UNAVAILABLE, "The reply broke off before its end.", is_retryable=True)
    return Ended(StepOutcome.ACCEPTED, is_outage=False)


def used(card: ModelCard, request: ModelRequest, heard: Heard, ended: Ended | None) -> Usage:
    """What the call is taken to have used; `ended` is None when it was cancelled.

    As stated, when it was, within what can be believed; nothing when it was never sent or turned away; an estimate when it
    ended well or we ended it; and the most possible when it broke or timed out, because nobody can know that the provider did
    not go on.
    """
    stated = heard.usage
    if stated is not None and min(stated.input_tokens, stated.output_tokens, stated.cached_tokens) >= 0:
        return _believed(stated, upper_bound(card, request))
    if not heard.is_asked or (ended is not None and not ended.may_have_charged):
        return Usage(0, 0)
    if ended is None or ended.outcome is StepOutcome.ACCEPTED:
        return estimate(card, request, heard.text)
    return upper_bound(card, request)


def _written(schema: Mapping[str, object]) -> str:
    return json.dumps(dict(schema), separators=(",", ":"))


def _believed(stated: Usage, most: Usage) -> Usage:
    """The stated usage. A transport's estimate is held to the upper bound; a provider may state more than that (reasoning
    that it hides, an output limit that it ignores), but not so much that one garbled number eats a month's budget.
    """
    total = most.input_tokens + most.output_tokens
    highest = most if stated.is_estimate else Usage(total * _MOST_BELIEVED_TIMES, total * _MOST_BELIEVED_TIMES)
    return replace(
        stated,
        input_tokens=min(stated.input_tokens, highest.input_tokens),
        output_tokens=min(stated.output_tokens, highest.output_tokens),
    )


def _timed_out(request: ModelRequest, has_fair_chance: bool, *, may_have_charged: bool = True) -> Ended:
    reason = f"It did not answer within the {request.timeout_seconds:.2f} s that were left."
    # Hardly any time says more about the caller's deadline than about the model.
    return Ended(
        StepOutcome.TIMED_OUT,
        reason,
        may_have_charged=may_have_charged,
        is_outage=True if has_fair_chance else None,
        is_retryable=True,
    )


async def _close(stream: AsyncIterator[Piece]) -> None:
    close = getattr(stream, "aclose", None)
    if close is not None:
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
            await close()
