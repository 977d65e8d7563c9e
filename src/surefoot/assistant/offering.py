"""Actions beside an answer: what a model is told of them, and which of its proposals become buttons."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from surefoot.actions.proposals import Proposals, Refused, described
from surefoot.assistant.prompting import nonce_outside
from surefoot.domain.actions import ActionSpec, Risk
from surefoot.domain.answers import Answer, Citation, Claim, Refusal, RefusalReason
from surefoot.domain.drafts import ProposedAction
from surefoot.domain.identity import Viewer
from surefoot.domain.lexicon import terms
from surefoot.domain.offers import MOST_OFFERED, OfferedAction
from surefoot.llm.prompts import Prompts

# A step may be asked for though nothing that can be quoted answers; where places contradict each other or are out of date,
# nothing may rest on them.
_NOT_SAID = frozenset({RefusalReason.NO_EVIDENCE, RefusalReason.INSUFFICIENT_EVIDENCE, RefusalReason.OUT_OF_SCOPE})
_MOST_WORDS = 0.6


@dataclass(frozen=True, slots=True)
class Drafted:
    """What a model proposed, as it wrote it: bound to no viewer and checked by nobody yet. `model` is whose draft it was."""

    actions: tuple[ProposedAction, ...] = ()
    model: str = ""


NOTHING_DRAFTED = Drafted()


@dataclass(frozen=True, slots=True)
class Settled:
    """An outcome and what the model that wrote it proposed beside it: all that may be kept for the next who asks the same."""

    outcome: Answer | Refusal
    drafted: Drafted = NOTHING_DRAFTED


@dataclass(frozen=True, slots=True)
class Offering:
    """The actions that models may propose to one viewer at one question. Safe from many threads."""

    proposals: Proposals
    viewer: Viewer
    specs: tuple[ActionSpec, ...]

    @property
    def names(self) -> str:
        """The actions, for telling apart prompts that offer others."""
        return " ".join(f"{spec.name}/{spec.schema_hash}" for spec in self.specs)

    def told(self, prompts: Prompts) -> str:
        """The part of the prompt that offers them; empty when there are none. Equal for all viewers who are offered the same."""
        if not self.specs:
            return ""
        lines = "\n".join(json.dumps(described(spec), ensure_ascii=False) for spec in self.specs)
        nonce = nonce_outside([lines])
        return "\n\n" + prompts.get("actions").render(actions=f"<actions-{nonce}>\n{lines}\n</actions-{nonce}>")

    def is_risky(self, proposed: ProposedAction) -> bool:
        """Whether it is an action that only the strongest models may propose."""
        return any(spec.name == proposed.name and spec.risk is Risk.HIGH for spec in self.specs)

    def weighed(self, drafted: Drafted, claims: Sequence[Claim]) -> tuple[tuple[OfferedAction, ...], tuple[str, ...]]:
        """The buttons, at most MOST_OFFERED, and why the other proposals become none."""
        return weighed(self.proposals, self.viewer, drafted, cited_by(claims))


def weighed(
    proposals: Proposals, viewer: Viewer, drafted: Drafted, citations: Sequence[str]
) -> tuple[tuple[OfferedAction, ...], tuple[str, ...]]:
    """The buttons for this viewer, at most MOST_OFFERED and each action once, and why the other proposals become none."""
    buttons: dict[str, OfferedAction] = {}
    dropped: list[str] = []
    for proposed in drafted.actions:
        if proposed.name in buttons or len(buttons) == MOST_OFFERED:
            dropped.append("A further proposal was dropped: each action is offered once, and few are.")
            continue
        button = proposals.drafted(viewer, proposed, citations, model=drafted.model)
        if isinstance(button, Refused):
            dropped.append(f"A proposal was dropped. {button.reason}")
        else:
            buttons[button.action] = button
    return tuple(buttons.values()), tuple(dict.fromkeys(dropped))


def evidence_of(outcome: Answer | Refusal, question: str, locale: str) -> tuple[str, ...]:
    """The chunk ids that a step beside this outcome rests on: what the answer cites. Beside a refusal, since a request is rarely
    answered by a quote, those of its closest places that are of what was asked: they hold most of its words and are not stale.
    """
    if isinstance(outcome, Answer):
        return cited_by(outcome.claims)
    asked = set(terms(question, locale))
    if not asked or outcome.reason not in _NOT_SAID:
        return ()
    near = [place for place in outcome.closest if not place.stale and _share(asked, place) >= _MOST_WORDS]
    return tuple(dict.fromkeys(place.chunk_id for place in near))


def _share(asked: set[str], place: Citation) -> float:
    held = {*terms(f"{place.title} {place.heading} {place.quote}", place.locale)}
    return len(asked & held) / len(asked)


def cited_by(claims: Sequence[Claim]) -> tuple[str, ...]:
    """The chunk ids that the claims stand on, each once."""
    return tuple(dict.fromkeys(citation.chunk_id for claim in claims for citation in claim.citations))
