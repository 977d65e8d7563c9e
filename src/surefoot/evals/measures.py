"""Every measure that a case may carry: a truth or a number, its unit, and which way is better."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Better(StrEnum):
    """Which way a figure should move; NEITHER where more is not better and less is not either."""

    HIGH = "high"
    LOW = "low"
    NEITHER = "neither"


class Unit(StrEnum):
    """What a number counts. SCORE lies in 0..1."""

    SCORE = "score"
    MILLISECONDS = "ms"
    DOLLARS = "usd"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class MeasureFacts:
    """What a measure says of one case. A truth is yes or no and becomes a share; a number becomes a mean, percentile or sum."""

    is_truth: bool
    better: Better
    says: str
    unit: Unit = Unit.SCORE


def _truth(better: Better, says: str) -> MeasureFacts:
    return MeasureFacts(True, better, says)


def _number(better: Better, unit: Unit, says: str) -> MeasureFacts:
    return MeasureFacts(False, better, says, unit)


_UP, _DOWN, _EITHER = Better.HIGH, Better.LOW, Better.NEITHER

# `passed`, `error` and `elapsed_ms` are every line's own; the rest are the measures of the tasks.
MEASURES: Mapping[str, MeasureFacts] = {
    "passed": _truth(_UP, "the case came out as it must"),
    "error": _truth(_DOWN, "the case could not be run"),
    "elapsed_ms": _number(_DOWN, Unit.MILLISECONDS, "the time that the case took the runner"),
    "answered": _truth(_EITHER, "an answer was shown"),
    "answerable": _truth(_EITHER, "an answer was expected"),
    "cites_gold": _truth(_UP, "an answer cites a gold document"),
    "shows_facts": _truth(_UP, "an answer shows every expected fact"),
    "judged_correct": _truth(_UP, "a model judged an answer to be correct"),
    "same_reason": _truth(_UP, "the outcome is the expected one, reason included"),
    "corrects": _truth(_UP, "an answer corrects the question's false premise"),
    "leaked": _truth(_DOWN, "a document was cited or found that this viewer may not read"),
    "uncited": _truth(_DOWN, "an answer holds a claim without a citation"),
    "altered_quote": _truth(_DOWN, "a quote is not the document's text"),
    "said_forbidden": _truth(_DOWN, "a string was shown that must not be"),
    "wrongly_answered": _truth(_DOWN, "answered, though it should have been refused"),
    "wrongly_refused": _truth(_DOWN, "refused, though it could have been answered"),
    "citation_precision": _number(_UP, Unit.SCORE, "the share of citations that are right (ALCE)"),
    "citation_recall": _number(_UP, Unit.SCORE, "the share of claims that their citations entail (ALCE)"),
    "citation_freshness": _number(_UP, Unit.SCORE, "the share of citations that still stand, in documents not out of date"),
    "citation_coverage": _number(_UP, Unit.SCORE, "the share of claims that cite anything"),
    "groundedness": _number(_UP, Unit.SCORE, "the mean support of the claims"),
    "fact_recall": _number(_UP, Unit.SCORE, "the share of expected facts that are shown"),
    "token_f1": _number(_UP, Unit.SCORE, "the words shared with the expected answer"),
    "valid_json": _number(_UP, Unit.SCORE, "the share of drafts that are valid by their schema"),
    "confidence": _number(_EITHER, Unit.SCORE, "how sure the product was that there is an answer"),
    "latency_ms": _number(_DOWN, Unit.MILLISECONDS, "the time until the reply was whole"),
    "first_claim_ms": _number(_DOWN, Unit.MILLISECONDS, "the time until the first claim was shown"),
    "cost_usd": _number(_DOWN, Unit.DOLLARS, "what models cost"),
    "tokens": _number(_DOWN, Unit.COUNT, "what models read and wrote"),
    "escalated": _truth(_EITHER, "a dearer tier was asked"),
    "cache_hit": _truth(_UP, "the reply came from the cache"),
    "degraded": _truth(_DOWN, "the product ran degraded"),
    "offers": _number(_EITHER, Unit.COUNT, "the actions that were offered"),
    "ndcg_at_10": _number(_UP, Unit.SCORE, "discounted gain of the first ten"),
    "recall_at_10": _number(_UP, Unit.SCORE, "the share of gold among the first ten"),
    "mrr": _number(_UP, Unit.SCORE, "one over the rank of the first gold"),
    "map": _number(_UP, Unit.SCORE, "the mean precision at the gold ranks"),
    "score": _number(_EITHER, Unit.SCORE, "the support score of the claim"),
    "supported": _truth(_EITHER, "the claim is supported"),
    "decided": _truth(_EITHER, "the product took the claim to be supported"),
    "offered": _truth(_EITHER, "an action was offered"),
    "right_action": _truth(_UP, "the expected action was offered"),
    "right_arguments": _truth(_UP, "it was offered with the expected arguments"),
    "valid_arguments": _truth(_UP, "the offered arguments are valid by the action's schema"),
    "wrongly_offered": _truth(_DOWN, "something was offered that should not have been"),
    "simulated": _truth(_UP, "the offered action could be simulated"),
    "allowed": _truth(_EITHER, "the policy allowed it"),
    "right_reason": _truth(_UP, "the denial gave the expected reason"),
}
