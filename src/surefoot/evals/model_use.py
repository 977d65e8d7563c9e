"""What models did for the questions of a run: how often they were asked, what the gate said of it, and what it cost."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from surefoot.domain.answers import Answer, Citation, Refusal, Tier
from surefoot.domain.documents import Chunk, ChunkId
from surefoot.domain.replies import Reply
from surefoot.domain.routing import Step
from surefoot.evals.intervals import Estimate, wilson

_REWRITING = "standalone_question"


@dataclass(frozen=True, slots=True)
class Asked:
    """What came back for one question. `timings_ms` are per stage; `altered_quotes` counts citations whose quote does not
    stand, letter by letter, where the citation says.
    """

    outcome: Answer | Refusal
    timings_ms: Mapping[str, float]
    steps: tuple[Step, ...] = ()
    altered_quotes: int = 0

    @property
    def drafts(self) -> tuple[Step, ...]:
        """The attempts of models at an answer; none when no model was asked for one."""
        return tuple(step for step in self.steps if step.tier is not Tier.EXTRACTIVE and step.purpose != _REWRITING)


@dataclass(frozen=True, slots=True)
class ModelUse:
    """The models of `n` questions. `asked` is for how many of them a model was asked for an answer, `verdicts` how each of
    its drafts ended, `rewrites` how each rewriting of a follow-up did. Money is in US dollars.
    """

    n: int
    answered_by: Mapping[str, int]
    asked: int
    asked_share: Estimate | None
    verdicts: Mapping[str, int]
    repairs: int
    rewrites: Mapping[str, int]
    input_tokens: int
    output_tokens: int
    cost_usd: float
    cost_usd_per_question: float
    answers_without_citation: int
    altered_quotes: int


def asked_from(reply: Reply, chunks: Mapping[ChunkId, Chunk]) -> Asked:
    """What the reply gave, its quotes compared with the chunks that it cites; one that is missing has no quote to show."""
    return Asked(
        outcome=reply.outcome,
        timings_ms=reply.timings_ms,
        steps=reply.steps,
        altered_quotes=len(altered_quotes(reply.outcome, chunks)),
    )


def altered_quotes(outcome: Answer | Refusal, chunks: Mapping[ChunkId, Chunk]) -> tuple[ChunkId, ...]:
    """The chunk of each citation whose quote does not stand, letter by letter, where the citation says."""
    return tuple(citation.chunk_id for citation in citations(outcome) if not _stands(citation, chunks))


def citations(outcome: Answer | Refusal) -> Sequence[Citation]:
    """The citations of an answer in reading order; for a refusal the closest places it names."""
    if isinstance(outcome, Refusal):
        return outcome.closest
    return [citation for claim in outcome.claims for citation in claim.citations]


def is_uncited(outcome: Answer | Refusal) -> bool:
    """Whether it is an answer with a claim that cites nothing, or with no claim at all."""
    return isinstance(outcome, Answer) and not (outcome.claims and all(claim.citations for claim in outcome.claims))


def model_use(every: Sequence[Asked]) -> ModelUse:
    """The sum over these questions."""
    steps = [step for asked in every for step in asked.steps if step.tier is not Tier.EXTRACTIVE]
    drafts = [step for asked in every for step in asked.drafts]
    with_models = sum(bool(asked.drafts) for asked in every)
    cost_usd = sum(step.spend.usd for step in steps)
    return ModelUse(
        n=len(every),
        answered_by=_counted(asked.outcome.tier for asked in every if isinstance(asked.outcome, Answer)),
        asked=with_models,
        asked_share=wilson(with_models, len(every)),
        verdicts=_counted(step.outcome for step in drafts),
        repairs=sum(step.purpose == "repair" for step in drafts),
        rewrites=_counted(step.outcome for step in steps if step.purpose == _REWRITING),
        input_tokens=sum(step.input_tokens for step in steps),
        output_tokens=sum(step.output_tokens for step in steps),
        cost_usd=round(cost_usd, 9),
        cost_usd_per_question=round(cost_usd / len(every), 9) if every else 0.0,
        answers_without_citation=sum(is_uncited(asked.outcome) for asked in every),
        altered_quotes=sum(asked.altered_quotes for asked in every),
    )


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(str(name) for name in names).items()))


def _stands(citation: Citation, chunks: Mapping[ChunkId, Chunk]) -> bool:
    chunk = chunks.get(citation.chunk_id)
    if chunk is None or not chunk.start <= citation.start < citation.end <= chunk.end:
        return False
    return chunk.text[citation.start - chunk.start : citation.end - chunk.start] == citation.quote
