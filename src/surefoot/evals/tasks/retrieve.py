"""A question, and where its gold ranks."""

from surefoot.evals import metrics
from surefoot.evals.cases import RetrieveCase
from surefoot.evals.target import Found, Target
from surefoot.evals.tasks.outcome import CaseOutcome

# Chunks asked for, so that ten sections or pages are left after several chunks of one were collapsed.
DEPTH = 50
K = 10


def run_retrieve(case: RetrieveCase, target: Target) -> CaseOutcome:
    """The gold's rank within the sections or pages found. It passes when any gold is among the first ten and nothing is found
    that the viewer may not read.
    """
    found = target.retrieve(case.viewer, case.question, limit=DEPTH)
    ranked = ranking(case, found)
    gold = frozenset(case.gold)
    recall = metrics.recall_at(ranked, gold, K)
    leaked = sorted({page for _, page in found.passages} & set(case.hidden_uris))
    failures = [f"It finds {page}, which {case.viewer} may not read." for page in leaked]
    failures += [] if recall else [f"No gold {case.level} is among the first {K}."]
    return CaseOutcome(
        title=case.question,
        measures={
            "ndcg_at_10": metrics.ndcg_at(ranked, gold, K),
            "recall_at_10": recall,
            "mrr": metrics.reciprocal_rank(ranked, gold),
            "map": metrics.ranked_average_precision(ranked, gold),
            "leaked": bool(leaked) if case.hidden_uris else None,
            "latency_ms": found.latency_ms,
        },
        failures=tuple(failures),
        trace={"ranked": list(ranked), "gold": list(case.gold)},
    )


def ranking(case: RetrieveCase, found: Found) -> list[str]:
    """The sections or pages found, each where its best passage is, without those that are no answer."""
    place = 0 if case.level == "section" else 1
    return list(dict.fromkeys(passage[place] for passage in found.passages if passage[1] not in case.exclude))
