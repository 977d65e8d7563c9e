"""Live samples scored afterwards: whether what was shown is supported by what it cited, and whether that still stands."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from surefoot.assistant.groundedness import Support
from surefoot.core.ids import digest
from surefoot.domain.documents import Chunk, ChunkId
from surefoot.domain.feedback import Feedback, LiveSample, Opinion
from surefoot.domain.identity import TenantId
from surefoot.evals.citation_metrics import Statement, citation_scores, groundedness
from surefoot.evals.results import CaseResult, Measure
from surefoot.ports import Store
from surefoot.retrieval.freshness import FreshnessRule, stale_reason

SUITE = TASK = "live"
_DIGITS = 13


def drawn(samples: Iterable[LiveSample], *, share: float, seed: int) -> Iterator[LiveSample]:
    """About this share of the samples. A sample is drawn by seed and reply id alone, so that a larger share holds the smaller
    one, and whoever else is there changes nothing.
    """
    for sample in samples:
        if int(digest(str(seed), sample.reply_id)[:_DIGITS], 16) < share * 16**_DIGITS:
            yield sample


@dataclass(frozen=True, slots=True)
class Scorer:
    """Scores samples of one tenant by the documents as they are now."""

    store: Store
    tenant: TenantId
    support: Support
    freshness: FreshnessRule
    now: datetime

    def score(self, sample: LiveSample) -> CaseResult:
        """The sample's measures. No text of it goes into the result, which would outlive the sample's time."""
        record: Mapping[str, Any] = sample.record
        claims, is_answer = record["claims"], record["outcome"] == "answer"
        measures: dict[str, Measure] = {"answered": is_answer, "confidence": record["confidence"]}
        failures: list[str] = []
        if is_answer:
            self._score_answer(claims, str(record["locale"]), measures, failures)
        with self.store.begin() as work:
            word = next(iter(work.feedback.of(self.tenant, [sample.reply_id])), None)
        if word is not None and word.opinion is not Opinion.HELPFUL:
            failures.append(f"The viewer said: {word.opinion.value}.")
        return CaseResult(
            suite=SUITE,
            case_id=sample.reply_id,
            task=TASK,
            kind=_kind(record, word),
            trial=0,
            passed=not failures,
            measures=measures,
            slices={"surface": str(record["surface"]), "locale": str(record["locale"]), "model": str(record["model"]) or "none"},
            title=sample.reply_id,
            why="A live reply, drawn with the consent of tenant and viewer.",
            failures=tuple(failures),
            trace={"trace_id": record["trace_id"], "corpus_version": record["corpus_version"], "claims": len(claims)},
        )

    def _score_answer(
        self, claims: Sequence[Mapping[str, Any]], locale: str, measures: dict[str, Measure], failures: list[str]
    ) -> None:
        statements = [Statement(each["text"], tuple(place["quote"] for place in each["citations"])) for each in claims]

        def entails(evidence: Sequence[str], text: str) -> bool:
            return self.support.score(text, evidence, locale=locale).score >= self.support.threshold

        supports = [self.support.score(each.text, each.cited, locale=locale).score for each in statements]
        scores = citation_scores(statements, entails)
        fresh = self._fresh_share([place for each in claims for place in each["citations"]])
        measures |= {
            "groundedness": groundedness(supports),
            "citation_precision": scores.precision,
            "citation_recall": scores.recall,
            "citation_coverage": scores.coverage,
            "citation_freshness": fresh,
        }
        unsupported = sum(score < self.support.threshold for score in supports)
        if unsupported:
            failures.append(f"{unsupported} of {len(supports)} claims are not supported by what they cite.")
        if fresh is not None and fresh < 1:
            failures.append("A cited passage has changed, is gone or is out of date by now.")

    def _fresh_share(self, places: Sequence[Mapping[str, Any]]) -> float | None:
        """The share of citations whose passage still holds the quote and may still be answered from; None for no citation."""
        ids = list(dict.fromkeys(ChunkId(place["chunk_id"]) for place in places))
        with self.store.begin() as work:
            chunks = work.documents.chunks(self.tenant, ids)
        held = [self._holds(chunks.get(ChunkId(place["chunk_id"])), place["quote"]) for place in places]
        return sum(held) / len(held) if held else None

    def _holds(self, chunk: Chunk | None, quote: str) -> bool:
        return chunk is not None and quote in chunk.text and not stale_reason(chunk, self.freshness, now=self.now)


def _kind(record: Mapping[str, Any], word: Feedback | None) -> str:
    outcome = "answer" if record["outcome"] == "answer" else str(record["reason"])
    return f"{outcome}, {word.opinion.value}" if word else outcome
