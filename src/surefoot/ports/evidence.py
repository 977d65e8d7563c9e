"""The evidence model: whether a passage answers a question, and whether evidence supports a claim."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class PassageJudgement:
    """One passage beside one question. `relevance` orders passages; `answers` is the calibrated probability, 0..1, that the
    answer stands in this passage.
    """

    relevance: float
    answers: float


@dataclass(frozen=True, slots=True)
class SupportJudgement:
    """One claim beside one piece of evidence: three calibrated probabilities that sum to 1."""

    supported: float
    contradicted: float
    not_stated: float


@dataclass(frozen=True, slots=True)
class RerankRule:
    """Which passages are read, and how relevance changes their order: the first `top` by (1 - weight) * fused score + weight *
    relevance. At weight 0 the order stays. When the first fused score leads the second by `early_exit_margin` or more, the
    order is taken as it is.
    """

    weight: float = 0.0
    top: int = 10
    early_exit_margin: float = 1.0


@dataclass(frozen=True, slots=True)
class AnswersPart:
    """Log-odds that the passages hold the answer: `bias` and the weights of the feature score's own log-odds, of the most
    promising passage and of the mean of the two most promising.
    """

    bias: float
    features: float
    best: float
    best_two: float


@dataclass(frozen=True, slots=True)
class SourcePart:
    """Log-odds that a passage is the source: `bias` and the weights of the feature score, its relevance and its answer."""

    bias: float
    features: float
    relevance: float
    answers: float


@dataclass(frozen=True, slots=True)
class AnswersRule:
    """How judgements of passages join the feature scores. Without `source` those alone choose the passage to quote."""

    answerable: AnswersPart
    in_scope: AnswersPart
    answer_threshold: float
    scope_threshold: float
    source: SourcePart | None = None


@dataclass(frozen=True, slots=True)
class SupportRule:
    """A veto: a claim that the features take to be supported is not, when the model gives no piece of its evidence a probability
    of `least` or more to say so. The model refuses claims and never lets one pass.
    """

    least: float


@dataclass(frozen=True, slots=True)
class QuoteRule:
    """How sentences are chosen to be quoted. Each is judged as a passage of its own, under its passage's headings. A sentence is
    worth (1 - weight) * features + weight * logistic(relevance / temperature); a passage's log-odds to be the source gain
    `source_weight` * the relevance of its best sentence. At most `top` sentences are read: of the passages whose log-odds are
    behind the likeliest by `source_margin` at most, those whose features are behind their passage's best by `margin` at most.
    """

    weight: float
    temperature: float = 1.0
    source_weight: float = 0.0
    top: int = 8
    margin: float = 1.0
    source_margin: float = 1.0


@dataclass(frozen=True, slots=True)
class EvidenceRules:
    """What a model is asked for, and how its word is weighed. A use that is None stays with the features: the model was not
    found to be better at it.
    """

    rerank: RerankRule = RerankRule()
    answers: AnswersRule | None = None
    support: SupportRule | None = None
    quotes: QuoteRule | None = None

    @property
    def reads_passages(self) -> bool:
        """Whether anything is made of its judgements of passages."""
        return self.rerank.weight > 0 or self.answers is not None

    @property
    def is_useful(self) -> bool:
        """Whether anything is made of any of its judgements."""
        return self.reads_passages or self.support is not None or self.quotes is not None


class EvidenceModel(Protocol):
    """Reads question and passage, or claim and evidence, together. Safe from many threads; equal pairs are equal judgements,
    whatever else is judged beside them.
    """

    @property
    def fingerprint(self) -> str:
        """Changes whenever the same pair could be judged or weighed otherwise; part of every key under which a judgement, or
        what follows from one, is kept.
        """
        ...

    @property
    def rules(self) -> EvidenceRules:
        """What it may be asked for, and how its word is weighed."""
        ...

    def passages(self, question: str, passages: Sequence[str]) -> Sequence[PassageJudgement]:
        """One judgement a passage, in their order. Long passages are cut at the model's limit."""
        ...

    def claims(self, claim: str, evidence: Sequence[str]) -> Sequence[SupportJudgement]:
        """One judgement for each piece of evidence, in their order."""
        ...
