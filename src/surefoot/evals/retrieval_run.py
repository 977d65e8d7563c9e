"""How well retrieval finds the gold section and page of each question."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from surefoot.domain.answers import Passage
from surefoot.evals import metrics
from surefoot.evals.corpora import ChunkMap, pages_in_order, sections_in_order
from surefoot.evals.datasets import Question, Source
from surefoot.evals.intervals import Estimate, bootstrap_mean

# Chunks asked for, so that ten sections or pages are left after several chunks of one were collapsed.
DEPTH = 50
K = 10

Search = Callable[[str], Sequence[Passage]]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Ranking:
    """The outcome of one question at one level, with the gold it is judged by."""

    qid: str
    source: Source
    level: str
    ranked: tuple[str, ...]
    gold: frozenset[str]


@dataclass(frozen=True, slots=True)
class RetrievalRow:
    """The figures of one question source at one level, `section` or `page`, with 95 % bootstrap intervals."""

    source: Source
    level: str
    n: int
    ndcg_at_10: Estimate
    recall_at_10: Estimate
    mrr: Estimate


@dataclass(frozen=True, slots=True)
class RetrievalReport:
    """Rows by source and level. `left_out` are qids whose gold is not among the sections at all."""

    rows: tuple[RetrievalRow, ...]
    left_out: tuple[str, ...]


def rank_all(
    search: Search, questions: Sequence[Question], chunks: ChunkMap, *, progress: Progress | None = None
) -> tuple[list[Ranking], list[str]]:
    """One ranking per question and level, and the qids that could not be scored.

    Chunks are collapsed to the first of their section or page. Pages in `linked_from` hold the question's very words and
    are taken out of the ranking.
    """
    rankings: list[Ranking] = []
    left_out: list[str] = []
    for done, question in enumerate(questions, start=1):
        if chunks.holds_gold_of(question):
            passages = [p for p in search(question.question) if p.chunk.uri not in question.linked_from]
            if question.gold_sections:
                rankings.append(_ranking(question, "section", sections_in_order(passages), question.gold_sections))
            rankings.append(_ranking(question, "page", pages_in_order(passages), question.gold_pages))
        else:
            left_out.append(question.qid)
        if progress is not None:
            progress(done, len(questions))
    return rankings, left_out


def summarise(rankings: Sequence[Ranking], left_out: Sequence[str] = ()) -> RetrievalReport:
    """The report over the rankings, sources and levels in alphabetical order, the finer level first."""
    groups: dict[tuple[Source, str], list[Ranking]] = {}
    for ranking in rankings:
        groups.setdefault((ranking.source, ranking.level), []).append(ranking)
    rows = [
        _row(source, level, groups[source, level])
        for source, level in sorted(groups, key=lambda key: (key[0], key[1] != "section"))
    ]
    return RetrievalReport(tuple(rows), tuple(left_out))


def _ranking(question: Question, level: str, ranked: Sequence[str], gold: Sequence[str]) -> Ranking:
    return Ranking(question.qid, question.source, level, tuple(ranked), frozenset(gold))


def _row(source: Source, level: str, rankings: Sequence[Ranking]) -> RetrievalRow:
    return RetrievalRow(
        source=source,
        level=level,
        n=len(rankings),
        ndcg_at_10=_mean([metrics.ndcg_at(r.ranked, r.gold, K) for r in rankings]),
        recall_at_10=_mean([metrics.recall_at(r.ranked, r.gold, K) for r in rankings]),
        mrr=_mean([metrics.reciprocal_rank(r.ranked, r.gold) for r in rankings]),
    )


def _mean(values: Sequence[float]) -> Estimate:
    estimate = bootstrap_mean(values)
    assert estimate is not None, "A row has at least one question."
    return estimate
