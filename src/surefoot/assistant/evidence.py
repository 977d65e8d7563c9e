"""What the retrieved passages say about a question, as named numbers: the only input of the learned scores.

Every feature is a plain measure that a person can check: shares lie in 0..1, similarities in -1..1. None looks at the tenant,
at a document's name, or at whether a heading was kept out of the index.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from surefoot.assistant.questions import Question, QuestionKind
from surefoot.assistant.units import Analysed, Unit, UnitKind
from surefoot.domain.answers import Passage
from surefoot.retrieval.search import Retrieved

Features = dict[str, float]

_CUES: Mapping[QuestionKind, re.Pattern[str]] = {
    kind: re.compile(pattern, re.IGNORECASE)
    for kind, pattern in {
        QuestionKind.HOW: r"^(?:to |first|then|next|click|select|go to|open|add|create|set|use|run|enter|choose|navigate|install|copy"
        r"|enable|disable|configure|make|send|call|include|contact|log in|remove|delete|update|change|follow|you can|you(?:'ll)? need)\b"
        r"|\b(?:by \w+ing|you can|you must|you need to|follow (?:the|these)|use the|steps?)\b|\b(?:klicken|wählen|öffnen|sie können)\b"
        r"|\b(?:haga|seleccione|abra|puede)\b",
        QuestionKind.WHY: r"\b(?:because|since|due to|reason|so that|in order to|as a result|therefore|caused? by|causes?|means that"
        r"|happens? (?:when|if)|occurs?|ensures?|prevents?|helps?|weil|damit|porque|debido)\b",
        QuestionKind.NUMBER: r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|hourly|daily|weekly|monthly|unlimited|no limit)\b",
        QuestionKind.WHEN: r"\b(?:when|after|before|once|until|within|every|immediately|hours?|days?|minutes?|daily|weekly|monthly"
        r"|wenn|nach|cuando|después)\b|\b(?:19|20)\d\d\b",
        QuestionKind.WHERE: r"(?:\w >|→|›) ?\w|\b(?:navigate|go to|tab|page|section|settings|dashboard|menu|under|located|found in"
        r"|at the (?:top|bottom)|unter|seite|en la|página)\b|https?://",
        QuestionKind.WHO: r"\b(?:admins?|owners?|members?|users?|team|roles?|everyone|anyone|only|person|by [A-Z])\b",
        QuestionKind.POSSIBLE: r"\b(?:can|cannot|can't|could|may|supports?|supported|not|yes|no|only|allows?|possible|available|must|is|are"
        r"|will|does|doesn't|kann|nicht|nein|ja|puede|sí)\b",
        QuestionKind.DEFINITION: r"\b(?:is an?|is the|are|refers? to|means?|called|known as|defined?|represents?|describes?|allows? you"
        r"|ist ein|sind|es un|son)\b",
        QuestionKind.DIFFERENCE: r"\b(?:whereas|while|instead|unlike|both|differs?|differences?|compared|rather than|however|but|während"
        r"|mientras)\b",
    }.items()
}
_STEPLIKE = (UnitKind.STEP, UnitKind.CODE)


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each of a question's terms tells the passages apart: rarer among the passages weighs more."""

    of: Mapping[str, float]

    def covered(self, terms: frozenset[str]) -> float:
        """The weight of the question's terms that are among these, as a share, 0..1."""
        total = sum(self.of.values())
        return sum(weight for term, weight in self.of.items() if term in terms) / total if total else 0.0


def weights_among(question: Question, passages: Sequence[Analysed]) -> Weights:
    """BM25's idf over the passages at hand (Robertson & Spärck Jones 1976, plus one so that no term weighs nothing)."""
    count = len(passages)
    found: dict[str, float] = {}
    for term in question.terms:
        holders = sum(term in passage.terms or term in passage.heading_terms for passage in passages)
        found[term] = math.log(1 + (count - holders + 0.5) / (holders + 0.5)) + 0.25
    return Weights(found)


def cue_fit(question: Question, unit: Unit) -> float:
    """Whether the unit has the form of the answer asked for: 1 or 0; a question of no particular kind fits nothing."""
    if question.kind is QuestionKind.HOW and unit.kind in _STEPLIKE:
        return 1.0
    cue = _CUES.get(question.kind)
    return 1.0 if cue is not None and cue.search(unit.plain) else 0.0


def pair_share(question: Question, pairs: frozenset[tuple[str, str]]) -> float:
    """The share of the question's neighbouring term pairs that are neighbours here too; 0 when it has none."""
    return len(question.pairs & pairs) / len(question.pairs) if question.pairs else 0.0


def unit_lexical(question: Question, weights: Weights, unit: Unit, context: Analysed) -> float:
    """How well a unit answers by words alone, 0..1: coverage, half counting the headings it stands under, pairs and form."""
    own = weights.covered(unit.terms)
    with_headings = weights.covered(unit.terms | context.heading_terms)
    return 0.55 * own + 0.2 * with_headings + 0.1 * pair_share(question, unit.pairs) + 0.15 * cue_fit(question, unit)


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
    facts = question.facts
    wanted = facts.identifiers | facts.numbers | facts.names
    return {
        "score": passage.score,
        "dense": dense,
        "dense_below_best": best_dense - dense,
        "lexical_share_of_best": (passage.lexical or 0.0) / best_lexical if best_lexical > 0 else 0.0,
        "dense_rank_inverse": 1 / retrieved.dense_rank.get(passage.chunk.chunk_id, 200),
        "lexical_rank_inverse": 1 / retrieved.lexical_rank.get(passage.chunk.chunk_id, 200),
        "unit_similarity": dense if unit_similarity is None else unit_similarity,
        "text_coverage": weights.covered(analysed.terms),
        "text_and_heading_coverage": weights.covered(analysed.terms | analysed.heading_terms),
        "unit_coverage": max(covers, default=0.0),
        "heading_coverage": weights.covered(analysed.heading_terms),
        "own_heading_coverage": weights.covered(analysed.own_heading_terms),
        "pair_share": pair_share(question, analysed.pairs),
        "hard_facts_found": _share_found(wanted, analysed, passage),
        "form_fit": max((cue_fit(question, unit) * cover for unit, cover in zip(units, covers, strict=True)), default=0.0),
        "form_anywhere": max((cue_fit(question, unit) for unit in analysed.units), default=0.0),
        "log_length": math.log1p(len(passage.chunk.text) / 100),
        "code_share": analysed.code_share,
    }


def _share_found(wanted: frozenset[str], analysed: Analysed, passage: Passage) -> float:
    """The share of the question's identifiers, numbers and names that the passage's text or headings hold; 1 without any."""
    if not wanted:
        return 1.0
    text = f"{passage.chunk.headings()}\n{passage.chunk.text}".lower()
    return sum(word in text for word in wanted) / len(wanted)


def list_features(question: Question, weights: Weights, retrieved: Retrieved, analysed: Sequence[Analysed]) -> Features:
    """What the list as a whole says: how far its head stands out, whether the legs agree, what nothing in it covers."""
    dense = np.asarray(retrieved.dense_scores, dtype=np.float64)
    lexical = np.asarray(retrieved.lexical_scores, dtype=np.float64)
    everything = frozenset().union(*(a.terms | a.heading_terms for a in analysed))
    top_three = frozenset().union(*(a.terms | a.heading_terms for a in analysed[:3]))
    documents = [passage.chunk.document_id for passage in retrieved.passages]
    return {
        "dense_top": float(dense[0]) if dense.size else 0.0,
        "dense_top_z": _z(dense),
        "dense_gap_second": float(dense[0] - dense[1]) if dense.size > 1 else 0.0,
        "dense_gap_tenth": float(dense[0] - dense[min(9, dense.size - 1)]) if dense.size else 0.0,
        "dense_gap_last": float(dense[0] - dense[-1]) if dense.size else 0.0,
        "lexical_top_per_term": float(lexical[0]) / max(1, len(question.terms)) if lexical.size else 0.0,
        "lexical_top_z": _z(lexical),
        "lexical_gap_second": float(1 - lexical[1] / lexical[0]) if lexical.size > 1 and lexical[0] > 0 else 0.0,
        "legs_overlap_5": _overlap(retrieved, 5),
        "legs_overlap_10": _overlap(retrieved, 10),
        "tops_agree": _tops_agree(retrieved),
        "covered_by_all": weights.covered(everything),
        "covered_by_top_three": weights.covered(top_three),
        "terms_nowhere": sum(term not in everything for term in question.terms) / max(1, len(question.terms)),
        "same_document_share": documents.count(documents[0]) / len(documents) if documents else 0.0,
        "log_terms": math.log1p(len(question.terms)),
        **{f"asks_{kind.value}": float(question.kind is kind) for kind in QuestionKind},
    }


def _z(scores: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> float:
    """How many standard deviations the first score lies above the mean of the others; 0 for fewer than three."""
    if scores.size < 3:
        return 0.0
    rest = scores[1:]
    return float((scores[0] - rest.mean()) / max(float(rest.std()), 1e-3))


def _overlap(retrieved: Retrieved, depth: int) -> float:
    dense = {chunk for chunk, rank in retrieved.dense_rank.items() if rank <= depth}
    lexical = {chunk for chunk, rank in retrieved.lexical_rank.items() if rank <= depth}
    return len(dense & lexical) / max(1, min(depth, max(len(dense), len(lexical))))


def _tops_agree(retrieved: Retrieved) -> float:
    """The mean of how well each leg's first passage does in the other leg, as inverse ranks."""
    dense_first = next((chunk for chunk, rank in retrieved.dense_rank.items() if rank == 1), None)
    lexical_first = next((chunk for chunk, rank in retrieved.lexical_rank.items() if rank == 1), None)
    there = 1 / retrieved.lexical_rank.get(dense_first, 200) if dense_first else 0.0
    back = 1 / retrieved.dense_rank.get(lexical_first, 200) if lexical_first else 0.0
    return (there + back) / 2
