"""Language models as data: what one is, what it is asked, what it says and what that costs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from surefoot.domain.budgets import Spend


class Role(StrEnum):
    """Who speaks in a prompt."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class FinishReason(StrEnum):
    """Why a model stopped: it was done, it met its output limit, or its provider's filter cut it."""

    STOP = "stop"
    LENGTH = "length"
    FILTERED = "filtered"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. `cached_tokens` are those of the input that the provider had cached. `is_estimate` when the
    provider did not say and we counted.
    """

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    is_estimate: bool = False


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens, which is micro-dollars per token."""

    input_usd_per_million: float = 0.0
    output_usd_per_million: float = 0.0
    cached_input_usd_per_million: float | None = None

    def spend(self, usage: Usage) -> Spend:
        """What the usage costs, rounded up to the nano-dollar, and its tokens."""
        stated = self.cached_input_usd_per_million
        cached_price = self.input_usd_per_million if stated is None else stated
        cached = min(usage.cached_tokens, usage.input_tokens)
        micro_usd = (
            (usage.input_tokens - cached) * self.input_usd_per_million
            + cached * cached_price
            + usage.output_tokens * self.output_usd_per_million
        )
        return Spend(nano_usd=-int(-micro_usd * 1000 // 1), tokens=usage.input_tokens + usage.output_tokens)


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model of the catalog. `name` is ours, `model` is `provider/name` as the transport knows it. `region` is where it
    runs (empty: unstated, so it serves no tenant that is pinned to a region).
    """

    name: str
    model: str
    price: Price = Price()
    context_tokens: int = 32_000
    max_output_tokens: int = 1_000
    json_schema: bool = True
    streaming: bool = True
    region: str = ""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One call. `schema` is the JSON Schema the text must follow (None: free text); a model that cannot be held to one gets
    it in the prompt. `timeout_seconds` is what is left of the caller's deadline: the transport gives up by then.
    """

    messages: tuple[Message, ...]
    timeout_seconds: float
    max_output_tokens: int = 1_000
    schema_name: str = "reply"
    schema: Mapping[str, object] | None = None
    stream: bool = False
    temperature: float = 0.0

    def input_bytes(self) -> int:
        """The bytes of everything sent. A byte-level tokenizer never makes more tokens than bytes, so this bounds them."""
        return sum(len(message.content.encode()) + 16 for message in self.messages)


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of a model's text as it arrived. The last piece has `finish` and `usage`; its text may be empty."""

    text: str = ""
    finish: FinishReason | None = None
    usage: Usage | None = None
    meta: Mapping[str, str] = field(default_factory=dict)
