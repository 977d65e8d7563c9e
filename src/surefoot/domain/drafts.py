"""What a model proposes: nothing of it reaches a person before the gate has passed it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from surefoot.domain.answers import Claim


class CannotAnswerReason(StrEnum):
    """Why a model says that it cannot answer."""

    NOT_IN_PASSAGES = "not_in_passages"
    CONFLICTING = "conflicting"
    UNCLEAR_QUESTION = "unclear_question"


@dataclass(frozen=True, slots=True)
class DraftCitation:
    """The quote a model says a passage holds."""

    chunk_id: str
    quote: str


@dataclass(frozen=True, slots=True)
class DraftClaim:
    """One sentence as the model wrote it, and what it says it stands on."""

    text: str
    citations: tuple[DraftCitation, ...]


@dataclass(frozen=True, slots=True)
class ProposedAction:
    """An action by name with its arguments; a proposal, never a call."""

    name: str
    arguments: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class CannotAnswer:
    """The model's own refusal; `missing` says in its words what it would have needed. The words are never shown."""

    reason: CannotAnswerReason
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A whole reply of a model that followed the schema: claims, or `cannot_answer`."""

    claims: tuple[DraftClaim, ...]
    actions: tuple[ProposedAction, ...] = ()
    cannot_answer: CannotAnswer | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """The gate's verdict on one claim. `claim` is what may be shown, None when it fell; `reasons` say in sentences for a
    person why it fell, gravest first. `rules` are the codes of the rules that it broke, in the same order.
    """

    text: str
    claim: Claim | None
    support: float
    rules: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
