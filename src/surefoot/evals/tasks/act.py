"""What somebody wants done, and which button is offered for it."""

from surefoot.evals.cases import ActCase
from surefoot.evals.results import Measure
from surefoot.evals.target import Simulated, Target, ToldOffer
from surefoot.evals.tasks.outcome import CaseOutcome


def run_act(case: ActCase, target: Target) -> CaseOutcome:
    """The offers beside the reply. It passes when exactly the expected action is offered, with at least the expected arguments;
    an offer that leaves nothing to the person must have a valid simulation.
    """
    told = target.ask(case.viewer, case.intent)
    offers = told.reply.actions
    right = next((offer for offer in offers if offer.action == case.action), None)
    came = None if right is None or right.missing else _simulated(case, right, target)
    measures: dict[str, Measure] = {
        "offered": bool(offers),
        "right_action": None if case.action is None else right is not None,
        "right_arguments": None if right is None else _has_arguments(case, right),
        "valid_arguments": None if came is None else came.state != "invalid",
        "simulated": None if came is None else came.is_allowed,
        "wrongly_offered": any(offer.action != case.action for offer in offers),
        "latency_ms": told.latency_ms,
        "cost_usd": told.reply.cost_usd,
        "tokens": told.reply.tokens,
        "offers": len(offers),
    }
    return CaseOutcome(
        title=case.intent,
        measures=measures,
        failures=tuple(_failures(case, offers, right, came)),
        trace={"reply": dict(told.trace)} | ({} if came is None else {"run": dict(came.trace)}),
    )


def _simulated(case: ActCase, offer: ToldOffer, target: Target) -> Simulated:
    return target.simulate(case.viewer, offer.action, offer.arguments, citations=offer.citations)


def _has_arguments(case: ActCase, offer: ToldOffer) -> bool:
    return all(name in offer.arguments and offer.arguments[name] == value for name, value in case.arguments.items())


def _failures(case: ActCase, offers: tuple[ToldOffer, ...], right: ToldOffer | None, came: Simulated | None) -> list[str]:
    found = []
    others = sorted({offer.action for offer in offers if offer.action != case.action})
    if others:
        found.append(f"{', '.join(others)} is offered and should not be.")
    if case.action is not None and right is None:
        found.append(f"{case.action} is not offered.")
    if right is not None and not _has_arguments(case, right):
        found.append(f"{right.action} is offered with {dict(right.arguments)}; expected {dict(case.arguments)}.")
    if came is not None and not came.is_allowed:
        found.append(f"The offer cannot be simulated, it is {came.state}: {' '.join(came.reasons)}")
    return found
