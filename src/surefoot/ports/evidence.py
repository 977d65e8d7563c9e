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


class EvidenceModel(Protocol):
    """Reads question and passage, or claim and evidence, together. Safe from many threads; equal pairs are equal judgements."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the same pair could be judged otherwise; part of every cache key that keeps a judgement."""
        ...

    def passages(self, question: str, passages: Sequence[str]) -> Sequence[PassageJudgement]:
        """One judgement a passage, in their order. Long passages are cut at the model's limit."""
        ...

    def claims(self, claim: str, evidence: Sequence[str]) -> Sequence[SupportJudgement]:
        """One judgement for each piece of evidence, in their order."""
        ...
