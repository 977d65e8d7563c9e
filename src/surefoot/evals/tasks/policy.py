"""An action with arguments, and whether this viewer may have it simulated."""

from surefoot.evals.cases import PolicyCase
from surefoot.evals.target import Simulated, Target
from surefoot.evals.tasks.outcome import CaseOutcome


def run_policy(case: PolicyCase, target: Target) -> CaseOutcome:
    """Whether there is a plan. What is not declared, not valid or refused by the host is as little allowed as what the policy
    denies; a denial must give the expected reason.
    """
    cited = target.ask(case.viewer, case.evidence).reply.citations if case.evidence else ()
    citations = tuple(dict.fromkeys(citation.chunk_id for citation in cited))
    came = target.simulate(case.viewer, case.action, case.arguments, citations=citations)
    allowed = came.is_allowed
    is_reasoned = not case.allowed and not allowed and bool(case.reason)
    right_reason = case.reason.casefold() in " ".join(came.reasons).casefold() if is_reasoned else None
    return CaseOutcome(
        title=f"{case.action} by {case.viewer}",
        measures={"allowed": allowed, "right_reason": right_reason, "latency_ms": came.latency_ms},
        failures=tuple(_failures(case, came, right_reason)),
        trace={"run": dict(came.trace), "state": came.state, "reasons": list(came.reasons)},
    )


def _failures(case: PolicyCase, came: Simulated, right_reason: bool | None) -> list[str]:
    said = " ".join(came.reasons) or "no reason"
    if came.is_allowed != case.allowed:
        return [f"It is {came.state} and should be {'allowed' if case.allowed else 'denied'}: {said}"]
    return [f"It is denied for another reason than {case.reason!r}: {said}"] if right_reason is False else []
