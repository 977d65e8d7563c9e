"""Whatever is measured: the product in this process, or one behind a URL. What it says has one form, that of the HTTP API."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, JsonValue


class _Told(BaseModel):
    """Further fields are allowed: a server may be newer than whoever measures it."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ToldCitation(_Told):
    """A passage that is named to the character."""

    chunk_id: str
    uri: str
    anchor: str
    quote: str
    start: int
    end: int
    locale: str


class ToldClaim(_Told):
    """One sentence of an answer, what it stands on, and the product's own word on how well it does, 0..1."""

    text: str
    support: float
    citations: tuple[ToldCitation, ...]


class ToldAnswer(_Told):
    """Claims in reading order, and who wrote them."""

    claims: tuple[ToldClaim, ...]
    tier: str
    note: str


class ToldRefusal(_Told):
    """Why nothing is shown."""

    reason: str
    message: str
    would_help: tuple[str, ...]
    closest: tuple[ToldCitation, ...]
    choices: tuple[str, ...]


class ToldOffer(_Told):
    """A button beside the reply; `missing` are arguments that are left to the person."""

    action: str
    title: str
    arguments: Mapping[str, JsonValue]
    missing: tuple[str, ...]
    reason: str
    citations: tuple[str, ...]


class ToldStep(_Told):
    """One attempt at the answer."""

    tier: str
    model: str
    purpose: str
    outcome: str
    tokens: int
    cost_usd: float


class ToldReply(_Told):
    """One question's whole outcome, as `POST /v1/ask` answers it."""

    kind: Literal["answer", "refusal"]
    answer: ToldAnswer | None
    refusal: ToldRefusal | None
    actions: tuple[ToldOffer, ...]
    confidence: float
    cost_usd: float
    tokens: int
    cache: str
    degraded: str | None
    first_claim_ms: float | None
    steps: tuple[ToldStep, ...]

    @property
    def citations(self) -> tuple[ToldCitation, ...]:
        """The citations of an answer in reading order; for a refusal the closest places it names."""
        if self.answer is not None:
            return tuple(citation for claim in self.answer.claims for citation in claim.citations)
        return self.refusal.closest if self.refusal is not None else ()


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody was told. `trace` is the whole reply as JSON, `latency_ms` the time until it was there, and
    `altered_quotes` the chunk ids of citations whose chunk, read again, does not say the quote where the citation says.
    """

    reply: ToldReply
    trace: Mapping[str, JsonValue]
    latency_ms: float
    altered_quotes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What a search ranked, best first: the section (`page#anchor`) and the page of each passage."""

    passages: tuple[tuple[str, str], ...]
    latency_ms: float


@dataclass(frozen=True, slots=True)
class Weighed:
    """How well evidence supports a claim: `score` in 0..1, supported from `threshold` on."""

    score: float
    threshold: float

    @property
    def is_supported(self) -> bool:
        return self.score >= self.threshold


@dataclass(frozen=True, slots=True)
class Simulated:
    """What came of asking for an action: `state` is the run's, such as planned or denied; `invalid` when its arguments were
    not valid and there is no run. `reasons` are the policy's or the validator's words. `trace` is the run as JSON.
    """

    state: str
    reasons: tuple[str, ...]
    latency_ms: float
    trace: Mapping[str, JsonValue]

    @property
    def is_allowed(self) -> bool:
        """Whether there is a plan, or there may be one once a person takes it up."""
        return self.state in ("planned", "awaiting_approval", "suggested")


class Target(Protocol):
    """What is measured, over the corpus of one suite. Safe from many threads; viewers are named as the suite names them.

    Every method may raise a SurefootError, which is then the case's error and not the end of the run.
    """

    @property
    def name(self) -> str:
        """What it is: `in process`, or the server's URL."""
        ...

    @property
    def tasks(self) -> frozenset[str]:
        """The tasks of cases that it can be given."""
        ...

    def facts(self) -> Mapping[str, JsonValue]:
        """What tells two targets apart: code version, model, prompt and policy fingerprints, encoder, corpus, settings."""
        ...

    def ask(self, viewer: str, question: str, *, earlier: Sequence[str] = (), surface: str = "help") -> Told:
        """The reply, after the earlier questions were asked and answered in a conversation of its own."""
        ...

    def retrieve(self, viewer: str, question: str, *, limit: int) -> Found:
        """The best passages that this viewer may read."""
        ...

    def support(self, claim: str, evidence: Sequence[str], *, locale: str = "en") -> Weighed:
        """How well the evidence, taken together, supports the claim."""
        ...

    def simulate(
        self, viewer: str, action: str, arguments: Mapping[str, JsonValue], *, citations: Sequence[str] = ()
    ) -> Simulated:
        """The action, asked for in the sandbox, resting on these passages, simulated and cancelled; nothing is applied. Raises
        Conflict when a live run for the same thing, with other arguments, stands in its way.
        """
        ...
