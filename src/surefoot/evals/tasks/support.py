"""A claim and its evidence, and whether the product takes the one to support the other."""

from time import perf_counter

from surefoot.evals.cases import SupportCase
from surefoot.evals.target import Target
from surefoot.evals.tasks.outcome import CaseOutcome


def run_support(case: SupportCase, target: Target) -> CaseOutcome:
    """The support score. It passes when the product decides as the case says."""
    started = perf_counter()
    weighed = target.support(case.claim, case.evidence, locale=case.slices.get("locale", "en"))
    latency_ms = round((perf_counter() - started) * 1000, 3)
    decided = weighed.is_supported
    taken = "supported" if decided else "unsupported"
    wrong = f"Taken to be {taken} at {weighed.score:.2f}; the threshold is {weighed.threshold:.2f}."
    return CaseOutcome(
        title=case.claim,
        measures={"score": weighed.score, "supported": case.supported, "decided": decided, "latency_ms": latency_ms},
        failures=() if decided == case.supported else (wrong,),
        trace={"evidence": list(case.evidence), "threshold": weighed.threshold},
    )
