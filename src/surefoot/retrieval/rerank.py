"""The order of passages after a model has read the best of them beside the question: its word mixed with the fused score."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import perf_counter

from surefoot.domain.answers import Passage
from surefoot.domain.documents import HEADINGS_APART, ChunkId
from surefoot.domain.lexicon import terms
from surefoot.ports import EvidenceModel, PassageJudgement, RerankRule
from surefoot.retrieval.judgements import KeptJudgements
from surefoot.retrieval.search import Retrieved


def mixed(fused: Sequence[float], relevance: Sequence[float], *, weight: float) -> list[int]:
    """The places, from 0, in the new order: best (1 - weight) * fused + weight * relevance first, ties as they were.

    `relevance` is that of the first places; those after it were not read and follow unchanged. Every place comes once.
    """
    keys = [(1 - weight) * score + weight * found for score, found in zip(fused, relevance, strict=False)]
    return [*sorted(range(len(keys)), key=lambda place: -keys[place]), *range(len(keys), len(fused))]


def is_settled(fused: Sequence[float], *, margin: float) -> bool:
    """Whether the first passage leads the second by the margin or more; one passage alone leads nobody."""
    return len(fused) > 1 and fused[0] - fused[1] >= margin


def is_asked_by_name(question: str, heading: str) -> bool:
    """Whether heading and question are made of the same words that carry meaning, in whatever order; some there must be."""
    named = set(terms(heading))
    return bool(named) and named == set(terms(question))


class Reranker:
    """Reads the best passages of a search with the evidence model and mixes its word into their order. Safe from many threads.

    It is given what a viewer's own search found, and reads nothing else. Judgements are kept by question and chunk: a chunk's
    id is made of its tenant, its document and all of its text, so that no other tenant, and no later text, comes upon them; who
    asks for a chunk has just been given it by a search that keeps to their rights. At most `cache_size` are kept, or as many as
    `kept` has room for, which may be others' too.
    """

    def __init__(
        self, model: EvidenceModel, *, rule: RerankRule, cache_size: int = 4096, kept: KeptJudgements | None = None
    ) -> None:
        self._model = model
        self._rule = rule
        self._kept = kept or KeptJudgements(model, size=cache_size)

    @property
    def rule(self) -> RerankRule:
        """What is read, and how much it weighs."""
        return self._rule

    @property
    def informs_answers(self) -> bool:
        """Whether more than the order is made of what it reads."""
        return self._model.rules.answers is not None

    def rerank(self, question: str, retrieved: Retrieved) -> Retrieved:
        """The same passages, the first `top` of the fresh ones in mixed order, and what the model said of those it read.

        Scores stay the fused ones. When the first passage leads by the early exit's margin, or its own heading is what was
        asked, the order stays, and the model reads that one at most. Stale passages are read as well, where there are any, so
        that they are weighed alike; they keep their order.
        """
        started = perf_counter()
        fused = [passage.score for passage in retrieved.passages]
        is_clear = is_settled(fused, margin=self._rule.early_exit_margin) or _is_first_asked_by_name(question, retrieved)
        depth = self._depth(is_clear=is_clear and not retrieved.stale)
        # With one passage read, or none, mixing changes no place.
        fresh, stale = retrieved.passages[:depth], retrieved.stale[:depth]
        judged = self._judged(question, (*fresh, *stale))
        relevance = [judged[passage.chunk.chunk_id].relevance for passage in fresh]
        passages = tuple(retrieved.passages[place] for place in mixed(fused, relevance, weight=self._rule.weight))
        timings = {**retrieved.timings_ms, "evidence": round((perf_counter() - started) * 1000, 3)}
        return replace(retrieved, passages=passages, judged=judged, timings_ms=timings)

    def _depth(self, *, is_clear: bool) -> int:
        if is_clear:
            return 1 if self._model.rules.answers is not None else 0
        return self._rule.top

    def _judged(self, question: str, passages: Sequence[Passage]) -> Mapping[ChunkId, PassageJudgement]:
        """The judgement of each passage; only those that are not kept are read."""
        judged = self._kept.of(question, {passage.chunk.chunk_id: passage.chunk.encoder_text() for passage in passages})
        return {passage.chunk.chunk_id: judged[passage.chunk.chunk_id] for passage in passages}


def _is_first_asked_by_name(question: str, retrieved: Retrieved) -> bool:
    """By the last of the headings that stand over the first passage; a masked one does not."""
    over = retrieved.passages[0].chunk.headings() if retrieved.passages else ""
    return is_asked_by_name(question, over.rpartition(HEADINGS_APART)[2])


def reranker_of(kept: KeptJudgements | None, *, weight: float | None, top: int | None) -> Reranker | None:
    """The reranker of the model whose judgements are kept, by its own rule where no other is given; None without a model, and
    when nothing is made of what it says of passages.
    """
    if kept is None:
        return None
    rules = kept.model.rules
    own = rules.rerank
    rule = replace(own, weight=own.weight if weight is None else weight, top=own.top if top is None else top)
    if rule.weight == 0 and rules.answers is None:
        return None
    return Reranker(kept.model, rule=rule, kept=kept)


def in_fused_order(retrieved: Retrieved) -> Retrieved:
    """The same passages by their fused scores, as the search gave them."""
    ordered = sorted(retrieved.passages, key=lambda passage: (-passage.score, passage.chunk.chunk_id))
    return replace(retrieved, passages=tuple(ordered))
