"""What the retrieved passages say about a question, as named numbers: the only input of the learned scores.

Every feature is a plain measure that a person can check: shares lie in 0..1, similarities in -1..1. None looks at the tenant,
at a document's name, or at whether a heading was kept out of the index.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surefoot.assistant.forms import has_form
from surefoot.assistant.questions import Question, QuestionKind
from surefoot.assistant.units import Analysed, Unit
from surefoot.domain.answers import Passage
from surefoot.retrieval.search import Retrieved

Features = dict[str, float]
# The rank that stands for "not in this leg at all".
_NOT_RANKED = 200


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each of a question's terms tells the passages apart: rarer among the passages weighs more."""

    of: Mapping[str, float]

    def covered(self, terms: frozenset[str]) -> float:
        """The weight of the question's terms that are among these, as a share, 0..1."""
        total = sum(self.of.values())
        return sum(weight for term, weight in self.of.items() if term in terms) / total if total else 0.0


def weights_among(question: Question, passages: Sequence[Analysed]) -> Weights:
    """BM25's idf over the passages at hand (Robertson & Spärck Jones 1976), a little added so that no term weighs nothing."""
    count = len(passages)
    found: dict[str, float] = {}
    for term in question.terms:
        holders = sum(term in passage.terms or term in passage.heading_terms for passage in passages)
        found[term] = math.log(1 + (count - holders + 0.5) / (holders + 0.5)) + 0.25
    return Weights(found)


def pair_share(question: Question, pairs: frozenset[tuple[str, str]]) -> float:
    """The share of the question's neighbouring term pairs that are neighbours here too; 0 when it has none."""
    return len(question.pairs & pairs) / len(question.pairs) if question.pairs else 0.0


def unit_lexical(question: Question, weights: Weights, unit: Unit, context: Analysed) -> float:
    """How well a unit answers by words alone, 0..1: coverage, half counting the headings it stands under, pairs and form."""
    own = weights.covered(unit.terms)
    with_headings = weights.covered(unit.terms | context.heading_terms)
    return 0.55 * own + 0.2 * with_headings + 0.1 * pair_share(question, unit.pairs) + 0.15 * has_form(question, unit)


def passage_features(
    question: Question, weights: Weights, retrieved: Retrieved, place: int, analysed: Analysed, unit_similarity: float | None
) -> Features:
    """How likely passage number `place` (from 0) holds the answer. `unit_similarity` is the best cosine of its encoded units."""
    passage = retrieved.passages[place]
    best_dense = max((p.dense for p in retrieved.passages if p.dense is not None), default=0.0)
    best_lexical = max((p.lexical for p in retrieved.passages if p.lexical is not None), default=0.0)
    floor = retrieved.dense_scores[-1] if retrieved.dense_scores else 0.0
    dense = passage.dense if passage.dense is not None else floor
    units = [unit for unit in analysed.units if unit.says_something]
    covers = [weights.covered(unit.terms) for unit in units]
    forms = [has_form(question, unit) for unit in units]
    heaviest = max(weights.of, key=lambda term: (weights.of[term], term), default="")
    everywhere = analysed.terms | analysed.heading_terms
    return {
        "score": passage.score,
        "dense": dense,
        "dense_below_best": best_dense - dense,
        "lexical_share_of_best": (passage.lexical or 0.0) / best_lexical if best_lexical > 0 else 0.0,
        "dense_rank_inverse": 1 / retrieved.dense_rank.get(passage.chunk.chunk_id, _NOT_RANKED),
        "lexical_rank_inverse": 1 / retrieved.lexical_rank.get(passage.chunk.chunk_id, _NOT_RANKED),
        "unit_similarity": dense if unit_similarity is None else unit_similarity,
        "coverage": weights.covered(everywhere),
        "unit_coverage": max(covers, default=0.0),
        "neighbours_coverage": _neighbours_coverage(weights, units),
        "heaviest_term_covered": float(heaviest in everywhere),
        "pair_share": pair_share(question, analysed.pairs),
        "hard_facts_found": _share_found(question, analysed, passage),
        "form_and_coverage": max((form * cover for form, cover in zip(forms, covers, strict=True)), default=0.0),
        "form_share": sum(forms) / len(forms) if forms else 0.0,
        "log_length": math.log1p(len(passage.chunk.text) / 100),
        "code_share": analysed.code_share,
        "quotable_share": analysed.quotable_share,
    }


def _neighbours_coverage(weights: Weights, units: Sequence[Unit]) -> float:
    """The best coverage by two units that follow each other."""
    return max((weights.covered(a.terms | b.terms) for a, b in zip(units, units[1:] or units, strict=False)), default=0.0)


def _share_found(question: Question, analysed: Analysed, passage: Passage) -> float:
    """The share of the question's identifiers, numbers and names that the passage's text or headings hold; 1 without any."""
    wanted = question.facts.identifiers | question.facts.numbers | question.facts.names
    if not wanted:
        return 1.0
    text = f"{passage.chunk.headings()}\n{passage.chunk.text}".lower()
    return sum(word in text for word in wanted) / len(wanted)


def list_features(question: Question, weights: Weights, retrieved: Retrieved, analysed: Sequence[Analysed]) -> Features:
    """What the list as a whole says: how far its head stands out, whether the legs agree, what nothing in it covers."""
    everything = frozenset[str]().union(*(a.terms | a.heading_terms for a in analysed))
    top_three = frozenset[str]().union(*(a.terms | a.heading_terms for a in analysed[:3]))
    documents = [passage.chunk.document_id for passage in retrieved.passages]
    scores = [passage.score for passage in retrieved.passages]
    return {
        **_dense_shape(np.asarray(retrieved.dense_scores, dtype=np.float64)),
        **_lexical_shape(np.asarray(retrieved.lexical_scores, dtype=np.float64), len(question.terms)),
        "score_gap_second": scores[0] - scores[1] if len(scores) > 1 else 0.0,
        "legs_overlap_5": _overlap(retrieved, 5),
        "legs_overlap_10": _overlap(retrieved, 10),
        "tops_agree": _tops_agree(retrieved),
        "covered_by_all": weights.covered(everything),
        "covered_by_top_three": weights.covered(top_three),
        "terms_nowhere": sum(term not in everything for term in question.terms) / max(1, len(question.terms)),
        "names_nowhere": _names_nowhere(question, retrieved),
        "same_document_share": documents.count(documents[0]) / len(documents) if documents else 0.0,
        "documents_in_top_five": len(set(documents[:5])) / 5,
        "log_terms": math.log1p(len(question.terms)),
        "log_characters": math.log1p(len(question.text)),
        "has_hard_facts": float(bool(question.facts.identifiers or question.facts.numbers or question.facts.names)),
        **{f"asks_{kind.value}": float(question.kind is kind) for kind in QuestionKind},
    }


def _dense_shape(scores: NDArray[np.float64]) -> Features:
    """The vector leg's scores: how high the first is and how fast they fall."""
    if not scores.size:
        return dict.fromkeys(
            ("dense_top", "dense_top_z", "dense_gap_second", "dense_gap_tenth", "dense_gap_last", "dense_spread"), 0.0
        )
    return {
        "dense_top": float(scores[0]),
        "dense_top_z": _z(scores),
        "dense_gap_second": float(scores[0] - scores[min(1, scores.size - 1)]),
        "dense_gap_tenth": float(scores[0] - scores[min(9, scores.size - 1)]),
        "dense_gap_last": float(scores[0] - scores[-1]),
        "dense_spread": float(scores.std()),
    }


def _lexical_shape(scores: NDArray[np.float64], terms: int) -> Features:
    """The lexical leg's scores, as shares of the first: BM25 has no scale of its own."""
    if not scores.size or scores[0] <= 0:
        names = (
            "lexical_top_per_term",
            "lexical_top_z",
            "lexical_gap_second",
            "lexical_gap_tenth",
            "lexical_gap_last",
            "lexical_hits",
        )
        return dict.fromkeys(names, 0.0)
    return {
        "lexical_top_per_term": float(scores[0]) / max(1, terms),
        "lexical_top_z": _z(scores),
        "lexical_gap_second": float(1 - scores[min(1, scores.size - 1)] / scores[0]),
        "lexical_gap_tenth": float(1 - scores[min(9, scores.size - 1)] / scores[0]),
        "lexical_gap_last": float(1 - scores[-1] / scores[0]),
        "lexical_hits": scores.size / 100,
    }


def _z(scores: NDArray[np.float64]) -> float:
    """How many standard deviations the first score lies above the mean of the others; 0 for fewer than three."""
    if scores.size < 3:
        return 0.0
    rest = scores[1:]
    return float((scores[0] - rest.mean()) / max(float(rest.std()), 1e-3))


def _names_nowhere(question: Question, retrieved: Retrieved) -> float:
    """The share of the question's names and identifiers that no passage has, text or headings; 0 without any."""
    wanted = question.facts.names | question.facts.identifiers
    if not wanted:
        return 0.0
    texts = "\n".join(f"{passage.chunk.headings()}\n{passage.chunk.text}" for passage in retrieved.passages).lower()
    return sum(word not in texts for word in wanted) / len(wanted)


def _overlap(retrieved: Retrieved, depth: int) -> float:
    """The share of the first `depth` of one leg that the other has there as well."""
    dense = {chunk for chunk, rank in retrieved.dense_rank.items() if rank <= depth}
    lexical = {chunk for chunk, rank in retrieved.lexical_rank.items() if rank <= depth}
    return len(dense & lexical) / max(1, min(depth, max(len(dense), len(lexical))))


def _tops_agree(retrieved: Retrieved) -> float:
    """The mean of how well each leg's first passage does in the other leg, as inverse ranks."""
    dense_first = next((chunk for chunk, rank in retrieved.dense_rank.items() if rank == 1), "")
    lexical_first = next((chunk for chunk, rank in retrieved.lexical_rank.items() if rank == 1), "")
    there = 1 / retrieved.lexical_rank.get(dense_first, _NOT_RANKED) if dense_first else 0.0
    back = 1 / retrieved.dense_rank.get(lexical_first, _NOT_RANKED) if lexical_first else 0.0
    return (there + back) / 2
